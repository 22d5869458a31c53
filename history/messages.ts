// What operations on the broker carry in the history: messages sent, polled, and offsets committed. The
// workloads write these values, checkers and reports read them, so their shapes are told once and here.

/** A message's value; unique in a run. What a poll returns that nobody can read is kept as text. */
export type Message = number | string;

/** A message at its offset. */
export type Placed = readonly [offset: number, value: Message];

/**
 * `send`, invocation: messages for the partition `key` (`topic-partition`) in one batch. `dropReplies`: so
 * many answers are thrown away with their connection, and the batch is sent again under its old sequence
 * number (idempotent producers only; others make one attempt).
 */
export interface SendValue {
  values: Message[];
  dropReplies?: number;
}

/** `send`, ok: where the messages are. */
export interface SentValue {
  placed: Placed[];
  /** How often the batch was sent, 1 if absent. */
  attempts?: number;
}

/**
 * `poll`, ok: what came since the process' last poll, in the order of the wire, by partition. A poll that
 * ended fail or info may carry the same: what it got was read all the same.
 */
export interface PolledValue {
  records: Record<string, Placed[]>;
  /** Changes of the assignment since the last poll, in order. */
  rebalanced?: Rebalance[];
}

/**
 * A group gave this process another share. A client takes part in rebalances inside its polls only: the
 * positions were asked for after the poll's invocation.
 */
export interface Rebalance {
  group: string;
  generation: number;
  /** The name that the group knows the process by. */
  member: string;
  /** All partitions of this process from here on. */
  assigned: string[];
  /** Partitions that it had before and has no more. */
  revoked: string[];
  /** The committed offset of each assigned partition that has one. */
  committed: Record<string, number>;
}

/** `assign`: read these partitions, from their beginning or from where this process last was. */
export interface AssignValue {
  keys: string[];
  from: 'beginning' | 'position';
}

/** `subscribe`: read what the group gives this process of the topics. */
export interface SubscribeValue {
  topics: string[];
  group: string;
}

/** `commit`, ok: what the group knows as read from here on (offset of the next message). */
export interface CommittedValue {
  group: string;
  generation: number;
  member: string;
  offsets: Record<string, number>;
}

/** `ends`, invocation. */
export interface EndsValue {
  keys: string[];
}

/** `ends`, ok: the offset after the last readable message of each partition. */
export type EndsRead = Record<string, number>;

/** `create-topic`: its name is the operation's key. */
export interface TopicValue {
  partitions: number;
  replicas: number;
  minInsyncReplicas: number;
}

/** The topic of a partition named `topic-partition`. */
export function topicOf(key: string): string {
  const at = key.lastIndexOf('-');
  return at === -1 ? key : key.slice(0, at);
}
