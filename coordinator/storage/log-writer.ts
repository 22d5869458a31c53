// Puts batches on disk: write, fill with zeros ahead, fsync; the fsync by callback, so that the event loop
// goes on meanwhile. Kept from the log's bookkeeping so that what is durable when can be read in one
// place.
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { openDirectory, writeFullySync } from '../../wire/durable-files.ts';
import type { TxnRecord } from '../txn.ts';
import type { Zxid } from '../zxid.ts';
import type { DurableMark } from './durable-mark.ts';
import {
  type Cursor,
  encodeBatch,
  encodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
} from './log-format.ts';
import { noteIndex, type Segment, segmentName } from './log-inspection.ts';

type Done = (error: Error | null) => void;

/** What a batch says besides its records. */
export interface BatchNotes {
  committed: Zxid;
  currentEpoch: number;
}

/**
 * Writes to the last segment of a log. One call at a time; positions are explicit, never appended.
 */
export class LogWriter {
  readonly #dir: string;
  readonly #segmentBytes: number;
  readonly #zeros: Buffer;
  readonly #dirFd: number | null;
  readonly #mark: DurableMark | undefined;
  #fd: number | null = null;

  constructor(dir: string, segmentBytes: number, growBytes: number, mark: DurableMark | undefined) {
    this.#mark = mark;
    this.#dir = dir;
    this.#segmentBytes = segmentBytes;
    this.#zeros = Buffer.alloc(growBytes);
    this.#dirFd = openDirectory(dir);
  }

  /** Goes on with a segment that is there; undefined: there is none. */
  resume(segment: Segment | undefined): void {
    this.release();
    if (segment !== undefined) this.#fd = fs.openSync(path.join(this.#dir, segment.name), 'r+');
  }

  /** Lets go of the segment, so that it can be changed or removed. */
  release(): void {
    if (this.#fd !== null) fs.closeSync(this.#fd);
    this.#fd = null;
  }

  close(): void {
    this.release();
    if (this.#dirFd !== null) fs.closeSync(this.#dirFd);
  }

  /** Begins a segment with a batch. Calls back with it when file and name are durable. */
  begin(
    before: { zxid: Zxid; chain: number },
    records: readonly TxnRecord[],
    notes: BatchNotes,
    done: (error: Error | null, segment?: Segment) => void,
  ): void {
    const firstZxid = (records[0] as TxnRecord).txn.zxid;
    const salt = randomBytes(4).readUInt32BE(0);
    const facts = { firstZxid, previousZxid: before.zxid, salt, chain: before.chain };
    const { data, crc } = encodeSegmentHeader(facts);
    const name = segmentName(firstZxid);
    const end: Cursor = { offset: SEGMENT_HEADER_BYTES, previous: before.zxid, chain: crc };
    const header = { ...facts, crc };
    const segment: Segment = { name, header, end, size: 0, index: [{ ...end }] };
    // Exclusively: a file of this name would hold records that this log does not know of.
    fs.open(path.join(this.#dir, name), 'wx', 0o644, (error, fd) => {
      if (error !== null) {
        done(error);
        return;
      }
      this.release();
      this.#fd = fd;
      this.#write(segment, records, notes, data, (failed) => done(failed, segment));
    });
  }

  /** Adds a batch to a segment and moves its end. Calls back when it is durable. */
  append(segment: Segment, records: readonly TxnRecord[], notes: BatchNotes, done: Done): void {
    this.#write(segment, records, notes, null, done);
  }

  #write(
    segment: Segment,
    records: readonly TxnRecord[],
    notes: BatchNotes,
    header: Buffer | null,
    done: Done,
  ): void {
    const fd = this.#fd as number;
    const { offset, chain } = segment.end;
    const { salt } = segment.header;
    // Everything before was fsynced; of a new segment nothing was, its header neither.
    const syncedOffset = header === null ? offset : 0;
    const { data, crc } = encodeBatch({ offset, syncedOffset, salt, chain, ...notes }, records);
    const previous = (records.at(-1) as TxnRecord).txn.zxid;
    const end: Cursor = { offset: offset + data.length, previous, chain: crc };
    const finish: Done = (error) => {
      if (error === null) {
        segment.end = end;
        noteIndex(segment.index, end);
      }
      done(error);
    };
    const synced: Done = (error) => finish(error ?? this.#note(previous));
    const bytes = header === null ? data : Buffer.concat([header, data]);
    try {
      // Into the kernel's cache, which takes less time than handing it to a thread; the sync waits.
      writeFullySync(fd, bytes, header === null ? offset : 0);
      this.#grow(fd, segment, end.offset);
    } catch (error) {
      setImmediate(finish, error as Error);
      return;
    }
    if (header === null) fs.fdatasync(fd, synced);
    else this.#syncWithName(fd, synced);
  }

  /** Fills with zeros ahead of the end: later fdatasyncs then have no blocks to allocate. */
  #grow(fd: number, segment: Segment, end: number): void {
    if (end <= segment.size) return;
    const step = this.#zeros.length;
    const target = Math.min(Math.ceil(end / step) * step, Math.max(this.#segmentBytes, end));
    segment.size = target;
    writeFullySync(fd, this.#zeros.subarray(0, target - end), end);
  }

  /** Before anybody is told: whatever this server has said of its log, the mark knows. */
  #note(zxid: Zxid): Error | null {
    try {
      this.#mark?.raise(zxid);
      return null;
    } catch (error) {
      return error as Error;
    }
  }

  #syncWithName(fd: number, done: Done): void {
    fs.fsync(fd, (error) => {
      if (error !== null || this.#dirFd === null) done(error);
      else fs.fsync(this.#dirFd, done);
    });
  }
}
