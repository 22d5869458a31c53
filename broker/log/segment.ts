// One file of a partition's log with its indexes: batches one after the other, the first at the offset that
// is its name. Only the last segment of a log is written to.
import fs from 'node:fs';
import path from 'node:path';
import { writeFullySync } from '../../wire/durable-files.ts';
import type { BatchHeader } from './batch-header.ts';
import { walkFile } from './batch-walk.ts';
import { CorruptLogError } from './errors.ts';
import { readUpTo, readUpToSync } from './files.ts';
import { type IndexedExtent, NO_TIMESTAMP, type Place, SparseIndex } from './sparse-index.ts';

const NAME_DIGITS = 20;
const NAME = /^(\d{20})\.log$/;

/** A segment's files by their kind. */
export function segmentFile(baseOffset: number, kind: 'log' | 'index' | 'timeindex'): string {
  return `${String(baseOffset).padStart(NAME_DIGITS, '0')}.${kind}`;
}

/** Base offset of the segment whose log has this name; undefined for other files. */
export function baseOffsetOf(name: string): number | undefined {
  const digits = NAME.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** What recovery found out about a segment. */
export interface SegmentFacts extends IndexedExtent {
  /** undefined: to be loaded when it is needed. */
  readonly index?: SparseIndex;
  /** When its first batch was written, ms since 1970. */
  readonly begunAtMs: number;
}

export class Segment implements IndexedExtent {
  readonly dir: string;
  readonly baseOffset: number;
  readonly begunAtMs: number;
  readonly #intervalBytes: number;
  #endOffset: number;
  #sizeBytes: number;
  #index: SparseIndex | undefined;
  #fd: number | null = null;
  #readers = 0;
  #retired = false;

  constructor(dir: string, facts: SegmentFacts, intervalBytes: number) {
    this.dir = dir;
    this.baseOffset = facts.baseOffset;
    this.begunAtMs = facts.begunAtMs;
    this.#intervalBytes = intervalBytes;
    this.#endOffset = facts.endOffset;
    this.#sizeBytes = facts.sizeBytes;
    this.#index = facts.index;
  }

  /** Makes a segment's file, which must not be there; its name is not durable yet. */
  static create(dir: string, baseOffset: number, nowMs: number, intervalBytes: number): Segment {
    const index = new SparseIndex(baseOffset, intervalBytes);
    const empty = { baseOffset, endOffset: baseOffset, sizeBytes: 0, begunAtMs: nowMs, index };
    const segment = new Segment(dir, empty, intervalBytes);
    // Exclusively: a file of this name would hold records that this log does not know of.
    segment.#fd = fs.openSync(segment.logFile, 'wx+', 0o644);
    return segment;
  }

  /** Offset behind its last batch. */
  get endOffset(): number {
    return this.#endOffset;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get logFile(): string {
    return path.join(this.dir, segmentFile(this.baseOffset, 'log'));
  }

  /** Names of its files. */
  get names(): string[] {
    return (['log', 'index', 'timeindex'] as const).map((kind) =>
      segmentFile(this.baseOffset, kind),
    );
  }

  /** Its index, loaded or built when it is first asked for. Throws CorruptLogError. */
  get index(): SparseIndex {
    this.#index ??=
      SparseIndex.load(...this.#indexFiles, this, this.#intervalBytes) ?? this.#rebuiltIndex();
    return this.#index;
  }

  get #indexFiles(): [string, string] {
    const [, index, timeIndex] = this.names as [string, string, string];
    return [path.join(this.dir, index), path.join(this.dir, timeIndex)];
  }

  /** Builds the index from the segment itself, and verifies that on the way. */
  #rebuiltIndex(): SparseIndex {
    const index = new SparseIndex(this.baseOffset, this.#intervalBytes);
    const from = { offset: this.baseOffset, position: 0 };
    const walk = walkFile(this.logFile, { from, endPosition: this.#sizeBytes, verify: true });
    for (;;) {
      const { done, value } = walk.next();
      if (!done) {
        index.note(value.header.baseOffset, value.position, value.header.maxTimestampMs);
      } else if (value.what !== null || value.offset !== this.#endOffset) {
        const what = value.what ?? `it ends at offset ${value.offset}, not ${this.#endOffset}`;
        throw new CorruptLogError(this.logFile, value.position, what);
      } else return index;
    }
  }

  /** Forgets an index that does not lead where it should; the next use builds it again. */
  dropIndex(): void {
    this.#index = this.#rebuiltIndex();
  }

  /** Writes the indexes beside the segment; not durable. */
  saveIndex(): void {
    this.index.save(...this.#indexFiles, this);
  }

  /** Takes whole batches into the kernel's cache. Throws what the disk throws; the log is then dead. */
  append(bytes: Uint8Array, headers: readonly BatchHeader[]): void {
    writeFullySync(this.#openFd(), bytes, this.#sizeBytes);
    for (const header of headers) {
      this.index.note(header.baseOffset, this.#sizeBytes, header.maxTimestampMs);
      this.#sizeBytes += header.sizeBytes;
      this.#endOffset = header.nextOffset;
    }
  }

  /** The descriptor, for syncs and reads. It stays open until `endUse`. */
  use(): number {
    this.#readers += 1;
    return this.#openFd();
  }

  endUse(): void {
    this.#readers -= 1;
    if (this.#retired && this.#readers === 0) this.#close();
  }

  #openFd(): number {
    this.#retired = false;
    this.#fd ??= fs.openSync(this.logFile, 'r+');
    return this.#fd;
  }

  readSync(bytes: number, position: number): Buffer {
    return readUpToSync(this.#openFd(), bytes, position);
  }

  async read(bytes: number, position: number): Promise<Buffer> {
    const fd = this.use();
    try {
      return await readUpTo(fd, bytes, position);
    } finally {
      this.endUse();
    }
  }

  /** It is about to be shorter: what it holds from `to` on goes. The file itself is the caller's. */
  cutAt(to: Place, maxTimestamp: number): void {
    this.#index?.truncate(to.offset, maxTimestamp);
    this.#endOffset = to.offset;
    this.#sizeBytes = to.position;
  }

  /** Lets go of the descriptor once nobody reads; the next use opens it again. */
  release(): void {
    if (this.#readers === 0) this.#close();
    else this.#retired = true;
  }

  #close(): void {
    if (this.#fd !== null) fs.closeSync(this.#fd);
    this.#fd = null;
    this.#retired = false;
  }

  /** Largest timestamp of its records, ms since 1970; −1: none. */
  get maxTimestamp(): number {
    return this.#sizeBytes === 0 ? NO_TIMESTAMP : this.index.maxTimestamp;
  }
}
