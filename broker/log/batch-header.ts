// A batch's header as the log needs it: what the wire says, with the checks that tell a next batch from damage,
// and a fault as text instead of an exception, since at the end of a file both are everyday things.
import { crc32c } from '../../wire/crc32c.ts';
import {
  BATCH_HEADER_BYTES,
  FIELD,
  RecordBatchError,
  readBatchHeader,
  type BatchHeader as WireHeader,
} from '../../wire/kafka/record-batch.ts';

export { BATCH_HEADER_BYTES } from '../../wire/kafka/record-batch.ts';

export interface BatchHeader extends WireHeader {
  /** Offset behind its last record. */
  readonly nextOffset: number;
}

/**
 * The header of the batch at `at`, of which at least BATCH_HEADER_BYTES must be there; text says what is
 * wrong with it. The checksum is not looked at.
 */
export function headerAt(bytes: Buffer, at: number): BatchHeader | string {
  if (bytes.length - at < BATCH_HEADER_BYTES) return 'a batch is cut short';
  let header: WireHeader;
  try {
    header = readBatchHeader(bytes, at);
  } catch (error) {
    if (error instanceof RecordBatchError) return error.message;
    throw error;
  }
  const { recordCount, lastOffsetDelta } = header;
  if (recordCount < 1 || lastOffsetDelta !== recordCount - 1) {
    return (
      `expected one offset for each record, got ${recordCount} records and a last offset delta of ` +
      `${lastOffsetDelta}`
    );
  }
  return { ...header, nextOffset: header.baseOffset + recordCount };
}

/** Whether the checksum of the whole batch at `at` is right. */
export function checksumHolds(bytes: Buffer, at: number, header: BatchHeader): boolean {
  return crc32c(bytes, 0, at + FIELD.attributes, at + header.sizeBytes) === header.crc;
}
