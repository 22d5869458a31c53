// Why a request to a broker did not succeed. Whether it may have taken effect is part of the answer, because only
// then can a caller tell "did not happen" from "nobody knows".
import type { ErrorName } from '../../wire/kafka/error-codes.ts';

/** Kafka's names of what a broker answers, and of connections that gave no answer. */
export type BrokerErrorName = ErrorName | `ERROR_${number}` | 'ConnectionLoss' | 'Timeout';

/** Answers that a broker gives before it changes anything, whatever was asked. */
const REFUSALS: ReadonlySet<string> = new Set<ErrorName>([
  'CORRUPT_MESSAGE',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'MESSAGE_TOO_LARGE',
  'INVALID_TOPIC_EXCEPTION',
  'RECORD_LIST_TOO_LARGE',
  'NOT_ENOUGH_REPLICAS',
  'INVALID_REQUIRED_ACKS',
  'INVALID_TIMESTAMP',
  'INVALID_RECORD',
  'UNSUPPORTED_VERSION',
  'UNSUPPORTED_FOR_MESSAGE_FORMAT',
  'UNSUPPORTED_COMPRESSION_TYPE',
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'INVALID_PRODUCER_EPOCH',
  'UNKNOWN_PRODUCER_ID',
  'ILLEGAL_GENERATION',
  'UNKNOWN_MEMBER_ID',
  'REBALANCE_IN_PROGRESS',
  'MEMBER_ID_REQUIRED',
  'FENCED_INSTANCE_ID',
  'INVALID_GROUP_ID',
  'INCONSISTENT_GROUP_PROTOCOL',
  'INVALID_SESSION_TIMEOUT',
  'GROUP_MAX_SIZE_REACHED',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'TOPIC_ALREADY_EXISTS',
  'INVALID_PARTITIONS',
  'INVALID_REPLICATION_FACTOR',
  'INVALID_CONFIG',
  'OFFSET_OUT_OF_RANGE',
  'OFFSET_NOT_AVAILABLE',
]);

/**
 * A request failed. `sent: false`: its bytes never reached a connection. `answered`: the broker said so. `silent`:
 * where the broker that did not answer was reached, as `host:port`.
 */
export class BrokerError extends Error {
  override readonly name: BrokerErrorName;
  readonly sent: boolean;
  readonly answered: boolean;
  readonly silent: string | undefined;

  constructor(
    name: BrokerErrorName,
    message: string,
    how: { readonly sent: boolean; readonly answered: boolean; readonly silent?: string },
  ) {
    super(message);
    this.name = name;
    this.sent = how.sent;
    this.answered = how.answered;
    this.silent = how.silent;
  }

  /**
   * Whether what was asked certainly did not happen. NOT_LEADER_OR_FOLLOWER is not among these: a leader that
   * is deposed while a batch waits for its replicas says it of records that may stay.
   */
  get certain(): boolean {
    return !this.sent || (this.answered && REFUSALS.has(this.name));
  }
}
