// Looks for a timestamp inside one batch. Of a compressed batch only the whole is known here, so its first
// record stands for it: a reader that begins there misses nothing.
import { BATCH_HEADER_BYTES, compressionOf, headerAt } from './batch-header.ts';

/** Reads a zigzag variable-length integer; returns it with the position behind. */
function varlong(bytes: Buffer, at: number): { value: number; next: number } {
  let raw = 0n;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[at + i] ?? 0;
    raw |= BigInt(byte & 0x7f) << BigInt(7 * i);
    if ((byte & 0x80) === 0) {
      return { value: Number((raw >> 1n) ^ -(raw & 1n)), next: at + i + 1 };
    }
  }
  return { value: 0, next: bytes.length };
}

/** The first record of the batch from `fromOffset` on with `timestamp` or later. */
export function searchRecords(
  batch: Buffer,
  timestamp: number,
  fromOffset: number,
): { offset: number; timestamp: number } | undefined {
  const header = headerAt(batch, 0);
  if (typeof header === 'string') return undefined;
  if (compressionOf(header) !== 0) {
    const offset = Math.max(header.baseOffset, fromOffset);
    return { offset, timestamp: header.maxTimestamp };
  }
  let at = BATCH_HEADER_BYTES;
  for (let i = 0; i < header.recordCount && at < batch.length; i++) {
    const length = varlong(batch, at);
    // Behind the length one byte of attributes.
    const delta = varlong(batch, length.next + 1);
    const offset = header.baseOffset + varlong(batch, delta.next).value;
    const own = header.baseTimestamp + delta.value;
    if (own >= timestamp && offset >= fromOffset) return { offset, timestamp: own };
    at = length.next + length.value;
  }
  return undefined;
}
