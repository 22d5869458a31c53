// What a leader answers to one partition of a fetch: fences, the parting of logs, limits of who may read how
// far. Followers' fetches count here, once each, and only where they prove that their log is the leader's.

import type { ErrorName } from '../../wire/kafka/error-codes.ts';
import type { FetchAsk, Fetched, FetchOptions } from '../contract.ts';
import { OffsetOutOfRangeError } from '../log/errors.ts';
import type { Leader } from './leader.ts';
import type { Partition } from './partition.ts';
import { readingOf } from './reading.ts';
import type { Replica } from './replica.ts';

export function refusedFetch(ask: FetchAsk, error: ErrorName, logStartOffset = -1): Fetched {
  const { topic, partition } = ask;
  return { topic, partition, error, highWatermark: -1, logStartOffset, records: [] };
}

/** Why a request with `currentLeaderEpoch` (−1: not told) is not for this broker; undefined: it is. */
export function leadershipError(
  partition: Partition,
  currentLeaderEpoch: number,
): ErrorName | undefined {
  if (currentLeaderEpoch >= 0) {
    if (currentLeaderEpoch < partition.epoch) return 'FENCED_LEADER_EPOCH';
    if (currentLeaderEpoch > partition.epoch) return 'UNKNOWN_LEADER_EPOCH';
  }
  return partition.leader === undefined ? 'NOT_LEADER_OR_FOLLOWER' : undefined;
}

interface Limits {
  /** Bytes left in the answer. */
  readonly maxBytes: number;
  /** Not even one batch may exceed them. */
  readonly strict: boolean;
  /** The request has just come: a follower's counts now, and not when it is looked at again. */
  readonly arrived: boolean;
}

/** Answers one partition. Never rejects. */
export async function answerFetch(
  partition: Partition,
  ask: FetchAsk,
  options: FetchOptions,
  limits: Limits,
): Promise<Fetched> {
  const error = leadershipError(partition, ask.currentLeaderEpoch);
  const { leader } = partition;
  if (error !== undefined || leader === undefined) {
    return refusedFetch(ask, error ?? 'NOT_LEADER_OR_FOLLOWER');
  }
  if (options.replicaId >= 0 && !leader.isReplica(options.replicaId)) {
    return refusedFetch(ask, 'NOT_LEADER_OR_FOLLOWER');
  }
  const { log } = leader.replica;
  const { logStartOffset } = log;
  const { topic, partition: index, offset } = ask;
  if (ask.lastFetchedEpoch >= 0) {
    const end = log.endOffsetFor(ask.lastFetchedEpoch);
    if (end === undefined) return refusedFetch(ask, 'OFFSET_OUT_OF_RANGE', logStartOffset);
    if (end.epoch < ask.lastFetchedEpoch || end.endOffset < offset) {
      const highWatermark = leader.replica.highWatermark;
      const shared = { topic, partition: index, error: undefined, highWatermark, logStartOffset };
      return { ...shared, records: [], diverging: end };
    }
  }
  if (offset < logStartOffset || offset > log.logEndOffset) {
    return refusedFetch(ask, 'OFFSET_OUT_OF_RANGE', logStartOffset);
  }
  const isFollower = options.replicaId >= 0;
  if (isFollower && limits.arrived && ask.currentLeaderEpoch === leader.epoch) {
    leader.followerFetched(options.replicaId, options.replicaEpoch, offset);
  }
  return readFor(leader, partition, ask, limits, isFollower);
}

/** First offset that may not be read. */
function readableEnd({ log, highWatermark }: Replica, isFollower: boolean): number {
  return isFollower ? log.logEndOffset : highWatermark;
}

/** Whether there are records for it now, so that its answer needs memory. */
export function isReadable(partition: Partition, ask: FetchAsk, replicaId: number): boolean {
  const { leader } = partition;
  if (leader === undefined || leadershipError(partition, ask.currentLeaderEpoch)) return false;
  return ask.offset < readableEnd(leader.replica, replicaId >= 0);
}

async function readFor(
  leader: Leader,
  partition: Partition,
  ask: FetchAsk,
  { maxBytes, strict }: Limits,
  isFollower: boolean,
): Promise<Fetched> {
  const { replica } = leader;
  const { log, highWatermark } = replica;
  const limitOffset = readableEnd(replica, isFollower);
  const records: Buffer[] = [];
  if (ask.offset < limitOffset && (maxBytes > 0 || !strict)) {
    try {
      const found = await readingOf(replica, () =>
        log.read(ask.offset, {
          maxBytes: Math.min(maxBytes, ask.maxBytes),
          limitOffset,
          strictBytes: strict,
        }),
      );
      if (found === undefined) return refusedFetch(ask, 'KAFKA_STORAGE_ERROR');
      if (found.records.length > 0) records.push(found.records);
    } catch (error) {
      if (!(error instanceof OffsetOutOfRangeError)) throw error;
      return refusedFetch(ask, 'OFFSET_OUT_OF_RANGE');
    }
    // What was read by a leader of before may not be what stays.
    if (partition.leader !== leader) return refusedFetch(ask, 'NOT_LEADER_OR_FOLLOWER');
  }
  const { topic, partition: index } = ask;
  const { logStartOffset } = log;
  return { topic, partition: index, error: undefined, highWatermark, logStartOffset, records };
}
