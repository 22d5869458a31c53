import { describe, expect, it } from 'vitest';
import { Election, type Notification } from './election.ts';
import { isQuorum } from './membership.ts';
import { beats, type Vote } from './vote.ts';

/** Seeded random integers (mulberry32). */
function randomOf(seed: number): (count: number) => number {
  let state = seed;
  return (count) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % count;
  };
}

const SILENT = { detailed: false, emit() {}, flush() {} };

/** Servers joined by queues that a seeded hand delivers in any order, keeping each pair's order. */
class Ensemble {
  readonly elections = new Map<number, Election>();
  readonly decided = new Map<number, Vote>();
  readonly #queues = new Map<string, Notification[]>();
  readonly #voters: number[];
  readonly #random: (count: number) => number;

  constructor(voters: number[], seed: number) {
    this.#voters = voters;
    this.#random = randomOf(seed);
  }

  start(sid: number, epoch: number, zxid: number): void {
    const send = (to: number) => {
      const key = `${sid}>${to}`;
      const queue = this.#queues.get(key) ?? [];
      queue.push((this.elections.get(sid) as Election).notification);
      this.#queues.set(key, queue);
    };
    const election = new Election({
      sid,
      isVoter: (each) => this.#voters.includes(each),
      hasQuorum: (has) => isQuorum(this.#voters, has),
      events: SILENT,
      finalizeWaitMs: 1,
      repeatMs: 60_000,
      broadcast: () => {
        for (const other of this.#voters) if (other !== sid) send(other);
      },
      tell: send,
      reachable: () => [...this.elections.keys()].filter((other) => other !== sid),
      decided: (vote) => this.decided.set(sid, vote),
    });
    this.elections.set(sid, election);
    election.look(epoch, zxid);
  }

  /** Delivers notifications in random order until none is left. */
  settle(): void {
    for (let steps = 0; steps < 10_000; steps++) {
      const ready = [...this.#queues].filter(([, queue]) => queue.length > 0);
      if (ready.length === 0) return;
      const [key, queue] = ready[this.#random(ready.length)] as [string, Notification[]];
      const n = queue.shift() as Notification;
      this.elections.get(Number(key.split('>')[1]))?.receive(n);
    }
    throw new Error('notifications never settle');
  }

  stop(): void {
    for (const election of this.elections.values()) election.stop();
  }
}

describe('vote order', () => {
  it('is epoch, then zxid, then sid', () => {
    const vote = (epoch: number, zxid: number, leader: number) => ({ epoch, zxid, leader });
    expect(beats(vote(2, 1, 1), vote(1, 9, 9))).toBe(true);
    expect(beats(vote(1, 9, 1), vote(1, 8, 9))).toBe(true);
    expect(beats(vote(1, 8, 2), vote(1, 8, 1))).toBe(true);
    expect(beats(vote(1, 8, 1), vote(1, 8, 1))).toBe(false);
  });
});

describe('election', () => {
  it('goes as the textbook says when five servers start one after the other', () => {
    const ensemble = new Ensemble([1, 2, 3, 4, 5], 1);
    ensemble.start(1, 0, 0);
    ensemble.settle();
    expect(ensemble.decided.size).toBe(0);
    ensemble.start(2, 0, 0);
    ensemble.settle();
    expect(ensemble.decided.size).toBe(0);
    expect(ensemble.elections.get(1)?.notification.vote.leader).toBe(2);
    ensemble.start(3, 0, 0);
    ensemble.settle();
    expect([...ensemble.decided.values()].map((v) => v.leader)).toEqual([3, 3, 3]);
    ensemble.start(4, 0, 0);
    ensemble.settle();
    ensemble.start(5, 0, 0);
    ensemble.settle();
    expect([1, 2, 3, 4, 5].map((sid) => ensemble.decided.get(sid)?.leader)).toEqual([
      3, 3, 3, 3, 3,
    ]);
    ensemble.stop();
  });

  it('elects server 2 among (1,8,1) (1,8,2) (1,7,4), whatever the order of delivery', () => {
    for (let seed = 0; seed < 300; seed++) {
      const ensemble = new Ensemble([1, 2, 3, 4, 5], seed);
      ensemble.start(1, 1, 8);
      ensemble.start(2, 1, 8);
      ensemble.start(4, 1, 7);
      ensemble.settle();
      expect([1, 2, 4].map((sid) => ensemble.decided.get(sid)?.leader)).toEqual([2, 2, 2]);
      ensemble.stop();
    }
  });

  it('always ends with one leader that has the newest history', () => {
    for (let seed = 0; seed < 500; seed++) {
      const random = randomOf(seed + 1_000_000);
      const voters = [1, 2, 3, 4, 5].slice(0, 3 + 2 * random(2));
      const ensemble = new Ensemble(voters, seed);
      const histories = voters.map((leader) => {
        const epoch = random(3);
        return { leader, epoch, zxid: random(4) };
      });
      for (const { leader, epoch, zxid } of histories) ensemble.start(leader, epoch, zxid);
      ensemble.settle();
      const best = histories.reduce((a, b) => (beats(b, a) ? b : a));
      expect([...ensemble.decided.keys()].sort()).toEqual(voters);
      for (const vote of ensemble.decided.values()) expect(vote.leader).toBe(best.leader);
      ensemble.stop();
    }
  });

  it('lets a late server join the established leader, however good its own vote is', () => {
    const ensemble = new Ensemble([1, 2, 3], 7);
    ensemble.start(1, 1, 5);
    ensemble.start(2, 1, 5);
    ensemble.settle();
    expect(ensemble.decided.get(1)?.leader).toBe(2);
    ensemble.start(3, 1, 9);
    ensemble.elections.get(3)?.look(1, 9);
    ensemble.settle();
    expect(ensemble.decided.get(3)?.leader).toBe(2);
    ensemble.stop();
  });

  it('tells a leader that its voters went over to a late one, before it could lead', () => {
    const ensemble = new Ensemble([2, 3, 4, 5], 1);
    ensemble.start(4, 1, 5);
    const leader = ensemble.elections.get(4) as Election;
    const hear = (sid: number, voted: number) => {
      const vote = { leader: voted, epoch: 1, zxid: 5 };
      leader.receive({ sid, state: 'looking', round: 1, vote });
    };
    for (const sid of [2, 3]) hear(sid, 4);
    expect(ensemble.decided.get(4)?.leader).toBe(4);
    hear(5, 5);
    expect(leader.refuted).toBe(false);
    hear(2, 5);
    expect(leader.refuted).toBe(true);
    hear(2, 4);
    expect(leader.refuted).toBe(false);
    ensemble.stop();
  });

  it('has who may not vote follow the others and tell them nothing that counts', () => {
    const ensemble = new Ensemble([1, 2, 3], 3);
    ensemble.start(9, 7, 70);
    ensemble.settle();
    for (const sid of [1, 2]) ensemble.start(sid, 1, 5);
    ensemble.settle();
    expect([1, 2].map((sid) => ensemble.decided.get(sid)?.leader)).toEqual([2, 2]);
    // Nobody dials it: it asks, and is told.
    ensemble.elections.get(9)?.look(7, 70);
    ensemble.settle();
    expect(ensemble.decided.get(9)?.leader).toBe(2);
    ensemble.stop();
  });
});
