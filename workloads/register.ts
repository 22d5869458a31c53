// The workload `register`: many registers, each a znode, read by sync + getData, written, and set
// conditionally on their version. A few keys at a time are hot, so that every one sees real contention,
// and each retires after about a hundred operations, so that judging it stays cheap.
import { linearizable } from '../checkers/linearizability/index.ts';
import type { OpStep, Plan } from '../history/plan.ts';
import type { Workload, WorkloadContext } from '../history/plugin.ts';
import type { Random } from '../history/random.ts';
import { RegisterClient } from './register-client.ts';

/** Keys' names have four digits. */
const KEYS_MAX = 10_000;
/** Keys in a closed loop, where nobody knows how many operations there will be. */
const KEYS_CLOSED_LOOP = 300;
/** At least so many threads work on a key at once, if there are as many. */
const THREADS_PER_KEY = 3;
/** In a closed loop, after an operation that got no answer: the next one must not spin. */
const PAUSE_MS = 50;
const NS_PER_MS = 1e6;

/** How an operation is drawn: the rest are compare-and-sets. */
const SHARE = { read: 0.5, write: 0.25 } as const;

/** The keys of a run and how they take turns. */
export interface KeySchedule {
  /** All keys, created in setup. */
  count: number;
  /** Keys in use at once. */
  active: number;
  /** Operations on a key in one turn. */
  opsPerKey: number;
}

/** Option as a number of at least `min`. Throws on anything else. */
function whole(context: WorkloadContext, name: string, min: number, max: number): number {
  const value = context.options[name] ?? register.defaultOptions[name];
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw new Error(
      `workload register: expected ${name} to be a whole number of ${min} to ${max}, got ${value}`,
    );
  }
  return value;
}

/** Divides the run's operations over keys. Throws on options out of range. */
export function keySchedule(context: WorkloadContext): KeySchedule {
  const { concurrency, ratePerSecond, timeLimitMs } = context;
  const opsPerKey = whole(context, 'opsPerKey', 1, 1_000_000);
  const wanted = whole(context, 'keys', 0, KEYS_MAX);
  const ops = (ratePerSecond * timeLimitMs) / 1000;
  const needed = ratePerSecond > 0 ? Math.ceil(ops / opsPerKey) : KEYS_CLOSED_LOOP;
  const active = Math.max(1, Math.floor(concurrency / THREADS_PER_KEY));
  const count = wanted > 0 ? wanted : Math.min(KEYS_MAX, Math.max(needed, active));
  return { count, active: Math.min(active, count), opsPerKey };
}

/** A key's short name. */
export function keyName(index: number): string {
  return `k${String(index).padStart(4, '0')}`;
}

function* setup(context: WorkloadContext, thread: number): Plan {
  const { count } = keySchedule(context);
  for (let i = thread; i < count; i += context.nodes.length) {
    // Values are unique over all keys, so that a mix-up of keys shows: these, then the load's above.
    yield { kind: 'op', f: 'create', key: keyName(i), value: i + 1 };
  }
}

function* load(context: WorkloadContext, thread: number, random: Random): Plan {
  const { concurrency, ratePerSecond, timeLimitMs } = context;
  const schedule = keySchedule(context);
  const intervalNs = ratePerSecond > 0 ? 1e9 / ratePerSecond : 0;
  const draw = new Drawing(schedule, concurrency, thread, random);
  for (let round = 0; ; round++) {
    const step = draw.next(round);
    if (intervalNs > 0) {
      // Anywhere in this thread's slot, so that threads overlap in every way there is.
      step.due = Math.round((round + random.float()) * concurrency * intervalNs);
      if (step.due >= timeLimitMs * NS_PER_MS) return;
    }
    const completion = yield step;
    if (completion.kind !== 'op') continue;
    const { type, key, version, zxid } = completion.event;
    draw.learn(key, type === 'ok' ? version : undefined);
    if (intervalNs === 0 && zxid === undefined) yield { kind: 'sleep', ms: PAUSE_MS };
  }
}

/** What one thread does next: draws keys, operations and values. */
class Drawing {
  readonly #schedule: KeySchedule;
  readonly #concurrency: number;
  readonly #thread: number;
  readonly #random: Random;
  /** The key this thread used last, and the version it saw there, if any. */
  #last: { key: string | undefined; version: number | undefined } | undefined;

  constructor(schedule: KeySchedule, concurrency: number, thread: number, random: Random) {
    this.#schedule = schedule;
    this.#concurrency = concurrency;
    this.#thread = thread;
    this.#random = random;
  }

  next(round: number): OpStep {
    const { count, active, opsPerKey } = this.#schedule;
    const number = round * this.#concurrency + this.#thread;
    const turn = Math.floor(number / (active * opsPerKey));
    const key = keyName((turn * active + this.#random.int(0, active - 1)) % count);
    const to = count + 1 + number;
    const point = this.#random.float();
    if (point < SHARE.read) return { kind: 'op', f: 'read', key };
    if (point < SHARE.read + SHARE.write) return { kind: 'op', f: 'write', key, value: to };
    // Only a version seen just now has a chance against the others; without one, look first.
    const { key: lastKey, version: expected } = this.#last ?? {};
    if (lastKey === undefined || expected === undefined) return { kind: 'op', f: 'read', key };
    return { kind: 'op', f: 'cas', key: lastKey, value: { expected, to } };
  }

  learn(key: string | undefined, version: number | undefined): void {
    this.#last = { key, version };
  }
}

function* final(context: WorkloadContext, thread: number): Plan {
  const { count } = keySchedule(context);
  for (const node of context.nodes) {
    for (let i = thread; i < count; i += context.concurrency) {
      yield { kind: 'op', f: 'read', key: keyName(i), node };
    }
  }
}

/**
 * Registers over the coordinator. Steps: `create` and `write` carry an integer, `cas`
 * `{ expected, to }`, `read` nothing; a read's completion carries the integer read.
 */
export const register: Workload = {
  name: 'register',
  description: 'linearizable registers: sync + get reads, writes, compare-and-set by version',
  systems: ['coordinator', 'zookeeper'],
  defaultOptions: {
    /** 0: as many as rate × time needs at `opsPerKey`. */
    keys: 0,
    opsPerKey: 100,
    opTimeoutMs: 2_000,
    sessionTimeoutMs: 6_000,
  },
  setup,
  load,
  final,
  client: (context, thread) =>
    new RegisterClient({
      node: context.nodes[thread % context.nodes.length] as string,
      address: (node) => context.address(node),
      opTimeoutMs: whole(context, 'opTimeoutMs', 1, 600_000),
      sessionTimeoutMs: whole(context, 'sessionTimeoutMs', 1, 600_000),
    }),
  checkers: [linearizable],
};
