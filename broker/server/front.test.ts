// The front over real sockets: versions, malformed frames, order, limits, and each API once from end to end.
// What replication and disks do to answers is tested where they are.
import { afterEach, describe, expect, it } from 'vitest';
import { ERROR_CODES, type ErrorName } from '../../wire/kafka/error-codes.ts';
import { correlationIdOf, decodeResponse } from '../../wire/kafka/protocol.ts';
import { buildBatch, recordsOf } from '../../wire/kafka/records.ts';
import { NO_UUID } from '../../wire/kafka/types.ts';
import { OFFSETS_TOPIC } from '../contract.ts';
import { LoneBroker, type RawClient } from './lone-broker.testing.ts';

let broker: LoneBroker;
afterEach(() => broker.stop());

async function started(...settings: ConstructorParameters<typeof LoneBroker>): Promise<RawClient> {
  broker = await new LoneBroker(...settings).start();
  return broker.connect();
}

const code = (name: ErrorName): number => ERROR_CODES[name];
const batch = (...values: string[]): Buffer =>
  buildBatch(values.map((value) => ({ timestampMs: 1, value: Buffer.from(value) })));

async function withTopic(client: RawClient, name = 't'): Promise<void> {
  const topics = [{ name, numPartitions: 1, replicationFactor: 1 }];
  const answer = await client.ask('CreateTopics', 3, { topics, timeoutMs: 5_000 });
  expect(answer.topics[0]).toMatchObject({ errorCode: 0 });
}

function produceOf(records: Buffer | null, overrides: Record<string, unknown> = {}) {
  const topicData = [{ name: 't', partitionData: [{ index: 0, records }] }];
  return { acks: -1, timeoutMs: 1_000, topicData, ...overrides };
}

function fetchOf(offset: number, overrides: Record<string, unknown> = {}) {
  const partitions = [{ partition: 0, fetchOffset: offset, partitionMaxBytes: 100_000 }];
  const topics = [{ topic: 't', partitions }];
  return { maxWaitMs: 0, minBytes: 0, topics, ...overrides };
}

/** More of a partition than a socket takes at once. */
const LARGE = { partition: 0, fetchOffset: 0, partitionMaxBytes: 10_000_000 };

describe('versions and frames', () => {
  it('answers an unknown version of ApiVersions in version 0 with error 35', async () => {
    const client = await started();
    const request = Buffer.from('0000000c0012001f0000000900027878', 'hex');
    client.socket.write(request);
    const frame = (await client.frame()) as Buffer;
    expect(correlationIdOf(frame)).toBe(9);
    const { errorCode, apiKeys } = decodeResponse('ApiVersions', 0, frame);
    expect(errorCode).toBe(35);
    expect(apiKeys).toContainEqual({ apiKey: 18, minVersion: 0, maxVersion: 3 });
    expect((await client.ask('ApiVersions', 3, {})).errorCode).toBe(0);
  });

  it('offers group APIs from version 0, and brokers’ own requests to brokers alone', async () => {
    const client = await started();
    const inner = await broker.connect('INTERNAL');
    const { apiKeys } = await client.ask('ApiVersions', 2, {});
    for (const key of [10, 11, 12, 13, 14])
      expect(apiKeys.find(({ apiKey }) => apiKey === key)?.minVersion).toBe(0);
    expect(apiKeys.some(({ apiKey }) => apiKey === 7)).toBe(false);
    const shutdown = { brokerId: 4, brokerEpoch: 9 };
    expect(await inner.ask('ControlledShutdown', 3, shutdown)).toMatchObject({
      errorCode: 0,
      remainingPartitions: [{ topicName: 't', partitionIndex: 3 }],
    });
    expect(broker.shutdowns).toEqual([[4, 9]]);
    expect(await client.send('ControlledShutdown', 3, shutdown).frame()).toBeUndefined();
  });

  it.each([
    ['an unknown key', '0000000a03e70000000000010000', /key 999/],
    ['an unknown version', '0000000a00030063000000010000', /version 0 to 12.*99/],
    ['a body that ends early', '0000000b0003000100000001ffff00', /Metadata request v1/],
    ['a length below zero', 'ffffffff00', /frame/],
    ['a frame over the limit', '7fffffff00', /frame/],
    ['no header', '000000020003', /header/],
  ])('closes the connection over %s, and no other', async (_what, hex, reason) => {
    const client = await started();
    const other = await broker.connect();
    client.socket.write(Buffer.from(hex, 'hex'));
    expect(await client.frame()).toBeUndefined();
    expect(broker.reasons).toEqual([expect.stringMatching(reason)]);
    expect((await other.ask('ApiVersions', 0, {})).errorCode).toBe(0);
  });

  it('refuses connections over the limits and takes new ones when others end', async () => {
    const client = await started({ connectionsPerAddressMax: 1 });
    expect(await (await broker.connect()).frame()).toBeUndefined();
    expect(broker.reasons).toEqual([expect.stringContaining('max.connections.per.ip 1')]);
    client.close();
    for (;;) {
      const next = await broker.connect();
      const frame = await next.send('ApiVersions', 0, {}).frame();
      if (frame !== undefined) break;
    }
  });
});

