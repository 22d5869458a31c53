// What a leader says of offsets: where its log begins and ends, where a time or an epoch is in it. Nothing here
// shows a high watermark that an earlier leader's may have been ahead of.
import type { ErrorName } from '../../wire/kafka/error-codes.ts';
import { leadershipError } from './fetch-answers.ts';
import type { Leader } from './leader.ts';
import type { Partition } from './partition.ts';
import { readAgain } from './reading.ts';

/** Asks for the end of the log: a consumer's is the high watermark. */
const LATEST = -1;
const EARLIEST = -2;

export interface FoundOffset {
  readonly error?: ErrorName;
  readonly offset: number;
  readonly timestamp: number;
  readonly leaderEpoch: number;
}

/** An offset that is not known, for a reason or because there is none. */
export function noOffset(error?: ErrorName): FoundOffset {
  return { ...(error === undefined ? {} : { error }), offset: -1, timestamp: -1, leaderEpoch: -1 };
}

/** Finds an offset by its timestamp. Never rejects. */
export function findOffset(
  partition: Partition,
  ask: { readonly timestamp: number; readonly currentLeaderEpoch: number },
  isFollower: boolean,
): FoundOffset {
  const error = leadershipError(partition, ask.currentLeaderEpoch);
  const { leader } = partition;
  if (error !== undefined || leader === undefined) return noOffset(error);
  const { log, highWatermark } = leader.replica;
  const limitOffset = isFollower ? log.logEndOffset : highWatermark;
  const mayShow = isFollower || leader.serving;
  if (ask.timestamp === EARLIEST) {
    const offset = log.logStartOffset;
    return { offset, timestamp: -1, leaderEpoch: epochAt(leader, offset) };
  }
  if (ask.timestamp === LATEST) {
    if (!mayShow) return noOffset('OFFSET_NOT_AVAILABLE');
    return { offset: limitOffset, timestamp: -1, leaderEpoch: leader.epoch };
  }
  if (ask.timestamp < 0) return noOffset('INVALID_REQUEST');
  for (let attempt = 1; ; attempt++) {
    try {
      const found = log.offsetForTimestamp(ask.timestamp, limitOffset);
      if (found !== undefined) return found;
      return noOffset(mayShow ? undefined : 'OFFSET_NOT_AVAILABLE');
    } catch (failure) {
      if (!readAgain(leader.replica, failure, attempt)) return noOffset('KAFKA_STORAGE_ERROR');
    }
  }
}

function epochAt({ replica, epoch }: Leader, offset: number): number {
  const { leaderEpochs } = replica.log;
  return leaderEpochs.findLast(({ startOffset }) => startOffset <= offset)?.epoch ?? epoch;
}

export interface FoundEpochEnd {
  readonly error?: ErrorName;
  readonly leaderEpoch: number;
  readonly endOffset: number;
}

/** Where an epoch ends in the leader's log; −1 where it knows of none so early, or of none so late. */
export function findEpochEnd(
  partition: Partition,
  ask: { readonly leaderEpoch: number; readonly currentLeaderEpoch: number },
): FoundEpochEnd {
  const error = leadershipError(partition, ask.currentLeaderEpoch);
  if (error !== undefined) return { error, leaderEpoch: -1, endOffset: -1 };
  const end = partition.replica.log.endOffsetFor(ask.leaderEpoch);
  return { leaderEpoch: end?.epoch ?? -1, endOffset: end?.endOffset ?? -1 };
}
