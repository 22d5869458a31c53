// The transaction log: every proposal is fsynced here before it is acknowledged, many by one fsync.
// Its order and its durability are what the ensemble's promise to clients rests on.
//
// One batch is in flight at a time: write, fdatasync, report; what is appended meanwhile gathers
// into the next. So when a batch is written everything before it is durable, and the batch says so
// on disk: recovery can tell an unsynced tail, which it cuts, from damage, which it refuses.
import fs from 'node:fs';
import { removeInOrder } from '../../wire/durable-files.ts';
import type { TxnRecord } from '../txn.ts';
import { follows, type Zxid, zxidHex } from '../zxid.ts';
import type { DurableMark } from './durable-mark.ts';
import { batchBytes, peekZxid } from './log-format.ts';
import type { LogInspection, Segment } from './log-inspection.ts';
import { checkHistory, mendLog, type RecoveredLog, type TxnLogOptions } from './log-mending.ts';
import { cutSegment, openRecord, walkSegment } from './log-reading.ts';
import { LogWriter } from './log-writer.ts';

export type { RecoveredLog, TxnLogOptions } from './log-mending.ts';

const DEFAULTS = {
  segmentBytes: 64 * 1024 * 1024,
  growBytes: 4 * 1024 * 1024,
  batchBytesMax: 4 * 1024 * 1024,
  queueBytesMax: 1024 * 1024 * 1024,
};

export class TxnLog {
  readonly dir: string;
  /** Called after fdatasync returned: everything up to `zxid` is durable. */
  onDurable: (zxid: Zxid) => void = () => {};
  /** Called once when the disk failed: the log is dead, nothing later will be reported durable. */
  onFailure: (error: Error) => void = () => {};

  readonly #segmentBytes: number;
  readonly #batchBytesMax: number;
  readonly #queueBytesMax: number;
  readonly #currentEpoch: () => number;
  readonly #onClosed: () => void;
  readonly #writer: LogWriter;
  readonly #mark: DurableMark | undefined;
  #segments: Segment[];
  /** What the first record of an empty log follows. */
  #base: Zxid;
  #lastLogged: Zxid;
  #committed: Zxid;
  #queue: TxnRecord[] = [];
  #queueBytes = 0;
  #busy = false;
  #scheduled = false;
  #rollNext = false;
  #failure: Error | null = null;
  #closed = false;
  /** Changes when records disappear, so that a reader under way notices. */
  #generation = 0;
  #waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];

  /**
   * Opens the log in `dir`: cuts an unsynced tail and makes what is left durable, synchronously.
   * Throws CorruptLogError when durable data is damaged or missing.
   */
  static open(dir: string, options: TxnLogOptions = {}): { log: TxnLog; recovered: RecoveredLog } {
    fs.mkdirSync(dir, { recursive: true });
    const after = options.after ?? 0;
    const found = mendLog(dir, after, options.installed === true, options.mark);
    const log = new TxnLog(dir, options, found, after);
    try {
      checkHistory(log, after);
    } catch (error) {
      log.#writer.close();
      throw error;
    }
    const { committed, currentEpoch, cut } = found;
    const records = (from: Zxid): Generator<TxnRecord> => log.readAfter(from);
    return {
      log,
      recovered: { records, lastLogged: log.lastLogged, committed, currentEpoch, cut },
    };
  }

  private constructor(dir: string, options: TxnLogOptions, found: LogInspection, after: Zxid) {
    this.dir = dir;
    this.#segmentBytes = options.segmentBytes ?? DEFAULTS.segmentBytes;
    this.#batchBytesMax = options.batchBytesMax ?? DEFAULTS.batchBytesMax;
    this.#queueBytesMax = options.queueBytesMax ?? DEFAULTS.queueBytesMax;
    this.#currentEpoch = options.currentEpoch ?? (() => 0);
    this.#segments = found.segments;
    this.#base = found.segments[0]?.header.previousZxid ?? after;
    this.#lastLogged = found.segments.at(-1)?.end.previous ?? after;
    // A snapshot holds nothing but what was committed.
    this.#committed = Math.max(found.committed, after);
    this.#onClosed = options.onClosed ?? (() => {});
    const growBytes = options.growBytes ?? DEFAULTS.growBytes;
    this.#writer = new LogWriter(dir, this.#segmentBytes, growBytes, options.mark);
    this.#mark = options.mark;
    this.#writer.resume(this.#segments.at(-1));
  }

  /** zxid of the last record appended, durable or not. */
  get lastLogged(): Zxid {
    return this.#lastLogged;
  }

  /** zxid of the last durable record. */
  get lastDurable(): Zxid {
    return this.#segments.at(-1)?.end.previous ?? this.#base;
  }

