// kafkajs against three brokers: it produces with acks=all and reads in a group while a broker dies by SIGKILL,
// and every message that was acknowledged is read.
import { Kafka, type Kafka as KafkaClient, logLevel } from 'kafkajs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BrokerProcesses } from './brokers.testing.ts';

const TOPIC = 'orders';
const PARTITIONS = 3;
let brokers: BrokerProcesses;
let kafka: KafkaClient;

beforeAll(async () => {
  brokers = await new BrokerProcesses({ 'min.insync.replicas': '2' }).start();
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
}, 60_000);
afterAll(() => brokers.stop());

it('loses no acknowledged message when a broker is killed, and commits what a group has read', async () => {
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  const sent = new Set<string>();
  const send = async (value: string): Promise<void> => {
    await producer.send({ topic: TOPIC, acks: -1, messages: [{ key: value, value }] });
    sent.add(value);
  };
  const consumer = kafka.consumer({ groupId: 'readers', sessionTimeout: 10_000 });
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
