// How messages went through the partitions: what was acknowledged where and when, who stood at which offset,
// what nobody had read yet. Told by clients' operations alone, so it holds for any broker and any event level.
import { type MessageCall, messageCall } from '../../history/message-call.ts';
import type { Message, Placed } from '../../history/messages.ts';
import type { Op } from '../../history/op.ts';

/**
 * send: acknowledged at these offsets. read: returned by a poll. start: a consumer reads from `first` on, having
 * read nothing yet. end: it reads this partition no more. commit: its group has read everything below `first`.
 */
export const MARK_KINDS = ['send', 'read', 'start', 'end', 'commit'] as const;
export type MarkKind = (typeof MARK_KINDS)[number];

/** Something that happened to one partition, at the end of an operation. */
export interface Mark {
  kind: MarkKind;
  /** ns since run start. */
  t: number;
  key: string;
  /** Who reads: index into the consumers; absent of a send. */
  consumer?: number;
  /** Offsets concerned, both inclusive; without gaps inside. */
  first: number;
  last: number;
  /** Id of the operation. */
  op: number;
}

/** A process that reads by itself, a process as a member of a group, or a group by what it has committed. */
export interface Consumer {
  process?: number;
  group?: string;
}

/** A value that changes at moments. */
export interface Step {
  t: number;
  value: number;
}

/** An acknowledged message that no poll returned. */
export interface UnreadMessage {
  value: Message;
  key: string;
  offset: number;
  /** Id of the operation that sent it. */
  op: number;
  /** When it was acknowledged, ns since run start. */
  t: number;
}

export interface MessageFlow {
  /** Partitions that operations spoke of, in order of their names. */
  keys: string[];
  consumers: Consumer[];
  /** By partition, sends first, then by consumer, then by time. */
  marks: Mark[];
  /** Messages acknowledged and not yet returned by any poll, for each partition. */
  unseen: Map<string, Step[]>;
  unread: UnreadMessage[];
}

/** Reads the operations on the broker out of a run; all lists are empty where there were none. */
export function messageFlow(ops: readonly Op[]): MessageFlow {
  const reading = new Reading();
  const sends: Extract<MessageCall, { kind: 'send' }>[] = [];
  const firstReads = new Map<string, Map<Message, number>>();
  for (const op of ops) {
    const call = messageCall(op);
    if (call.kind === 'send') sends.push(call);
    else if (call.kind === 'poll' && op.type === 'ok') learnReads(firstReads, call.records, op);
    reading.follow(op, call);
  }
  reading.close();
  const marks = [...sends.flatMap(sendMarks), ...reading.marks];
  const keys = [...new Set(marks.map(({ key }) => key))].sort(compareKeys);
  const place = new Map(keys.map((key, i) => [key, i]));
  marks.sort(
    (a, b) =>
      place.get(a.key)! - place.get(b.key)! || (a.consumer ?? -1) - (b.consumer ?? -1) || a.t - b.t,
  );
  const { unseen, unread } = unseenMessages(sends, firstReads);
  return { keys, consumers: reading.consumers, marks, unseen, unread };
}

