// kafkajs against three brokers: batches packed as it can, groups that lose members, topics made and unmade; and
// while a broker dies by SIGKILL every message that was acknowledged is read.
import { fileURLToPath } from 'node:url';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import {
  CompressionCodecs,
  CompressionTypes,
  ConfigResourceTypes,
  Kafka,
  type Kafka as KafkaClient,
  type KafkaMessage,
  logLevel,
} from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endStarted, Started } from '../coordinator/started.ts';
import { BrokerProcesses } from './brokers.testing.ts';
import { Member, testGroups } from './members.testing.ts';
import { Onlooker } from './onlooker.testing.ts';

const TOPIC = 'orders';
const PARTITIONS = 3;
let brokers: BrokerProcesses;
let kafka: KafkaClient;
let look: Onlooker;

// kafkajs packs gzip by itself and the rest by what it is given; Node has zstd.
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: ({ buffer }: { buffer: Buffer }) => Promise.resolve(zstdCompressSync(buffer)),
  decompress: (packed: Buffer) => Promise.resolve(zstdDecompressSync(packed)),
});
const CODECS = [
  ['none', CompressionTypes.None],
  ['gzip', CompressionTypes.GZIP],
  ['zstd', CompressionTypes.ZSTD],
] as const;

const MEMBER = fileURLToPath(new URL('./members/kafkajs.ts', import.meta.url));
const member = (group: string, topic: string): Member =>
  new Member(new Started(process.execPath, [MEMBER, brokers.addresses.join(','), group, topic]));

beforeAll(async () => {
  brokers = await new BrokerProcesses({ 'min.insync.replicas': '2' }).start();
  look = new Onlooker(brokers);
  kafka = new Kafka({
    clientId: 'test',
    brokers: brokers.addresses,
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 50, retries: 30, maxRetryTime: 500 },
  });
  const admin = kafka.admin();
  await admin.connect();
  const topic = { topic: TOPIC, numPartitions: PARTITIONS, replicationFactor: 3 };
  await admin.createTopics({ topics: [topic], waitForLeaders: true });
  await admin.disconnect();
}, 120_000);
afterAll(async () => {
  endStarted();
  look?.close();
  await brokers?.stop();
});

it('writes and reads plain and packed batches, which the brokers keep as they came', async () => {
  await look.createTopic('packed', CODECS.length);
  const producer = kafka.producer();
  await producer.connect();
  const messages = Array.from({ length: 200 }, (_, at) => ({
    key: at % 3 === 0 ? null : `key-${at}`,
    value: at % 7 === 0 ? null : `välue ${at} `.repeat(20),
    headers: { at: String(at) },
    timestamp: String(1_700_000_000_000 + at),
  }));
  for (const [partition, [, compression]] of CODECS.entries()) {
    const mine = messages.map((message) => ({ ...message, partition }));
    await producer.send({ topic: 'packed', acks: -1, compression, messages: mine });
  }
  await producer.disconnect();

  const read = CODECS.map((): KafkaMessage[] => []);
  const consumer = kafka.consumer({ groupId: 'unpackers', maxWaitTimeInMs: 100 });
  await consumer.connect();
  await consumer.subscribe({ topics: ['packed'], fromBeginning: true });
  await consumer.run({
    eachMessage: ({ partition, message }) => {
      read[partition]?.push(message);
      return Promise.resolve();
    },
  });
  await expect.poll(() => read.flat().length, { timeout: 30_000 }).toBe(600);
  await consumer.disconnect();
  for (const [partition, [name]] of CODECS.entries()) {
    const seen = read[partition]?.map(({ key, value, headers, timestamp }) => ({
      key: key?.toString() ?? null,
      value: value?.toString() ?? null,
      headers: { at: headers?.at?.toString() },
      timestamp,
    }));
    expect(seen).toEqual(messages);
    expect(read[partition]?.map(({ offset }) => Number(offset))).toEqual(
      messages.map((_, at) => at),
    );
    const batches = await look.batches('packed', partition);
    expect(new Set(batches.map(({ header }) => header.compression))).toEqual(new Set([name]));
    await look.sameBytesEverywhere('packed', partition);
  }
}, 120_000);

describe('groups of kafkajs', () => testGroups(() => look, member));

