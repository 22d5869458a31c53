// What a leader looks at before it takes a batch from a producer, and how it answers. A refusal names Kafka's
// error and concerns this one request; the log is as it was.
import type { ErrorName } from '../../wire/kafka/error-codes.ts';
import { RecordBatchError } from '../../wire/kafka/record-batch.ts';
import { checkProduced as checkRecords } from '../../wire/kafka/records.ts';
import { type BatchHeader, checksumHolds } from './batch-header.ts';
import { splitBatches } from './batch-walk.ts';
import type { LogConfig } from './config.ts';
import { NotContiguousError } from './errors.ts';
import type { ProducerStates } from './producers.ts';

export type AppendResult =
  | {
      readonly ok: true;
      readonly baseOffset: number;
      /** Offset of its last record. */
      readonly lastOffset: number;
      /** The producer sent it before: these are the offsets it got then, and nothing was appended. */
      readonly duplicate: boolean;
    }
  | {
      readonly ok: false /** Kafka's name of what is wrong. */;
      readonly error: ErrorName;
      readonly message: string;
    };

export type Checked = { readonly ok: true; readonly header: BatchHeader } | AppendResult;

function refuse(error: ErrorName, message: string): AppendResult {
  return { ok: false, error, message };
}

/** Checks what a producer wants appended: one whole batch, within limits, in its producer's order. */
export function checkProduced(
  bytes: Buffer,
  config: LogConfig,
  producers: ProducerStates,
  nowMs: number,
): Checked {
  let header: BatchHeader;
  try {
    const found = checkRecords(bytes, { batchBytesMax: config.maxMessageBytes });
    header = { ...found, nextOffset: found.lastOffset + 1 };
  } catch (error) {
    if (error instanceof RecordBatchError) return refuse(error.code, error.message);
    throw error;
  }
  if (bytes.length > config.segmentBytes) {
    return refuse(
      'RECORD_LIST_TOO_LARGE',
      `expected at most segment.bytes ${config.segmentBytes}, got ${bytes.length} bytes`,
    );
  }
  if (header.isTransactional) {
    return refuse('INVALID_RECORD', 'expected a batch outside of transactions');
  }
  const check = producers.check(header, nowMs);
  if (check.kind === 'refused') return refuse(check.error, check.message);
  if (check.kind === 'next') return { ok: true, header };
  const { baseOffset, lastOffset } = check.batch;
  return { ok: true, baseOffset, lastOffset, duplicate: true };
}

/**
 * The headers of what a leader sent to a replica whose log ends at `endOffset`: whole batches with their
 * offsets, the first at the end.
 * @throws NotContiguousError when it does not continue the log, Error when it is damaged.
 */
export function checkFetched(bytes: Buffer, endOffset: number): BatchHeader[] {
  const batches = splitBatches(bytes);
  if (typeof batches === 'string') throw new Error(`the leader sent a corrupt batch: ${batches}`);
  let expected = endOffset;
  for (const { header, at } of batches) {
    if (header.baseOffset !== expected) {
      throw new NotContiguousError(
        `expected a batch at offset ${expected} from the leader, got one at ${header.baseOffset}`,
      );
    }
    if (!checksumHolds(bytes, at, header)) {
      throw new Error(
        `the leader sent a corrupt batch: the checksum at offset ${expected} does not hold`,
      );
    }
    expected = header.nextOffset;
  }
  return batches.map(({ header }) => header);
}
