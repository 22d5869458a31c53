// Record batches of version 2 as a broker sees them: a header of 61 bytes with a CRC32C, and records that it
// passes on untouched. Offset and leader epoch lie outside of the CRC, so a leader stamps them in place.
import { crc32c } from '../crc32c.ts';
import type { ErrorName } from './error-codes.ts';
import { KafkaWireError } from './wire-error.ts';

/** Bytes before the first record. */
export const BATCH_HEADER_BYTES = 61;
/** Bytes that a batch's own length does not count: base offset and the length. */
export const BATCH_PREFIX_BYTES = 12;
/** The producer id, epoch and sequence of who is not idempotent. */
export const NO_PRODUCER = -1;

const MAGIC = 2;
const TWO_32 = 0x1_0000_0000;

/** Where each field of the header begins. */
export const FIELD = {
  baseOffset: 0,
  length: 8,
  leaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  recordCount: 57,
} as const;

export const COMPRESSIONS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
/** How a batch's records are packed. */
export type Compression = (typeof COMPRESSIONS)[number];

const COMPRESSION_MASK = 0x07;
/** Bits of a batch's attributes above the compression. */
export const ATTRIBUTE = { appendTime: 0x08, transactional: 0x10, control: 0x20 } as const;

/** Everything that a batch's header says. */
export interface BatchHeader {
  readonly baseOffset: number;
  /** Offset of the last record; compaction may have removed it, the batch covers it all the same. */
  readonly lastOffset: number;
  /** The whole batch, its own offset and length included. */
  readonly sizeBytes: number;
  readonly leaderEpoch: number;
  readonly crc: number;
  readonly compression: Compression;
  readonly timestampType: 'create' | 'append';
  readonly isTransactional: boolean;
  readonly isControl: boolean;
  readonly lastOffsetDelta: number;
  readonly baseTimestampMs: number;
  readonly maxTimestampMs: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly recordCount: number;
}

/** Thrown for a batch that is not to be kept; `code` is what Kafka answers to its producer. */
export class RecordBatchError extends KafkaWireError {
  override name = 'RecordBatchError';
  readonly code: ErrorName;

  constructor(code: ErrorName, problem: string) {
    super(problem);
    this.code = code;
  }
}

/** Bytes of the batch that begins at `at`; undefined if not even its length is there. */
export function batchSizeAt(buffer: Buffer, at = 0): number | undefined {
  if (buffer.length - at < BATCH_PREFIX_BYTES) return undefined;
  const length = buffer.readInt32BE(at + FIELD.length);
  const least = BATCH_HEADER_BYTES - BATCH_PREFIX_BYTES;
  if (length < least)
    throw corrupt(`expected a batch length of at least ${least} bytes, got ${length}`);
  return length + BATCH_PREFIX_BYTES;
}

/**
 * Throws RecordBatchError unless the records at `at` are of format 2. Formats 0 and 1 have their number at the
 * same place, in messages that may be shorter than a batch's header.
 */
export function expectFormat(buffer: Buffer, at = 0): void {
  if (buffer.length - at <= FIELD.magic)
    throw corrupt(`expected records, got ${buffer.length - at} bytes`);
  const magic = buffer.readInt8(at + FIELD.magic);
  if (magic !== MAGIC) {
    const problem = `expected records of format ${MAGIC}, got format ${magic}`;
    throw new RecordBatchError(
      magic === 0 || magic === 1 ? 'UNSUPPORTED_FOR_MESSAGE_FORMAT' : 'CORRUPT_MESSAGE',
      problem,
    );
  }
}

/**
 * Reads the header of the batch at `at`; its records need not be there. Throws RecordBatchError on
 * another format than version 2, an unknown compression or values past 2^53. Does not verify the CRC.
 */