describe('limits', () => {
  it('close a connection that says nothing, and none whose request waits', async () => {
    const silent = await started({ idleMsMax: 30 });
    await withTopic(await broker.connect());
    const waiting = await broker.connect();
    waiting.send('Fetch', 11, fetchOf(0, { maxWaitMs: 60_000, minBytes: 1 }), 1);
    expect(await silent.frame()).toBeUndefined();
    expect(broker.reasons[0]).toMatch(/idle for longer than connections.max.idle.ms 30/);
    await (await broker.connect()).ask('Produce', 7, produceOf(batch('late')));
    expect(correlationIdOf((await waiting.frame()) as Buffer)).toBe(1);
  });

  it('refuse connections over max.connections', async () => {
    await started({ connectionsMax: 1 });
    expect(await (await broker.connect()).frame()).toBeUndefined();
    expect(broker.reasons).toEqual([expect.stringContaining('max.connections 1')]);
  });

  it('refuse a large request that carries no records', async () => {
    const client = await started({ limits: { frameBytesMax: 20_000_000 } });
    const frame = Buffer.alloc(4 + 9_000_000);
    frame.writeInt32BE(frame.length - 4, 0);
    frame.writeInt16BE(3, 4);
    client.socket.write(frame);
    expect(await client.frame()).toBeUndefined();
    expect(broker.reasons).toEqual([
      expect.stringMatching(/at most 8388608 bytes of a request without records, got 9000000/),
    ]);
  });

  it('begin nothing more for a client that does not read, and answer all when it does', async () => {
    const client = await started();
    await withTopic(client);
    const writer = await broker.connect();
    for (let count = 0; count < 100; count++)
      await writer.ask('Produce', 7, produceOf(batch('x'.repeat(9_000))));
    const asked = 60;
    client.socket.pause();
    const large = fetchOf(0, { topics: [{ ...fetchOf(0).topics[0], partitions: [LARGE] }] });
    for (let id = 0; id < asked; id++) client.send('Fetch', 11, large, id);
    // The others are served meanwhile; each answer that leaves has its events flushed before.
    const flushes = () => broker.events.filter(({ ev }) => ev === 'flush').length;
    const before = flushes();
    const others = 200;
    for (let count = 0; count < others; count++)
      expect((await writer.ask('ApiVersions', 0, {})).errorCode).toBe(0);
    expect(flushes() - before - others).toBeLessThan(asked / 2);
    client.socket.resume();
    for (let id = 0; id < asked; id++)
      expect(correlationIdOf((await client.frame()) as Buffer)).toBe(id);
  });

  it('close who lets too many answers lie', async () => {
    const client = await started({ unsentBytesMax: 400_000 });
    await withTopic(client);
    const writer = await broker.connect();
    for (let count = 0; count < 100; count++)
      await writer.ask('Produce', 7, produceOf(batch('x'.repeat(9_000))));
    client.socket.pause();
    const large = fetchOf(0, { topics: [{ ...fetchOf(0).topics[0], partitions: [LARGE] }] });
    for (let id = 0; id < 60; id++) client.send('Fetch', 11, large, id);
    await expect.poll(() => broker.reasons).toHaveLength(1);
    expect(broker.reasons[0]).toMatch(/at most 400000 bytes of answers that nobody reads/);
    expect((await writer.ask('ApiVersions', 0, {})).errorCode).toBe(0);
  });
});

