// Walks the batches of a segment file from a known place, and says where and why it cannot go on. Whether
// that is an unsynced tail or damage is for the caller to tell.
import fs from 'node:fs';
import { BATCH_HEADER_BYTES, type BatchHeader, checksumHolds, headerAt } from './batch-header.ts';
import { BATCH_BYTES_MAX } from './config.ts';
import { readUpToSync } from './files.ts';
import type { Place } from './sparse-index.ts';

const CHUNK_BYTES = 1024 * 1024;

export interface FoundBatch {
  readonly header: BatchHeader;
  readonly position: number;
  /** The whole batch; valid until the next one is asked for. */
  readonly bytes: Buffer;
}

/** How a walk ended: at the end of what it was given, or before something that is no next batch. */
export interface WalkEnd extends Place {
  readonly what: string | null;
}

export interface Walk {
  readonly from: Place;
  /** The file is looked at up to here. */
  readonly endPosition: number;
  /** Without it headers alone are looked at. */
  readonly verify: boolean;
}

/** Yields whole batches that follow each other; returns where and why it ended. Throws what the disk throws. */
export function* walkBatches(fd: number, walk: Walk): Generator<FoundBatch, WalkEnd> {
  let { offset, position } = walk.from;
  let chunk: Buffer = Buffer.alloc(0);
  let chunkAt = position;
  const end = (what: string | null): WalkEnd => ({ offset, position, what });
  while (position < walk.endPosition) {
    const left = walk.endPosition - position;
    if (chunkAt + chunk.length - position < Math.min(left, BATCH_HEADER_BYTES)) {
      chunk = readUpToSync(fd, Math.min(left, CHUNK_BYTES), position);
      chunkAt = position;
    }
    if (chunkAt + chunk.length - position < BATCH_HEADER_BYTES) return end('a batch is cut short');
    const header = headerAt(chunk, position - chunkAt);
    if (typeof header === 'string') return end(header);
    if (header.baseOffset !== offset) {
      return end(`expected a batch at offset ${offset}, got one at ${header.baseOffset}`);
    }
    const size = header.sizeBytes;
    if (size > Math.min(left, BATCH_BYTES_MAX)) {
      return end(`expected a batch of at most ${left} bytes, its length says ${size}`);
    }
    if (walk.verify && chunkAt + chunk.length - position < size) {
      chunk = readUpToSync(fd, Math.min(left, Math.max(size, CHUNK_BYTES)), position);
      chunkAt = position;
      if (chunk.length < size) return end('a batch is cut short');
    }
    const at = position - chunkAt;
    if (walk.verify && !checksumHolds(chunk, at, header)) {
      return end(`the checksum of the batch at offset ${offset} does not hold`);
    }
    yield { header, position, bytes: chunk.subarray(at, at + size) };
    offset = header.nextOffset;
    position += size;
    if (position > chunkAt + chunk.length) chunk = Buffer.alloc(0);
    if (chunk.length === 0) chunkAt = position;
  }
  return end(null);
}

/** The same over a file by its path. */
export function* walkFile(file: string, walk: Walk): Generator<FoundBatch, WalkEnd> {
  const fd = fs.openSync(file, 'r');
  try {
    return yield* walkBatches(fd, walk);
  } finally {
    fs.closeSync(fd);
  }
}

/** The batches in `bytes`, which must be whole ones and nothing else; text says what is wrong. */
export function splitBatches(bytes: Buffer): { header: BatchHeader; at: number }[] | string {
  const found: { header: BatchHeader; at: number }[] = [];
  for (let at = 0; at < bytes.length; ) {
    const header = headerAt(bytes, at);
    if (typeof header === 'string') return header;
    if (header.sizeBytes > bytes.length - at) return 'a batch is cut short';
    found.push({ header, at });
    at += header.sizeBytes;
  }
  return found;
}
