// One response of every API that clients send. Error codes are 0, because clients throw on others before
// they show the rest; every other value tells its field from its neighbours.
import { APIS, type ResponseInput } from './apis.ts';
import { encodeResponse } from './protocol.ts';
import { type ClientApi, OFFSET, SAMPLE_BATCH, TOPIC_ID } from './sample-requests.ts';

const endpoint = { nodeId: 2, host: 'b2', port: 9_093, rack: 'rack-c' };

export const RESPONSES: { readonly [N in ClientApi]: ResponseInput<N> } = {
  Produce: {
    responses: [
      {
        name: 'logs',
        partitionResponses: [
          {
            index: 3,
            errorCode: 0,
            baseOffset: OFFSET,
            logAppendTimeMs: 1_700_000_000_009,
            logStartOffset: 11,
            currentLeader: { leaderId: 2, leaderEpoch: 6 },
          },
        ],
      },
    ],
    throttleTimeMs: 4,
    nodeEndpoints: [endpoint],
  },
  Fetch: {
    throttleTimeMs: 4,
    errorCode: 0,
    sessionId: 41,
    responses: [
      {
        topic: 'logs',
        topicId: TOPIC_ID,
        partitions: [
          {
            partitionIndex: 3,
            errorCode: 0,
            highWatermark: OFFSET + 2,
            lastStableOffset: OFFSET + 1,
            logStartOffset: 11,
            divergingEpoch: { epoch: 5, endOffset: 100 },
            currentLeader: { leaderId: 2, leaderEpoch: 6 },
            snapshotId: { endOffset: 90, epoch: 4 },
            abortedTransactions: [{ producerId: 4_001, firstOffset: 77 }],
            preferredReadReplica: 1,
            records: SAMPLE_BATCH,
          },
        ],
      },
    ],
    nodeEndpoints: [endpoint],
  },
  ListOffsets: {
    throttleTimeMs: 4,
    topics: [
      {
        name: 'logs',
        partitions: [
          {
            partitionIndex: 3,
            errorCode: 0,
            oldStyleOffsets: [OFFSET, 12],
            timestamp: 1_700_000_000_001,
            offset: OFFSET,
            leaderEpoch: 6,
          },
        ],
      },
    ],
  },
  Metadata: {
    throttleTimeMs: 4,
    brokers: [
      { nodeId: 1, host: 'b1', port: 9_092, rack: null },
      { nodeId: 2, host: 'b2', port: 9_093, rack: 'rack-c' },
    ],
    clusterId: 'cluster-1',
    controllerId: 2,
    topics: [
      {
        errorCode: 0,
        name: 'logs',
        topicId: TOPIC_ID,
        isInternal: true,
        partitions: [
          {
            errorCode: 0,
            partitionIndex: 3,
            leaderId: 2,
            leaderEpoch: 6,
            replicaNodes: [1, 2, 3],
            isrNodes: [2, 1],
            offlineReplicas: [3],
          },
        ],
        topicAuthorizedOperations: 264,
      },
    ],
    clusterAuthorizedOperations: 265,
  },
  OffsetCommit: {
    throttleTimeMs: 4,
    topics: [{ name: 'logs', partitions: [{ partitionIndex: 3, errorCode: 0 }] }],
  },
  OffsetFetch: {
    throttleTimeMs: 4,
    topics: [
      {
        name: 'logs',
        partitions: [
          {
            partitionIndex: 3,
            committedOffset: OFFSET,
            committedLeaderEpoch: 6,
            metadata: 'note',
            errorCode: 0,
          },
        ],
      },
    ],
    errorCode: 0,
    groups: [
      {
        groupId: 'readers',
        topics: [
          {
            name: 'logs',
            partitions: [
              {
                partitionIndex: 3,
                committedOffset: OFFSET,
                committedLeaderEpoch: 6,
                metadata: null,
                errorCode: 0,
              },
            ],
          },
        ],
        errorCode: 0,
      },
    ],
  },
  FindCoordinator: {
    throttleTimeMs: 4,
    errorCode: 0,
    errorMessage: null,
    nodeId: 2,
    host: 'b2',
    port: 9_093,
    coordinators: [
      { key: 'readers', nodeId: 2, host: 'b2', port: 9_093, errorCode: 0, errorMessage: null },
    ],
  },
  JoinGroup: {
    throttleTimeMs: 4,
    errorCode: 0,
    generationId: 9,
    protocolType: 'consumer',
    protocolName: 'range',
    leader: 'm-1',
    skipAssignment: true,
    memberId: 'm-2',
    members: [{ memberId: 'm-1', groupInstanceId: 'static-1', metadata: Buffer.from('meta-1') }],
  },
  Heartbeat: { throttleTimeMs: 4, errorCode: 0 },
  LeaveGroup: {
    throttleTimeMs: 4,
    errorCode: 0,
    members: [{ memberId: 'm-1', groupInstanceId: 'static-1', errorCode: 0 }],
  },
  SyncGroup: {
    throttleTimeMs: 4,
    errorCode: 0,
    protocolType: 'consumer',
    protocolName: 'range',
    assignment: Buffer.from('mine'),
  },
  DescribeGroups: {
    throttleTimeMs: 4,
    groups: [
      {
        errorCode: 0,
        groupId: 'readers',
        groupState: 'Stable',
        protocolType: 'consumer',
        protocolData: 'range',
        members: [
          {
            memberId: 'm-1',
            groupInstanceId: 'static-1',
            clientId: 'client-1',
            clientHost: '/127.0.0.1',
            memberMetadata: Buffer.from('meta-1'),
            memberAssignment: Buffer.from('mine'),
          },
        ],
        authorizedOperations: 264,
      },
    ],
  },
  ListGroups: {
    throttleTimeMs: 4,
    errorCode: 0,
    groups: [
      { groupId: 'readers', protocolType: 'consumer', groupState: 'Stable', groupType: 'classic' },
    ],
  },
  ApiVersions: {
    errorCode: 0,
    apiKeys: [
      { apiKey: 0, minVersion: 3, maxVersion: 11 },
      { apiKey: 18, minVersion: 0, maxVersion: 4 },
    ],
    throttleTimeMs: 4,
    supportedFeatures: [{ name: 'transaction.version', minVersion: 0, maxVersion: 2 }],
    finalizedFeaturesEpoch: 21,
    finalizedFeatures: [{ name: 'transaction.version', maxVersionLevel: 2, minVersionLevel: 1 }],
    zkMigrationReady: true,
  },
  CreateTopics: {
    throttleTimeMs: 4,
    topics: [
      {
        name: 'logs',
        topicId: TOPIC_ID,
        errorCode: 0,
        errorMessage: null,
        topicConfigErrorCode: 29,
        numPartitions: 12,
        replicationFactor: 3,
        configs: [
          {
            name: 'min.insync.replicas',
            value: '2',
            readOnly: true,
            configSource: 1,
            isSensitive: true,
          },
        ],
      },
    ],
  },
  DeleteTopics: {
    throttleTimeMs: 4,
    responses: [{ name: 'logs', topicId: TOPIC_ID, errorCode: 0, errorMessage: null }],
  },
  InitProducerId: { throttleTimeMs: 4, errorCode: 0, producerId: 4_001, producerEpoch: 3 },
  OffsetForLeaderEpoch: {
    throttleTimeMs: 4,
    topics: [
      {
        topic: 'logs',
        partitions: [{ errorCode: 0, partition: 3, leaderEpoch: 4, endOffset: OFFSET }],
      },
    ],
  },
  DescribeConfigs: {
    throttleTimeMs: 4,
    results: [
      {
        errorCode: 0,
        errorMessage: null,
        resourceType: 2,
        resourceName: 'logs',
        configs: [
          {
            name: 'retention.ms',
            value: '604800000 ms',
            readOnly: true,
            isDefault: true,
            configSource: 1,
            isSensitive: true,
            synonyms: [{ name: 'log.retention.ms', value: null, source: 4 }],
            configType: 5,
            documentation: 'how long',
          },
        ],
      },
    ],
  },
  CreatePartitions: {
    throttleTimeMs: 4,
    results: [{ name: 'logs', errorCode: 0, errorMessage: null }],
  },
};

/** The sample response's frame without its length prefix. */
export function responseFrame(name: ClientApi, version: number, correlationId: number): Buffer {
  const body = RESPONSES[name] as ResponseInput<ClientApi>;
  return encodeResponse(name, version, correlationId, body).subarray(4);
}

/** The versions of an API that this codec speaks. */
export function versionsOf(name: ClientApi): number[] {
  const { min, max } = APIS[name].versions;
  return Array.from({ length: max - min + 1 }, (_, i) => min + i);
}
