// What the workloads on the broker have in common: options, values, a thread's pace, the door that a client
// of theirs has, and the last reading of every partition to its end. A workload's file tells only its story.
import type { Event } from '../history/event.ts';
import type { AssignValue, EndsRead, Message, PolledValue } from '../history/messages.ts';
import type { OpStep, Plan, SleepStep } from '../history/plan.ts';
import type { Workload, WorkloadClient, WorkloadContext } from '../history/plugin.ts';
import type { Random } from '../history/random.ts';

const NS_PER_MS = 1e6;
/** In a closed loop, after an operation that got no answer: the next one must not spin. */
const PAUSE_MS = 50;
/** Messages of one send. */
const BATCH_MAX = 3;

/** Polls of one thread at the end at most, and how long it waits after one that brought nothing, ms. */
const FINAL_POLLS_MAX = 3_000;
const FINAL_PAUSE_MS = 100;
/** A partition's end is asked for again so long after it was reached: a leader may have been behind. */
const END_AGAIN_MS = 500;

/** Options that every workload on the broker has. Topics of the workloads allow no unclean election. */
export const MESSAGING_OPTIONS = {
  partitions: 4,
  replicas: 3,
  minInsyncReplicas: 2,
  opTimeoutMs: 2_000,
  pollMs: 100,
} as const;

type NumberOption = keyof typeof MESSAGING_OPTIONS;
const WHOLE_MAX = 600_000;

/** Option as a whole number of at least 1. Throws on anything else. */
export function whole(context: WorkloadContext, name: NumberOption): number {
  const value = context.options[name] ?? MESSAGING_OPTIONS[name];
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= WHOLE_MAX) {
    return value;
  }
  throw new Error(`expected ${name} to be a whole number of 1 to ${WHOLE_MAX}, got ${value}`);
}

/** What a client of these workloads is told. */
export interface BrokerClientOptions {
  /** Brokers, the one to ask first in front. */
  nodes: readonly string[];
  address(node: string): { host: string; port: number };
  /** Longest time for an operation, connecting and (idempotent producers only) sending again included. */
  opTimeoutMs: number;
  /** How long a poll waits for a message, ms. */
  pollMs: number;
  /** Sends carry a producer id and sequence numbers, and a batch without an answer is sent again. */
  idempotent: boolean;
}

/**
 * Makes the client of one process. Its operations are those of history/messages: `create-topic`, `send`,
 * `assign`, `subscribe`, `leave`, `poll`, `commit` (of what its polls returned) and `ends`. It sends with
 * acks=all, joins groups inside polls only, and starts where nothing is committed at the beginning. Without
 * `idempotent` it makes one attempt an operation.
 */
export type ConnectBroker = (options: BrokerClientOptions) => WorkloadClient;

/** A client for a thread, each beginning at another broker. */
function brokerClient(
  connect: ConnectBroker,
  context: WorkloadContext,
  thread: number,
  idempotent: boolean,
): WorkloadClient {
  const { nodes } = context;
  const home = thread % nodes.length;
  return connect({
    nodes: [...nodes.slice(home), ...nodes.slice(0, home)],
    address: (node) => context.address(node),
    opTimeoutMs: whole(context, 'opTimeoutMs'),
    pollMs: whole(context, 'pollMs'),
    idempotent,
  });
}

/** The partitions of a workload's topic. */
export function partitionsOf(context: WorkloadContext, topic: string): string[] {
  return Array.from({ length: whole(context, 'partitions') }, (_, i) => `${topic}-${i}`);
}

/** One process makes the topic. */
function* createTopic(context: WorkloadContext, thread: number, topic: string): Plan {
  if (thread !== 0) return;
  const value = {
    partitions: whole(context, 'partitions'),
    replicas: whole(context, 'replicas'),
    minInsyncReplicas: whole(context, 'minInsyncReplicas'),
  };
  yield { kind: 'op', f: 'create-topic', key: topic, value };
}

/** What workloads on one topic have in common; in the end everybody reads a share of it to its end. */
export function onTopic(
  connect: ConnectBroker,
  topic: string,
  idempotent = false,
): Pick<Workload, 'systems' | 'defaultOptions' | 'setup' | 'final' | 'client'> {
  return {
    systems: ['broker', 'stack'],
    defaultOptions: { ...MESSAGING_OPTIONS },
    setup: (context, thread) => createTopic(context, thread, topic),
    final: (context, thread) => readToEnd(context, thread, partitionsOf(context, topic)),
    client: (context, thread) => brokerClient(connect, context, thread, idempotent),
  };
}