export function readBatchHeader(buffer: Buffer, at = 0): BatchHeader {
  const remaining = buffer.length - at;
  if (remaining < BATCH_HEADER_BYTES)
    throw corrupt(`expected a batch header of ${BATCH_HEADER_BYTES} bytes, got ${remaining}`);
  expectFormat(buffer, at);
  const attributes = buffer.readInt16BE(at + FIELD.attributes);
  const baseOffset = i64(buffer, at, 'baseOffset', 'CORRUPT_MESSAGE');
  const lastOffsetDelta = buffer.readInt32BE(at + FIELD.lastOffsetDelta);
  return {
    baseOffset,
    lastOffset: baseOffset + lastOffsetDelta,
    sizeBytes: batchSizeAt(buffer, at) as number,
    leaderEpoch: buffer.readInt32BE(at + FIELD.leaderEpoch),
    crc: buffer.readUInt32BE(at + FIELD.crc),
    compression: compressionOf(attributes),
    timestampType: (attributes & ATTRIBUTE.appendTime) === 0 ? 'create' : 'append',
    isTransactional: (attributes & ATTRIBUTE.transactional) !== 0,
    isControl: (attributes & ATTRIBUTE.control) !== 0,
    lastOffsetDelta,
    baseTimestampMs: i64(buffer, at, 'baseTimestamp', 'INVALID_TIMESTAMP'),
    maxTimestampMs: i64(buffer, at, 'maxTimestamp', 'INVALID_TIMESTAMP'),
    producerId: i64(buffer, at, 'producerId', 'INVALID_RECORD'),
    producerEpoch: buffer.readInt16BE(at + FIELD.producerEpoch),
    baseSequence: buffer.readInt32BE(at + FIELD.baseSequence),
    recordCount: buffer.readInt32BE(at + FIELD.recordCount),
  };
}

/**
 * Reads the header of the batch at `at` and verifies that the batch is whole and its CRC32C right.
 * Throws RecordBatchError otherwise.
 */
export function verifyBatch(buffer: Buffer, at = 0): BatchHeader {
  const header = readBatchHeader(buffer, at);
  const remaining = buffer.length - at;
  if (header.sizeBytes > remaining)
    throw corrupt(`expected a batch of ${header.sizeBytes} bytes, got ${remaining}`);
  const found = crc32c(buffer, 0, at + FIELD.attributes, at + header.sizeBytes);
  if (found !== header.crc)
    throw corrupt(`expected a CRC32C of ${hex(header.crc)} as the batch says, got ${hex(found)}`);
  return header;
}

/** A batch within a larger buffer; `bytes` shares its memory. */
export interface LocatedBatch {
  readonly header: BatchHeader;
  readonly bytes: Buffer;
}

/**
 * The whole batches of a buffer in order, headers read and CRCs not verified. A last batch that is cut
 * off is left out, as a fetch response may end in one.
 */
export function* batchesOf(buffer: Buffer): Generator<LocatedBatch, void, undefined> {
  for (let at = 0; ; ) {
    const size = batchSizeAt(buffer, at);
    if (size === undefined || size > buffer.length - at) return;
    yield { header: readBatchHeader(buffer, at), bytes: buffer.subarray(at, at + size) };
    at += size;
  }
}

/** Writes the offset and leader epoch of an append into the batch at `at`; the CRC does not cover them. */
export function stampBatch(
  buffer: Buffer,
  at: number,
  baseOffset: number,
  leaderEpoch: number,
): void {
  writeI64(buffer, at + FIELD.baseOffset, baseOffset);
  buffer.writeInt32BE(leaderEpoch, at + FIELD.leaderEpoch);
}

/** Writes the CRC32C over a finished batch. */
export function sealBatch(batch: Buffer): void {
  batch.writeUInt32BE(crc32c(batch, 0, FIELD.attributes), FIELD.crc);
}

/** Writes a safe integer as a signed 64-bit one. */
export function writeI64(buffer: Buffer, at: number, value: number): void {
  if (!Number.isSafeInteger(value))
    throw new KafkaWireError(`expected an int64 within 2^53, got ${value}`);
  buffer.writeInt32BE(Math.floor(value / TWO_32), at);
  buffer.writeUInt32BE(value >>> 0, at + 4);
}

function i64(buffer: Buffer, at: number, field: keyof typeof FIELD, code: ErrorName): number {
  const from = at + FIELD[field];
  const value = buffer.readInt32BE(from) * TWO_32 + buffer.readUInt32BE(from + 4);
  if (!Number.isSafeInteger(value))
    throw new RecordBatchError(code, `expected a ${field} within 2^53, got ${value}`);
  return value;
}

function compressionOf(attributes: number): Compression {
  const code = attributes & COMPRESSION_MASK;
  const compression = COMPRESSIONS[code];
  if (compression !== undefined) return compression;
  const problem = `expected a compression of ${COMPRESSIONS.join(', ')}, got code ${code}`;
  throw new RecordBatchError('UNSUPPORTED_COMPRESSION_TYPE', problem);
}

function corrupt(problem: string): RecordBatchError {
  return new RecordBatchError('CORRUPT_MESSAGE', problem);
}

function hex(crc: number): string {
  return `0x${crc.toString(16).padStart(8, '0')}`;
}
