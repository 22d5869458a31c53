// What workloads on the tree have in common: options, a thread's pace, looks through every server at the
// end, and a client. A workload's own file then tells only its story.
import type { Event } from '../history/event.ts';
import type { OpStep, Plan } from '../history/plan.ts';
import type { Workload, WorkloadContext } from '../history/plugin.ts';
import { Random } from '../history/random.ts';
import { TreeClient } from './tree-client.ts';

const NS_PER_MS = 1e6;
/** How often a thread's session goes on at another server, so that clients are on all of them. */
const WANDER = 0.03;
/** In a closed loop, after an operation that got no answer: the next one must not spin. */
const PAUSE_MS = 50;
const MILLIS_MAX = 600_000;

/** Options that every workload on the tree has. */
const SESSION_OPTIONS = { sessionTimeoutMs: 2_000, opTimeoutMs: 1_000 } as const;

/** Beyond the session timeout, for the expiry itself and a leader that stands for a moment only, ms. */
export const SETTLE_MS = 2_500;

/** Option as a number of at least 1. Throws on anything else. */
export function millis(context: WorkloadContext, name: keyof typeof SESSION_OPTIONS): number {
  const value = context.options[name] ?? SESSION_OPTIONS[name];
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MILLIS_MAX) {
    return value;
  }
  throw new Error(`expected ${name} to be a whole number of 1 to ${MILLIS_MAX}, got ${value}`);
}

/**
 * A thread's operations one after the other, at the thread's share of the rate, anywhere in its slot so
 * that threads overlap in every way there is. In a closed loop as fast as answers come.
 */
export function* paced(
  context: WorkloadContext,
  thread: number,
  random: Random,
  next: (round: number) => OpStep,
  learn: (event: Event) => void = () => undefined,
): Plan {
  const { concurrency, ratePerSecond, timeLimitMs } = context;
  const intervalNs = ratePerSecond > 0 ? 1e9 / ratePerSecond : 0;
  for (let round = 0; ; round++) {
    const step = random.bool(WANDER) ? wander(context, random) : next(round);
    if (intervalNs > 0) {
      const slot = (round + random.float()) * concurrency + thread / concurrency;
      step.due = Math.round(slot * intervalNs);
      if (step.due >= timeLimitMs * NS_PER_MS) return;
    }
    const completion = yield step;
    if (completion.kind !== 'op') continue;
    learn(completion.event);
    if (intervalNs === 0 && !answered(completion.event)) yield { kind: 'sleep', ms: PAUSE_MS };
  }
}

/** The session goes on at some server, perhaps the same. */
export function wander({ nodes }: WorkloadContext, random: Random): OpStep {
  return { kind: 'op', f: 'reattach', value: { node: random.pick(nodes) } };
}

/** Whether a server said how an operation ended. */
export function answered({ type, zxid }: Event): boolean {
  return type === 'ok' || zxid !== undefined;
}

/** A pause after which a thread that does operations by a recipe keeps about its share of the rate. */
export function* rest(context: WorkloadContext, random: Random): Plan {
  const { concurrency, ratePerSecond } = context;
  const meanMs = ratePerSecond > 0 ? (1000 * concurrency) / ratePerSecond : PAUSE_MS / 10;
  yield { kind: 'sleep', ms: Math.ceil(meanMs * random.float()) };
}

/** A thread's own randomness for its final plan. */
export function finalRandom({ seed }: WorkloadContext, thread: number): Random {
  return new Random(seed, `workload/final/${thread}`);
}

/** The keys that one thread of so many takes care of. */
export function share(keys: readonly string[], thread: number, threads: number): string[] {
  return keys.filter((_, i) => i % threads === thread);
}

/** Reads a thread's share of keys through every server. */
export function* finalReads(
  context: WorkloadContext,
  thread: number,
  keys: readonly string[],
  f = 'read',
): Plan {
  for (const node of context.nodes) {
    for (const key of share(keys, thread, context.concurrency)) yield { kind: 'op', f, key, node };
  }
}

/** Waits until who is gone must have expired, then lists a directory: as a client, and by every server. */
export function* settledLists(context: WorkloadContext, key: string): Plan {
  yield { kind: 'sleep', ms: millis(context, 'sessionTimeoutMs') + SETTLE_MS };
  yield { kind: 'op', f: 'children', key };
  for (const node of context.nodes) yield { kind: 'op', f: 'children', key, node };
}

/** Creates keys in setup, one plan a node, all with one value or one of their own. */
export function* createAll(
  context: WorkloadContext,
  thread: number,
  keys: readonly string[],
  value: (key: string) => unknown = () => 0,
): Plan {
  for (const key of share(keys, thread, context.nodes.length)) {
    yield { kind: 'op', f: 'create', key, value: value(key) };
  }
}

/** A client; `keep`: its session's connection is made again without an operation. */
function treeClient(context: WorkloadContext, thread: number, keep: boolean): TreeClient {
  return new TreeClient({
    nodes: context.nodes,
    home: thread % context.nodes.length,
    address: (node) => context.address(node),
    sessionTimeoutMs: millis(context, 'sessionTimeoutMs'),
    opTimeoutMs: millis(context, 'opTimeoutMs'),
    keep,
  });
}

/** What workloads on the tree have in common; `keep` as for the client. */
export function onTree(keep: boolean): Pick<Workload, 'systems' | 'defaultOptions' | 'client'> {
  return {
    systems: ['coordinator', 'zookeeper'],
    defaultOptions: { ...SESSION_OPTIONS },
    client: (context, thread) => treeClient(context, thread, keep),
  };
}
