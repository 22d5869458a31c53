// The log of one partition on one broker: batches at offsets, kept as their producers encoded them, durable by
// group commit, cut only where the replication protocol says so. Everything a broker promises rests on it.
//
// The files of its folder: segments with their indexes; `log-checkpoint` (where it begins, from where on to
// verify it, whether it was closed); `flushed-mark` (how far it was durable); `leader-epoch-checkpoint`;
// snapshots of the producers.

import { syncDirectoryLater } from '../../wire/durable-files.ts';
import { stampBatch } from '../../wire/kafka/record-batch.ts';
import { type AppendResult, checkFetched, checkProduced } from './append.ts';
import type { BatchHeader } from './batch-header.ts';
import type { LogConfig } from './config.ts';
import type { EpochEnd, EpochStart } from './epochs.ts';
import { LogFailedError, NotContiguousError, OffsetOutOfRangeError } from './errors.ts';
import { syncData } from './files.ts';
import { Flusher } from './flusher.ts';
import { type Cut, inspectLog } from './inspection.ts';
import { LogBody } from './log-body.ts';
import { writeState, writeStateLater } from './log-state.ts';
import { createLog, mendLog } from './mending.ts';
import type { ProducerEntry } from './producers.ts';
import { type LogRead, type ReadOptions, readLog, segmentFor } from './reading.ts';
import { retainedFrom } from './retention.ts';
import type { Segment } from './segment.ts';
import { findTimestamp, type TimestampedOffset } from './timestamps.ts';

export interface OpenOptions {
  readonly config: LogConfig;
  /** The wall clock, ms since 1970; for age alone, never for order. */
  readonly now?: () => number;
}

/** What an opening found. */
export interface Recovered {
  /** The log was closed in order; otherwise its tail was verified and what was not whole is gone. */
  readonly clean: boolean;
  /** It was not there before. */
  readonly created: boolean;
  /** The unsynced tail that was removed. */
  readonly cut: Cut | null;
}

export class PartitionLog {
  readonly dir: string;
  /** Called after an fsync: everything below `offset` is durable. */
  onFlushed: (offset: number) => void = () => {};
  /** Called once when the disk failed: the log is dead, and the broker has to stop. */
  onFailure: (error: LogFailedError) => void = () => {};

  readonly #body: LogBody;
  readonly #flusher: Flusher;
  #unflushedRecords = 0;
  #failure: LogFailedError | null = null;
  #closed = false;
  /** The finished segment that was read last: the only one whose file stays open. */
  #lastRead: Segment | undefined;

  /**
   * Opens the log in `dir`, whose parent is there durably, or makes an empty one: cuts an unsynced tail and makes
   * what is left durable, synchronously. Throws CorruptLogError when durable data is damaged or missing, changing nothing.
   */
  static open(dir: string, options: OpenOptions): { log: PartitionLog; recovered: Recovered } {
    const { config, now = Date.now } = options;
    const { indexIntervalBytes } = config;
    const there = inspectLog(dir, indexIntervalBytes);
    if (there === undefined) createLog(dir, 0);
    const found = there ?? inspectLog(dir, indexIntervalBytes);
    if (found === undefined) throw new Error(`${dir} lost the log that was just made in it`);
    const mending = { intervalBytes: indexIntervalBytes, nowMs: now() };
    const { segments, mark } = mendLog(dir, found, mending);
    const { logStartOffset } = found.state;
    const { epochs } = found;
    const body = new LogBody({ dir, config, now, segments, epochs, mark, logStartOffset });
    const recovered = { clean: found.clean, created: there === undefined, cut: found.cut };
    return { log: new PartitionLog(body), recovered };
  }

