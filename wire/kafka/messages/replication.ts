// What the controller tells the brokers, and what a broker that leaves asks of it. These are the APIs of a
// Kafka whose metadata lives in a coordination service; its clients never see them.
import { api } from '../api.ts';
import { between, since, struct, until } from '../struct.ts';
import {
  array,
  bool,
  int8,
  int16,
  int32,
  int64,
  NO_UUID,
  nullable,
  string,
  uuid,
} from '../types.ts';

const leaderAndIsrPartitions = array(
  struct({
    topicName: until(1, string, ''),
    partitionIndex: int32,
    controllerEpoch: int32,
    leader: int32,
    leaderEpoch: int32,
    isr: array(int32),
    partitionEpoch: int32,
    replicas: array(int32),
    addingReplicas: since(3, array(int32), []),
    removingReplicas: since(3, array(int32), []),
    isNew: since(1, bool, false),
    leaderRecoveryState: since(6, int8, 0),
  }),
);

const partitionErrors = array(
  struct({ topicName: until(4, string, ''), partitionIndex: int32, errorCode: int16 }),
);

/**
 * Partitions in one list up to version 1, by topic from 2 on. `type` (5 on) is 1 if the partitions
 * that are named change and no others, 2 if every one of the broker's is named.
 */
export const leaderAndIsr = api({
  key: 4,
  versions: { min: 0, max: 6 },
  flexibleSince: 4,
  request: {
    controllerId: int32,
    controllerEpoch: int32,
    brokerEpoch: since(2, int64, -1),
    type: since(5, int8, 0),
    ungroupedPartitionStates: until(1, leaderAndIsrPartitions, []),
    topicStates: since(
      2,
      array(
        struct({
          topicName: string,
          topicId: since(5, uuid, NO_UUID),
          partitionStates: leaderAndIsrPartitions,
        }),
      ),
      [],
    ),
    liveLeaders: array(struct({ brokerId: int32, hostName: string, port: int32 })),
  },
  response: {
    errorCode: int16,
    partitionErrors: until(4, partitionErrors, []),
    topics: since(5, array(struct({ topicId: uuid, partitionErrors })), []),
  },
});

/** From version 3 on each partition says whether it is deleted and by which leader epoch (KIP-570). */
export const stopReplica = api({
  key: 5,
  versions: { min: 0, max: 3 },
  flexibleSince: 2,
  request: {
    controllerId: int32,
    controllerEpoch: int32,
    brokerEpoch: since(1, int64, -1),
    deletePartitions: until(2, bool, false),
    ungroupedPartitions: until(0, array(struct({ topicName: string, partitionIndex: int32 })), []),
    topics: between(1, 2, array(struct({ name: string, partitionIndexes: array(int32) })), []),
    topicStates: since(
      3,
      array(
        struct({
          topicName: string,
          partitionStates: array(
            struct({ partitionIndex: int32, leaderEpoch: int32, deletePartition: bool }),
          ),
        }),
      ),
      [],
    ),
  },
  response: {
    errorCode: int16,
    partitionErrors: array(struct({ topicName: string, partitionIndex: int32, errorCode: int16 })),
  },
});

const metadataPartitions = array(
  struct({
    topicName: until(4, string, ''),
    partitionIndex: int32,
    controllerEpoch: int32,
    leader: int32,
    leaderEpoch: int32,
    isr: array(int32),
    partitionEpoch: int32,
    replicas: array(int32),
    offlineReplicas: since(4, array(int32), []),
  }),
);

/** The brokers that live and the partitions that changed, so that each broker can answer Metadata. */
export const updateMetadata = api({
  key: 6,
  versions: { min: 0, max: 7 },
  flexibleSince: 6,
  request: {
    controllerId: int32,
    controllerEpoch: int32,
    brokerEpoch: since(5, int64, -1),
    ungroupedPartitionStates: until(4, metadataPartitions, []),
    topicStates: since(
      5,
      array(
        struct({
          topicName: string,
          topicId: since(7, uuid, NO_UUID),
          partitionStates: metadataPartitions,
        }),
      ),
      [],
    ),
    liveBrokers: array(
      struct({
        id: int32,
        v0Host: until(0, string, ''),
        v0Port: until(0, int32, -1),
        endpoints: since(
          1,
          array(
            struct({
              port: int32,
              host: string,
              listener: since(3, string, ''),
              securityProtocol: int16,
            }),
          ),
          [],
        ),
        rack: since(2, nullable(string), null),
      }),
    ),
  },
  response: { errorCode: int16 },
});

export const controlledShutdown = api({
  key: 7,
  versions: { min: 0, max: 3 },
  flexibleSince: 3,
  headerWithoutClientId: { min: 0, max: 0 },
  request: { brokerId: int32, brokerEpoch: since(2, int64, -1) },
  response: {
    errorCode: int16,
    remainingPartitions: array(struct({ topicName: string, partitionIndex: int32 })),
  },
});