it('makes, grows, describes and deletes topics, and sees brokers and groups', async () => {
  const admin = kafka.admin();
  await admin.connect();
  const { brokers: seen, controller } = await admin.describeCluster();
  const addresses = seen.map(({ host, port }) => `${host}:${port}`);
  expect(addresses.sort()).toEqual([...brokers.addresses].sort());
  expect(seen.map(({ nodeId }) => nodeId)).toContain(controller);

  const configEntries = [{ name: 'retention.ms', value: '60000' }];
  const topic = { topic: 'admin', numPartitions: 2, replicationFactor: 3, configEntries };
  expect(await admin.createTopics({ topics: [topic] })).toBe(true);
  expect(await admin.createTopics({ topics: [topic] })).toBe(false);
  await look.inSync('admin', 2);
  expect(await admin.listTopics()).toContain('admin');
  await admin.createPartitions({ topicPartitions: [{ topic: 'admin', count: 5 }] });
  await look.inSync('admin', 5);
  const { topics } = await admin.fetchTopicMetadata({ topics: ['admin'] });
  expect(topics[0]?.partitions.map(({ partitionId }) => partitionId).sort()).toEqual([
    0, 1, 2, 3, 4,
  ]);
  // kafkajs gives up at once where a broker has yet to hear that it leads.
  await expect.poll(() => admin.fetchTopicOffsets('admin')).toHaveLength(5);
  const about = { type: ConfigResourceTypes.TOPIC, name: 'admin' };
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    // The names to tell of, which its types leave out.
    resources: [{ ...about, configNames: ['retention.ms'] } as never],
  });
  expect(resources[0]?.configEntries).toMatchObject([
    { configName: 'retention.ms', configValue: '60000', isDefault: false },
  ]);

  const { groups } = await admin.listGroups();
  expect(groups).toContainEqual({ groupId: 'unpackers', protocolType: 'consumer' });
  const described = await admin.describeGroups(['unpackers']);
  expect(described.groups).toMatchObject([{ groupId: 'unpackers', state: 'Empty', members: [] }]);
  await admin.deleteTopics({ topics: ['admin'] });
  await expect.poll(() => admin.listTopics()).not.toContain('admin');
  await admin.disconnect();
}, 120_000);

it('loses no acknowledged message when a broker is killed, and commits what a group has read', async () => {
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  const sent = new Set<string>();
  const send = async (value: string): Promise<void> => {
    await producer.send({ topic: TOPIC, acks: -1, messages: [{ key: value, value }] });
    sent.add(value);
  };
  const consumer = kafka.consumer({
    groupId: 'readers',
    sessionTimeout: 3_000,
    heartbeatInterval: 200,
    maxWaitTimeInMs: 100,
  });
  const read = new Map<string, number>();
  let woken = (): void => {};
  await consumer.connect();
  await consumer.subscribe({ topics: [TOPIC], fromBeginning: true });
  await consumer.run({
    eachMessage: ({ message }) => {
      const value = message.value?.toString() ?? '';
      read.set(value, (read.get(value) ?? 0) + 1);
      woken();
      return Promise.resolve();
    },
  });
  for (let at = 0; at < 30; at++) await send(`before-${at}`);
  await brokers.end(2, 'SIGKILL');
  for (let at = 0; at < 30; at++) await send(`after-${at}`);
  while ([...sent].some((value) => !read.has(value))) {
    await new Promise<void>((resolve) => {
      woken = resolve;
    });
  }
  const admin = kafka.admin();
  await admin.connect();
  const committed = async (): Promise<number | undefined> => {
    const [topic] = await admin.fetchOffsets({ groupId: 'readers', topics: [TOPIC] });
    return topic?.partitions.reduce((sum, { offset }) => sum + Number(offset), 0);
  };
  // While it runs: a commit that fails as it leaves is not tried again.
  await expect.poll(committed, { timeout: 60_000 }).toBe(60);
  await consumer.disconnect();
  await producer.disconnect();
  expect(sent.size).toBe(60);
  expect([...read.keys()].sort()).toEqual([...sent].sort());
  expect(await committed()).toBe(60);
  await admin.disconnect();
}, 120_000);

it('gets a broker back that was killed, and lets one go that is told to stop', async () => {
  await brokers.startBroker(2);
  const admin = kafka.admin();
  await admin.connect();
  for (;;) {
    const { topics } = await admin.fetchTopicMetadata({ topics: [TOPIC] });
    if (topics[0]?.partitions.every(({ isr }) => isr.length === 3)) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(await brokers.end(1, 'SIGTERM')).toBe(0);
  expect(brokers.eventsOf(1).at(-1)).toMatchObject({ ev: 'brokerStop', reason: 'SIGTERM' });
  const { topics } = await admin.fetchTopicMetadata({ topics: [TOPIC] });
  expect(topics[0]?.partitions.every(({ leader }) => leader === 2 || leader === 3)).toBe(true);
  await admin.disconnect();
}, 120_000);
