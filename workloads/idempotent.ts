// The workload `idempotent`: as `log`, by producers with sequence numbers that throw answers away and send
// the same batch again. However often it was sent, a message stands in its partition once.
import { exactlyOnce } from '../checkers/messages/exactly-once.ts';
import { messages } from '../checkers/messages/index.ts';
import type { Event } from '../history/event.ts';
import type { OpStep, Plan } from '../history/plan.ts';
import type { Workload, WorkloadContext } from '../history/plugin.ts';
import type { Random } from '../history/random.ts';
import { SendAndPoll } from './log.ts';
import {
  brokerClient,
  type ConnectBroker,
  createTopic,
  MESSAGING_OPTIONS,
  pacedMessages,
  partitionsOf,
  readToEnd,
  Sender,
} from './messaging.ts';

const TOPIC = 'chaos-idempotent';
/** Sends whose answers are thrown away, and how many of them at most. */
const DROPPED = 0.25;
const DROPS_MAX = 2;

function load(context: WorkloadContext, thread: number, random: Random): Plan {
  const keys = partitionsOf(context, TOPIC);
  const sender = new Sender(context, thread, random, keys);
  const send = (): OpStep => {
    return sender.next(random.bool(DROPPED) ? { dropReplies: random.int(1, DROPS_MAX) } : {});
  };
  const drawing = new SendAndPoll(random, keys, send);
  const learn = (event: Event): void => drawing.learn(event);
  return pacedMessages(context, thread, random, () => drawing.next(), learn);
}

/** Steps: `send`, often with `dropReplies`, `poll`, `assign`, and at the end `ends`. */
export function idempotentWorkload(connect: ConnectBroker): Workload {
  return {
    name: 'idempotent',
    description: 'idempotent producers whose answers get lost: each message stands there once',
    systems: ['broker', 'stack'],
    defaultOptions: { ...MESSAGING_OPTIONS },
    setup: (context, thread) => createTopic(context, thread, TOPIC),
    load,
    final: (context, thread) => readToEnd(context, thread, partitionsOf(context, TOPIC)),
    client: (context, thread) => brokerClient(connect, context, thread, true),
    checkers: [exactlyOnce, messages],
  };
}
