// @platformatic/kafka against three brokers: it speaks the newest versions of every API that it knows, packs with
// every codec there is, and asks for topics by their ids.
import { fileURLToPath } from 'node:url';
import {
  Admin,
  ConfigResourceTypes,
  Consumer,
  type Message,
  Producer,
  stringDeserializers,
  stringSerializers,
} from '@platformatic/kafka';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMPRESSIONS } from '../../wire/kafka/record-batch.ts';
import { until } from '../coordinator/ensemble.ts';
import { endStarted, Started } from '../coordinator/started.ts';
import { BrokerProcesses } from './brokers.testing.ts';
import { Member, testGroups } from './members.testing.ts';
import { Onlooker } from './onlooker.testing.ts';

const MEMBER = fileURLToPath(new URL('./members/platformatic.ts', import.meta.url));
const PATIENCE = { retries: 100, retryDelay: 100 };
let brokers: BrokerProcesses;
let look: Onlooker;
const open: { close(): Promise<void> }[] = [];

/** Closed at the end. */
function kept<T extends { close(): Promise<void> }>(client: T): T {
  open.push(client);
  return client;
}

const member = (group: string, topic: string): Member =>
  new Member(new Started(process.execPath, [MEMBER, brokers.addresses.join(','), group, topic]));
const options = () => ({ clientId: 'test', bootstrapBrokers: brokers.addresses, ...PATIENCE });

beforeAll(async () => {
  brokers = await new BrokerProcesses({ 'min.insync.replicas': '2' }).start();
  look = new Onlooker(brokers);
}, 120_000);
afterAll(async () => {
  endStarted();
  await Promise.all(open.map((client) => client.close()));
  look?.close();
  await brokers?.stop();
});

it('writes and reads batches of every codec, which the brokers keep as they came', async () => {
  await look.createTopic('packed', COMPRESSIONS.length);
  const messages = Array.from({ length: 200 }, (_, at) => ({
    key: `key-${at}`,
    value: `välue ${at} `.repeat(20),
    headers: { at: String(at) },
    timestamp: BigInt(1_700_000_000_000 + at),
  }));
  const producer = kept(new Producer({ ...options(), serializers: stringSerializers }));
  for (const [partition, compression] of COMPRESSIONS.entries()) {
    const mine = messages.map((message) => ({ ...message, topic: 'packed', partition }));
    const { offsets } = await producer.send({ messages: mine, acks: -1, compression });
    expect(offsets).toEqual([{ topic: 'packed', partition, offset: 0n }]);
  }

  const read = COMPRESSIONS.map((): Message<string, string, string, string>[] => []);
  const consumer = kept(
    new Consumer({
      ...options(),
      groupId: 'unpackers',
      maxWaitTime: 100,
      autocommit: false,
      deserializers: stringDeserializers,
    }),
  );
  const stream = await consumer.consume({ topics: ['packed'], mode: 'earliest' });
  stream.on('data', (message) => read[message.partition]?.push(message));
  await until(
    'all is read',
    () => read.flat().length,
    (count) => count >= 1_000,
  );
  const topic = { topic: 'packed', offset: 200n, leaderEpoch: 0 };
  await consumer.commit({ offsets: COMPRESSIONS.map((_, partition) => ({ ...topic, partition })) });
  await stream.close();
  await consumer.close();
  for (const [partition, name] of COMPRESSIONS.entries()) {
    const seen = read[partition]?.map(({ key, value, headers, timestamp }) => ({
      key,
      value,
      headers: Object.fromEntries(headers),
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

describe('groups of @platformatic/kafka', () =>
  testGroups(() => look, member, { lateFetches: true }));

it('makes, grows, describes and deletes topics, and sees brokers and groups', async () => {
  const admin = kept(new Admin(options()));
  const { brokers: seen, controllerId } = await admin.metadata({ topics: [] });
  const addresses = [...seen.values()].map(({ host, port }) => `${host}:${port}`);
  expect(addresses.sort()).toEqual([...brokers.addresses].sort());
  expect([...seen.keys()]).toContain(controllerId);

  const configs = [{ name: 'retention.ms', value: '60000' }];
  const topic = { topics: ['admin'], partitions: 2, replicas: 3, configs };
  const [created] = await admin.createTopics(topic);
  expect(created).toMatchObject({ name: 'admin', partitions: 2, replicas: 3 });
  await expect(admin.createTopics(topic)).rejects.toThrow();
  await look.inSync('admin', 2);
  expect(await admin.listTopics()).toContain('admin');
  // Null leaves the placement to the cluster; its types know only lists.
  const grown = { name: 'admin', count: 5, assignments: null as never };
  await admin.createPartitions({ topics: [grown] });
  await look.inSync('admin', 5);
  const { topics } = await admin.metadata({ topics: ['admin'], forceUpdate: true });
  expect(topics.get('admin')).toMatchObject({ id: created?.id, partitionsCount: 5 });
  const about = { resourceType: ConfigResourceTypes.TOPIC, resourceName: 'admin' };
  const [described] = await admin.describeConfigs({
    resources: [{ ...about, configurationKeys: ['retention.ms'] }],
  });
  expect(described?.configs).toMatchObject([{ name: 'retention.ms', value: '60000' }]);

  expect([...(await admin.listGroups()).keys()]).toContain('unpackers');
  const groups = await admin.describeGroups({ groups: ['unpackers'] });
  expect(groups.get('unpackers')).toMatchObject({ id: 'unpackers', state: 'Empty' });
  const [offsets] = await admin.listConsumerGroupOffsets({ groups: ['unpackers'] });
  const committed = offsets?.topics.flatMap(({ partitions }) => partitions);
  expect(committed?.map(({ committedOffset }) => committedOffset)).toEqual(
    COMPRESSIONS.map(() => 200n),
  );
  await admin.deleteTopics({ topics: ['admin'] });
  await expect.poll(() => admin.listTopics()).not.toContain('admin');
}, 120_000);

it('an idempotent producer leaves every message once and in order while the leader dies', async () => {
  await look.createTopic('once', 1);
  const producer = kept(
    new Producer({ ...options(), serializers: stringSerializers, idempotent: true }),
  );
  const sent: string[] = [];
  const send = async (count: number): Promise<void> => {
    for (let at = 0; at < count; at++) {
      const value = `once-${sent.length}`;
      await producer.send({ messages: [{ topic: 'once', partition: 0, value }], acks: -1 });
      sent.push(value);
    }
  };
  await send(30);
  const { id } = await look.leader('once', 0);
  const killed = brokers.end(id, 'SIGKILL');
  await send(30);
  await killed;
  expect(await look.values('once', 0)).toEqual(sent);
  await brokers.startBroker(id);
  await look.inSync('once', 1);
  await look.sameBytesEverywhere('once', 0);
}, 120_000);
