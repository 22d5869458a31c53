// The state of an open log, in memory and on disk, and the changes of its files that take records away. Each of
// those is ordered so that a crash at any point leaves a log that recovery can tell from a damaged one.
import fs from 'node:fs';
import { removeAll, shorten, syncDirectory } from '../../wire/durable-files.ts';
import type { BatchHeader } from './batch-header.ts';
import { walkBatches } from './batch-walk.ts';
import type { LogConfig } from './config.ts';
import type { EpochCache } from './epochs.ts';
import { CorruptLogError } from './errors.ts';
import type { FlushMark } from './flush-mark.ts';
import { type LogState, writeState } from './log-state.ts';
import {
  latestSnapshot,
  removeOldSnapshots,
  removeSnapshotsAbove,
  snapshotOffsets,
  writeSnapshot,
} from './producer-snapshots.ts';
import { ProducerStates } from './producers.ts';
import { segmentFor } from './reading.ts';
import { Segment } from './segment.ts';
import { NO_TIMESTAMP, type Place } from './sparse-index.ts';

export interface LogParts {
  readonly dir: string;
  readonly config: LogConfig;
  readonly now: () => number;
  readonly segments: Segment[];
  readonly epochs: EpochCache;
  readonly mark: FlushMark;
  readonly logStartOffset: number;
}

export class LogBody {
  readonly dir: string;
  readonly now: () => number;
  readonly epochs: EpochCache;
  readonly mark: FlushMark;
  config: LogConfig;
  segments: Segment[];
  producers: ProducerStates;
  logStartOffset: number;
  /** Changes when records disappear, so that a reader under way notices. */
  generation = 0;
  /** A segment was begun whose name is not durable. */
  namesDue = false;
  /** The file of the log's state says less than it could. */
  stateDue = false;

  constructor(parts: LogParts) {
    this.dir = parts.dir;
    this.config = parts.config;
    this.now = parts.now;
    this.segments = parts.segments;
    this.epochs = parts.epochs;
    this.mark = parts.mark;
    this.logStartOffset = parts.logStartOffset;
    this.producers = this.#rebuiltProducers();
  }

  get active(): Segment {
    return this.segments.at(-1) as Segment;
  }

  get endOffset(): number {
    return this.active.endOffset;
  }

  state(recoveryPoint: number, cleanEndOffset: number | null = null): LogState {
    return { logStartOffset: this.logStartOffset, recoveryPoint, cleanEndOffset };
  }

  /** Takes batches that follow the log's end into the last segment. Throws what the disk throws. */
  take(bytes: Buffer, headers: readonly BatchHeader[], nowMs: number): void {
    this.active.append(bytes, headers);
    for (const header of headers) {
      this.epochs.assign(header.leaderEpoch, header.baseOffset);
      this.producers.update(header, nowMs);
    }
  }

  /** Finishes the last segment and begins the next. Nothing of it is durable yet. */
  roll(): void {
    this.active.saveIndex();
    this.saveProducers();
    const { indexIntervalBytes } = this.config;
    const next = Segment.create(this.dir, this.endOffset, this.now(), indexIntervalBytes);
    this.segments = [...this.segments, next];
    this.namesDue = true;
    this.stateDue = true;
  }

  /** Writes a snapshot of the producers at the log's end, if there is anything to say. */
  saveProducers(): void {
    if (this.producers.size === 0 && snapshotOffsets(this.dir).length === 0) return;
    writeSnapshot(this.dir, this.endOffset, this.producers);
  }

