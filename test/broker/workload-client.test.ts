// The client of the workloads against a broker: each operation's value is what the checkers read, a batch whose
// answers are thrown away stands there once, and what cannot have happened is told as failed.
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { OpStep } from '../../history/plan.ts';
import type { OpResult, WorkloadClient } from '../../history/plugin.ts';
import { connectBroker } from '../../workloads/broker-client.ts';
import { BrokerProcesses } from './brokers.testing.ts';

const TOPIC = 'notes';
const KEY = `${TOPIC}-0`;
const POLLS_MAX = 200;
let brokers: BrokerProcesses;
const open: WorkloadClient[] = [];

beforeAll(async () => {
  brokers = await new BrokerProcesses({
    'offsets.topic.replication.factor': '1',
  }).start(1);
  const value = { partitions: 1, replicas: 1, minInsyncReplicas: 1 };
  expect(await clientOf(false).invoke(step('create-topic', value, TOPIC))).toEqual({ type: 'ok' });
}, 60_000);
afterAll(async () => {
  await Promise.all(open.map((client) => client.close()));
  await brokers.stop();
});

function clientOf(idempotent: boolean, port?: number): WorkloadClient {
  const [host = '', own] = (brokers.addresses[0] ?? '').split(':');
  const client = connectBroker({
    nodes: ['n1'],
    address: () => ({ host, port: port ?? Number(own) }),
    opTimeoutMs: 20_000,
    pollMs: 10,
    idempotent,
  });
  open.push(client);
  return client;
}

const step = (f: string, value?: unknown, key?: string): OpStep => ({
  kind: 'op',
  f,
  ...(key === undefined ? {} : { key }),
  value,
});

/** Polls until one has a message. */
async function pollMessages(client: WorkloadClient): Promise<{ polled: OpResult[] }> {
  const polled: OpResult[] = [];
  for (let polls = 0; polls < POLLS_MAX; polls++) {
    const result = await client.invoke(step('poll'));
    polled.push(result);
    const { records = {} } = (result.value ?? {}) as { records?: object };
    if (Object.keys(records).length > 0) return { polled };
    // The group's coordinator may still be about to be elected, and that is answered at once.
    if (result.type !== 'ok') await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`no message in ${POLLS_MAX} polls: ${JSON.stringify(polled.at(-1))}`);
}

it('reads once what was sent again after lost answers, and commits it in a group', async () => {
  const producer = clientOf(true);
  const sent = await producer.invoke(step('send', { values: [1, 2], dropReplies: 2 }, KEY));
  const placed = [
    [0, 1],
    [1, 2],
  ];
  expect(sent).toMatchObject({ type: 'ok', value: { placed, attempts: 3 } });
  expect(await producer.invoke(step('send', { values: [3] }, KEY))).toMatchObject({
    type: 'ok',
    value: { placed: [[2, 3]] },
  });
  const reader = clientOf(false);
  await reader.invoke(step('assign', { keys: [KEY], from: 'beginning' }));
  const { polled } = await pollMessages(reader);
  expect(polled.at(-1)).toMatchObject({ value: { records: { [KEY]: [...placed, [2, 3]] } } });
  expect(await reader.invoke(step('ends', { keys: [KEY] }))).toEqual({
    type: 'ok',
    value: { [KEY]: 3 },
  });
  expect(await reader.invoke(step('commit'))).toMatchObject({ type: 'fail' });
  await reader.invoke(step('subscribe', { topics: [TOPIC], group: 'readers' }));
  const got = (await pollMessages(reader)).polled.filter(({ type }) => type === 'ok');
  expect(got[0]).toMatchObject({ value: { rebalanced: [{ assigned: [KEY], committed: {} }] } });
  expect(await reader.invoke(step('commit'))).toMatchObject({
    type: 'ok',
    value: { group: 'readers', offsets: { [KEY]: 3 } },
  });
  expect(await reader.invoke(step('leave'))).toEqual({ type: 'ok' });
});

it('says that nothing happened where nobody listens', async () => {
  const lost = clientOf(false, 1);
  expect(await lost.invoke(step('send', { values: [9] }, KEY))).toMatchObject({ type: 'fail' });
});