  /** Every record after this zxid is here; earlier ones only in snapshots. */
  get startsAfter(): Zxid {
    return this.#base;
  }

  /** Names of the segment files, oldest first. */
  get segmentFiles(): string[] {
    return this.#segments.map((segment) => segment.name);
  }

  /**
   * Queues records and returns at once; `onDurable` tells when they are on disk. `committed` is the
   * highest zxid known committed. Throws when the records do not follow the last one (I-Z7) or too
   * much waits already. After a failure or `close` began nothing is taken any more: after a failure
   * silently, since its report is already under way.
   */
  append(records: readonly TxnRecord[], committed: Zxid): void {
    if (this.#closed) throw new Error('the transaction log is closed, expected no more appends');
    if (this.#failure !== null) return;
    let last = this.#lastLogged;
    let bytes = this.#queueBytes;
    for (const record of records) {
      const { zxid } = record.txn;
      if (!follows(last, zxid)) {
        throw new Error(`transaction ${zxidHex(zxid)} cannot follow ${zxidHex(last)} in the log`);
      }
      last = zxid;
      bytes += record.bytes.length;
    }
    if (bytes > this.#queueBytesMax) {
      throw new Error(
        `${bytes} bytes wait for the transaction log, at most ${this.#queueBytesMax} may: the disk ` +
          'is far slower than the load',
      );
    }
    for (const record of records) this.#queue.push(record);
    this.#queueBytes = bytes;
    this.#lastLogged = last;
    this.#committed = Math.max(this.#committed, Math.min(committed, last));
    if (this.#busy || this.#scheduled) return;
    // What arrives in one turn of the loop shares one fsync.
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }

  /** Resolves when nothing is queued or in flight. Rejects when the log fails or has failed. */
  drained(): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#idle) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  get #idle(): boolean {
    return !this.#busy && this.#queue.length === 0;
  }

  /**
   * Removes every record above `to`, durably, before it returns. The log must be drained. Throws on
   * a failing disk, on a zxid before the log's beginning, and rather than remove a record known to
   * be committed (I-Z12); the server must then stop.
   */
  truncate(to: Zxid): void {
    this.#assertIdle('truncate');
    if (to >= this.#lastLogged) return;
    if (to < this.#base || to < this.#committed) {
      throw new Error(
        `asked to truncate the log to ${zxidHex(to)}, but it begins after ${zxidHex(this.#base)} ` +
          `and is committed up to ${zxidHex(this.#committed)}: refusing to lose committed data`,
      );
    }
    this.#dying(() => {
      this.#writer.release();
      this.#mark?.lower(to);
      // Newest first, so that a crash leaves a log without a gap.
      const above = this.#segments.filter((segment) => segment.header.firstZxid > to).reverse();
      removeInOrder(
        this.dir,
        above.map((segment) => segment.name),
      );
      this.#segments.length -= above.length;
      const last = this.#segments.pop();
      if (last !== undefined) this.#segments.push(cutSegment(this.dir, last, to));
      this.#lastLogged = this.lastDurable;
      this.#writer.resume(this.#segments.at(-1));
    });
  }

  /**
   * Removes all segments, durably: a snapshot at `after` replaced what they say. The next record
   * follows `after`. The log must be drained. Throws on a failing disk; the server must then stop.
   */
  reset(after: Zxid): void {
    this.#assertIdle('reset');
    this.#dying(() => {
      this.#writer.release();
      this.#mark?.lower(after);
      // The oldest goes last: while it is there, recovery knows that the reset was not finished.
      removeInOrder(this.dir, this.segmentFiles.reverse());
      this.#segments = [];
      this.#base = after;
      this.#lastLogged = after;
      // What the old log knew to be committed is in the snapshot, or the snapshot is not newer.
      this.#committed = after;
    });
  }

  /** The next batch begins a new segment. */
  roll(): void {
    this.#rollNext = true;
  }

  /** Deletes the segments that hold nothing above `keepFrom`, and returns how many. */
  purge(keepFrom: Zxid): number {
    if (this.#failure !== null || this.#closed) return 0;
    let count = 0;
    // The last one stays: it is being written.
    while (count < this.#segments.length - 1) {
      if ((this.#segments[count] as Segment).end.previous > keepFrom) break;
      count += 1;
    }
    const gone = this.#segments.slice(0, count).map((segment) => segment.name);
    this.#segments = this.#segments.slice(count);
    this.#base = this.#segments[0]?.header.previousZxid ?? this.#base;
    this.#generation += 1;
    removeInOrder(this.dir, gone);
    return count;
  }

  /**
   * The durable records above `zxid`, read from disk. Throws RangeError when the log begins later,
   * and CorruptLogError when a record can no longer be read. The log must not lose records
   * meanwhile.
   */
  readAfter(zxid: Zxid): Generator<TxnRecord> {
    if (zxid < this.#base) {
      throw new RangeError(
        `asked for records after ${zxidHex(zxid)}, the log begins after ${zxidHex(this.#base)}`,
      );
    }
    return this.#read(zxid, this.#segments.slice(), this.#generation);
  }

  *#read(zxid: Zxid, segments: Segment[], generation: number): Generator<TxnRecord> {
    for (const segment of segments) {
      if (segment.end.previous <= zxid) continue;
      for (const { batch } of walkSegment(this.dir, segment, zxid)) {
        for (const bytes of batch.records) {
          if (generation !== this.#generation) throw new Error('the log was cut while it was read');
          if (peekZxid(bytes) > zxid) yield openRecord(this.dir, segment, batch, bytes);
        }
      }
    }
  }

  /** The highest durable zxid that is at most `zxid`; undefined when the log begins later. */
  floor(zxid: Zxid): Zxid | undefined {
    if (zxid >= this.lastDurable) return this.lastDurable;
    if (zxid < this.#base) return undefined;
    const segment = this.#segments.findLast((each) => each.header.firstZxid <= zxid);
    if (segment === undefined) return this.#base;
    const found = walkSegment(this.dir, segment, zxid).next();
    if (found.done === true) return segment.end.previous;
    const { batch, before } = found.value;
    const atMost = batch.records.map(peekZxid).filter((each) => each <= zxid);
    return atMost.at(-1) ?? before.previous;
  }

  /** Waits until everything is on disk, then lets the files go. Rejects when the disk failed. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      if (this.#failure === null) await this.drained();
    } finally {
      this.#writer.close();
      this.#onClosed();
    }
  }

  #assertIdle(what: string): void {
    if (this.#failure !== null) throw this.#failure;
    if (this.#closed) throw new Error(`cannot ${what} a closed transaction log`);
    if (!this.#idle) throw new Error(`cannot ${what} the transaction log before it is drained`);
  }

  /** Runs a change of the files; when it fails half-way the log is dead. */
  #dying(change: () => void): void {
    this.#generation += 1;
    try {
      change();
    } catch (error) {
      this.#failure = error as Error;
      throw error;
    }
  }

  #pump(): void {
    if (this.#busy || this.#failure !== null || this.#queue.length === 0) return;
    this.#busy = true;
    const { records, bytes } = this.#gather();
    const zxid = (records.at(-1) as TxnRecord).txn.zxid;
    const committed = Math.min(this.#committed, zxid);
    const notes = { committed, currentEpoch: this.#currentEpoch() };
    const done = (error: Error | null, begun?: Segment): void => {
      if (error !== null) {
        this.#fail(error);
        return;
      }
      if (begun !== undefined) this.#segments.push(begun);
      this.#durable(zxid);
    };
    const last = this.#segments.at(-1);
    const wants = batchBytes(bytes, records.length);
    const full = last !== undefined && last.end.offset + wants > this.#segmentBytes;
    if (last !== undefined && !full && !this.#rollNext) {
      this.#writer.append(last, records, notes, done);
      return;
    }
    this.#rollNext = false;
    const before = { zxid: this.lastDurable, chain: last?.end.chain ?? 0 };
    this.#writer.begin(before, records, notes, done);
  }

  /** Takes from the queue what one batch may hold. */
  #gather(): { records: TxnRecord[]; bytes: number } {
    let count = 0;
    let bytes = 0;
    for (const record of this.#queue) {
      if (count > 0 && bytes + record.bytes.length > this.#batchBytesMax) break;
      bytes += record.bytes.length;
      count += 1;
    }
    const records = this.#queue.splice(0, count);
    this.#queueBytes -= bytes;
    return { records, bytes };
  }

  #durable(zxid: Zxid): void {
    this.#busy = false;
    // The disk goes on while what is durable is made use of.
    this.#pump();
    this.onDurable(zxid);
    if (!this.#idle) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const each of waiting) each.resolve();
  }

  /**
   * Never retried: after a failed fsync the kernel may have dropped the pages it could not write.
   */
  #fail(error: Error): void {
    this.#busy = false;
    this.#queue = [];
    const code = (error as NodeJS.ErrnoException).code ?? 'error';
    const failure = new Error(
      `the transaction log in ${this.dir} cannot be written (${code}: ${error.message}). The server ` +
        'stops: nothing it acknowledged is lost. Free space or replace the disk, then start it again.',
      { cause: error },
    );
    this.#failure = failure;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const each of waiting) each.reject(failure);
    this.onFailure(failure);
  }
}