describe('what is named twice', () => {
  const both = <T>(one: T): T[] => [one, one];

  it('is appended not even once', async () => {
    const client = await started();
    await withTopic(client);
    const partitionData = both({ index: 0, records: batch('x') });
    const topicData = [{ name: 't', partitionData }];
    const { responses } = await client.ask('Produce', 8, produceOf(null, { topicData }));
    const codes = responses.flatMap(({ partitionResponses }) =>
      partitionResponses.map(({ errorCode }) => errorCode),
    );
    expect(codes).toEqual(both(code('INVALID_REQUEST')));
    expect(broker.replicas.batchesIn({ topic: 't', partition: 0 })).toEqual([]);
  });

  it('is read once', async () => {
    const client = await started();
    await withTopic(client);
    const [topic] = fetchOf(0).topics;
    const fetched = await client.ask(
      'Fetch',
      11,
      fetchOf(0, { maxWaitMs: 60_000, minBytes: 1, topics: both(topic) }),
    );
    expect(fetched.responses.map(({ partitions }) => partitions[0]?.errorCode)).toEqual([
      0,
      code('INVALID_REQUEST'),
    ]);
    const partitions = both({ partitionIndex: 0, timestamp: -1 });
    const listed = await client.ask('ListOffsets', 5, {
      replicaId: -1,
      topics: [{ name: 't', partitions }],
    });
    expect(listed.topics[0]?.partitions.map(({ errorCode }) => errorCode)).toEqual(
      both(code('INVALID_REQUEST')),
    );
  });

  it('may be as long as a name can be, and is refused by name', async () => {
    const client = await started();
    const name = 'n'.repeat(0x7fff);
    const resources = [2, 4].map((resourceType) => {
      return { resourceType, resourceName: name, configurationKeys: null };
    });
    const { results } = await client.ask('DescribeConfigs', 3, { resources });
    expect(results.map(({ errorCode }) => errorCode)).toEqual([
      code('UNKNOWN_TOPIC_OR_PARTITION'),
      code('INVALID_REQUEST'),
    ]);
    const topicData = [{ name, partitionData: [{ index: 0, records: batch('x') }] }];
    const { responses } = await client.ask('Produce', 8, produceOf(null, { topicData }));
    const refused = responses[0]?.partitionResponses[0];
    expect(refused?.errorCode).toBe(code('UNKNOWN_TOPIC_OR_PARTITION'));
    expect(refused?.errorMessage?.length).toBeLessThan(1_000);
    const grown = { name, count: 3, assignments: null };
    const more = { topics: [grown], timeoutMs: 10, validateOnly: false };
    expect((await client.ask('CreatePartitions', 1, more)).results[0]?.errorCode).not.toBe(0);
    expect(broker.failures).toEqual([]);
  });

  it('is described once', async () => {
    const client = await started();
    await withTopic(client);
    const { topics } = await client.ask('Metadata', 6, { topics: both({ name: 't' }) });
    expect(topics.map(({ name }) => name)).toEqual(['t']);
    const resource = { resourceType: 2, resourceName: 't', configurationKeys: null };
    const { results } = await client.ask('DescribeConfigs', 2, { resources: both(resource) });
    expect(results).toHaveLength(1);
    const described = await client.ask('DescribeGroups', 3, { groups: both('g') });
    expect(described.groups).toHaveLength(1);
  });
});

describe('order', () => {
  it('begins produce requests together and answers them in order', async () => {
    const client = await started();
    await withTopic(client);
    broker.replicas.holding = true;
    for (const id of [1, 2, 3]) client.send('Produce', 7, produceOf(batch(`${id}`)), id);
    while (broker.replicas.held.length < 3) await new Promise((resolve) => setImmediate(resolve));
    broker.replicas.release([2, 1, 0]);
    const frames = [await client.frame(), await client.frame(), await client.frame()] as Buffer[];
    expect(frames.map(correlationIdOf)).toEqual([1, 2, 3]);
    const offsets = frames.map(
      (frame) =>
        decodeResponse('Produce', 7, frame).responses[0]?.partitionResponses[0]?.baseOffset,
    );
    expect(offsets).toEqual([0, 1, 2]);
  });

  it('lets a waiting fetch hold up what comes after it on its connection', async () => {
    const client = await started();
    await withTopic(client);
    client.send('Fetch', 11, fetchOf(0, { maxWaitMs: 60_000, minBytes: 1 }), 1);
    client.send('ApiVersions', 0, {}, 2);
    const other = await broker.connect();
    expect((await other.ask('ApiVersions', 0, {})).errorCode).toBe(0);
    await other.ask('Produce', 7, produceOf(batch('late')));
    const first = (await client.frame()) as Buffer;
    expect(correlationIdOf(first)).toBe(1);
    expect(correlationIdOf((await client.frame()) as Buffer)).toBe(2);
  });

  it('reads on after more requests than may wait', async () => {
    const client = await started({ limits: { queuedMax: 2 } });
    for (let id = 0; id < 300; id++) client.send('ApiVersions', 0, {}, id);
    for (let id = 0; id < 300; id++)
      expect(correlationIdOf((await client.frame()) as Buffer)).toBe(id);
  });

  it('has events on their way before the answer that depends on them', async () => {
    const client = await started();
    await client.ask('ApiVersions', 0, {});
    expect(broker.events.at(-1)).toEqual({ ev: 'flush' });
  });
});

