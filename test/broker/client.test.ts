// The brokers' client against a broker: batches, repeated ones, offsets and a group's life go through, and a
// failure tells whether what was asked may have happened.
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  BrokerClient,
  EARLIEST,
  type Endpoint,
  GroupClient,
  LATEST,
} from '../../broker/client/index.ts';
import { BrokerProcesses } from './brokers.testing.ts';

const TIMEOUT_MS = 20_000;
const TOPIC = 'letters';
const KEY = { topic: TOPIC, partition: 0 };
let brokers: BrokerProcesses;
let client: BrokerClient;

const endpointOf = (address: string): Endpoint => {
  const [host = '', port] = address.split(':');
  return { host, port: Number(port) };
};
const recordsOf = (...values: string[]) =>
  values.map((value) => ({ timestampMs: 1, value: Buffer.from(value) }));

beforeAll(async () => {
  brokers = await new BrokerProcesses({
    'default.replication.factor': '1',
    'offsets.topic.replication.factor': '1',
  }).start(1);
  client = new BrokerClient({
    bootstrap: brokers.addresses.map(endpointOf),
    clientId: 'test',
  });
  await client.createTopic(TOPIC, 1, 1, {}, TIMEOUT_MS);
}, 60_000);
afterAll(async () => {
  client.close();
  await brokers.stop();
});

/** Asks until there is an answer. */
async function until<T>(ask: () => Promise<T | undefined>): Promise<T> {
  let found: T | undefined;
  const asked = async (): Promise<T | undefined> => {
    found = await ask().catch(() => undefined);
    return found;
  };
  await expect.poll(asked, { timeout: TIMEOUT_MS }).toBeDefined();
  return found as T;
}

/** The leader, once it knows itself that it leads: the metadata may say so a moment before, as in Kafka. */
const leader = (): Promise<Endpoint> =>
  until(async () => {
    const { brokers: known, partitions } = await client.metadata([TOPIC], TIMEOUT_MS);
    const at = known.get(partitions.get(`${TOPIC}-0`)?.leader ?? -1);
    if (at !== undefined) await client.listOffset(at, KEY, LATEST, TIMEOUT_MS);
    return at;
  });

/** The coordinator of a group, once it has loaded what it keeps. */
const coordinator = (groups: GroupClient, group: string): Promise<Endpoint> =>
  until(async () => {
    const at = await groups.coordinator(group, TIMEOUT_MS);
    await groups.committed(at, group, new Map([[TOPIC, [0]]]), TIMEOUT_MS);
    return at;
  });

describe('the client of brokers', () => {
  it('reads what it sent, from any offset, and a batch sent twice under one sequence number once', async () => {
    const at = await leader();
    const first = await client.produce(at, KEY, recordsOf('a', 'b', 'c'), TIMEOUT_MS);
    const producer = { ...(await client.initProducerId(TIMEOUT_MS)), baseSequence: 0 };
    const once = await client.produce(at, KEY, recordsOf('d'), TIMEOUT_MS, producer);
    expect(await client.produce(at, KEY, recordsOf('d'), TIMEOUT_MS, producer)).toBe(once);
    const [fetched] = await client.fetch(at, [{ ...KEY, offset: first + 1 }], 10, TIMEOUT_MS);
    expect(fetched?.records.map(({ offset, value }) => [offset, value?.toString()])).toEqual([
      [first + 1, 'b'],
      [first + 2, 'c'],
      [once, 'd'],
    ]);
    expect(await client.listOffset(at, KEY, LATEST, TIMEOUT_MS)).toBe(once + 1);
    expect(await client.listOffset(at, KEY, EARLIEST, TIMEOUT_MS)).toBe(0);
  });

  it('joins a group, commits there, is refused in an old generation, and leaves', async () => {
    const groups = new GroupClient(client);
    const at = await coordinator(groups, 'readers');
    const options = {
      topics: [TOPIC],
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 10_000,
      timeoutMs: TIMEOUT_MS,
    };
    let known = '';
    const joined = await groups.join(at, 'readers', '', options, (member) => {
      known = member;
    });
    expect(joined.member).toBe(known);
    expect(joined.members).toEqual(new Map([[known, [TOPIC]]]));
    const share = new Map([[TOPIC, [0]]]);
    expect(await groups.sync(at, joined, new Map([[known, share]]), TIMEOUT_MS)).toEqual(share);
    await groups.heartbeat(at, joined, TIMEOUT_MS);
    expect(await groups.committed(at, 'readers', share, TIMEOUT_MS)).toEqual(new Map());
    await groups.commit(at, joined, new Map([[TOPIC, new Map([[0, 2]])]]), TIMEOUT_MS);
    expect(await groups.committed(at, 'readers', share, TIMEOUT_MS)).toEqual(
      new Map([[`${TOPIC}-0`, 2]]),
    );
    const old = { ...joined, generation: joined.generation - 1 };
    await expect(groups.heartbeat(at, old, TIMEOUT_MS)).rejects.toMatchObject({
      name: 'ILLEGAL_GENERATION',
      answered: true,
      certain: true,
    });
    await groups.leave(at, 'readers', known, TIMEOUT_MS);
    await expect(groups.heartbeat(at, joined, TIMEOUT_MS)).rejects.toMatchObject({
      name: 'UNKNOWN_MEMBER_ID',
    });
  });
});

it('tells a request that never left from one whose answer never came', async () => {
  const silent = createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
  await new Promise((resolve) => silent.once('listening', resolve));
  const { port } = silent.address() as { port: number };
  const lone = new BrokerClient({ bootstrap: [], clientId: 'test' });
  const at = { host: '127.0.0.1', port };
  await expect(lone.produce(at, KEY, recordsOf('x'), 100)).rejects.toMatchObject({
    name: 'Timeout',
    sent: true,
    certain: false,
  });
  await new Promise((resolve) => silent.close(resolve));
  await expect(lone.produce(at, KEY, recordsOf('x'), 5_000)).rejects.toMatchObject({
    name: 'ConnectionLoss',
    sent: false,
    certain: true,
  });
  lone.close();
});
