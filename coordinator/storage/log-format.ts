// The bytes of a log segment: a header, then batches chained by their checksums. What makes a batch
// valid is decided here alone, for recovery, reading and truncation alike.
//
// A batch names its own offset and its segment's salt, and carries the checksum of the batch before
// it: bytes of another file, another place or an earlier life of this place are never taken for it.
import fs from 'node:fs';
import { crc32c } from '../../wire/crc32c.ts';
import type { TxnRecord } from '../txn.ts';
import { follows, type Zxid, zxidHex } from '../zxid.ts';

const SEGMENT_MAGIC = 0x435a_4c31; // CZL1
const BATCH_MAGIC = 0x435a_4231; // CZB1
const BATCH_MAGIC_BYTES = Buffer.from('CZB1');
const FORMAT_VERSION = 1;

export const SEGMENT_HEADER_BYTES = 40;
export const BATCH_HEADER_BYTES = 56;
const RECORD_HEADER_BYTES = 8;
/** Where a batch's checksum begins: after magic, length and the checksum itself. */
const CHECKED_FROM = 12;
/** A transaction's zxid stands first in its bytes (txn.ts, TxnHeader). */
const ZXID_BYTES = 8;
const WINDOW_BYTES = 1 << 20;
const TWO_32 = 0x1_0000_0000;

export interface SegmentHeader {
  firstZxid: Zxid;
  /** The last zxid before this segment: of the segment before it, or of an installed snapshot. */
  previousZxid: Zxid;
  /** Drawn when the segment is made; every batch in it repeats it. */
  salt: number;
  /** Checksum of the last batch of the segment before; 0 when this one begins the log. */
  chain: number;
  /** Checksum of this header: what the first batch chains to. */
  crc: number;
}

/** A place in a segment from which batches can be read. */
export interface Cursor {
  /** Byte offset in the file. */
  offset: number;
  /** zxid of the last record before it. */
  previous: Zxid;
  /** Checksum of the batch (or header) before it. */
  chain: number;
}

export interface Batch {
  offset: number;
  length: number;
  crc: number;
  /** Up to this offset of the segment everything was known fsynced when the batch was written. */
  syncedOffset: number;
  committed: Zxid;
  currentEpoch: number;
  lastZxid: Zxid;
  /** Views of the records' bytes, in order. */
  records: Buffer[];
  /** A view of the whole batch, as its checksum has it. */
  bytes: Buffer;
}

/** Bytes that are not what a log may contain. */
export interface Flaw {
  offset: number;
  /** Expected and found, as a clause. */
  what: string;
  /** No crash can leave this: it is damage wherever it stands. */
  impossible: boolean;
}

function readI64(data: Buffer, at: number): number {
  return data.readInt32BE(at) * TWO_32 + data.readUInt32BE(at + 4);
}

function writeI64(data: Buffer, at: number, value: number): void {
  data.writeInt32BE(Math.floor(value / TWO_32), at);
  data.writeUInt32BE(value >>> 0, at + 4);
}

/** The zxid of a transaction's bytes. */
export function peekZxid(bytes: Buffer): Zxid {
  return readI64(bytes, 0);
}

/** A segment header's bytes, with their checksum, which the first batch carries. */
export function encodeSegmentHeader(header: Omit<SegmentHeader, 'crc'>): {
  data: Buffer;
  crc: number;
} {
  const data = Buffer.alloc(SEGMENT_HEADER_BYTES);
  data.writeUInt32BE(SEGMENT_MAGIC, 0);
  data.writeUInt32BE(FORMAT_VERSION, 4);
  writeI64(data, 8, header.firstZxid);
  writeI64(data, 16, header.previousZxid);
  data.writeUInt32BE(header.salt, 24);
  data.writeUInt32BE(header.chain, 28);
  const crc = crc32c(data, 0, 0, 36);
  data.writeUInt32BE(crc, 36);
  return { data, crc };
}