describe('records', () => {
  it('come back as they were produced, by name and by id', async () => {
    const client = await started();
    await withTopic(client);
    await client.ask('Produce', 9, produceOf(batch('a', 'b')));
    const fetched = await client.ask('Fetch', 11, fetchOf(0));
    const found = fetched.responses[0]?.partitions[0];
    expect(recordsOf(found?.records as Buffer).map(({ value }) => value?.toString())).toEqual([
      'a',
      'b',
    ]);
    const { topics } = await client.ask('Metadata', 12, { topics: null });
    const topicId = topics.find(({ name }) => name === 't')?.topicId ?? NO_UUID;
    const byId = fetchOf(1, { topics: [{ ...fetchOf(1).topics[0], topicId }] });
    const again = await client.ask('Fetch', 16, byId);
    expect(again.responses[0]?.partitions[0]).toMatchObject({ errorCode: 0, highWatermark: 2 });
    const wrong = { ...fetchOf(1).topics[0], topicId: topicId.replace(/.$/, 'f') };
    const unknown = await client.ask('Fetch', 16, fetchOf(1, { topics: [wrong] }));
    expect(unknown.responses[0]?.partitions[0]?.errorCode).toBe(code('UNKNOWN_TOPIC_ID'));
  });

  it('are refused by name where they are not to be kept', async () => {
    const client = await started();
    await withTopic(client);
    const errorOf = async (records: Buffer | null, overrides = {}): Promise<number | undefined> => {
      const answer = await client.ask('Produce', 8, produceOf(records, overrides));
      return answer.responses[0]?.partitionResponses[0]?.errorCode;
    };
    const corrupt = batch('x');
    corrupt[corrupt.length - 1] = (corrupt.at(-1) as number) ^ 1;
    const old = batch('x');
    old[16] = 1;
    expect(await errorOf(corrupt)).toBe(code('CORRUPT_MESSAGE'));
    expect(await errorOf(old)).toBe(code('UNSUPPORTED_FOR_MESSAGE_FORMAT'));
    expect(await errorOf(batch('x'.repeat(20_000)))).toBe(code('MESSAGE_TOO_LARGE'));
    expect(await errorOf(null)).toBe(code('INVALID_RECORD'));
    expect(await errorOf(batch('x'), { acks: 3 })).toBe(code('INVALID_REQUIRED_ACKS'));
    const transactional = { transactionalId: 'tx' };
    expect(await errorOf(batch('x'), transactional)).toBe(
      code('TRANSACTIONAL_ID_AUTHORIZATION_FAILED'),
    );
    const nowhere = [{ name: 'u', partitionData: [{ index: 0, records: batch('x') }] }];
    expect(await errorOf(batch('x'), { topicData: nowhere })).toBe(
      code('UNKNOWN_TOPIC_OR_PARTITION'),
    );
    expect(broker.replicas.batchesIn({ topic: 't', partition: 0 })).toEqual([]);
  });

  it('of old formats are refused by name in old versions, which librdkafka must see to pack any', async () => {
    const client = await started();
    await withTopic(client);
    const { apiKeys } = await client.ask('ApiVersions', 2, {});
    expect(apiKeys.find(({ apiKey }) => apiKey === 0)?.minVersion).toBe(0);
    // Offset, size, CRC, format, attributes, no key, no value: shorter than the header of a batch.
    const message = Buffer.from(`${'00'.repeat(8)}0000000ea7ec68030000ffffffffffffffff`, 'hex');
    const answer = await client.ask('Produce', 1, produceOf(message));
    const [partition] = answer.responses[0]?.partitionResponses ?? [];
    expect(partition?.errorCode).toBe(code('UNSUPPORTED_FOR_MESSAGE_FORMAT'));
    const stub = await client.ask('Produce', 1, produceOf(message.subarray(0, 12)));
    expect(stub.responses[0]?.partitionResponses[0]?.errorCode).toBe(code('CORRUPT_MESSAGE'));
  });

  it('without an answer wanted end the connection when they are refused', async () => {
    const client = await started();
    await withTopic(client);
    client.send('Produce', 7, produceOf(batch('kept'), { acks: 0 }), 1);
    expect((await client.ask('ApiVersions', 0, {})).errorCode).toBe(0);
    client.send('Produce', 7, produceOf(null, { acks: 0 }), 2);
    expect(await client.frame()).toBeUndefined();
    expect(broker.reasons).toEqual([
      expect.stringMatching(/acks=0 for t-0 failed: INVALID_RECORD/),
    ]);
  });

  it('go to followers on the brokers’ listener alone, and to nobody by sessions', async () => {
    const client = await started();
    await withTopic(client);
    const follower = await client.ask('Fetch', 11, fetchOf(0, { replicaId: 2 }));
    expect(follower.errorCode).toBe(code('CLUSTER_AUTHORIZATION_FAILED'));
    const inner = await broker.connect('INTERNAL');
    expect((await inner.ask('Fetch', 11, fetchOf(0, { replicaId: 2 }))).errorCode).toBe(0);
    const session = await client.ask('Fetch', 11, fetchOf(0, { sessionId: 5, sessionEpoch: 1 }));
    expect(session.errorCode).toBe(code('FETCH_SESSION_ID_NOT_FOUND'));
  });

  it('have offsets by time and by epoch', async () => {
    const client = await started();
    await withTopic(client);
    await client.ask('Produce', 7, produceOf(batch('a', 'b', 'c')));
    const partitions = [{ partitionIndex: 0, timestamp: -1 }];
    const listed = await client.ask('ListOffsets', 5, {
      replicaId: -1,
      topics: [{ name: 't', partitions }],
    });
    expect(listed.topics[0]?.partitions[0]).toMatchObject({ errorCode: 0, offset: 3 });
    const ended = await client.ask('OffsetForLeaderEpoch', 3, {
      topics: [{ topic: 't', partitions: [{ partition: 0, leaderEpoch: 0 }] }],
    });
    expect(ended.topics[0]?.partitions[0]).toMatchObject({ errorCode: 0, endOffset: 3 });
  });
});

