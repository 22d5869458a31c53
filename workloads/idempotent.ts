// The workload `idempotent`: as `log`, by producers with sequence numbers that throw answers away and send
// the same batch again. However often it was sent, a message stands in its partition once.
import { exactlyOnce } from '../checkers/messages/exactly-once.ts';
import { messages } from '../checkers/messages/index.ts';
import type { Plan } from '../history/plan.ts';
import type { Workload, WorkloadContext } from '../history/plugin.ts';
import type { Random } from '../history/random.ts';
import { sendAndPoll } from './log.ts';
import { type ConnectBroker, onTopic } from './messaging.ts';

const TOPIC = 'chaos-idempotent';
/** Sends whose answers are thrown away, and how many of them at most. */
const DROPPED = 0.25;
const DROPS_MAX = 2;

function load(context: WorkloadContext, thread: number, random: Random): Plan {
  return sendAndPoll(context, thread, random, TOPIC, (sender) =>
    sender.next(random.bool(DROPPED) ? { dropReplies: random.int(1, DROPS_MAX) } : {}),
  );
}

/** Steps: `send`, often with `dropReplies`, `poll`, `assign`, and at the end `ends`. */
export function idempotentWorkload(connect: ConnectBroker): Workload {
  return {
    name: 'idempotent',
    description: 'idempotent producers whose answers get lost: each message stands there once',
    ...onTopic(connect, TOPIC, true),
    load,
    checkers: [exactlyOnce, messages],
  };
}
