// Plays every nemesis against a pretended clock and cluster and looks at the faults it would inject:
// how many, on whom, when, and whether each is healed.
import { describe, expect, it } from 'vitest';
import { type Capability, CLIENTS, type Fault, faultNodes } from '../history/fault.ts';
import type { Completion, Plan } from '../history/plan.ts';
import type { Nemesis } from '../history/plugin.ts';
import { Random } from '../history/random.ts';
import { amn, castAmnesia } from './amn.ts';
import { cutClients } from './cut-clients.ts';
import { killAll } from './kill-all.ts';
import { killIsolatedLeader } from './kill-isolated-leader.ts';
import { killLeader } from './kill-leader.ts';
import { killRandom } from './kill-random.ts';
import { none } from './none.ts';
import { partitionHalves } from './partition-halves.ts';
import { partitionLeader } from './partition-leader.ts';
import { partitionOne } from './partition-one.ts';
import { partitionRing, ringCuts } from './partition-ring.ts';
import { pauseLeader } from './pause-leader.ts';
import { straggler } from './straggler.ts';
import { drawRounds } from './swarm.ts';
import { castTail, comeback, outvoted, pretender } from './tail.ts';

interface Played {
  fault: Fault;
  fromMs: number;
  untilMs?: number;
  leader: string | undefined;
}

const CALL_MS = 400;

function names(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `n${i + 1}`);
}

/** Plays the plan until the phase ends; every call to the cluster takes 400 ms. */
function play(nemesis: Nemesis, count: number, timeLimitMs: number, seed: number, leaders = true) {
  const nodes = names(count);
  const plan = nemesis.plan({ nodes, random: new Random(seed, 'nemesis'), timeLimitMs });
  const leaderAt = new Random(seed, 'leader');
  const played: Played[] = [];
  let leader: string | undefined;
  let now = 0;
  let result = plan.next();
  while (result.done !== true && now < timeLimitMs) {
    const step = result.value;
    let completion: Completion = { kind: 'slept' };
    const verification = { verified: true, evidence: '' };
    if (step.kind === 'sleep') now += step.ms;
    else if (step.kind === 'observe') {
      leader = leaders ? leaderAt.pick(nodes) : undefined;
      const roles = { leader: leader === undefined ? [] : [leader] };
      completion = { kind: 'observed', view: { nodes, roles } };
    } else if (step.kind === 'inject') {
      now += CALL_MS;
      played.push({ fault: step.fault, fromMs: now, leader });
      completion = { kind: 'injected', id: played.length - 1, verification };
    } else if (step.kind === 'heal') {
      played[step.id]!.untilMs = now;
      now += CALL_MS;
      completion = { kind: 'healed', id: step.id, verification };
    }
    result = plan.next(completion);
  }
  return played;
}

const breaking = [
  partitionLeader,
  partitionHalves,
  partitionOne,
  partitionRing,
  killLeader,
  killRandom,
  killAll,
  pauseLeader,
  cutClients,
];

describe('rhythm', () => {
  it.each(breaking)('$name: four faults in 30 s, two in 10 s, healed in time', (nemesis) => {
    // Nobody takes over from all: a longer death of them would show no more.
    const heldMsMin = nemesis === killAll ? 1_500 : 3_000;
    for (let seed = 1; seed <= 50; seed++) {
      const long = play(nemesis, 3, 30_000, seed);
      expect(long.length).toBeGreaterThanOrEqual(4);
      expect(long[0]!.fromMs).toBeLessThan(2_500);
      for (const [i, fault] of long.entries()) {
        expect(fault.untilMs, `fault ${i} of seed ${seed}`).toBeDefined();
        expect(fault.untilMs! - fault.fromMs).toBeGreaterThanOrEqual(heldMsMin);
        const next = long[i + 1]?.fromMs ?? 30_000;
        expect(next - fault.untilMs!).toBeGreaterThan(1_500);
      }
      const short = play(nemesis, 3, 10_000, seed);
      expect(short.length).toBeGreaterThanOrEqual(2);
      expect(short.every((fault) => fault.untilMs !== undefined)).toBe(true);
      expect(play(nemesis, 3, 1_000, seed).length).toBeLessThanOrEqual(1);
    }
  });

  it('the same seed plays the same, another seed another', () => {
    for (const nemesis of breaking) {
      expect(play(nemesis, 5, 30_000, 1)).toEqual(play(nemesis, 5, 30_000, 1));
      expect(play(nemesis, 5, 30_000, 1)).not.toEqual(play(nemesis, 5, 30_000, 2));
    }
  });

  it('without a leader nothing is aimed at one', () => {
    for (const nemesis of [partitionLeader, killLeader, pauseLeader, cutClients]) {
      expect(play(nemesis, 3, 30_000, 1, false)).toEqual([]);
    }
  });
});

