// Random changes of an ensemble while servers stop and start and clients write: at the end everybody runs,
// and whatever was acknowledged must be there, on all alike, in one ensemble.
import { afterEach, describe, expect, it } from 'vitest';
import { Op } from '../protocol/codes.ts';
import { encodeBody } from '../protocol/jute.ts';
import { CreateRequest, OPEN_ACL, ReconfigRequest } from '../protocol/records.ts';
import { CreateSessionRequest } from '../tree/preparer.ts';
import { TestEnsemble, type TestServer, until } from './testing.ts';

const SEEDS = 3;
const STEPS = 30;
const FOUNDERS = 3;
const SIDS = [1, 2, 3, 4, 5, 6];
const SUPER = [{ scheme: 'super', id: '' }];
/** A request whose server lost its leader is never answered: then it is given up. */
const ANSWER_MS = 1500;

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

class Storm {
  readonly ensemble: TestEnsemble;
  readonly acknowledged: string[] = [];
  changes = 0;
  readonly #random: (count: number) => number;
  #next = 0;

  constructor(ensemble: TestEnsemble, seed: number) {
    this.ensemble = ensemble;
    this.#random = randomOf(seed);
  }

  #pick<T>(of: readonly T[]): T | undefined {
    return of[this.#random(Math.max(of.length, 1))];
  }

  async step(): Promise<void> {
    const kind = this.#random(10);
    const running = [...this.ensemble.servers.keys()];
    const down = SIDS.filter((sid) => !running.includes(sid));
    if (kind < 4) await this.#write();
    else if (kind < 7) await this.#change(running);
    else if (kind < 8 && running.length > 2) {
      const sid = this.#pick(running);
      if (sid !== undefined) await this.ensemble.stop(sid);
    } else {
      const sid = this.#pick(down);
      if (sid !== undefined) await this.ensemble.start(sid);
    }
  }

  /** Answered with success by a server that serves, or given up. */
  async #ask(op: number, body: Buffer, server: TestServer): Promise<boolean> {
    const password = Buffer.alloc(16, 7);
    const open = encodeBody(CreateSessionRequest, { timeoutMs: 60_000, password });
    const asked = async () => {
      const { zxid } = await this.ensemble.submit(server, Op.createSession, open, 0, [], ANSWER_MS);
      return this.ensemble.submit(server, op, body, zxid, SUPER, ANSWER_MS);
    };
    return asked().then(
      ({ result }) => result.err === 0,
      () => false,
    );
  }

  get #serving(): TestServer | undefined {
    return this.#pick([...this.ensemble.servers.values()].filter(({ front }) => front.serving));
  }

  async #write(): Promise<void> {
    const server = this.#serving;
    if (server === undefined) return;
    this.#next += 1;
    const path = `/k${this.#next}`;
    const body = encodeBody(CreateRequest, { path, data: null, acl: OPEN_ACL, flags: 0 });
    if (await this.#ask(Op.create, body, server)) this.acknowledged.push(path);
  }

  async #change(running: readonly number[]): Promise<void> {
    const server = this.#serving;
    const sid = this.#pick(this.#random(2) === 0 ? SIDS : running);
    if (server === undefined || sid === undefined) return;
    const role = this.#random(4) === 0 ? 'observer' : 'participant';
    const leaves = this.#random(3) === 0;
    const body = encodeBody(ReconfigRequest, {
      joiningServers: leaves ? null : this.ensemble.line(sid, role),
      leavingServers: leaves ? `${sid}` : null,
      newMembers: null,
      curConfigId: -1,
    });
    if (await this.#ask(Op.reconfig, body, server)) this.changes += 1;
  }
}

let ensemble: TestEnsemble | undefined;

afterEach(async () => {
  await ensemble?.close();
});

describe('an ensemble under random changes and stops', () => {
  it.each(Array.from({ length: SEEDS }, (_, i) => i + 1))(
    'loses nothing, seed %i',
    async (seed) => {
      const limits = { snapCount: 25, recentRecordsMax: 8 };
      const six = await TestEnsemble.create(SIDS.length, limits, { founders: FOUNDERS });
      ensemble = six;
      await Promise.all(SIDS.slice(0, FOUNDERS).map((sid) => six.start(sid)));
      await six.settled();
      const storm = new Storm(six, seed);
      for (let i = 0; i < STEPS; i++) await storm.step();
      for (const sid of SIDS) if (!six.servers.has(sid)) await six.start(sid);
      await six.settled();
      const all = [...six.servers.values()];
      await until('equal state', () => new Set(all.map(({ tree }) => tree.lastApplied)).size === 1);
      expect(six.failures).toEqual([]);
      expect(new Set(all.map(({ tree }) => tree.digest())).size).toBe(1);
      expect(new Set(all.map(({ replica }) => JSON.stringify(replica.members))).size).toBe(
        storm.changes > 0 ? 1 : SIDS.length - FOUNDERS + 1,
      );
      const lost = storm.acknowledged.filter((path) => !all[0]?.tree.exists(path).ok);
      expect(lost).toEqual([]);
    },
    120_000,
  );
});