  /** From the newest snapshot on, by the headers of the batches that follow it. */
  #rebuiltProducers(): ProducerStates {
    const nowMs = this.now();
    const snapshot = latestSnapshot(this.dir, this.endOffset);
    const states = new ProducerStates(this.config.producerExpirationMs, snapshot?.entries ?? []);
    const from = snapshot?.offset ?? 0;
    for (const segment of this.segments) {
      if (segment.endOffset <= from || segment.sizeBytes === 0) continue;
      for (const { header } of walkSegment(segment, from)) {
        // As late as can be: a producer that is remembered too long does no harm.
        if (header.baseOffset >= from) states.update(header, nowMs);
      }
    }
    return states;
  }

  /**
   * Removes every batch that holds anything from `offset` on, durably, and returns the log's new end.
   * Everything that is left is durable then, too.
   */
  cutTo(offset: number): number {
    if (offset >= this.endOffset) {
      // Epochs that wrote nothing here are forgotten all the same: the leader's may be others.
      this.epochs.truncateFromEnd(this.endOffset);
      if (this.epochs.dirty) this.epochs.save();
      return this.endOffset;
    }
    const segment = segmentFor(this.segments, offset);
    const { to, maxTimestamp } = placeOf(segment, offset);
    this.generation += 1;
    this.mark.lower(to.offset);
    // The batch in which the log began may be the one that goes.
    this.logStartOffset = Math.min(this.logStartOffset, to.offset);
    writeState(this.dir, this.state(Math.min(to.offset, this.mark.offset)));
    removeSnapshotsAbove(this.dir, to.offset);
    const keep = this.segments.indexOf(segment) + 1;
    this.#remove(this.segments.slice(keep));
    this.segments = this.segments.slice(0, keep);
    removeAll(this.dir, segment.names.slice(1));
    shorten(segment.logFile, to.position);
    segment.cutAt(to, maxTimestamp);
    for (const each of this.segments) {
      if (each.endOffset > this.mark.offset) syncSegment(each);
    }
    syncDirectory(this.dir);
    this.epochs.truncateFromEnd(to.offset);
    if (this.epochs.dirty) this.epochs.save();
    this.mark.settle(to.offset);
    this.namesDue = false;
    this.stateDue = true;
    if (this.producers.size > 0) this.producers = this.#rebuiltProducers();
    return to.offset;
  }

  /** Removes everything, durably; the next batch comes at `offset`. */
  beginAnew(offset: number): void {
    this.generation += 1;
    this.mark.lower(offset);
    this.logStartOffset = offset;
    // From here on a start finds a log that begins at `offset`, whatever segments are left.
    writeState(this.dir, this.state(offset));
    this.epochs.clear();
    if (this.epochs.dirty) this.epochs.save();
    removeSnapshotsAbove(this.dir, -1);
    this.#remove(this.segments);
    const { indexIntervalBytes } = this.config;
    this.segments = [Segment.create(this.dir, offset, this.now(), indexIntervalBytes)];
    syncDirectory(this.dir);
    this.mark.settle(offset);
    this.producers = new ProducerStates(this.config.producerExpirationMs);
    this.namesDue = false;
    this.stateDue = false;
  }

  /** The log begins at `offset`, durably; segments that hold nothing from there on go. Returns how many. */
  beginAt(offset: number): number {
    if (offset <= this.logStartOffset) return 0;
    this.logStartOffset = offset;
    writeState(this.dir, this.state(this.mark.offset));
    this.stateDue = false;
    this.epochs.truncateFromStart(offset);
    const kept = this.segments.filter((each) => each === this.active || each.endOffset > offset);
    const gone = this.segments.slice(0, this.segments.length - kept.length);
    if (gone.length === 0) return 0;
    this.generation += 1;
    this.segments = kept;
    // Below the log's start already: what a crash leaves of them, the next start removes.
    for (const segment of gone) segment.release();
    removeAll(
      this.dir,
      gone.flatMap((segment) => segment.names),
    );
    removeOldSnapshots(this.dir, (kept[0] as Segment).baseOffset);
    return gone.length;
  }

  /** Newest first, each durably before the next, so that a crash leaves a log without a gap. */
  #remove(segments: readonly Segment[]): void {
    for (const segment of [...segments].reverse()) {
      segment.release();
      const [log, ...indexes] = segment.names as [string, ...string[]];
      removeAll(this.dir, [log]);
      removeAll(this.dir, indexes);
    }
  }

  close(): void {
    for (const segment of this.segments) segment.release();
    this.mark.close();
  }
}

function syncSegment(segment: Segment): void {
  try {
    fs.fsyncSync(segment.use());
  } finally {
    segment.endUse();
  }
}

/** Headers of the batches from the index entry below `offset` on. Throws CorruptLogError. */
function* walkSegment(segment: Segment, offset: number) {
  const from = segment.index.floor(offset);
  const fd = segment.use();
  try {
    const end = yield* walkBatches(fd, { from, endPosition: segment.sizeBytes, verify: false });
    if (end.what !== null) throw new CorruptLogError(segment.logFile, end.position, end.what);
  } finally {
    segment.endUse();
  }
}

/** Where the first batch that holds anything from `offset` on begins, and the newest before it. */
function placeOf(segment: Segment, offset: number): { to: Place; maxTimestamp: number } {
  let maxTimestamp =
    segment.sizeBytes === 0 ? NO_TIMESTAMP : segment.index.maxTimestampBefore(offset);
  for (const { header, position } of walkSegment(segment, offset)) {
    if (header.nextOffset > offset) {
      return { to: { offset: header.baseOffset, position }, maxTimestamp };
    }
    maxTimestamp = Math.max(maxTimestamp, header.maxTimestampMs);
  }
  return { to: { offset: segment.endOffset, position: segment.sizeBytes }, maxTimestamp };
}
