// @platformatic/kafka speaks to a server made of this codec, every API in every version that both know. It
// shares no line with this project, so what both agree on is Kafka's protocol and no private dialect.
import { createServer, type Server, type Socket } from 'node:net';
import * as client from '@platformatic/kafka';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FrameSplitter, frame as framed } from '../frames.ts';
import type { ResponseBody } from './apis.ts';
import { decodeRequest, decodeResponse, type Request } from './protocol.ts';
import { verifyBatch } from './record-batch.ts';
import { recordsOf } from './records.ts';
import { type ClientApi, carried, REQUESTS, SAMPLE_BATCH } from './sample-requests.ts';
import { responseFrame, versionsOf } from './sample-responses.ts';
import { NO_UUID } from './types.ts';

const FRAME_BYTES_MAX = 1 << 20;
const CLIENT_ID = 'tester-1';

type Fields = Record<string, unknown>;
/** A version of an API as the client exports it; its arguments differ from API to API. */
interface ClientModule {
  readonly api: {
    readonly async: (connection: unknown, ...args: readonly unknown[]) => Promise<Fields>;
  };
}
const modules = client as unknown as Readonly<Record<string, ClientModule | undefined>>;

const BIGINTS = new Set(['fetchOffset', 'timestamp', 'committedOffset', 'producerId']);

/** A sample as the client takes it, 64-bit integers as bigints. */
function given(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) return value.map((one) => given(one, key));
  if (typeof value === 'number' && BIGINTS.has(key)) return BigInt(value);
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value;
  if (value instanceof Map) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, given(one, name)]));
}

/** What the client shows, with numbers for bigints. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, plain(one)]));
}

/** Topics to fetch: the client calls what names a topic its id in every version. */
function named(topics: readonly { topic?: string; topicId?: string }[], version: number): unknown {
  return topics.map(({ topic, topicId, ...rest }) => ({
    ...rest,
    topicId: version < 13 ? topic : topicId,
  }));
}

const r = REQUESTS;
/** The client's arguments for the sample request of each API. */
const ARGUMENTS: { readonly [N in ClientApi]: (version: number) => readonly unknown[] } = {
  Produce: () => [
    r.Produce.acks,
    r.Produce.timeoutMs,
    recordsOf(SAMPLE_BATCH).map((record) => ({
      topic: 'logs',
      partition: 3,
      key: record.key,
      value: record.value,
      timestamp: BigInt(record.timestampMs),
      headers: new Map(record.headers.map((header) => [Buffer.from(header.key), header.value])),
    })),
    { transactionalId: r.Produce.transactionalId, producerId: 4_001n, producerEpoch: 3 },
  ],
  Fetch: (version) => [
    r.Fetch.maxWaitMs,
    r.Fetch.minBytes,
    r.Fetch.maxBytes,
    r.Fetch.isolationLevel,
    r.Fetch.sessionId,
    r.Fetch.sessionEpoch,
    named(r.Fetch.topics, version),
    named(r.Fetch.forgottenTopicsData ?? [], version),
    r.Fetch.rackId,
  ],
  ListOffsets: () => [r.ListOffsets.replicaId, r.ListOffsets.isolationLevel, r.ListOffsets.topics],
  Metadata: (version) => [
    version < 10 ? ['logs'] : r.Metadata.topics,
    r.Metadata.allowAutoTopicCreation,
    r.Metadata.includeTopicAuthorizedOperations,
    r.Metadata.includeClusterAuthorizedOperations,
  ],
  OffsetCommit: () => [
    r.OffsetCommit.groupId,
    r.OffsetCommit.generationIdOrMemberEpoch,
    r.OffsetCommit.memberId,
    r.OffsetCommit.groupInstanceId,
    r.OffsetCommit.topics,
  ],
  OffsetFetch: () => [r.OffsetFetch.groups, r.OffsetFetch.requireStable],
  FindCoordinator: () => [r.FindCoordinator.keyType, r.FindCoordinator.coordinatorKeys],
  JoinGroup: () => [
    r.JoinGroup.groupId,
    r.JoinGroup.sessionTimeoutMs,
    r.JoinGroup.rebalanceTimeoutMs,
    r.JoinGroup.memberId,
    r.JoinGroup.groupInstanceId,
    r.JoinGroup.protocolType,
    r.JoinGroup.protocols,
    r.JoinGroup.reason,
  ],
  Heartbeat: () => Object.values(r.Heartbeat),
  LeaveGroup: () => [r.LeaveGroup.groupId, r.LeaveGroup.members],
  SyncGroup: () => [
    r.SyncGroup.groupId,
    r.SyncGroup.generationId,
    r.SyncGroup.memberId,
    r.SyncGroup.groupInstanceId,
    r.SyncGroup.protocolType,
    r.SyncGroup.protocolName,
    r.SyncGroup.assignments,
  ],
  DescribeGroups: () => Object.values(r.DescribeGroups),
  ListGroups: () => Object.values(r.ListGroups),
  ApiVersions: () => Object.values(r.ApiVersions),
  CreateTopics: () => Object.values(r.CreateTopics),
  DeleteTopics: () => [r.DeleteTopics.topics, r.DeleteTopics.timeoutMs],
  InitProducerId: () => [
    r.InitProducerId.transactionalId,
    r.InitProducerId.transactionTimeoutMs,
    BigInt(r.InitProducerId.producerId ?? -1),
    r.InitProducerId.producerEpoch,
  ],
  OffsetForLeaderEpoch: () => [
    r.OffsetForLeaderEpoch.replicaId,
    r.OffsetForLeaderEpoch.topics.map(({ topic, partitions }) => ({
      name: topic,
      partitions: partitions.map((one) => ({ ...one, partitionIndex: one.partition })),
    })),
  ],
  DescribeConfigs: () => Object.values(r.DescribeConfigs),
  CreatePartitions: () => Object.values(r.CreatePartitions),
};

