// The broker's columns as the panels walk through them: each partition with its sends and its readers, each
// a stretch of rows in order of time. Without the DOM, so that what is computed from it is tested by itself.
import type { BrokerMeta } from '../broker-page.ts';
import type { Table } from '../columns.ts';
import { MARK_KINDS } from '../message-flow.ts';
import type { PageMeta } from '../page-data.ts';

/** Rows of marks, from `from` up to `until`, exclusive. */
export interface Series {
  /** Index into the consumers; -1: the sends. */
  consumer: number;
  from: number;
  until: number;
}

/** A value that changes at moments, ascending. */
export interface Steps {
  t: ArrayLike<number>;
  value: ArrayLike<number>;
}

/** Everything about one partition. */
export interface PartitionData {
  key: string;
  sends: Series;
  readers: Series[];
  /** Empty where events do not tell. */
  watermark: Steps;
  unseen: Steps;
  /** Where the log was cut back. */
  cuts: { t: number; to: number; node: string }[];
  /** Acknowledged and never read. */
  unread: { t: number; offset: number; op: number }[];
}

const NOTHING: Steps = { t: [], value: [] };

export class BrokerData {
  readonly meta: BrokerMeta;
  readonly kind: Float64Array;
  /** ns since run start. */
  readonly t: Float64Array;
  readonly first: Float64Array;
  readonly last: Float64Array;
  /** Ids of operations. */
  readonly op: Float64Array;
  readonly partitions: PartitionData[];
  /** Of all partitions together. */
  readonly unseen: Steps;
  /** When each message that nobody read was acknowledged, ascending. */
  readonly unreadTimes: Float64Array;

  constructor(meta: BrokerMeta, table: Table<PageMeta>) {
    this.meta = meta;
    const column = (name: string): Float64Array => {
      const values = table.numbers[name];
      if (values === undefined) throw new Error(`the page's data lack the column ${name}`);
      return values;
    };
    this.kind = column('mark.kind');
    this.t = column('mark.t');
    this.first = column('mark.first');
    this.op = column('mark.op');
    const length = column('mark.length');
    this.last = this.first.map((first, i) => first + length[i]!);
    const watermarks = stepsByKey(column('hw.key'), column('hw.t'), column('hw.value'));
    const unseen = stepsByKey(column('unseen.key'), column('unseen.t'), column('unseen.value'));
    this.unseen = unseen.get(Number.NaN) ?? NOTHING;
    this.partitions = meta.keys.map((key, i) => ({
      key,
      sends: { consumer: -1, from: 0, until: 0 },
      readers: [],
      watermark: watermarks.get(i) ?? NOTHING,
      unseen: unseen.get(i) ?? NOTHING,
      cuts: [],
      unread: [],
    }));
    this.#group(column('mark.key'), column('mark.consumer'));
    const cutKeys = column('cut.key');
    for (const [row, t] of column('cut.t').entries()) {
      const cut = { t, to: column('cut.to')[row]!, node: table.texts['cut.node']?.[row] ?? '' };
      this.partitions[cutKeys[row]!]?.cuts.push(cut);
    }
    const unreadKeys = column('unread.key');
    const [offsets, ops] = [column('unread.offset'), column('unread.op')];
    for (const [row, t] of column('unread.t').entries()) {
      const unread = { t, offset: offsets[row]!, op: ops[row]! };
      this.partitions[unreadKeys[row]!]?.unread.push(unread);
    }
    this.unreadTimes = column('unread.t').slice().sort();
  }

  /** What a consumer is called. */
  consumerName(index: number): string {
    const { process, group } = this.meta.consumers[index] ?? {};
    if (process === undefined) return `group ${group}`;
    return group === undefined ? `process ${process}` : `process ${process} in ${group}`;
  }

  kindOf(row: number): (typeof MARK_KINDS)[number] {
    return MARK_KINDS[this.kind[row]!]!;
  }

  // Marks come by partition, sends first, then by consumer.
  #group(keys: Float64Array, consumers: Float64Array): void {
    for (let row = 0; row < keys.length; ) {
      let until = row + 1;
      while (
        until < keys.length &&
        keys[until] === keys[row] &&
        Object.is(consumers[until], consumers[row])
      ) {
        until++;
      }
      const partition = this.partitions[keys[row]!];
      const consumer = consumers[row]!;
      if (Number.isNaN(consumer)) {
        if (partition !== undefined) partition.sends = { consumer: -1, from: row, until };
      } else partition?.readers.push({ consumer, from: row, until });
      row = until;
    }
  }
}

function stepsByKey(
  keys: Float64Array,
  t: Float64Array,
  value: Float64Array,
): Map<number, { t: Float64Array; value: Float64Array }> {
  const found = new Map<number, { t: Float64Array; value: Float64Array }>();
  for (let row = 0; row < keys.length; ) {
    let until = row + 1;
    while (until < keys.length && Object.is(keys[until], keys[row])) until++;
    found.set(keys[row]!, { t: t.subarray(row, until), value: value.subarray(row, until) });
    row = until;
  }
  return found;
}

/** First position in an ascending list, between `from` and `until`, whose value is not below `value`. */
export function lowerBoundIn(
  sorted: ArrayLike<number>,
  value: number,
  from = 0,
  until = sorted.length,
): number {
  let low = from;
  let high = until;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The value at a time (`at`: changes of that very moment count); NaN before the first. */
export function valueAt(steps: Steps, time: number): number {
  const next = lowerBoundIn(steps.t, time + 0.5);
  return next === 0 ? Number.NaN : steps.value[next - 1]!;
}
