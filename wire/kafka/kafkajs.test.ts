// kafkajs encodes requests that this codec decodes, and decodes responses that it encodes, every API in
// every version that both know. It is the second witness, of the older and simpler half of the protocol.
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import type { ResponseBody } from './apis.ts';
import { decodeRequest, decodeResponse } from './protocol.ts';
import { verifyBatch } from './record-batch.ts';
import { recordsOf } from './records.ts';
import { type ClientApi, carried, REQUESTS, SAMPLE_BATCH, TOPIC_ID } from './sample-requests.ts';
import { responseFrame, versionsOf } from './sample-responses.ts';

type Fields = Readonly<Record<string, unknown>>;
/** One API in one version, as kafkajs keeps it. */
interface Exchange {
  readonly request: object;
  readonly response: { readonly decode: (payload: Buffer) => Promise<Fields> };
}
interface Definition {
  readonly versions: readonly string[];
  readonly protocol: (at: { version: number }) => (values: Fields) => Exchange;
}
interface Encoded {
  readonly buffer: Buffer;
}

// The protocol is not among what kafkajs exports, and its files are CommonJS without types.
const require = createRequire(import.meta.url);
const { requests } = require('kafkajs/src/protocol/requests') as {
  requests: Readonly<Record<string, Definition>>;
};
const createRequest = require('kafkajs/src/protocol/request') as (header: {
  correlationId: number;
  clientId: string;
  request: object;
}) => Promise<Encoded>;

const r = REQUESTS;
const group = { groupId: 'readers', memberId: 'm-1', groupInstanceId: 'static-1' };

/** The sample requests in kafkajs' words. */
const VALUES: Readonly<Partial<Record<ClientApi, Fields>>> = {
  Produce: {
    acks: -1,
    timeout: 1_500,
    transactionalId: 'txn-1',
    producerId: 4_001,
    producerEpoch: 3,
    topicData: [
      {
        topic: 'logs',
        partitions: [
          {
            partition: 3,
            firstSequence: 12,
            messages: recordsOf(SAMPLE_BATCH).map((record) => ({
              key: record.key,
              value: record.value,
              timestamp: record.timestampMs,
              headers: Object.fromEntries(record.headers.map((one) => [one.key, one.value])),
            })),
          },
        ],
      },
    ],
  },
  Fetch: {
    replicaId: -1,
    maxWaitTime: r.Fetch.maxWaitMs,
    minBytes: r.Fetch.minBytes,
    maxBytes: r.Fetch.maxBytes,
    isolationLevel: r.Fetch.isolationLevel,
    sessionId: r.Fetch.sessionId,
    sessionEpoch: r.Fetch.sessionEpoch,
    topics: r.Fetch.topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map((one) => ({ ...one, maxBytes: one.partitionMaxBytes })),
    })),
    forgottenTopics: r.Fetch.forgottenTopicsData,
    rackId: r.Fetch.rackId,
  },
  ListOffsets: {
    isolationLevel: 1,
    topics: [{ topic: 'logs', partitions: [{ partition: 3, timestamp: 1_700_000_000_001 }] }],
  },
  Metadata: { topics: ['logs'], allowAutoTopicCreation: false },
  OffsetCommit: {
    ...group,
    groupGenerationId: 9,
    retentionTime: -1,
    topics: [
      {
        topic: 'logs',
        partitions: [
          {
            partition: 3,
            offset: r.OffsetCommit.topics[0]?.partitions[0]?.committedOffset,
            metadata: 'note',
            timestamp: -1,
          },
        ],
      },
    ],
  },
  OffsetFetch: {
    groupId: 'readers',
    topics: [{ topic: 'logs', partitions: [{ partition: 3 }, { partition: 4 }] }],
  },
  FindCoordinator: { groupId: 'readers', coordinatorKey: 'readers', coordinatorType: 0 },
  JoinGroup: {
    ...group,
    sessionTimeout: 10_001,
    rebalanceTimeout: 60_002,
    protocolType: 'consumer',
    groupProtocols: r.JoinGroup.protocols,
  },
  Heartbeat: { ...group, groupGenerationId: 9 },
  LeaveGroup: { ...group, members: r.LeaveGroup.members },
  SyncGroup: {
    ...group,
    generationId: 9,
    groupAssignment: [{ memberId: 'm-1', memberAssignment: Buffer.from('mine') }],
  },
  DescribeGroups: { groupIds: ['readers', 'others'] },
  ListGroups: {},
  ApiVersions: {},
  CreateTopics: {
    topics: r.CreateTopics.topics.map(({ name, assignments, configs, ...rest }) => ({
      ...rest,
      topic: name,
      replicaAssignment: assignments?.map((one) => ({
        partition: one.partitionIndex,
        replicas: one.brokerIds,
      })),
      configEntries: configs,
    })),
    timeout: 5_001,
    validateOnly: true,
  },
  DeleteTopics: { topics: ['logs'], timeout: 5_001 },
  InitProducerId: { transactionalId: 'txn-1', transactionTimeout: 30_001 },
  DescribeConfigs: {
    resources: [{ type: 2, name: 'logs', configNames: ['retention.ms'] }],
    includeSynonyms: true,
  },
  CreatePartitions: {
    topicPartitions: [{ topic: 'logs', count: 14, assignments: [[2, 1]] }],
    timeout: 5_001,
    validateOnly: true,
  },
};

