// Looks for a timestamp inside one batch. Node cannot unpack Snappy and LZ4: of such a batch the first record
// stands for all, so that a reader that begins there misses nothing.
import { recordsOf } from '../../wire/kafka/records.ts';
import type { BatchHeader } from './batch-header.ts';

const NOT_UNPACKED: readonly string[] = ['snappy', 'lz4'];

/**
 * The first record of the batch from `fromOffset` on with `timestamp` or later; undefined: none. Throws
 * KafkaWireError when the records do not decode.
 */
export function searchRecords(
  batch: Buffer,
  header: BatchHeader,
  timestamp: number,
  fromOffset: number,
): { offset: number; timestamp: number } | undefined {
  if (NOT_UNPACKED.includes(header.compression)) {
    const offset = Math.max(header.baseOffset, fromOffset);
    return { offset, timestamp: header.maxTimestampMs };
  }
  const found = recordsOf(batch).find(({ offset, timestampMs }) => {
    return offset >= fromOffset && timestampMs >= timestamp;
  });
  return found === undefined ? undefined : { offset: found.offset, timestamp: found.timestampMs };
}
