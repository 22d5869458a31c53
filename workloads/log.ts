// The workload `log`: everybody sends unique values to a few partitions and reads some of them, and in the
// end all of them from their beginning. What was acknowledged must be there, once, where it was said to be.
import { messages } from '../checkers/messages/index.ts';
import type { Event } from '../history/event.ts';
import type { OpStep, Plan } from '../history/plan.ts';
import type { Workload, WorkloadContext } from '../history/plugin.ts';
import type { Random } from '../history/random.ts';
import { type ConnectBroker, onTopic, pacedMessages, partitionsOf, Sender } from './messaging.ts';

const TOPIC = 'chaos-log';
/** How operations are drawn; the rest poll. */
const SHARE = { send: 0.5, assign: 1 / 64 } as const;
/** Of the changes of what is read, how many begin at the beginning. */
const REWIND = 0.1;

/** What one thread of `log` and `idempotent` does: send, poll, and now and then read something else. */
class SendAndPoll {
  readonly #random: Random;
  readonly #keys: readonly string[];
  readonly #send: () => OpStep;
  #reads = false;

  constructor(random: Random, keys: readonly string[], send: () => OpStep) {
    this.#random = random;
    this.#keys = keys;
    this.#send = send;
  }

  next(): OpStep {
    const random = this.#random;
    const point = random.float();
    if (point < SHARE.send) return this.#send();
    if (this.#reads && point >= SHARE.send + SHARE.assign) return { kind: 'op', f: 'poll' };
    const keys = random.shuffle(this.#keys).slice(0, random.int(1, this.#keys.length));
    const from = random.bool(REWIND) ? 'beginning' : 'position';
    return { kind: 'op', f: 'assign', value: { keys, from } };
  }

  /** A process whose operation ended info is replaced by one that reads nothing yet. */
  learn({ f, type }: Event): void {
    if (type === 'info') this.#reads = false;
    else if (f === 'assign') this.#reads = type === 'ok';
  }
}

/** The load of one thread on `topic`; `send` draws what it sends. */
export function sendAndPoll(
  context: WorkloadContext,
  thread: number,
  random: Random,
  topic: string,
  send: (sender: Sender) => OpStep,
): Plan {
  const keys = partitionsOf(context, topic);
  const sender = new Sender(context, thread, random, keys);
  const drawing = new SendAndPoll(random, keys, () => send(sender));
  const learn = (event: Event): void => drawing.learn(event);
  return pacedMessages(context, thread, random, () => drawing.next(), learn);
}

/** Steps: `send`, `poll`, `assign`, and at the end `ends`. */
export function logWorkload(connect: ConnectBroker): Workload {
  return {
    name: 'log',
    description: 'unique messages sent and polled by partition, in the end all read again',
    ...onTopic(connect, TOPIC),
    load: (context, thread, random) =>
      sendAndPoll(context, thread, random, TOPIC, (sender) => sender.next()),
    checkers: [messages],
  };
}