/** kafkajs' names of fields that it always renames, by the protocol's names. */
const COMMON: Readonly<Record<string, string>> = {
  clientSideThrottleTime: 'throttleTimeMs',
  topicName: 'name',
  topic: 'name',
  partition: 'partitionIndex',
};

/** kafkajs' names of one API's response fields, by the protocol's names. */
const RENAMED: Readonly<Partial<Record<ClientApi, Readonly<Record<string, string>>>>> = {
  Produce: {
    topics: 'responses',
    partitions: 'partitionResponses',
    partition: 'index',
    logAppendTime: 'logAppendTimeMs',
  },
  Fetch: { topicName: 'topic', lastStartOffset: 'logStartOffset', messages: 'records' },
  ListOffsets: { responses: 'topics', offsets: 'oldStyleOffsets' },
  Metadata: {
    topicMetadata: 'topics',
    topicErrorCode: 'errorCode',
    partitionMetadata: 'partitions',
    partitionErrorCode: 'errorCode',
    partitionId: 'partitionIndex',
    leader: 'leaderId',
    replicas: 'replicaNodes',
    isr: 'isrNodes',
  },
  OffsetCommit: { responses: 'topics' },
  OffsetFetch: { responses: 'topics', offset: 'committedOffset' },
  JoinGroup: { groupProtocol: 'protocolName', leaderId: 'leader', memberMetadata: 'metadata' },
  SyncGroup: { memberAssignment: 'assignment' },
  DescribeGroups: { state: 'groupState', protocol: 'protocolData' },
  ApiVersions: { apiVersions: 'apiKeys' },
  CreateTopics: { topicErrors: 'topics' },
  DeleteTopics: { topicErrors: 'responses' },
  DescribeConfigs: {
    resources: 'results',
    configEntries: 'configs',
    configName: 'name',
    configValue: 'value',
    configSynonyms: 'synonyms',
  },
  CreatePartitions: { topicErrors: 'results' },
};

/** What kafkajs decoded, in the protocol's names and with numbers for its decimal strings. */
function translated(name: ClientApi, value: unknown): unknown {
  if (typeof value === 'string' && /^-?\d+$/.test(value)) return Number(value);
  if (Array.isArray(value)) return value.map((one) => translated(name, one));
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value;
  const fields = value as Fields;
  const names = { ...COMMON, ...RENAMED[name] };
  const result: Record<string, unknown> = {};
  for (const [key, one] of Object.entries(fields)) {
    // It says 0 where a broker throttles on its own side, and keeps the real value beside it.
    if (key === 'throttleTime') {
      if (!('clientSideThrottleTime' in fields)) result.throttleTimeMs = one;
    } else if (key === 'coordinator') Object.assign(result, one);
    else if (key === 'messages') result.records = (one as Fields[]).map(messageOf);
    else if (name === 'DescribeConfigs' && key === 'configSource' && 'configName' in fields)
      result['readOnly' in fields ? 'configSource' : 'source'] = one;
    else result[names[key] ?? key] = translated(name, one);
  }
  // Version 0 says whether a value is the default and later ones its source: kafkajs makes up the other.
  if ('configSynonyms' in fields) delete result.isDefault;
  else if ('isDefault' in fields) delete result.configSource;
  return result;
}