/** A batch as the client presents it; it does not verify CRCs itself. */
function presentedBatch(batch: Buffer): unknown {
  const header = verifyBatch(batch);
  return {
    firstOffset: header.baseOffset,
    length: header.sizeBytes - 12,
    partitionLeaderEpoch: header.leaderEpoch,
    magic: 2,
    crc: header.crc,
    attributes: 0,
    lastOffsetDelta: header.lastOffsetDelta,
    firstTimestamp: header.baseTimestampMs,
    maxTimestamp: header.maxTimestampMs,
    producerId: header.producerId,
    producerEpoch: header.producerEpoch,
    firstSequence: header.baseSequence,
    records: recordsOf(batch).map((record) => ({
      attributes: 0,
      length: expect.any(Number),
      timestampDelta: record.timestampMs - header.baseTimestampMs,
      offsetDelta: record.offset - header.baseOffset,
      key: record.key,
      value: record.value,
      headers: record.headers.map(({ key, value }) => [Buffer.from(key), value]),
    })),
  };
}

const NO_LEADER = { leaderId: -1, leaderEpoch: -1 };

/** A decoded response as the client presents it, where its shape differs from the protocol's. */
const PRESENTED: {
  readonly [N in ClientApi]?: (body: ResponseBody<N>, version: number) => unknown;
} = {
  Produce: (body) => ({
    ...body,
    nodeEndpoints: body.nodeEndpoints ?? [],
    responses: body.responses.map((topic) => ({
      ...topic,
      partitionResponses: topic.partitionResponses.map((one) => ({
        ...one,
        currentLeader: one.currentLeader ?? NO_LEADER,
      })),
    })),
  }),
  Fetch: (body, version) => ({
    ...body,
    nodeEndpoints: body.nodeEndpoints ?? [],
    responses: body.responses.map((topic) => ({
      topicId: version < 13 ? topic.topic : topic.topicId,
      partitions: topic.partitions.map((one) => ({
        ...one,
        divergingEpoch: one.divergingEpoch ?? { epoch: -1, endOffset: -1 },
        currentLeader: one.currentLeader ?? NO_LEADER,
        snapshotId: one.snapshotId ?? { endOffset: -1, epoch: -1 },
        records: [presentedBatch(one.records as Buffer)],
      })),
    })),
  }),
  ListOffsets: (body, version) =>
    version > 0
      ? body
      : {
          ...body,
          topics: body.topics.map((topic) => ({
            ...topic,
            partitions: topic.partitions.map((one) => ({ ...one, offset: one.oldStyleOffsets[0] })),
          })),
        },
  FindCoordinator: (body, version) => {
    if (version >= 4) return body;
    const { nodeId, host, port, errorCode, errorMessage } = body;
    const coordinators = [{ key: '', nodeId, host, port, errorCode, errorMessage }];
    return { ...body, coordinators };
  },
  ApiVersions: (body) => ({
    ...body,
    supportedFeatures: body.supportedFeatures ?? [],
    finalizedFeaturesEpoch: body.finalizedFeaturesEpoch ?? -1,
    finalizedFeatures: body.finalizedFeatures ?? [],
    zkMigrationReady: body.zkMigrationReady ?? false,
    apiKeys: body.apiKeys.map((one) => ({
      ...one,
      name: one.apiKey === 0 ? 'Produce' : 'ApiVersions',
    })),
  }),
  CreateTopics: (body, version) => ({
    ...body,
    topics: body.topics.map((topic) => ({
      ...topic,
      configs: version < 5 ? null : topic.configs,
      topicConfigErrorCode: topic.topicConfigErrorCode ?? 0,
    })),
  }),
};

