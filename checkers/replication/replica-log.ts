// One replica's log of a partition, rebuilt from its broker's events over restarts: which batches it holds,
// how far it is durable, and what is not known. The judges of replication and of producers stand on it.
import type { BrokerNodeEvent } from '../../history/broker-event.ts';
import { upperBound } from '../evidence.ts';

export type AppendEvent = Extract<BrokerNodeEvent, { ev: 'logAppend' }>;
export type BrokerEventOf<K extends BrokerNodeEvent['ev']> = Extract<BrokerNodeEvent, { ev: K }>;

/** A batch in a log; `previous` is the one before it, if that is known. */
export interface Batch {
  event: AppendEvent;
  previous: AppendEvent | undefined;
}

/** Whether two appends are of one batch: a leader writes an offset once in an epoch. */
export function sameBatch(a: AppendEvent, b: AppendEvent): boolean {
  return a.from === b.from && a.epoch === b.epoch;
}

export class ReplicaLog {
  readonly node: string;
  readonly batches: Batch[] = [];
  /** First offsets of `batches`, for searching. */
  readonly #froms: number[] = [];
  /** Batches of each idempotent producer, in log order. */
  readonly #producers = new Map<number, AppendEvent[]>();
  /** Offset after the last record. */
  end = 0;
  /** Everything below is durable. */
  flushed = 0;
  start = 0;
  /** Below here, and nowhere else, records may stand whose append no event told of. */
  knownFrom = 0;
  /** After a start: the log's end is told by the next event that names it. */
  uncertain = false;

  #epoch = -1;
  /** What it had when it went over from one leader epoch to the next, in this life of its broker. */
  readonly #leftWith = new Map<number, { end: number; flushed: number }>();

  constructor(node: string) {
    this.node = node;
  }

  get last(): AppendEvent | undefined {
    return this.batches.at(-1)?.event;
  }

  /** Whether everything that ever was in this log is known. */
  get whole(): boolean {
    return this.knownFrom === 0 && this.start === 0;
  }

  /** The batch that holds an offset, if it is known. */
  at(offset: number): AppendEvent | undefined {
    const batch = this.batches[upperBound(this.#froms, offset) - 1]?.event;
    return batch !== undefined && offset <= batch.to ? batch : undefined;
  }

  /** The last batches of a producer, the latest at the end. */
  ofProducer(pid: number): readonly AppendEvent[] {
    return this.#producers.get(pid) ?? [];
  }

  append(event: AppendEvent): Batch {
    const last = this.last;
    const previous = last !== undefined && last.to + 1 === event.from ? last : undefined;
    const batch = { event, previous };
    this.batches.push(batch);
    this.#froms.push(event.from);
    this.end = event.to + 1;
    if (event.pid !== undefined && event.pid >= 0) {
      const own = this.#producers.get(event.pid);
      if (own === undefined) this.#producers.set(event.pid, [event]);
      else own.push(event);
    }
    return batch;
  }

  /** Removes all from `to` on; returns what is gone, in order. */
  truncate(to: number): AppendEvent[] {
    const removed: AppendEvent[] = [];
    for (let last = this.last; last !== undefined && last.to >= to; last = this.last) {
      removed.push(last);
      this.batches.pop();
      this.#froms.pop();
      if (last.pid !== undefined) this.#producers.get(last.pid)?.pop();
    }
    this.end = Math.min(this.end, to);
    this.flushed = Math.min(this.flushed, to);
    this.knownFrom = Math.min(this.knownFrom, to);
    return removed.reverse();
  }

  /** The log begins at `from`; one that ended before begins anew there. */
  startAt(from: number): void {
    this.start = Math.max(this.start, from);
    if (from <= this.end) return;
    this.truncate(0);
    this.end = this.flushed = this.knownFrom = from;
  }

  /** It leads or follows in that epoch from here on. */
  enter(epoch: number): void {
    if (epoch === this.#epoch) return;
    const { end, flushed } = this;
    if (this.#epoch >= 0) this.#leftWith.set(this.#epoch, { end, flushed });
    this.#epoch = epoch;
  }

  /**
   * How much a fetch of that epoch may claim. One that comes late, when the follower has gone over to another
   * leader and has cut its log for it, claims what was true when it was sent.
   */
  claimable(epoch: number, durable: boolean): number {
    const then = epoch < this.#epoch ? this.#leftWith.get(epoch) : undefined;
    const of = (log: { end: number; flushed: number }) => (durable ? log.flushed : log.end);
    return Math.max(of(this), then === undefined ? -1 : of(then));
  }

  /** The broker started again: what was not durable may be gone, and what no event told of be there. */
  restart(): void {
    this.uncertain = true;
    this.#epoch = -1;
    this.#leftWith.clear();
  }

  /**
   * An event names the log's end. Returns what contradicts the events before. `tells`: whatever is missing
   * of what was durable is lost; `false` where a disk was damaged on purpose.
   */
  told(end: number, durable: boolean): string | undefined {
    const before = this.end;
    const { flushed, uncertain } = this;
    this.uncertain = false;
    if (end === before) {
      if (uncertain) this.flushed = end;
      return undefined;
    }
    if (!uncertain) {
      this.#follow(end);
      return `its log ended at ${before} and now ends at ${end}, though nothing was appended or truncated`;
    }
    this.#follow(end);
    this.flushed = end;
    if (end >= flushed || !durable) return undefined;
    return `after its start the log ends at ${end}, but everything below ${flushed} had been durable`;
  }

  #follow(end: number): void {
    if (end < this.end) this.truncate(end);
    else {
      // Written by a process that was killed before its event was out.
      this.knownFrom = end;
      this.end = end;
    }
  }
}