function messageOf(message: Fields): unknown {
  const { offset, timestamp, key, value, headers } = message;
  return { offset: Number(offset), timestampMs: Number(timestamp), key, value, headers };
}

/** A decoded response in the shape that `translated` gives. */
function presented(name: ClientApi, body: unknown): unknown {
  if (name !== 'Fetch') return body;
  const fetched = body as ResponseBody<'Fetch'>;
  return {
    ...fetched,
    responses: fetched.responses.map((topic) => ({
      ...topic,
      partitions: topic.partitions.map((one) => ({
        ...one,
        records: recordsOf(one.records as Buffer).map((record) => ({
          ...record,
          headers: Object.fromEntries(record.headers.map(({ key, value }) => [key, value])),
        })),
      })),
    })),
  };
}

/** Before these versions records had older formats, which are not spoken here. */
const FIRST: Readonly<Partial<Record<ClientApi, number>>> = { Produce: 3, Fetch: 4 };

const both = (Object.keys(VALUES) as ClientApi[]).flatMap((name) => {
  const definition = requests[name === 'FindCoordinator' ? 'GroupCoordinator' : name];
  if (definition === undefined) throw new Error(`expected kafkajs to know ${name}`);
  return versionsOf(name)
    .filter((version) => version >= (FIRST[name] ?? 0))
    .filter((version) => definition.versions.includes(String(version)))
    .map((version) => ({ name, version, definition }));
});

/** What kafkajs sends; in its versions of Metadata nobody can ask for authorized operations. */
function expected(name: ClientApi, version: number): unknown {
  if (name !== 'Metadata') return carried(name, version);
  return carried(name, version, {
    topics: [{ topicId: TOPIC_ID, name: 'logs' }],
    allowAutoTopicCreation: false,
  });
}

describe.each(both)('$name v$version', ({ name, version, definition }) => {
  const exchange = definition.protocol({ version })(VALUES[name] as Fields);
  it('is read as kafkajs wrote it', async () => {
    const header = { correlationId: 77, clientId: 'tester-1' };
    const { buffer } = await createRequest({ ...header, request: exchange.request });
    const request = decodeRequest(buffer.subarray(4));
    expect(request).toMatchObject({ api: name, version, ...header });
    if (request.kind !== 'request' || request.api !== 'Produce') {
      expect(request.kind === 'request' && request.body).toEqual(expected(name, version));
      return;
    }
    const { topicData, ...rest } = request.body;
    expect(rest).toEqual({ transactionalId: 'txn-1', acks: -1, timeoutMs: 1_500 });
    const partition = topicData[0]?.partitionData[0];
    expect(partition?.index).toBe(3);
    const batch = partition?.records as Buffer;
    const { crc: _, ...sample } = verifyBatch(SAMPLE_BATCH);
    expect(verifyBatch(batch)).toMatchObject({
      ...sample,
      baseOffset: 0,
      lastOffset: 1,
      leaderEpoch: 0,
      isTransactional: true,
    });
    const stored = recordsOf(SAMPLE_BATCH).map((record, at) => ({ ...record, offset: at }));
    expect(recordsOf(batch)).toEqual(stored);
  });
  it('is written as kafkajs reads it', async () => {
    const frame = responseFrame(name, version, 77);
    const shown = translated(name, await exchange.response.decode(frame.subarray(4))) as Fields;
    expect(Object.keys(shown).length).toBeGreaterThan(0);
    expect(presented(name, decodeResponse(name, version, frame))).toMatchObject(shown);
  });
});

it('covers every API that kafkajs has', () => {
  expect(new Set(both.map(({ name }) => name)).size).toBe(Object.keys(VALUES).length);
  expect(both.length).toBeGreaterThan(60);
});
