// Reads what a running log holds, and cuts it. Both walk a segment batch by batch from a remembered
// place, and both find damage that came after the server started.
import fs from 'node:fs';
import path from 'node:path';
import { crc32c } from '../../wire/crc32c.ts';
import { replaceFileBy, shorten, syncDirectory, writeFullySync } from '../../wire/durable-files.ts';
import { openTxn, type TxnRecord } from '../txn.ts';
import { type Zxid, zxidHex } from '../zxid.ts';
import {
  type Batch,
  type Cursor,
  encodeBatch,
  encodeSegmentHeader,
  FileReader,
  peekZxid,
  readBatch,
} from './log-format.ts';
import { CorruptLogError, noteIndex, type Segment } from './log-inspection.ts';

/** The batches of a segment that hold records above `after`, in order, up to the segment's end. */
export function* walkSegment(
  dir: string,
  segment: Segment,
  after: Zxid,
): Generator<{ batch: Batch; before: Cursor }, void> {
  const file = path.join(dir, segment.name);
  const reader = new FileReader(file);
  // Taken once: batches that are written while this runs are not read.
  const end = segment.end.offset;
  try {
    const at = { ...startFor(segment, after) };
    while (at.offset < end) {
      const batch = readBatch(reader, segment.header, at);
      if (batch === null) throw new CorruptLogError(file, at.offset, 'expected a batch, got none');
      if ('what' in batch) throw new CorruptLogError(file, batch.offset, batch.what);
      const before = { ...at };
      at.offset += batch.length;
      at.previous = batch.lastZxid;
      at.chain = batch.crc;
      if (batch.lastZxid > after) yield { batch, before };
    }
  } finally {
    reader.close();
  }
}

/** The last remembered place before which nothing above `after` stands. */
function startFor(segment: Segment, after: Zxid): Cursor {
  let low = 0;
  let high = segment.index.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((segment.index[middle] as Cursor).previous <= after) low = middle;
    else high = middle - 1;
  }
  return segment.index[low] as Cursor;
}

/** Decodes a record read from a segment; the result owns its bytes. */
export function openRecord(dir: string, segment: Segment, batch: Batch, bytes: Buffer): TxnRecord {
  try {
    return openTxn(Buffer.from(bytes));
  } catch (error) {
    const file = path.join(dir, segment.name);
    const what = `transaction ${zxidHex(peekZxid(bytes))} does not decode`;
    throw new CorruptLogError(file, batch.offset, `${what}: ${(error as Error).message}`);
  }
}

/**
 * Removes everything above `to` from a segment that begins at or below it, durably, and returns the
 * segment as it is then. A crash on the way leaves the segment as it was or as it shall be: what is
 * at or below `to` may be committed and must not be lost with the rest.
 */
export function cutSegment(dir: string, segment: Segment, to: Zxid): Segment {
  const found = walkSegment(dir, segment, to).next();
  if (found.done === true) return segment;
  const { batch, before } = found.value;
  const keep = batch.records.filter((bytes) => peekZxid(bytes) <= to);
  const file = path.join(dir, segment.name);
  const end =
    keep.length === 0 ? cutAtBatch(file, before) : cutInBatch(dir, segment, before, batch, keep);
  const index = segment.index.filter((place) => place.offset <= before.offset);
  noteIndex(index, end);
  return { ...segment, end, index, size: end.offset };
}

function cutAtBatch(file: string, before: Cursor): Cursor {
  // Shortened, not overwritten with zeros: whatever stood beyond is gone as one change.
  shorten(file, before.offset);
  return before;
}

/**
 * Writes again what a segment holds above `after`, durably. Where an fsync failed, the kernel goes on
 * showing bytes that the disk does not have and counts them as written: syncing again does nothing.
 */
export function rewriteAfter(dir: string, segment: Segment, after: Zxid): void {
  const file = path.join(dir, segment.name);
  const fd = fs.openSync(file, 'r+');
  try {
    if (segment.header.firstZxid > after) writeFullySync(fd, headerBytes(segment), 0);
    for (const { batch } of walkSegment(dir, segment, after)) {
      writeFullySync(fd, batch.bytes, batch.offset);
    }
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
  syncDirectory(dir);
}

function headerBytes(segment: Segment): Buffer {
  return encodeSegmentHeader(segment.header).data;
}

/** The cut goes through a batch: the file is replaced by one whose last batch is shorter. */
function cutInBatch(
  dir: string,
  segment: Segment,
  before: Cursor,
  batch: Batch,
  keep: readonly Buffer[],
): Cursor {
  const last = peekZxid(keep.at(-1) as Buffer);
  const { data, crc } = encodeBatch(
    {
      offset: before.offset,
      syncedOffset: batch.syncedOffset,
      salt: segment.header.salt,
      chain: before.chain,
      committed: Math.min(batch.committed, last),
      currentEpoch: batch.currentEpoch,
    },
    keep.map((bytes) => ({ bytes, hash: crc32c(bytes) })),
  );
  replaceFileBy(path.join(dir, segment.name), (fd) => {
    writeFullySync(fd, headerBytes(segment), 0);
    // Batch by batch, each checked: a read that went wrong must not be written back as the truth.
    for (const { batch: whole } of walkSegment(dir, segment, 0)) {
      if (whole.offset >= before.offset) break;
      writeFullySync(fd, whole.bytes, whole.offset);
    }
    writeFullySync(fd, data, before.offset);
  });
  return { offset: before.offset + data.length, previous: last, chain: crc };
}
