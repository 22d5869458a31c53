// What one operation on the broker says, as a checker or a report may use it: sends, polls, changes of what is
// read. All of them read operations through here, so a value means the same to every judge and every panel.
import type {
  AssignValue,
  CommittedValue,
  EndsRead,
  Message,
  Placed,
  PolledValue,
  Rebalance,
  SendValue,
  SentValue,
  SubscribeValue,
} from './messages.ts';
import type { Op } from './op.ts';

export interface SendCall {
  kind: 'send';
  op: Op;
  key: string;
  values: readonly Message[];
  /** Of an acknowledged one: where its messages are. */
  placed: readonly Placed[];
  attempts: number;
}
/** Whatever its outcome: what a poll returned was read. */
export interface PollCall {
  kind: 'poll';
  op: Op;
  records: Readonly<Record<string, readonly Placed[]>>;
  rebalanced: readonly Rebalance[];
}
export interface AssignCall extends AssignValue {
  kind: 'assign';
  op: Op;
}
export interface SubscribeCall extends SubscribeValue {
  kind: 'subscribe';
  op: Op;
}
/** Acknowledged. */
export interface CommitCall extends CommittedValue {
  kind: 'commit';
  op: Op;
}
/** Acknowledged. */
export interface EndsCall {
  kind: 'ends';
  op: Op;
  ends: EndsRead;
}
/** It is about something else, or says nothing. */
export interface SilentCall {
  kind: 'silent';
}
/** Something the record must carry is missing: nothing can be concluded. */
export interface MalformedCall {
  kind: 'malformed';
  why: string;
}

export type MessageCall =
  | SendCall
  | PollCall
  | AssignCall
  | SubscribeCall
  | CommitCall
  | EndsCall
  | SilentCall
  | MalformedCall;

const SILENT: SilentCall = { kind: 'silent' };

/** Reads an operation. Never throws: what it cannot use is `malformed`. */
export function messageCall(op: Op): MessageCall {
  const given = op.invoke.value;
  switch (op.f) {
    case 'send':
      return sendCall(op, given as Partial<SendValue> | undefined);
    case 'poll':
      return pollCall(op);
    case 'assign': {
      const { keys, from } = (given ?? {}) as Partial<AssignValue>;
      if (!Array.isArray(keys) || from === undefined) return malformed(op, given);
      return { kind: 'assign', op, keys, from };
    }
    case 'subscribe': {
      const { topics, group } = (given ?? {}) as Partial<SubscribeValue>;
      if (!Array.isArray(topics) || group === undefined) return malformed(op, given);
      return { kind: 'subscribe', op, topics, group };
    }
    case 'commit':
      return commitCall(op);
    case 'ends': {
      if (op.type !== 'ok') return SILENT;
      const ends = op.completion?.value;
      if (!isObject(ends) || !Object.values(ends).every(isOffset)) return malformed(op, ends);
      return { kind: 'ends', op, ends: ends as EndsRead };
    }
    default:
      return SILENT;
  }
}

function sendCall(op: Op, given: Partial<SendValue> | undefined): SendCall | MalformedCall {
  const { key } = op;
  const values = given?.values;
  if (key === undefined || !Array.isArray(values) || !values.every(isMessage)) {
    return malformed(op, given);
  }
  const call: SendCall = { kind: 'send', op, key, values, placed: [], attempts: 1 };
  if (op.type !== 'ok') return call;
  const sent = op.completion?.value as Partial<SentValue> | undefined;
  const placed = sent?.placed;
  const whole = isPlaced(placed) && placed.length === values.length;
  if (!whole || placed.some(([, value], i) => value !== values[i])) return malformed(op, sent);
  call.placed = placed;
  call.attempts = sent?.attempts ?? 1;
  return call;
}

function pollCall(op: Op): PollCall | SilentCall | MalformedCall {
  const value = op.completion?.value as Partial<PolledValue> | undefined;
  const records = value?.records;
  if (records === undefined) return op.type === 'ok' ? malformed(op, value) : SILENT;
  if (!isObject(records) || !Object.values(records).every(isPlaced)) return malformed(op, value);
  return { kind: 'poll', op, records, rebalanced: value?.rebalanced ?? [] };
}

function commitCall(op: Op): CommitCall | SilentCall | MalformedCall {
  if (op.type !== 'ok') return SILENT;
  const value = op.completion?.value as Partial<CommittedValue> | undefined;
  const { group, generation, member, offsets } = value ?? {};
  if (group === undefined || generation === undefined || member === undefined) {
    return malformed(op, value);
  }
  if (!isObject(offsets) || !Object.values(offsets).every(isOffset)) return malformed(op, value);
  return { kind: 'commit', op, group, generation, member, offsets: offsets as EndsRead };
}

function malformed(op: Op, what: unknown): MalformedCall {
  const event = op.completion?.index ?? op.invoke.index;
  const text = JSON.stringify(what)?.slice(0, 100) ?? 'nothing';
  return { kind: 'malformed', why: `event ${event} (${op.f}, ${op.type}) carries ${text}` };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isOffset(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isMessage(value: unknown): value is Message {
  return typeof value === 'number' || typeof value === 'string';
}

function isPlaced(value: unknown): value is Placed[] {
  if (!Array.isArray(value)) return false;
  for (const each of value as unknown[]) {
    if (!Array.isArray(each) || !isOffset(each[0]) || !isMessage(each[1])) return false;
  }
  return true;
}