/** Which nodes each node still hears, itself included. */
function sees(nodes: readonly string[], fault: Fault): Map<string, string[]> {
  const links = 'links' in fault ? fault.links : [];
  const cut = (from: string, to: string) => links.some((l) => l.from === from && l.to === to);
  return new Map(
    nodes.map((node) => [node, nodes.filter((peer) => peer === node || !cut(peer, node))]),
  );
}

describe('targets', () => {
  it('none injects nothing', () => expect(play(none, 3, 30_000, 1)).toEqual([]));

  it('partition-leader, kill-leader and pause-leader hit the leader just seen', () => {
    for (const { fault, leader } of play(partitionLeader, 5, 60_000, 3)) {
      const seen = sees(names(5), fault);
      expect(seen.get(leader!)).toEqual([leader]);
      expect([...seen.values()].filter((peers) => peers.length === 4)).toHaveLength(4);
      expect('links' in fault && fault.links.length).toBe(8);
    }
    for (const nemesis of [killLeader, pauseLeader]) {
      for (const { fault, leader } of play(nemesis, 5, 60_000, 3)) {
        expect(faultNodes(fault)).toEqual([leader]);
      }
    }
  });

  it('cut-clients cuts the leader just seen off from clients alone, both ways and only replies in turn', () => {
    const played = play(cutClients, 5, 200_000, 3);
    const ways = played.map(({ fault, leader }) => {
      expect(faultNodes(fault)).toEqual([leader]);
      const links = 'links' in fault ? fault.links : [];
      expect(links[0]).toEqual({ from: leader, to: CLIENTS });
      expect(links.slice(1)).toEqual(links.length === 1 ? [] : [{ from: CLIENTS, to: leader }]);
      return links.length;
    });
    expect(ways.length).toBeGreaterThan(20);
    expect(ways.every((way, i) => way !== ways[i - 1])).toBe(true);
    const starts = [1, 2, 3, 4, 5, 6].map((seed) => play(cutClients, 5, 10_000, seed)[0]!.fault);
    expect(new Set(starts.map((fault) => 'links' in fault && fault.links.length)).size).toBe(2);
  });

  it('cut-clients cuts the leaders of all services off at once', () => {
    const context = { nodes: ['c1', 'b1'], random: new Random(1, 'nemesis'), timeLimitMs: 10_000 };
    const plan = cutClients.plan(context);
    plan.next();
    plan.next({ kind: 'slept' });
    const view = { nodes: context.nodes, roles: { leader: ['c1', 'b1'] } };
    const step = plan.next({ kind: 'observed', view }).value;
    const fault = step?.kind === 'inject' ? step.fault : undefined;
    expect(fault && faultNodes(fault)).toEqual(['c1', 'b1']);
  });

  it('partition-halves leaves a majority, partition-one isolates one', () => {
    for (let count = 3; count <= 9; count++) {
      for (const { fault } of play(partitionHalves, count, 30_000, count)) {
        const sizes = [...sees(names(count), fault).values()].map((peers) => peers.length);
        const majority = count - Math.floor((count - 1) / 2);
        expect(sizes.filter((size) => size === majority)).toHaveLength(majority);
      }
      for (const { fault } of play(partitionOne, count, 30_000, count)) {
        const sizes = [...sees(names(count), fault).values()].map((peers) => peers.length);
        expect(sizes.filter((size) => size === 1)).toHaveLength(1);
      }
    }
  });

  it('partition-ring: everybody sees a majority, nobody the same as another', () => {
    for (let count = 4; count <= 9; count++) {
      const seen = [...sees(names(count), { kind: 'cut', links: ringCuts(names(count)) }).values()];
      expect(seen.every((peers) => peers.length > count / 2)).toBe(true);
      expect(seen.every((peers) => peers.length < count)).toBe(true);
      expect(new Set(seen.map((peers) => [...peers].sort().join())).size).toBe(count);
    }
    expect(ringCuts(['a', 'b', 'c'])).toHaveLength(2);
  });

  it('kill-random kills a minority, kill-all everybody', () => {
    for (let count = 1; count <= 9; count++) {
      for (const { fault } of play(killRandom, count, 60_000, count)) {
        const killed = faultNodes(fault).length;
        expect(killed).toBeGreaterThan(0);
        expect(killed).toBeLessThanOrEqual(Math.max(1, Math.floor((count - 1) / 2)));
      }
      for (const { fault } of play(killAll, count, 30_000, count)) {
        expect(faultNodes(fault)).toEqual(names(count));
      }
    }
  });
});