/** Throws nothing: a header that does not check is a flaw at offset 0. */
export function decodeSegmentHeader(data: Buffer): SegmentHeader | Flaw {
  const flaw = (what: string, impossible = false): Flaw => ({ offset: 0, what, impossible });
  if (data.length < SEGMENT_HEADER_BYTES) {
    return flaw(`expected a segment header of ${SEGMENT_HEADER_BYTES} bytes, got ${data.length}`);
  }
  const crc = data.readUInt32BE(36);
  const actual = crc32c(data, 0, 0, 36);
  if (data.readUInt32BE(0) !== SEGMENT_MAGIC || crc !== actual) {
    return flaw(`expected a segment header with CRC32C ${hex(actual)}, got ${hex(crc)}`);
  }
  const version = data.readUInt32BE(4);
  if (version !== FORMAT_VERSION) {
    return flaw(`expected log format ${FORMAT_VERSION}, got ${version}`, true);
  }
  return {
    firstZxid: readI64(data, 8),
    previousZxid: readI64(data, 16),
    salt: data.readUInt32BE(24),
    chain: data.readUInt32BE(28),
    crc,
  };
}

export interface BatchPlace {
  offset: number;
  syncedOffset: number;
  salt: number;
  chain: number;
  committed: Zxid;
  currentEpoch: number;
}

/**
 * One batch as one run of bytes. Returns them with their checksum, which the next batch carries.
 */
export function encodeBatch(
  place: BatchPlace,
  records: readonly Pick<TxnRecord, 'bytes' | 'hash'>[],
): { data: Buffer; crc: number } {
  let length = BATCH_HEADER_BYTES;
  for (const { bytes } of records) length += RECORD_HEADER_BYTES + bytes.length;
  const data = Buffer.allocUnsafe(length);
  data.writeUInt32BE(BATCH_MAGIC, 0);
  data.writeUInt32BE(length, 4);
  data.writeUInt32BE(place.salt, 12);
  writeI64(data, 16, place.offset);
  writeI64(data, 24, place.syncedOffset);
  data.writeUInt32BE(place.chain, 32);
  data.writeUInt32BE(records.length, 36);
  writeI64(data, 40, place.committed);
  writeI64(data, 48, place.currentEpoch);
  let at = BATCH_HEADER_BYTES;
  for (const { bytes, hash } of records) {
    data.writeUInt32BE(bytes.length, at);
    data.writeUInt32BE(hash >>> 0, at + 4);
    data.set(bytes, at + RECORD_HEADER_BYTES);
    at += RECORD_HEADER_BYTES + bytes.length;
  }
  const crc = crc32c(data, 0, CHECKED_FROM);
  data.writeUInt32BE(crc, 8);
  return { data, crc };
}

/** Bytes a batch of these records takes. */
export function batchBytes(recordBytes: number, count: number): number {
  return BATCH_HEADER_BYTES + recordBytes + count * RECORD_HEADER_BYTES;
}

/** Reads a file by position through a window; what it hands out stays valid. */
export class FileReader {
  readonly size: number;
  readonly #fd: number;
  #window: Buffer = Buffer.alloc(0);
  #windowAt = 0;

