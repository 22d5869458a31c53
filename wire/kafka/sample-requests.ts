// One request of every API that clients send, each value of its kind. Tests against other implementations
// send them and compare what came.
import type { RequestInput } from './apis.ts';
import { decodeRequest, encodeRequest } from './protocol.ts';
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
export const OFFSET = 2 ** 40 + 17;

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

/** A request body as this version carries it: what the version lacks has its fallback. */
export function carried<N extends ClientApi>(
  name: N,
  version: number,
  body: RequestInput<N> = REQUESTS[name],
): unknown {
  const frame = encodeRequest(name, { version, correlationId: 1, clientId: null }, body);
  const request = decodeRequest(frame.subarray(4));
  return request.kind === 'request' ? request.body : request;
}
