// Produce, Fetch, ListOffsets and OffsetForLeaderEpoch: what moves records and finds offsets. Followers
// send the last three too, so the fields of replicas are all here.
import { api } from '../api.ts';
import { optional, since, struct, tagged, until } from '../struct.ts';
import {
  array,
  int8,
  int16,
  int32,
  int64,
  NO_UUID,
  nullable,
  records,
  string,
  uuid,
} from '../types.ts';

const leaderIdAndEpoch = struct({ leaderId: int32, leaderEpoch: int32 });

const nodeEndpoints = array(
  struct({ nodeId: int32, host: string, port: int32, rack: optional(nullable(string), null) }),
);

/** `acks` 0 has no response. Versions 0 to 2 carried older record formats in the same layout. */
export const produce = api({
  key: 0,
  versions: { min: 0, max: 12 },
  flexibleSince: 9,
  request: {
    transactionalId: since(3, nullable(string), null),
    acks: int16,
    timeoutMs: int32,
    topicData: array(
      struct({
        name: string,
        partitionData: array(struct({ index: int32, records: nullable(records) })),
      }),
    ),
  },
  response: {
    responses: array(
      struct({
        name: string,
        partitionResponses: array(
          struct({
            index: int32,
            errorCode: int16,
            baseOffset: int64,
            logAppendTimeMs: since(2, int64, -1),
            logStartOffset: since(5, int64, -1),
            recordErrors: since(
              8,
              array(struct({ batchIndex: int32, batchIndexErrorMessage: nullable(string) })),
              [],
            ),
            errorMessage: since(8, nullable(string), null),
            currentLeader: tagged(0, 10, leaderIdAndEpoch),
          }),
        ),
      }),
    ),
    throttleTimeMs: since(1, int32, 0),
    nodeEndpoints: tagged(0, 10, nodeEndpoints),
  },
});

/**
 * Topics by name up to version 12, by id from 13 on. A follower gives its id in `replicaId` up to 14
 * and in `replicaState` from 15 on; a consumer's is -1 or null.
 */
export const fetch = api({
  key: 1,
  versions: { min: 0, max: 17 },
  flexibleSince: 12,
  request: {
    replicaId: until(14, int32, -1),
    maxWaitMs: int32,
    minBytes: int32,
    maxBytes: since(3, int32, 0x7fff_ffff),
    isolationLevel: since(4, int8, 0),
    sessionId: since(7, int32, 0),
    sessionEpoch: since(7, int32, -1),
    topics: array(
      struct({
        topic: until(12, string, ''),
        topicId: since(13, uuid, NO_UUID),
        partitions: array(
          struct({
            partition: int32,
            currentLeaderEpoch: since(9, int32, -1),
            fetchOffset: int64,
            lastFetchedEpoch: since(12, int32, -1),
            logStartOffset: since(5, int64, -1),
            partitionMaxBytes: int32,
            replicaDirectoryId: tagged(0, 17, uuid),
          }),
        ),
      }),
    ),
    forgottenTopicsData: since(
      7,
      array(
        struct({
          topic: until(12, string, ''),
          topicId: since(13, uuid, NO_UUID),
          partitions: array(int32),
        }),
      ),
      [],
    ),
    rackId: since(11, string, ''),
    clusterId: tagged(0, 12, nullable(string)),
    replicaState: tagged(1, 15, struct({ replicaId: int32, replicaEpoch: int64 })),
  },
  response: {
    throttleTimeMs: since(1, int32, 0),
    errorCode: since(7, int16, 0),
    sessionId: since(7, int32, 0),
    responses: array(
      struct({
        topic: until(12, string, ''),
        topicId: since(13, uuid, NO_UUID),
        partitions: array(
          struct({
            partitionIndex: int32,
            errorCode: int16,
            highWatermark: int64,
            lastStableOffset: since(4, int64, -1),
            logStartOffset: since(5, int64, -1),
            divergingEpoch: tagged(0, 12, struct({ epoch: int32, endOffset: int64 })),
            currentLeader: tagged(1, 12, leaderIdAndEpoch),
            snapshotId: tagged(2, 12, struct({ endOffset: int64, epoch: int32 })),
            abortedTransactions: since(
              4,
              nullable(array(struct({ producerId: int64, firstOffset: int64 }))),
              null,
            ),
            preferredReadReplica: since(11, int32, -1),
            records: nullable(records),
          }),
        ),
      }),
    ),
    nodeEndpoints: tagged(0, 16, nodeEndpoints),
  },
});

/** A timestamp of -1 asks for the end of the log, -2 for its start, -3 (7 on) for the newest record. */
export const listOffsets = api({
  key: 2,
  versions: { min: 0, max: 9 },
  flexibleSince: 6,
  request: {
    replicaId: int32,
    isolationLevel: since(2, int8, 0),
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            currentLeaderEpoch: since(4, int32, -1),
            timestamp: int64,
            maxNumOffsets: until(0, int32, 1),
          }),
        ),
      }),
    ),
  },
  response: {
    throttleTimeMs: since(2, int32, 0),
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            errorCode: int16,
            oldStyleOffsets: until(0, array(int64), []),
            timestamp: since(1, int64, -1),
            offset: since(1, int64, -1),
            leaderEpoch: since(4, int32, -1),
          }),
        ),
      }),
    ),
  },
});

/** KIP-101, KIP-320. `replicaId` -2 is somebody who does not say, -1 a consumer. */
export const offsetForLeaderEpoch = api({
  key: 23,
  versions: { min: 0, max: 4 },
  flexibleSince: 4,
  request: {
    replicaId: since(3, int32, -2),
    topics: array(
      struct({
        topic: string,
        partitions: array(
          struct({
            partition: int32,
            currentLeaderEpoch: since(2, int32, -1),
            leaderEpoch: int32,
          }),
        ),
      }),
    ),
  },
  response: {
    throttleTimeMs: since(2, int32, 0),
    topics: array(
      struct({
        topic: string,
        partitions: array(
          struct({
            errorCode: int16,
            partition: int32,
            leaderEpoch: since(1, int32, -1),
            endOffset: int64,
          }),
        ),
      }),
    ),
  },
});

/** A producer id and epoch for idempotence (KIP-98, KIP-360). */
export const initProducerId = api({
  key: 22,
  versions: { min: 0, max: 5 },
  flexibleSince: 2,
  request: {
    transactionalId: nullable(string),
    transactionTimeoutMs: int32,
    producerId: since(3, int64, -1),
    producerEpoch: since(3, int16, -1),
  },
  response: {
    throttleTimeMs: int32,
    errorCode: int16,
    producerId: int64,
    producerEpoch: int16,
  },
});
