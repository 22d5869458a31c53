// One request and one response of every API that clients send, each value of its kind, for tests against
// other implementations. Error codes are 0, because clients throw on others before they show the rest.
import type { RequestInput, ResponseInput } from './apis.ts';
import { buildBatch } from './records.ts';

/** The APIs that Kafka's clients use; the others are between brokers. */
export type ClientApi =
  | 'Produce'
  | 'Fetch'
  | 'ListOffsets'
  | 'Metadata'
  | 'OffsetCommit'
  | 'OffsetFetch'
  | 'FindCoordinator'
  | 'JoinGroup'
  | 'Heartbeat'
  | 'LeaveGroup'
  | 'SyncGroup'
  | 'DescribeGroups'
  | 'ListGroups'
  | 'ApiVersions'
  | 'CreateTopics'
  | 'DeleteTopics'
  | 'InitProducerId'
  | 'OffsetForLeaderEpoch'
  | 'DescribeConfigs'
  | 'CreatePartitions';

export const TOPIC_ID = '0190a6e2-93b4-7c1d-8e5f-0123456789ab';
const OFFSET = 2 ** 40 + 17;

/** A batch of two records, as a log would hold it. */
export const SAMPLE_BATCH = buildBatch(
  [
    { timestampMs: 1_700_000_000_000, key: Buffer.from('k1'), value: Buffer.from('v1') },
    {
      timestampMs: 1_700_000_000_005,
      value: Buffer.from('grüße'),
      headers: [{ key: 'trace', value: Buffer.from('7f') }],
    },
  ],
  { baseOffset: OFFSET, leaderEpoch: 6, producerId: 4_001, producerEpoch: 3, baseSequence: 12 },
);

export const REQUESTS: { readonly [N in ClientApi]: RequestInput<N> } = {
  Produce: {
    transactionalId: 'txn-1',
    acks: -1,
    timeoutMs: 1_500,
    topicData: [{ name: 'logs', partitionData: [{ index: 3, records: SAMPLE_BATCH }] }],
  },
  Fetch: {
    maxWaitMs: 501,
    minBytes: 2,
    maxBytes: 1_048_577,
    isolationLevel: 1,
    sessionId: 41,
    sessionEpoch: 7,
    topics: [
      {
        topic: 'logs',
        topicId: TOPIC_ID,
        partitions: [
          {
            partition: 3,
            currentLeaderEpoch: 6,
            fetchOffset: OFFSET,
            lastFetchedEpoch: 5,
            partitionMaxBytes: 65_537,
          },
        ],
      },
    ],
    forgottenTopicsData: [{ topic: 'old', topicId: TOPIC_ID, partitions: [1, 8] }],
    rackId: 'rack-b',
  },
  ListOffsets: {
    replicaId: -1,
    isolationLevel: 1,
    topics: [
      {
        name: 'logs',
        partitions: [{ partitionIndex: 3, currentLeaderEpoch: 6, timestamp: 1_700_000_000_001 }],
      },
    ],
  },
  Metadata: {
    topics: [{ topicId: TOPIC_ID, name: 'logs' }],
    allowAutoTopicCreation: false,
    includeClusterAuthorizedOperations: true,
    includeTopicAuthorizedOperations: true,
  },
  OffsetCommit: {
    groupId: 'readers',
    generationIdOrMemberEpoch: 9,
    memberId: 'm-1',
    groupInstanceId: 'static-1',
    topics: [
      {
        name: 'logs',
        partitions: [
          {
            partitionIndex: 3,
            committedOffset: OFFSET,
            committedLeaderEpoch: 6,
            committedMetadata: 'note',
          },
        ],
      },
    ],
  },
  OffsetFetch: {
    groupId: 'readers',
    topics: [{ name: 'logs', partitionIndexes: [3, 4] }],
    groups: [
      {
        groupId: 'readers',
        memberId: 'm-1',
        memberEpoch: 9,
        topics: [{ name: 'logs', partitionIndexes: [3, 4] }],
      },
    ],
    requireStable: true,
  },
  FindCoordinator: { key: 'readers', keyType: 0, coordinatorKeys: ['readers'] },
  JoinGroup: {
    groupId: 'readers',
    sessionTimeoutMs: 10_001,
    rebalanceTimeoutMs: 60_002,
    memberId: 'm-1',
    groupInstanceId: 'static-1',
    protocolType: 'consumer',
    protocols: [
      { name: 'range', metadata: Buffer.from('meta-1') },
      { name: 'sticky', metadata: Buffer.alloc(0) },
    ],
    reason: 'came',
  },
  Heartbeat: { groupId: 'readers', generationId: 9, memberId: 'm-1', groupInstanceId: 'static-1' },
  LeaveGroup: {
    groupId: 'readers',
    memberId: 'm-1',
    members: [{ memberId: 'm-1', groupInstanceId: 'static-1', reason: 'went' }],
  },
  SyncGroup: {
    groupId: 'readers',
    generationId: 9,
    memberId: 'm-1',
    groupInstanceId: 'static-1',
    protocolType: 'consumer',
    protocolName: 'range',
    assignments: [{ memberId: 'm-1', assignment: Buffer.from('mine') }],
  },
  DescribeGroups: { groups: ['readers', 'others'], includeAuthorizedOperations: true },
  ListGroups: { statesFilter: ['Stable'], typesFilter: ['classic'] },
  ApiVersions: { clientSoftwareName: 'tester', clientSoftwareVersion: '1.2.3' },
  CreateTopics: {
    topics: [
      {
        name: 'logs',
        numPartitions: 12,
        replicationFactor: 3,
        assignments: [{ partitionIndex: 2, brokerIds: [1, 3] }],
        configs: [{ name: 'min.insync.replicas', value: '2' }],
      },
    ],
    timeoutMs: 5_001,
    validateOnly: true,
  },
  DeleteTopics: {
    topics: [{ name: 'logs', topicId: TOPIC_ID }],
    topicNames: ['logs'],
    timeoutMs: 5_001,
  },
  InitProducerId: {
    transactionalId: 'txn-1',
    transactionTimeoutMs: 30_001,
    producerId: 4_001,
    producerEpoch: 3,
  },
  OffsetForLeaderEpoch: {
    replicaId: -1,
    topics: [
      {
        topic: 'logs',
        partitions: [{ partition: 3, currentLeaderEpoch: 6, leaderEpoch: 4 }],
      },
    ],
  },
  DescribeConfigs: {
    resources: [{ resourceType: 2, resourceName: 'logs', configurationKeys: ['retention.ms'] }],
    includeSynonyms: true,
    includeDocumentation: true,
  },
  CreatePartitions: {
    topics: [{ name: 'logs', count: 14, assignments: [{ brokerIds: [2, 1] }] }],
    timeoutMs: 5_001,
    validateOnly: true,
  },
};

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