describe('the cluster', () => {
  it('is told with the endpoints of the listener that the client came by', async () => {
    const client = await started();
    const told = await client.ask('Metadata', 6, { topics: [] });
    expect(told.brokers).toEqual([
      { nodeId: 1, host: '127.0.0.1', port: broker.port('EXTERNAL'), rack: null },
    ]);
    expect([told.controllerId, told.topics]).toEqual([1, []]);
    const inner = await broker.connect('INTERNAL');
    const within = await inner.ask('Metadata', 6, { topics: [] });
    expect(within.brokers[0]?.port).toBe(broker.port('INTERNAL'));
  });

  it.each([10, 11, 12])('says of an id that it is unknown, in version %i', async (version) => {
    const client = await started();
    const topicId = '0190a6e2-93b4-7c1d-8e5f-0123456789ab';
    const { topics } = await client.ask('Metadata', version, {
      topics: [{ name: null, topicId }],
    });
    expect(topics).toMatchObject([{ errorCode: code('UNKNOWN_TOPIC_ID'), topicId }]);
    expect(broker.failures).toEqual([]);
  });

  it('makes a topic that is asked for, unless the client does not want it', async () => {
    const client = await started();
    const asked = [{ name: 'auto' }];
    const quiet = { topics: asked, allowAutoTopicCreation: false };
    expect((await client.ask('Metadata', 6, quiet)).topics[0]?.errorCode).toBe(
      code('UNKNOWN_TOPIC_OR_PARTITION'),
    );
    const made = await client.ask('Metadata', 6, { topics: asked });
    expect(made.topics[0]).toMatchObject({ errorCode: 0, partitions: [{ leaderId: 1 }, {}] });
  });

  it('creates, grows, describes and deletes topics', async () => {
    const client = await started();
    await withTopic(client);
    const topic = { name: 't', numPartitions: 1, replicationFactor: 1 };
    const twice = await client.ask('CreateTopics', 5, { topics: [topic], timeoutMs: 100 });
    expect(twice.topics[0]?.errorCode).toBe(code('TOPIC_ALREADY_EXISTS'));
    const grown = await client.ask('CreatePartitions', 1, {
      topics: [{ name: 't', count: 3, assignments: null }],
      timeoutMs: 1_000,
      validateOnly: false,
    });
    expect(grown.results).toEqual([{ name: 't', errorCode: 0, errorMessage: null }]);
    const resources = [{ resourceType: 2, resourceName: 't', configurationKeys: null }];
    const { results } = await client.ask('DescribeConfigs', 2, { resources });
    expect(results[0]?.configs).toMatchObject([{ name: 'retention.ms', value: '1000' }]);
    const gone = await client.ask('DeleteTopics', 3, { topicNames: ['t', 'u'], timeoutMs: 1_000 });
    expect(gone.responses.map(({ errorCode }) => errorCode)).toEqual([
      0,
      code('UNKNOWN_TOPIC_OR_PARTITION'),
    ]);
    expect((await client.ask('Metadata', 6, { topics: null })).topics).toEqual([]);
  });

  it('gives each producer an id of its own, and none to transactions', async () => {
    const client = await started();
    const ids: number[] = [];
    const plain = { transactionalId: null, transactionTimeoutMs: 0 };
    for (let at = 0; at < 3; at++)
      ids.push((await client.ask('InitProducerId', 1, plain)).producerId);
    expect(new Set(ids).size).toBe(3);
    const refused = await client.ask('InitProducerId', 1, { ...plain, transactionalId: 'x' });
    expect(refused.errorCode).toBe(code('TRANSACTIONAL_ID_AUTHORIZATION_FAILED'));
  });

  it('keeps groups once the offsets topic is made', async () => {
    const client = await started();
    const find = () => client.ask('FindCoordinator', 2, { key: 'g', keyType: 0 });
    expect((await find()).errorCode).toBe(code('COORDINATOR_NOT_AVAILABLE'));
    while ((await find()).errorCode !== 0) await new Promise((resolve) => setImmediate(resolve));
    expect(await find()).toMatchObject({ nodeId: 1, port: broker.port('EXTERNAL') });
    expect(broker.metadata.image.topics.get(OFFSETS_TOPIC)?.partitions).toHaveLength(4);
    await withTopic(client);
    const join = () =>
      client.ask('JoinGroup', 2, {
        groupId: 'g',
        sessionTimeoutMs: 10_000,
        rebalanceTimeoutMs: 10_000,
        memberId: '',
        protocolType: 'consumer',
        protocols: [{ name: 'range', metadata: Buffer.from('m') }],
      });
    let joined = await join();
    while (joined.errorCode === code('COORDINATOR_LOAD_IN_PROGRESS')) joined = await join();
    const { memberId, generationId } = joined;
    expect(joined).toMatchObject({ errorCode: 0, leader: memberId, generationId: 1 });
    const synced = await client.ask('SyncGroup', 1, {
      groupId: 'g',
      generationId,
      memberId,
      assignments: [{ memberId, assignment: Buffer.from('mine') }],
    });
    expect(synced.assignment.toString()).toBe('mine');
    const committed = await client.ask('OffsetCommit', 2, {
      groupId: 'g',
      generationIdOrMemberEpoch: generationId,
      memberId,
      topics: [
        {
          name: 't',
          partitions: [
            { partitionIndex: 0, committedOffset: 5, committedMetadata: 'note' },
            { partitionIndex: 9, committedOffset: 5, committedMetadata: null },
          ],
        },
      ],
    });
    expect(committed.topics[0]?.partitions.map(({ errorCode }) => errorCode)).toEqual([
      0,
      code('UNKNOWN_TOPIC_OR_PARTITION'),
    ]);
    const fetched = await client.ask('OffsetFetch', 8, {
      groups: [{ groupId: 'g', topics: null }],
    });
    expect(fetched.groups[0]?.topics[0]?.partitions).toMatchObject([
      { partitionIndex: 0, committedOffset: 5, metadata: 'note' },
    ]);
    const listed = await client.ask('ListGroups', 4, { statesFilter: ['Stable'] });
    expect(listed.groups).toMatchObject([{ groupId: 'g', groupState: 'Stable' }]);
    const left = await client.ask('LeaveGroup', 3, { groupId: 'g', members: [{ memberId }] });
    expect(left.members).toMatchObject([{ errorCode: 0 }]);
    const described = await client.ask('DescribeGroups', 3, { groups: ['g'] });
    expect(described.groups[0]).toMatchObject({ groupState: 'Empty', members: [] });
  });
});