  private constructor(body: LogBody) {
    this.dir = body.dir;
    this.#body = body;
    this.#flusher = new Flusher(body.endOffset, {
      sync: (covered) => this.#sync(covered),
      failed: (error) => this.#fail(error),
    });
  }

  /** First offset that can be read. */
  get logStartOffset(): number {
    return this.#body.logStartOffset;
  }

  /** Offset that the next record gets. */
  get logEndOffset(): number {
    return this.#body.endOffset;
  }

  /** Everything below is durable. */
  get flushedOffset(): number {
    return this.#flusher.flushedOffset;
  }

  /**
   * What counts: what a follower's fetch may claim and a leader may take into the high watermark. With
   * `log.flush.interval.messages` 1 that is what is durable; otherwise all of it.
   */
  get countedOffset(): number {
    return this.#body.config.flushIntervalMessages === 1 ? this.flushedOffset : this.logEndOffset;
  }

  get config(): LogConfig {
    return this.#body.config;
  }

  /** Takes changed settings; those of an index count for segments begun from now on. */
  configure(config: LogConfig): void {
    this.#body.config = config;
  }

  /** Bytes of its segments. */
  get sizeBytes(): number {
    return this.#body.segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  /** Base offsets of its segments, ascending. */
  get segmentOffsets(): number[] {
    return this.#body.segments.map(({ baseOffset }) => baseOffset);
  }

  /**
   * Appends one batch of a producer: gives it offset and leader epoch in place, `bytes` belongs to the
   * log from here on. Returns at once; `flushed(lastOffset + 1)` tells when it is durable.
   * @throws LogFailedError when the disk fails or has failed.
   */
  appendAsLeader(bytes: Buffer, leaderEpoch: number): AppendResult {
    this.#assertOpen('append to');
    const { config, producers, endOffset } = this.#body;
    const checked = checkProduced(bytes, config, producers, this.#body.now());
    if (!('header' in checked)) return checked;
    stampBatch(bytes, 0, endOffset, leaderEpoch);
    const nextOffset = endOffset + checked.header.recordCount;
    const header = { ...checked.header, baseOffset: endOffset, nextOffset, leaderEpoch };
    this.#append(bytes, [header]);
    return { ok: true, baseOffset: endOffset, lastOffset: nextOffset - 1, duplicate: false };
  }

  /**
   * Appends whole batches fetched from the leader as they are. Returns the log's new end.
   * @throws NotContiguousError when they do not continue this log, Error when they are damaged or of an
   * epoch older than what is here, LogFailedError when the disk fails or has failed.
   */
  appendAsFollower(bytes: Buffer): number {
    this.#assertOpen('append to');
    const headers = checkFetched(bytes, this.#body.endOffset);
    if (headers.length > 0) this.#append(bytes, headers);
    return this.#body.endOffset;
  }

  /** Appends batches whose offsets follow the log's end, segment by segment. */
  #append(bytes: Buffer, headers: readonly BatchHeader[]): void {
    this.#assertEpochs(headers);
    const { config, now } = this.#body;
    const nowMs = now();
    try {
      let from = 0;
      for (let first = 0; first < headers.length; ) {
        if (this.#rollsBefore(headers[first] as BatchHeader, nowMs)) {
          this.#body.roll();
          this.#flusher.request();
        }
        const run = this.#fitting(headers.slice(first));
        const sizeBytes = run.reduce((sum, header) => sum + header.sizeBytes, 0);
        this.#body.take(bytes.subarray(from, from + sizeBytes), run, nowMs);
        first += run.length;
        from += sizeBytes;
      }
    } catch (error) {
      throw this.#fail(error as Error);
    }
    for (const { recordCount } of headers) this.#unflushedRecords += recordCount;
    if (this.#unflushedRecords >= config.flushIntervalMessages) this.#flusher.request();
    else if (config.flushIntervalMs >= 0) this.#flusher.requestWithin(config.flushIntervalMs);
  }

  /** As many of the batches as the last segment takes, at least one. */
  #fitting(headers: readonly BatchHeader[]): readonly BatchHeader[] {
    const { active, config } = this.#body;
    let sizeBytes = active.sizeBytes;
    const over = headers.findIndex(
      (header) => (sizeBytes += header.sizeBytes) > config.segmentBytes,
    );
    return over < 0 ? headers : headers.slice(0, Math.max(over, 1));
  }

  /** Leader epochs never fall along the log. */
  #assertEpochs(headers: readonly BatchHeader[]): void {
    let epoch = this.#body.epochs.epochFor(this.#body.endOffset - 1) ?? -1;
    for (const { leaderEpoch, baseOffset } of headers) {
      if (leaderEpoch < epoch) {
        throw new NotContiguousError(
          `expected leader epoch ${epoch} or later at offset ${baseOffset}, got ${leaderEpoch}`,
        );
      }
      epoch = leaderEpoch;
    }
  }

  #rollsBefore(header: BatchHeader, nowMs: number): boolean {
    const { active, config } = this.#body;
    if (active.sizeBytes === 0) return false;
    if (active.sizeBytes + header.sizeBytes > config.segmentBytes) return true;
    // Its indexes count offsets from its first in 32 bits.
    if (header.nextOffset - active.baseOffset >= 2 ** 32) return true;
    return nowMs - active.begunAtMs >= config.segmentMs;
  }

  /** One sync of everything appended so far: epochs, segments, names, and then the mark. */
  async #sync(covered: (offset: number) => void): Promise<void> {
    const body = this.#body;
    const target = body.endOffset;
    const dirty = body.segments.filter(({ endOffset }) => endOffset > this.flushedOffset);
    const { namesDue, stateDue } = body;
    body.namesDue = false;
    body.stateDue = false;
    this.#unflushedRecords = 0;
    // First: below the mark the file of the epochs is exact.
    if (body.epochs.dirty) await body.epochs.saveLater();
    for (const segment of dirty) await syncSegment(segment);
    if (namesDue) await syncDirectoryLater(this.dir);
    body.mark.raise(target);
    for (const segment of dirty) if (segment !== body.active) segment.release();
    covered(target);
    this.onFlushed(target);
    if (stateDue) await writeStateLater(this.dir, body.state(target));
  }

  /** Resolves when everything below `offset` is durable. Rejects when the disk fails or the log is cut. */
  flushed(offset: number): Promise<void> {
    return this.#flusher.flushed(offset);
  }

  /** Makes everything appended so far durable, whatever the settings say. */
  flush(): Promise<void> {
    const { endOffset } = this.#body;
    if (endOffset > this.flushedOffset) this.#flusher.request();
    return this.#flusher.flushed(endOffset);
  }

  /** Notes durably how far the log is, so that a start after a crash has less to verify. */
  checkpoint(): Promise<void> {
    return this.#flusher.exclusively(() => {
      return this.#dying(() => writeStateLater(this.dir, this.#body.state(this.flushedOffset)));
    });
  }

  /**
   * Whole batches from `offset` on, at least one where there is any, of one segment.
   * @throws OffsetOutOfRangeError, CorruptLogError
   */
  async read(offset: number, options: ReadOptions): Promise<LogRead> {
    const body = this.#body;
    const log = {
      get segments() {
        return body.segments;
      },
      get logStartOffset() {
        return body.logStartOffset;
      },
      get endOffset() {
        return body.endOffset;
      },
      get generation() {
        return body.generation;
      },
      epochs: body.epochs,
    };
    const found = await readLog(log, offset, options);
    this.#keepOpen(segmentFor(body.segments, offset));
    return found;
  }

  #keepOpen(segment: Segment): void {
    if (segment === this.#lastRead) return;
    const before = this.#lastRead;
    this.#lastRead = segment;
    if (before !== undefined && before !== this.#body.active) before.release();
  }

  /** The first record with `timestamp` or later below `limitOffset`; undefined: none. Throws CorruptLogError. */
  offsetForTimestamp(
    timestamp: number,
    limitOffset: number = this.logEndOffset,
  ): TimestampedOffset | undefined {
    const range = { fromOffset: this.logStartOffset, limitOffset };
    return findTimestamp(this.#body.segments, timestamp, range);
  }

  /** Leader epochs with the offsets at which they began. */
  get leaderEpochs(): readonly EpochStart[] {
    return this.#body.epochs.entries;
  }

  /** A new leader writes from here on: to be told before it appends, and without any append as well. */
  becomeLeader(epoch: number): void {
    this.#body.epochs.assign(epoch, this.logEndOffset);
  }

  /** The largest epoch at most `epoch` and where it ends here; undefined: this log knows of none. */
  endOffsetFor(epoch: number): EpochEnd | undefined {
    return this.#body.epochs.endOffsetFor(epoch, this.logEndOffset);
  }

  producer(producerId: number): ProducerEntry | undefined {
    return this.#body.producers.get(producerId);
  }

  /** Idempotent producers known, those silent for longest first. */
  get producers(): readonly ProducerEntry[] {
    return [...this.#body.producers.entries()];
  }

  /**
   * Removes every batch that holds anything from `offset` on, and returns the log's new end, which is lower
   * than `offset` if that was inside a batch. If there was any to remove, that is durable when it resolves,
   * and so is all that is left.
   * @throws OffsetOutOfRangeError below the log's start: then it has to begin anew.
   */
  truncateTo(offset: number): Promise<number> {
    return this.#exclusively('truncate', () => {
      const { logStartOffset, endOffset } = this.#body;
      if (offset < logStartOffset) {
        throw new OffsetOutOfRangeError(offset, logStartOffset, endOffset);
      }
      return this.#dying(() => {
        const end = this.#body.cutTo(offset);
        if (end < endOffset) this.#flusher.restartAt(end);
        return end;
      });
    });
  }

  /** Removes everything, durably; the next record gets `offset`. */
  truncateFullyAndStartAt(offset: number): Promise<void> {
    return this.#exclusively('truncate', () => {
      return this.#dying(() => {
        this.#body.beginAnew(offset);
        this.#flusher.restartAt(offset);
      });
    });
  }

  /**
   * The log begins at `offset`, as its leader's does or a client asked; whole segments below are deleted,
   * the last one never. Returns how many. The start may be above this replica's end: then it begins anew.
   */
  advanceLogStart(offset: number): Promise<number> {
    return this.#exclusively('advance', () => {
      const { endOffset } = this.#body;
      if (offset > endOffset)
        throw new OffsetOutOfRangeError(offset, this.logStartOffset, endOffset);
      return this.#dying(() => this.#body.beginAt(offset));
    });
  }

  /**
   * Deletes segments that `retention.ms` or `retention.bytes` lets go, none that holds anything from
   * `limitOffset` (the high watermark) on. Returns how many.
   */
  applyRetention(limitOffset: number): Promise<number> {
    return this.#exclusively('apply retention to', () => {
      const body = this.#body;
      const limits = { limitOffset: Math.min(limitOffset, this.flushedOffset), nowMs: body.now() };
      const start = retainedFrom(body.segments, body.logStartOffset, body.config, limits);
      if (start <= body.logStartOffset) return 0;
      return this.#dying(() => {
        if (start === body.endOffset) body.roll();
        return body.beginAt(start);
      });
    });
  }

  /**
   * Makes everything durable and closes the files, so that the next start has nothing to verify. Rejects
   * when the disk fails or has failed.
   */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      await this.#flusher.exclusively(async () => {
        await this.#flusher.syncNow();
        await this.#dying(() => {
          this.#body.active.saveIndex();
          this.#body.saveProducers();
          const { endOffset } = this.#body;
          writeState(this.dir, this.#body.state(endOffset, endOffset));
        });
      });
    } finally {
      this.#flusher.stop(new Error(`the log in ${this.dir} is closed`));
      this.#body.close();
    }
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Closes the files as they are: the log is about to be deleted, and whoever waits is told so. */
  async discard(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    // A sync under way still uses the files; whether it fails does not matter any more.
    await this.#flusher.idle();
    this.#flusher.stop(new Error(`the log in ${this.dir} was deleted`));
    this.#body.close();
  }

  #exclusively<T>(what: string, change: () => T | Promise<T>): Promise<T> {
    if (this.#closed)
      return Promise.reject(new Error(`cannot ${what} a closed log in ${this.dir}`));
    return this.#flusher.exclusively(change);
  }

  #assertOpen(what: string): void {
    if (this.#failure !== null) throw this.#failure;
    if (this.#closed) throw new Error(`cannot ${what} a closed log in ${this.dir}`);
  }

  /** Runs a change of the files; when it fails half-way the log is dead. */
  async #dying<T>(change: () => T | Promise<T>): Promise<T> {
    try {
      return await change();
    } catch (error) {
      throw this.#fail(error as Error);
    }
  }

  #fail(error: Error): LogFailedError {
    if (this.#failure !== null) return this.#failure;
    const failure = new LogFailedError(this.dir, error);
    this.#failure = failure;
    this.#flusher.stop(failure);
    this.onFailure(failure);
    return failure;
  }
}

async function syncSegment(segment: Segment): Promise<void> {
  try {
    await syncData(segment.use());
  } finally {
    segment.endUse();
  }
}