describe('cut off, then killed', () => {
  /** Cuts and kills in pairs, as they are played. */
  function pairs(nemesis: Nemesis, timeLimitMs: number): [Played, Played, number][] {
    return [1, 2, 3].flatMap((seed) => {
      const played = play(nemesis, 3, timeLimitMs, seed);
      expect(played.length).toBeGreaterThanOrEqual(2);
      expect(played.length % 2).toBe(0);
      return Array.from({ length: played.length / 2 }, (_, at): [Played, Played, number] => [
        played[2 * at] as Played,
        played[2 * at + 1] as Played,
        seed,
      ]);
    });
  }

  it('kill-isolated-leader strikes one alone, dead before its cut is healed', () => {
    for (const [cut, killed] of pairs(killIsolatedLeader, 30_000)) {
      expect(sees(names(3), cut.fault).get(cut.leader as string)).toEqual([cut.leader]);
      expect(faultNodes(killed.fault)).toEqual([cut.leader]);
      // A follower is in sync for 2 s.
      expect(killed.fromMs - cut.fromMs).toBeLessThan(2_000);
      expect(cut.untilMs).toBeGreaterThanOrEqual(killed.fromMs);
      expect(killed.untilMs).toBeGreaterThan(killed.fromMs + 2_000);
    }
  });

  it('straggler kills all but the one that fell behind, which did not lead', () => {
    for (const [cut, killed] of pairs(straggler, 30_000)) {
      const dead = faultNodes(killed.fault);
      expect(dead).toHaveLength(2);
      const [behind] = names(3).filter((node) => !dead.includes(node));
      expect(behind).not.toBe(cut.leader);
      expect(sees(names(3), cut.fault).get(behind as string)).toEqual([behind]);
      expect(killed.fromMs - cut.fromMs).toBeGreaterThan(3_000);
    }
  });
});