const both = (Object.keys(REQUESTS) as ClientApi[]).flatMap((name) => {
  return versionsOf(name).flatMap((version) => {
    const module = modules[`${name[0]?.toLowerCase()}${name.slice(1)}V${version}`];
    return module === undefined ? [] : [{ name, version, module }];
  });
});

let server: Server;
let port: number;
const sockets = new Set<Socket>();
let received: Request | undefined;
let refused: unknown;

function answer(socket: Socket, body: Buffer): void {
  // Requests outlive the chunk that they came in: the test looks at them later.
  const request = decodeRequest(Buffer.from(body));
  if (request.kind !== 'request') throw new Error(`expected a known request, got ${request.kind}`);
  received = request;
  const frame = responseFrame(request.api as ClientApi, request.version, request.correlationId);
  socket.write(framed(frame));
}

beforeAll(async () => {
  server = createServer((socket) => {
    sockets.add(socket);
    const splitter = new FrameSplitter(FRAME_BYTES_MAX);
    socket.on('data', (chunk) =>
      splitter.feed(chunk, (frame) => {
        try {
          answer(socket, frame);
        } catch (error) {
          refused = error;
          socket.destroy();
        }
        return true;
      }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('expected a TCP address');
  port = address.port;
});

afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

describe.each(both)('$name v$version', ({ name, version, module }) => {
  it('is understood by both sides', async () => {
    const connection = new client.Connection(CLIENT_ID);
    await connection.connect('127.0.0.1', port);
    received = undefined;
    refused = undefined;
    const sent = ARGUMENTS[name](version).map((one) => given(one));
    const shown = await module.api.async(connection, ...sent).catch((error: unknown) => {
      throw refused ?? error;
    });
    await connection.close();
    const request = received as Request | undefined;
    expect(request).toMatchObject({ api: name, version, clientId: CLIENT_ID });
    if (request?.api === 'Produce') {
      const partition = request.body.topicData[0]?.partitionData[0];
      expect(verifyBatch(partition?.records as Buffer)).toMatchObject({
        recordCount: 2,
        producerId: 4_001,
        producerEpoch: 3,
        isTransactional: true,
      });
      const stored = recordsOf(SAMPLE_BATCH);
      expect(recordsOf(partition?.records as Buffer)).toEqual(
        stored.map((record, at) => ({ ...record, offset: at })),
      );
      expect({ ...request.body, topicData: partition?.index }).toEqual({
        transactionalId: 'txn-1',
        acks: -1,
        timeoutMs: 1_500,
        topicData: 3,
      });
    } else expect(request?.body).toEqual(expected(name, version));
    const decoded = decodeResponse(name, version, responseFrame(name, version, 1)) as never;
    const ours = PRESENTED[name]?.(decoded, version) ?? decoded;
    expect(Object.keys(shown).length).toBeGreaterThan(0);
    expect(ours).toMatchObject(plain(shown) as Fields);
  });
});

/** What the client sends; it knows topic ids of Metadata from version 12 on. */
function expected(name: ClientApi, version: number): unknown {
  const topics = [{ topicId: NO_UUID, name: 'logs' }];
  if (name === 'Metadata' && version < 12)
    return carried('Metadata', version, { ...REQUESTS.Metadata, topics });
  return carried(name, version);
}

it('covers every API that clients send', () => {
  expect(new Set(both.map(({ name }) => name)).size).toBe(Object.keys(REQUESTS).length);
  expect(both.length).toBeGreaterThan(120);
});