/** Topics by name, a topic's partitions by number. */
export function compareKeys(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

function endOf(op: Op): number {
  return op.completion?.time ?? op.invokeTime;
}

// A poll may return a message again: the first time counts.
function learnReads(
  firstReads: Map<string, Map<Message, number>>,
  records: Readonly<Record<string, readonly Placed[]>>,
  op: Op,
): void {
  const t = endOf(op);
  for (const [key, placed] of Object.entries(records)) {
    let known = firstReads.get(key);
    if (known === undefined) firstReads.set(key, (known = new Map()));
    for (const [, value] of placed) {
      if (t < (known.get(value) ?? Number.POSITIVE_INFINITY)) known.set(value, t);
    }
  }
}

/** Stretches of offsets without a gap. */
function stretches(placed: readonly Placed[]): { first: number; last: number }[] {
  const found: { first: number; last: number }[] = [];
  for (const [offset] of placed) {
    const open = found.at(-1);
    if (open !== undefined && offset === open.last + 1) open.last = offset;
    else found.push({ first: offset, last: offset });
  }
  return found;
}

function sendMarks(call: Extract<MessageCall, { kind: 'send' }>): Mark[] {
  const { op, key } = call;
  return stretches(call.placed).map((stretch) => {
    return { kind: 'send', t: endOf(op), key, ...stretch, op: op.id };
  });
}

function unseenMessages(
  sends: readonly Extract<MessageCall, { kind: 'send' }>[],
  firstReads: ReadonlyMap<string, ReadonlyMap<Message, number>>,
): Pick<MessageFlow, 'unseen' | 'unread'> {
  const changes = new Map<string, Step[]>();
  const unread: UnreadMessage[] = [];
  for (const { op, key, placed } of sends) {
    const t = endOf(op);
    for (const [offset, value] of placed) {
      const read = firstReads.get(key)?.get(value);
      if (read === undefined) unread.push({ value, key, offset, op: op.id, t });
      // A poll may be quicker than the acknowledgement: then it never was unseen.
      if (read !== undefined && read <= t) continue;
      let own = changes.get(key);
      if (own === undefined) changes.set(key, (own = []));
      own.push({ t, value: 1 });
      if (read !== undefined) own.push({ t: read, value: -1 });
    }
  }
  const unseen = new Map([...changes].map(([key, list]) => [key, summed(list)]));
  return { unseen, unread };
}

/** What changes add up to after each moment. */
export function summed(changes: readonly Step[]): Step[] {
  const steps: Step[] = [];
  let value = 0;
  for (const change of changes.toSorted((a, b) => a.t - b.t)) {
    value += change.value;
    const last = steps.at(-1);
    if (last?.t === change.t) last.value = value;
    else steps.push({ t: change.t, value });
  }
  return steps;
}

interface Reader {
  /** What its process did last. */
  latest: Op;
  group?: string;
  /** The next offset of each partition that it reads. */
  open: Map<string, number>;
  /** Where it was last, also of partitions that it left. */
  positions: Map<string, number>;
}

/** Follows every process through what it reads. */
class Reading {
  readonly consumers: Consumer[] = [];
  readonly marks: Mark[] = [];
  readonly #indexes = new Map<string, number>();
  readonly #readers = new Map<number, Reader>();
  /** Groups' partitions whose committed offset is known. */
  readonly #begun = new Set<string>();

  follow(op: Op, call: MessageCall): void {
    const reader = this.#reader(op);
    if (call.kind === 'poll') {
      for (const change of call.rebalanced) this.#rebalance(op, reader, change);
      for (const [key, placed] of Object.entries(call.records)) this.#read(op, reader, key, placed);
    } else if (call.kind === 'commit') this.#commit(op, call.group, call.offsets);
    else if (call.kind === 'assign' && op.type === 'ok') {
      reader.group = undefined;
      const fresh = call.from === 'beginning';
      for (const key of [...reader.open.keys()]) {
        if (fresh || !call.keys.includes(key)) this.#end(op, reader, key);
      }
      for (const key of call.keys) {
        if (!reader.open.has(key)) {
          this.#start(op, reader, key, fresh ? 0 : (reader.positions.get(key) ?? 0));
        }
      }
    } else if (call.kind === 'assign' || call.kind === 'subscribe' || op.f === 'leave') {
      this.#endAll(op, reader);
      if (call.kind === 'subscribe' && op.type === 'ok') reader.group = call.group;
    }
    // Nobody hears of a process again whose operation nobody knows the outcome of.
    if (op.type === 'info') this.#endAll(op, reader);
  }

  /** A process that does nothing more reads nothing more: it must not look stuck. */
  close(): void {
    for (const reader of this.#readers.values()) this.#endAll(reader.latest, reader);
  }

  #reader(op: Op): Reader {
    let reader = this.#readers.get(op.process);
    if (reader === undefined) {
      reader = { latest: op, open: new Map(), positions: new Map() };
      this.#readers.set(op.process, reader);
    }
    reader.latest = op;
    return reader;
  }

  #consumer(who: Consumer): number {
    const name = `${who.process ?? ''} ${who.group ?? ''}`;
    let index = this.#indexes.get(name);
    if (index === undefined) {
      index = this.consumers.push(who) - 1;
      this.#indexes.set(name, index);
    }
    return index;
  }

  #mark(op: Op, who: Consumer, kind: MarkKind, key: string, first: number, last = first): void {
    const consumer = this.#consumer(who);
    this.marks.push({ kind, t: endOf(op), key, consumer, first, last, op: op.id });
  }

  #who(op: Op, { group }: Reader): Consumer {
    return group === undefined ? { process: op.process } : { process: op.process, group };
  }

  #start(op: Op, reader: Reader, key: string, offset: number): void {
    this.#mark(op, this.#who(op, reader), 'start', key, offset);
    reader.open.set(key, offset);
  }

  #end(op: Op, reader: Reader, key: string): void {
    const offset = reader.open.get(key);
    if (offset === undefined) return;
    this.#mark(op, this.#who(op, reader), 'end', key, offset);
    reader.open.delete(key);
  }

  #endAll(op: Op, reader: Reader): void {
    for (const key of [...reader.open.keys()]) this.#end(op, reader, key);
    reader.group = undefined;
  }

  #read(op: Op, reader: Reader, key: string, placed: readonly Placed[]): void {
    for (const { first, last } of stretches(placed)) {
      if (!reader.open.has(key)) this.#start(op, reader, key, first);
      this.#mark(op, this.#who(op, reader), 'read', key, first, last);
      reader.open.set(key, last + 1);
      reader.positions.set(key, last + 1);
    }
  }

  #rebalance(
    op: Op,
    reader: Reader,
    change: { group: string; assigned: string[]; committed: Record<string, number> },
  ): void {
    this.#endAll(op, reader);
    reader.group = change.group;
    for (const key of change.assigned) {
      const committed = change.committed[key] ?? 0;
      this.#start(op, reader, key, committed);
      if (!this.#begun.has(`${change.group} ${key}`)) {
        this.#commit(op, change.group, { [key]: committed });
      }
    }
  }

  #commit(op: Op, group: string, offsets: Readonly<Record<string, number>>): void {
    for (const [key, offset] of Object.entries(offsets)) {
      this.#begun.add(`${group} ${key}`);
      this.#mark(op, { group }, 'commit', key, offset);
    }
  }
}