/** Draws sends of values that nobody else draws. */
export class Sender {
  readonly #keys: readonly string[];
  readonly #context: WorkloadContext;
  readonly #thread: number;
  readonly #random: Random;
  #count = 0;

  constructor(context: WorkloadContext, thread: number, random: Random, keys: readonly string[]) {
    this.#context = context;
    this.#thread = thread;
    this.#random = random;
    this.#keys = keys;
  }

  next(more: { dropReplies?: number } = {}): OpStep {
    const key = this.#random.pick(this.#keys);
    const length = this.#random.int(1, BATCH_MAX);
    const values = Array.from({ length }, (): Message => {
      return ++this.#count * this.#context.concurrency + this.#thread;
    });
    return { kind: 'op', f: 'send', key, value: { values, ...more } };
  }
}

/**
 * A thread's operations one after the other at the thread's share of the rate, anywhere in its slot; in a
 * closed loop as fast as answers come. A sleep takes the slots that it lasts.
 */
export function* pacedMessages(
  { concurrency, ratePerSecond, timeLimitMs }: WorkloadContext,
  thread: number,
  random: Random,
  next: () => OpStep | SleepStep,
  learn: (event: Event) => void,
): Plan {
  const intervalNs = ratePerSecond > 0 ? 1e9 / ratePerSecond : 0;
  for (let round = 0; ; round++) {
    const step = next();
    if (step.kind === 'sleep') {
      yield step;
      round += Math.round((step.ms * NS_PER_MS) / (Math.max(1, intervalNs) * concurrency));
      continue;
    }
    if (intervalNs > 0) {
      const slot = (round + random.float()) * concurrency + thread / concurrency;
      step.due = Math.round(slot * intervalNs);
      if (step.due >= timeLimitMs * NS_PER_MS) return;
    }
    const completion = yield step;
    if (completion.kind !== 'op') continue;
    learn(completion.event);
    if (intervalNs === 0 && completion.event.type !== 'ok') yield { kind: 'sleep', ms: PAUSE_MS };
  }
}

/** Reads its share of partitions from the beginning until each one's end is reached, within bounds. */
export function* readToEnd(context: WorkloadContext, thread: number, all: readonly string[]): Plan {
  const keys = all.filter((_, i) => i % context.concurrency === thread);
  if (keys.length === 0) return;
  const reached = new Map<string, number>();
  let ends: EndsRead | undefined;
  let assigned = false;
  let settled = false;
  for (let polls = 0; polls < FINAL_POLLS_MAX; polls++) {
    const behind = keys.some((key) => (reached.get(key) ?? 0) < (ends?.[key] ?? Infinity));
    let step: OpStep;
    if (!assigned) {
      const value: AssignValue = { keys, from: 'beginning' };
      step = { kind: 'op', f: 'assign', value };
    } else if (ends === undefined || (!behind && !settled)) {
      if (ends !== undefined) yield { kind: 'sleep', ms: END_AGAIN_MS };
      step = { kind: 'op', f: 'ends', value: { keys } };
    } else if (behind) step = { kind: 'op', f: 'poll' };
    else return;
    const completion = yield step;
    if (completion.kind !== 'op') continue;
    const { type, value } = completion.event;
    if (type !== 'ok') {
      // The process may be another one now, which reads nothing yet.
      assigned = false;
      yield { kind: 'sleep', ms: FINAL_PAUSE_MS };
    } else if (step.f === 'assign') {
      assigned = true;
      reached.clear();
    } else if (step.f === 'ends') {
      const again = value as EndsRead;
      settled = ends !== undefined && keys.every((key) => again[key] === ends?.[key]);
      ends = again;
    } else if (advance(reached, value as PolledValue) === 0) {
      yield { kind: 'sleep', ms: FINAL_PAUSE_MS };
    }
  }
}

function advance(reached: Map<string, number>, { records }: PolledValue): number {
  let got = 0;
  for (const [key, list] of Object.entries(records)) {
    got += list.length;
    const last = list.at(-1);
    if (last !== undefined) reached.set(key, last[0] + 1);
  }
  return got;
}
