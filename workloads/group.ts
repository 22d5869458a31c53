// The workload `group`: some send, others come and go as members of two groups that each read everything,
// committing what they have read. A partition has one member, and what is committed was given to somebody.
import { groups } from '../checkers/messages/groups.ts';
import { messages } from '../checkers/messages/index.ts';
import type { Event } from '../history/event.ts';
import type { PolledValue } from '../history/messages.ts';
import type { OpStep, Plan, SleepStep } from '../history/plan.ts';
import type { Workload, WorkloadContext } from '../history/plugin.ts';
import type { Random } from '../history/random.ts';
import {
  type ConnectBroker,
  onTopic,
  pacedMessages,
  partitionsOf,
  readToEnd,
  Sender,
} from './messaging.ts';

const TOPIC = 'chaos-group';
const GROUPS = ['chaos-group-a', 'chaos-group-b'] as const;
/** Every third thread sends; the others take turns in the groups. */
const SENDERS = 3;
/** How often a member leaves, and how often it goes on without committing what it got. */
const LEAVE = 0.01;
const UNCOMMITTED = 0.2;
/** How often it is away between getting and committing, so long that the group goes on without it. */
const AWAY = 0.02;
const AWAY_MS = 9_000;
/** Rounds of a member at the end, so that both groups get to the ends. */
const FINAL_ROUNDS = 40;
const FINAL_PAUSE_MS = 100;

/** The group that a thread is a member of; undefined: it sends. */
function groupOf(thread: number): string | undefined {
  if (thread % SENDERS === 0) return undefined;
  const place = thread - Math.floor(thread / SENDERS) - 1;
  return GROUPS[place % GROUPS.length];
}

/** What a member does next. */
class Member {
  readonly #group: string;
  readonly #random: Random | undefined;
  #joined = false;
  #uncommitted = false;
  #isBack = false;

  /** Without `random` it never leaves, is never away and commits all it gets. */
  constructor(group: string, random?: Random) {
    this.#group = group;
    this.#random = random;
  }

  next(): OpStep | SleepStep {
    if (!this.#joined) {
      return { kind: 'op', f: 'subscribe', value: { topics: [TOPIC], group: this.#group } };
    }
    if (this.#uncommitted) {
      if (!this.#isBack && this.#random?.bool(AWAY) === true) {
        this.#isBack = true;
        return { kind: 'sleep', ms: AWAY_MS };
      }
      this.#isBack = false;
      return { kind: 'op', f: 'commit' };
    }
    if (this.#random?.bool(LEAVE) === true) return { kind: 'op', f: 'leave' };
    return { kind: 'op', f: 'poll' };
  }

  learn({ f, type, value }: Event): void {
    this.#uncommitted = false;
    if (type === 'info') this.#joined = false;
    else if (f === 'subscribe') this.#joined = type === 'ok';
    else if (f === 'leave') this.#joined = false;
    else if (f === 'poll' && type === 'ok') {
      const got = Object.values((value as PolledValue).records).some(({ length }) => length > 0);
      this.#uncommitted = got && this.#random?.bool(UNCOMMITTED) !== true;
    }
  }
}

function load(context: WorkloadContext, thread: number, random: Random): Plan {
  const group = groupOf(thread);
  if (group === undefined) {
    const sender = new Sender(context, thread, random, partitionsOf(context, TOPIC));
    return pacedMessages(
      context,
      thread,
      random,
      () => sender.next(),
      () => undefined,
    );
  }
  const member = new Member(group, random);
  const learn = (event: Event): void => member.learn(event);
  return pacedMessages(context, thread, random, () => member.next(), learn);
}

function* final(context: WorkloadContext, thread: number): Plan {
  const group = groupOf(thread);
  if (group !== undefined) {
    const member = new Member(group);
    for (let round = 0; round < FINAL_ROUNDS; round++) {
      const completion = yield member.next();
      if (completion.kind !== 'op') continue;
      member.learn(completion.event);
      if (completion.event.type !== 'ok') yield { kind: 'sleep', ms: FINAL_PAUSE_MS };
    }
    yield { kind: 'op', f: 'leave' };
  }
  yield* readToEnd(context, thread, partitionsOf(context, TOPIC));
}

/** Steps: `send`; `subscribe`, `poll`, `commit`, `leave`; at the end also `assign` and `ends`. */
export function groupWorkload(connect: ConnectBroker): Workload {
  return {
    name: 'group',
    description: 'members of two consumer groups come, commit and go while others send',
    ...onTopic(connect, TOPIC),
    load,
    final,
    checkers: [groups, messages],
  };
}