describe('amn', () => {
  it('casts everybody: the forgetful with those away are exactly a quorum, and so with the witness', () => {
    for (let count = 3; count <= 9; count++) {
      const all = names(count);
      const quorum = Math.floor(count / 2) + 1;
      for (let draw = 0; draw < 30; draw++) {
        const leader = all[draw % count];
        const { away, forgetful, witness } = castAmnesia(all, leader, draw);
        expect([...away, ...forgetful, ...witness].sort()).toEqual(all);
        expect(away.length + forgetful.length).toBe(quorum);
        expect(witness.length + forgetful.length).toBe(quorum);
        expect(away).not.toContain(leader);
        expect((draw % 3 === 2 ? forgetful : witness).includes(leader as string)).toBe(true);
      }
    }
  });

  it('repeats over the phase, in order, each play healed before the next', () => {
    const played = play(amn, 3, 30_000, 1);
    expect(played.length).toBeGreaterThanOrEqual(9);
    // The phase may end inside the last play, which the interpreter then heals.
    for (let i = 0; i + 3 < played.length; i += 3) {
      const [stopped, lost, held] = played.slice(i, i + 3) as [Played, Played, Played];
      expect([stopped.fault.kind, lost.fault.kind, held.fault.kind]).toEqual([
        'pause',
        'disk',
        'pause',
      ]);
      expect(stopped.fromMs).toBeLessThan(lost.fromMs);
      expect(held.fromMs).toBeLessThanOrEqual(stopped.untilMs ?? 0);
      expect(lost.untilMs).toBeLessThan(held.untilMs ?? Number.POSITIVE_INFINITY);
    }
    expect(new Set(played.map(({ fault }) => faultNodes(fault).join())).size).toBe(3);
  });
});

describe('the plays about a tail', () => {
  const order = (plan: Plan): string[] => {
    const said: string[] = [];
    let id = 0;
    const ids = new Map<number, string>();
    for (let step = plan.next(); step.done !== true; ) {
      const { value } = step;
      let done: Completion = { kind: 'slept' } as Completion;
      if (value.kind === 'inject') {
        id += 1;
        ids.set(id, value.fault.kind);
        said.push(value.fault.kind);
        done = { kind: 'injected', id } as Completion;
      } else if (value.kind === 'heal') said.push(`heal ${ids.get(value.id)}`);
      step = plan.next(done);
    }
    return said;
  };

  it('cast everybody: the old one and the frail are exactly a quorum', () => {
    for (let count = 3; count <= 9; count++) {
      const all = names(count);
      for (let draw = 0; draw < 30; draw++) {
        const { old, frail, others } = castTail(all, all[draw % count], draw);
        expect([...old, ...frail, ...others].sort()).toEqual(all);
        expect(old).toEqual([all[draw % count]]);
        expect(old.length + frail.length).toBe(Math.floor(count / 2) + 1);
      }
    }
  });

  it('heal all that they inject, in their order', () => {
    const cast = castTail(names(3), 'n1', 0);
    expect(order(outvoted(cast, 500, 4_000))).toEqual([
      ...['cut', 'kill', 'crash', 'heal cut'],
      ...['pause', 'heal crash', 'heal kill', 'heal pause'],
    ]);
    expect(order(pretender(cast, 500, 4_000))).toEqual([
      ...['cut', 'crash', 'heal cut', 'cut', 'heal crash', 'heal cut'],
    ]);
    expect(order(comeback(cast, 'slow', 500, 4_000, 7))).toEqual([
      ...['cut', 'disk', 'heal cut', 'heal disk', 'kill', 'heal kill'],
    ]);
    expect(order(comeback(cast, 'faulty', 500, 4_000, 7))).toEqual([
      ...['cut', 'disk', 'heal cut', 'heal disk', 'kill', 'heal kill'],
    ]);
  });
});

describe('the swarm on a cluster that can do little', () => {
  it('draws what it can, and the same as ever where it can do everything', () => {
    const drawn = (seed: number, can?: (each: Capability) => boolean) =>
      drawRounds(new Random(seed, 'nemesis'), 60_000, can);
    for (let seed = 1; seed <= 40; seed++) {
      expect(drawn(seed, () => true)).toEqual(drawn(seed));
      const few = drawn(seed, (each) => each === 'cut' || each === 'kill');
      expect(few.length).toBeGreaterThan(0);
      for (const { kind } of few) expect(['isolate', 'one-way', 'ring', 'kill']).toContain(kind);
      const disks = drawn(seed, (each) => each === 'cut' || each === 'disk:power-loss');
      for (const { kind, effect } of disks) if (kind === 'disk') expect(effect).toBe('power-loss');
    }
  });
});
