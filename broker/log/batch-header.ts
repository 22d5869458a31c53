// The fixed front of a record batch (version 2) as it stands in a log file, and the checks that tell a whole
// batch from damage. A log never looks further than this: records stay as their producer encoded them.
import { crc32c } from '../../wire/crc32c.ts';

/** Bytes before those that the length field counts: base offset and the length itself. */
export const BATCH_PREFIX_BYTES = 12;
/** Bytes of a batch before its first record. */
export const BATCH_HEADER_BYTES = 61;

const LENGTH_AT = 8;
const LEADER_EPOCH_AT = 12;
const MAGIC_AT = 16;
const CRC_AT = 17;
/** The checksum covers everything from here on: not offset, length and leader epoch. */
const CHECKED_FROM = 21;
const MAGIC = 2;

const CONTROL_BIT = 0x20;
const TRANSACTIONAL_BIT = 0x10;
const COMPRESSION_MASK = 0x07;

export interface BatchHeader {
  readonly baseOffset: number;
  /** Offset behind its last record. */
  readonly nextOffset: number;
  /** The whole batch with its prefix. */
  readonly sizeBytes: number;
  readonly leaderEpoch: number;
  readonly attributes: number;
  readonly baseTimestamp: number;
  /** Largest timestamp of its records, ms since 1970; −1: none. */
  readonly maxTimestamp: number;
  /** −1: not an idempotent producer. */
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly recordCount: number;
}

export function isControl(header: BatchHeader): boolean {
  return (header.attributes & CONTROL_BIT) !== 0;
}

export function isTransactional(header: BatchHeader): boolean {
  return (header.attributes & TRANSACTIONAL_BIT) !== 0;
}

/** 0: not compressed. */
export function compressionOf(header: BatchHeader): number {
  return header.attributes & COMPRESSION_MASK;
}

function i64(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
}

/** Bytes that a batch says to have; undefined when its length field is not all there. */
export function batchBytesAt(bytes: Buffer, at: number, end = bytes.length): number | undefined {
  if (end - at < BATCH_PREFIX_BYTES) return undefined;
  return BATCH_PREFIX_BYTES + bytes.readInt32BE(at + LENGTH_AT);
}

/**
 * The header of the batch at `at`, of which at least BATCH_HEADER_BYTES must be there; text says what is
 * wrong with it. The checksum is not looked at.
 */
export function headerAt(bytes: Buffer, at: number): BatchHeader | string {
  const sizeBytes = BATCH_PREFIX_BYTES + bytes.readInt32BE(at + LENGTH_AT);
  if (sizeBytes < BATCH_HEADER_BYTES) {
    return `expected a batch of at least ${BATCH_HEADER_BYTES} bytes, its length says ${sizeBytes}`;
  }
  const magic = bytes.readInt8(at + MAGIC_AT);
  if (magic !== MAGIC) return `expected magic ${MAGIC}, got ${magic}`;
  const baseOffset = i64(bytes, at);
  const lastOffsetDelta = bytes.readInt32BE(at + 23);
  const recordCount = bytes.readInt32BE(at + 57);
  if (recordCount < 1 || lastOffsetDelta !== recordCount - 1) {
    return `expected one offset for each record, got ${recordCount} records and a last offset delta of ${lastOffsetDelta}`;
  }
  const producerId = i64(bytes, at + 43);
  if (!Number.isSafeInteger(producerId) || !Number.isSafeInteger(baseOffset + recordCount)) {
    return `expected offset and producer id below 2^53, got ${baseOffset} and ${producerId}`;
  }
  return {
    baseOffset,
    nextOffset: baseOffset + recordCount,
    sizeBytes,
    leaderEpoch: bytes.readInt32BE(at + LEADER_EPOCH_AT),
    attributes: bytes.readInt16BE(at + 21),
    baseTimestamp: i64(bytes, at + 27),
    maxTimestamp: i64(bytes, at + 35),
    producerId,
    producerEpoch: bytes.readInt16BE(at + 51),
    baseSequence: bytes.readInt32BE(at + 53),
    recordCount,
  };
}

/** Whether the checksum of the whole batch at `at` is right. */
export function checksumHolds(bytes: Buffer, at: number, sizeBytes: number): boolean {
  const end = at + sizeBytes;
  return crc32c(bytes, 0, at + CHECKED_FROM, end) === bytes.readUInt32BE(at + CRC_AT);
}

/** Puts base offset and leader epoch into the batch at `at`: neither is under its checksum. */
export function stamp(bytes: Buffer, at: number, baseOffset: number, leaderEpoch: number): void {
  bytes.writeBigInt64BE(BigInt(baseOffset), at);
  bytes.writeInt32BE(leaderEpoch, at + LEADER_EPOCH_AT);
}
