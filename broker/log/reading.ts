// The read path: from an offset to whole batches as they stand in the file, without decoding or encoding any.
// What is handed out has been held against its checksum, so that rot does not spread to consumers and replicas.
import { BATCH_HEADER_BYTES, type BatchHeader, checksumHolds, headerAt } from './batch-header.ts';
import type { EpochCache } from './epochs.ts';
import { CorruptLogError, OffsetOutOfRangeError } from './errors.ts';
import type { Segment } from './segment.ts';
import type { Place } from './sparse-index.ts';

/** What was written last is still in the kernel's cache: reading that takes less time than a thread. */
const SYNC_TAIL_BYTES = 4 * 1024 * 1024;
/** Read ahead of an index entry, to reach the batch looked for. */
const SLACK_BYTES = 8192;
const ATTEMPTS_MAX = 100;

export interface ReadOptions {
  /** As many bytes as fit, but at least one batch. */
  readonly maxBytes: number;
  /** No batch that ends beyond is handed out, such as the high watermark; default: the log's end. */
  readonly limitOffset?: number;
  /** Not even the first batch may exceed `maxBytes`; default false. */
  readonly strictBytes?: boolean;
}

export interface LogRead {
  /** Whole batches, of which the first holds the offset asked for; empty at the end. */
  readonly records: Buffer;
  /** Offset behind the last batch; the offset asked for when there is none. */
  readonly nextOffset: number;
}

/** What the read path sees of a log. */
export interface ReadableLog {
  readonly segments: readonly Segment[];
  readonly logStartOffset: number;
  readonly endOffset: number;
  readonly epochs: EpochCache;
  /** Changes when records disappear. */
  readonly generation: number;
}

interface Wanted {
  readonly offset: number;
  readonly limitOffset: number;
  readonly maxBytes: number;
  readonly strict: boolean;
}

/** The segment that holds `offset`, the last one for the log's end. */
export function segmentFor(segments: readonly Segment[], offset: number): Segment {
  let low = 0;
  let high = segments.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((segments[middle] as Segment).baseOffset <= offset) low = middle;
    else high = middle - 1;
  }
  return segments[low] as Segment;
}

/**
 * Batches from `offset` on, of one segment.
 * @throws OffsetOutOfRangeError outside of the log, CorruptLogError when the disk gives back something else
 * than what was written.
 */
export async function readLog(
  log: ReadableLog,
  offset: number,
  options: ReadOptions,
): Promise<LogRead> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const { logStartOffset, endOffset, generation } = log;
    if (offset < logStartOffset || offset > endOffset) {
      throw new OffsetOutOfRangeError(offset, logStartOffset, endOffset);
    }
    const limitOffset = Math.min(options.limitOffset ?? endOffset, endOffset);
    if (offset >= limitOffset) return { records: Buffer.alloc(0), nextOffset: offset };
    const maxBytes = Math.max(options.maxBytes, 0);
    const wanted = { offset, limitOffset, maxBytes, strict: options.strictBytes === true };
    const isCurrent = (): boolean => generation === log.generation;
    const found = await readSegment(log, segmentFor(log.segments, offset), wanted, isCurrent);
    // Records went while they were read: what came may be half of the old and half of the new.
    if (found !== null) return found;
  }
  throw new Error(`the log was cut ${ATTEMPTS_MAX} times while offset ${offset} was read`);
}

async function readSegment(
  log: ReadableLog,
  segment: Segment,
  wanted: Wanted,
  isCurrent: () => boolean,
): Promise<LogRead | null> {
  const end = segment.sizeBytes;
  const isLast = segment === log.segments.at(-1);
  let place: Place = segment.index.floor(wanted.offset);
  let bytes = wanted.maxBytes + SLACK_BYTES;
  for (;;) {
    const { position } = place;
    const length = Math.min(bytes, end - position);
    const sync = isLast && end - position <= SYNC_TAIL_BYTES;
    const chunk = sync ? segment.readSync(length, position) : await segment.read(length, position);
    if (!isCurrent()) return null;
    if (chunk.length < length) {
      throw new CorruptLogError(segment.logFile, position, `expected ${length} bytes more`);
    }
    const picked = pick(log, segment, chunk, place, wanted, end - position);
    if ('records' in picked) return picked;
    // Either the batch looked for stands further on, or it is larger than what was read.
    place = picked.place;
    bytes = Math.max(picked.needBytes, wanted.maxBytes);
  }
}

type Picked = LogRead | { place: Place; needBytes: number };

/** Finds in `chunk` the batches that are wanted, or says what to read instead. */
function pick(
  log: ReadableLog,
  segment: Segment,
  chunk: Buffer,
  from: Place,
  wanted: Wanted,
  left: number,
): Picked {
  let { offset } = from;
  let at = 0;
  let start = -1;
  const fault = (what: string): CorruptLogError =>
    new CorruptLogError(segment.logFile, from.position + at, what);
  const result = (): LogRead => {
    const records = start < 0 ? Buffer.alloc(0) : chunk.subarray(start, at);
    return { records, nextOffset: start < 0 ? wanted.offset : offset };
  };
  for (;;) {
    if (chunk.length - at < BATCH_HEADER_BYTES) {
      if (start >= 0) return result();
      if (left - at < BATCH_HEADER_BYTES) {
        throw fault(`the segment ends before offset ${wanted.offset}`);
      }
      const needBytes = BATCH_HEADER_BYTES + SLACK_BYTES;
      return { place: { offset, position: from.position + at }, needBytes };
    }
    const header = headerAt(chunk, at);
    if (typeof header === 'string') throw fault(header);
    if (header.baseOffset !== offset) {
      throw fault(`expected a batch at offset ${offset}, got one at ${header.baseOffset}`);
    }
    const size = header.sizeBytes;
    if (size > left - at) throw fault(`a batch of ${size} bytes goes beyond the segment's end`);
    if (start >= 0 || header.nextOffset > wanted.offset) {
      const took = start < 0 ? 0 : at - start;
      if (header.nextOffset > wanted.limitOffset) return result();
      if (took + size > wanted.maxBytes && (start >= 0 || wanted.strict)) return result();
      if (size > chunk.length - at) {
        if (start >= 0) return result();
        return { place: { offset, position: from.position + at }, needBytes: size };
      }
      const wrong = damageOf(log, chunk, at, header);
      if (wrong !== null) throw fault(wrong);
      if (start < 0) start = at;
    }
    at += size;
    offset = header.nextOffset;
    if (at > chunk.length) return { place: { offset, position: from.position + at }, needBytes: 0 };
  }
}

function damageOf(log: ReadableLog, chunk: Buffer, at: number, header: BatchHeader): string | null {
  const { baseOffset, leaderEpoch } = header;
  if (!checksumHolds(chunk, at, header)) {
    return `the checksum of the batch at offset ${baseOffset} does not hold`;
  }
  const known = log.epochs.epochFor(Math.max(baseOffset, log.logStartOffset));
  if (known === leaderEpoch) return null;
  return `expected leader epoch ${known} at offset ${baseOffset}, got ${leaderEpoch}`;
}