  constructor(file: string) {
    this.#fd = fs.openSync(file, 'r');
    this.size = fs.fstatSync(this.#fd).size;
  }

  /** Up to `length` bytes at `offset`; fewer only at the end of the file. */
  bytes(offset: number, length: number): Buffer {
    const end = Math.min(offset + length, this.size);
    if (offset < this.#windowAt || end > this.#windowAt + this.#window.length) {
      const wanted = Math.min(Math.max(length, WINDOW_BYTES), Math.max(this.size - offset, 0));
      const window = Buffer.allocUnsafe(wanted);
      let done = 0;
      while (done < wanted) {
        const got = fs.readSync(this.#fd, window, done, wanted - done, offset + done);
        if (got === 0) break;
        done += got;
      }
      this.#window = window.subarray(0, done);
      this.#windowAt = offset;
    }
    return this.#window.subarray(offset - this.#windowAt, Math.max(end - this.#windowAt, 0));
  }

  close(): void {
    fs.closeSync(this.#fd);
  }
}

/** Offset of the first byte at or after `from` that is not zero; the file's size when all are. */
export function firstNonZero(reader: FileReader, from: number): number {
  for (let at = from; at < reader.size; ) {
    const data = reader.bytes(at, WINDOW_BYTES);
    if (data.length === 0) break;
    for (let i = 0; i < data.length; i++) if (data[i] !== 0) return at + i;
    at += data.length;
  }
  return reader.size;
}

/** The batch at the cursor; null where the file ends or holds zeros; a flaw for anything else. */
export function readBatch(
  reader: FileReader,
  header: SegmentHeader,
  cursor: Cursor,
): Batch | Flaw | null {
  const { offset, previous, chain } = cursor;
  const flaw = (what: string, impossible = false): Flaw => ({ offset, what, impossible });
  const head = reader.bytes(offset, BATCH_HEADER_BYTES);
  if (head.length < 4 || head.readUInt32BE(0) === 0) return null;
  if (head.readUInt32BE(0) !== BATCH_MAGIC) return flaw(`expected a batch, got ${bytesHex(head)}`);
  if (head.length < BATCH_HEADER_BYTES) return flaw('the file ends inside a batch header');
  const length = head.readUInt32BE(4);
  if (length < BATCH_HEADER_BYTES || offset + length > reader.size) {
    return flaw(`a batch of ${length} bytes does not fit the file of ${reader.size}`);
  }
  const data = reader.bytes(offset, length);
  const crc = data.readUInt32BE(8);
  const actual = crc32c(data, 0, CHECKED_FROM);
  if (crc !== actual) return flaw(`expected a batch with CRC32C ${hex(actual)}, got ${hex(crc)}`);
  if (data.readUInt32BE(12) !== header.salt || readI64(data, 16) !== offset) {
    return flaw('a batch written for another place');
  }
  if (data.readUInt32BE(32) !== chain) {
    return flaw(`a batch that follows ${hex(data.readUInt32BE(32))}, expected ${hex(chain)}`);
  }
  // The checksums hold, so from here on a contradiction was written, not torn.
  const records = splitRecords(data);
  if (records === null) return flaw("a batch whose records' lengths do not add up", true);
  let last = previous;
  for (const record of records) {
    const zxid = peekZxid(record);
    if (!follows(last, zxid)) {
      return flaw(`transaction ${zxidHex(zxid)} cannot follow ${zxidHex(last)}`, true);
    }
    last = zxid;
  }
  return {
    offset,
    length,
    crc,
    syncedOffset: readI64(data, 24),
    committed: readI64(data, 40),
    currentEpoch: readI64(data, 48),
    lastZxid: last,
    records,
    bytes: data,
  };
}

/** The records of a batch; null when lengths, count or a record's own checksum contradict it. */
function splitRecords(data: Buffer): Buffer[] | null {
  const count = data.readUInt32BE(36);
  const records: Buffer[] = [];
  let at = BATCH_HEADER_BYTES;
  for (let i = 0; i < count; i++) {
    if (at + RECORD_HEADER_BYTES > data.length) return null;
    const size = data.readUInt32BE(at);
    const from = at + RECORD_HEADER_BYTES;
    if (size < ZXID_BYTES || from + size > data.length) return null;
    const record = data.subarray(from, from + size);
    if (crc32c(record) !== data.readUInt32BE(at + 4)) return null;
    records.push(record);
    at = from + size;
  }
  return count > 0 && at === data.length ? records : null;
}

/**
 * Searches beyond a flaw for a whole batch that was written when the flaw's place was already
 * fsynced: the proof that what is bad had been durable. Returns that batch's offset, or null.
 */
export function findProof(reader: FileReader, from: number, salt: number | null): number | null {
  const rest = reader.bytes(from, reader.size);
  let at = rest.indexOf(BATCH_MAGIC_BYTES);
  for (; at !== -1; at = rest.indexOf(BATCH_MAGIC_BYTES, at + 1)) {
    if (at + BATCH_HEADER_BYTES > rest.length) return null;
    const length = rest.readUInt32BE(at + 4);
    const synced = readI64(rest, at + 24);
    if (readI64(rest, at + 16) !== from + at || synced <= from) continue;
    if (salt !== null && rest.readUInt32BE(at + 12) !== salt) continue;
    if (length < BATCH_HEADER_BYTES || at + length > rest.length) continue;
    const crc = crc32c(rest, 0, at + CHECKED_FROM, at + length);
    if (crc === rest.readUInt32BE(at + 8)) return from + at;
  }
  return null;
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0');
}

function bytesHex(data: Buffer): string {
  return data.subarray(0, 4).toString('hex');
}
