// The newest transactions of the log, in memory: what a learner lacks is taken from here, and what is
// logged but not yet known committed waits here to be applied. Bounded, but never trims the unapplied.
import type { TxnRecord } from '../txn.ts';
import { follows, type Zxid, zxidHex } from '../zxid.ts';

export interface RecentLogLimits {
  /** Applied records kept for learners (ZooKeeper's commitLogCount). */
  recordsMax: number;
  bytesMax: number;
}

/** Records `(floor, last]` of the log, in order. */
export class RecentLog {
  readonly #limits: RecentLogLimits;
  #floor: Zxid = 0;
  #records: TxnRecord[] = [];
  #bytes = 0;

  constructor(limits: RecentLogLimits) {
    this.#limits = limits;
  }

  /** A learner whose last zxid is at least this can be given what it lacks from here. */
  get floor(): Zxid {
    return this.#floor;
  }

  /** zxid of the newest record, or the floor when there is none. */
  get last(): Zxid {
    return this.#records.at(-1)?.txn.zxid ?? this.#floor;
  }

  /** Forgets everything; the next record follows `zxid`. */
  reset(zxid: Zxid): void {
    this.#floor = zxid;
    this.#records = [];
    this.#bytes = 0;
  }

  /** Adds the next record. Throws when it does not follow the last one. */
  add(record: TxnRecord): void {
    if (!follows(this.last, record.txn.zxid)) {
      throw new Error(
        `log order broken: ${zxidHex(record.txn.zxid)} cannot follow ${zxidHex(this.last)}`,
      );
    }
    this.#records.push(record);
    this.#bytes += record.bytes.length;
  }

  /** Index of the first record above `zxid`. */
  #indexAfter(zxid: Zxid): number {
    let low = 0;
    let high = this.#records.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#records[middle] as TxnRecord).txn.zxid <= zxid) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The records above `zxid`, in order. `zxid` must not lie below the floor. */
  after(zxid: Zxid): TxnRecord[] {
    if (zxid < this.#floor) {
      throw new Error(`expected at least ${zxidHex(this.#floor)}, got ${zxidHex(zxid)}`);
    }
    return this.#records.slice(this.#indexAfter(zxid));
  }

  /** The records above `zxid` and at most `to`, in order. */
  between(zxid: Zxid, to: Zxid): TxnRecord[] {
    if (to >= this.last) return this.after(zxid);
    if (zxid < this.#floor) {
      throw new Error(`expected at least ${zxidHex(this.#floor)}, got ${zxidHex(zxid)}`);
    }
    return this.#records.slice(this.#indexAfter(zxid), this.#indexAfter(to));
  }

  /** The largest zxid of ours that is at most `zxid`; undefined when that lies below the floor. */
  atMost(zxid: Zxid): Zxid | undefined {
    const index = this.#indexAfter(zxid);
    if (index > 0) return (this.#records[index - 1] as TxnRecord).txn.zxid;
    return zxid >= this.#floor ? this.#floor : undefined;
  }

  /** The record with exactly this zxid. */
  at(zxid: Zxid): TxnRecord | undefined {
    const record = this.#records[this.#indexAfter(zxid) - 1];
    return record?.txn.zxid === zxid ? record : undefined;
  }

  /** Drops everything above `to`. */
  truncate(to: Zxid): void {
    const dropped = this.#records.splice(this.#indexAfter(to));
    for (const record of dropped) this.#bytes -= record.bytes.length;
  }

  /** Gives up the oldest applied records beyond the limits. */
  trim(applied: Zxid): void {
    const { recordsMax, bytesMax } = this.#limits;
    // Cutting the front of an array is not free: wait until a good part of it may go.
    if (this.#records.length < 2 * recordsMax && this.#bytes < 2 * bytesMax) return;
    const appliedCount = this.#indexAfter(applied);
    let drop = 0;
    let bytes = this.#bytes;
    while (drop < appliedCount && (this.#records.length - drop > recordsMax || bytes > bytesMax)) {
      bytes -= (this.#records[drop] as TxnRecord).bytes.length;
      drop += 1;
    }
    if (drop === 0) return;
    this.#floor = (this.#records[drop - 1] as TxnRecord).txn.zxid;
    this.#records = this.#records.slice(drop);
    this.#bytes = bytes;
  }
}
