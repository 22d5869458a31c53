// Consumers that ask for much and read nothing, against logs on a disk: what is read for all of them together stays
// within the budget, and neither followers nor producers nor, in the end, other consumers are kept waiting by them.
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { decodeResponse } from '../../wire/kafka/protocol.ts';
import { buildBatch } from '../../wire/kafka/records.ts';
import { TestCluster } from '../replica/testing.ts';
import { BrokerFront } from './front.ts';
import { fetchHandling } from './handlers/fetch.ts';
import { produceHandling } from './handlers/produce.ts';
import { RawClient } from './lone-broker.testing.ts';
import { TopicIds } from './topic-ids.ts';

const MIB = 1024 * 1024;
const BATCHES = 40;
const BATCH_BYTES = MIB / 2;
const ALL_BYTES = BATCHES * BATCH_BYTES;
const BUDGET_BYTES = 8 * MIB;
const READERS = 40;
const NEVER_MS = 600_000;
const LONG = { timeout: 20_000 };

let cluster: TestCluster;
let front: BrokerFront;
let ports: ReadonlyMap<string, number>;
let reasons: unknown[];
let clients: RawClient[];
/** Bytes of records in all answers to fetches. */
let answeredBytes: number;

beforeEach(async () => {
  reasons = [];
  clients = [];
  answeredBytes = 0;
  cluster = new TestCluster(1, { 'min.insync.replicas': 1 });
  cluster.broker(1).start();
  cluster.store.register(2);
  cluster.store.createTopic('t', [[1, 2]]);
  const { replicas } = cluster.broker(1);
  const of = { topic: 't', partition: 0 };
  await vi.waitFor(() => expect(replicas.leaderEpochOf(of)).toBe(0));
  const value = 'x'.repeat(BATCH_BYTES);
  for (let at = 0; at < BATCHES; at++) {
    const { error } = await cluster.broker(1).produce(of, { values: [value] }, 1);
    expect(error).toBeUndefined();
  }
});

afterEach(async () => {
  for (const client of clients) client.close();
  await front.close();
  await cluster.end();
});

async function listen(stalledMsMax: number): Promise<void> {
  const { metadata, replicas } = cluster.broker(1);
  const fetching = fetchHandling({
    metadata,
    replicas,
    topicIds: new TopicIds(metadata),
    answerBytesMax: 2 * ALL_BYTES,
  });
  front = new BrokerFront({
    config: {
      listeners: ['INTERNAL', 'EXTERNAL'].map((name) => ({ name, host: '127.0.0.1', port: 0 })),
      internalListener: 'INTERNAL',
      connectionsMax: 1_000,
      connectionsPerAddressMax: 1_000,
      idleMsMax: NEVER_MS,
      answerBytesMax: BUDGET_BYTES,
      turnBytes: MIB,
      stalledMsMax,
      unsentBytesMax: 20 * ALL_BYTES,
      limits: { frameBytesMax: MIB, queuedMax: 100, queuedBytesMax: MIB, overlapMax: 16 },
    },
    handlings: {
      Fetch: {
        ...fetching,
        handle: async (body, caller) => {
          const answer = await fetching.handle(body, caller);
          for (const { records } of answer?.responses[0]?.partitions ?? [])
            answeredBytes += records?.length ?? 0;
          return answer;
        },
      },
      Produce: produceHandling({ metadata, replicas }),
    },
    events: {
      detailed: true,
      emit: ({ ev, reason }) => void (ev === 'connectionClosed' && reasons.push(reason)),
      flush: () => undefined,
    },
    log: () => undefined,
    failed: (error) => {
      throw error;
    },
  });
  ports = await front.listen();
  // All of it is committed once the follower has it.
  const follower = await connect('INTERNAL');
  await follower.ask('Fetch', 11, fetchOf(BATCHES, { replicaId: 2 }));
}

async function connect(listener = 'EXTERNAL'): Promise<RawClient> {
  const socket = createConnection({ host: '127.0.0.1', port: ports.get(listener) ?? 0 });
  await once(socket, 'connect');
  const client = new RawClient(socket);
  clients.push(client);
  return client;
}

function fetchOf(fetchOffset: number, { replicaId = -1 } = {}) {
  const bytesMax = 2 * ALL_BYTES;
  const partition = { partition: 0, fetchOffset, currentLeaderEpoch: 0, lastFetchedEpoch: -1 };
  const topics = [{ topic: 't', partitions: [{ ...partition, partitionMaxBytes: bytesMax }] }];
  return { replicaId, maxWaitMs: 0, minBytes: 1, maxBytes: bytesMax, topics };
}

/** Clients that ask for all there is, `times` each, and read nothing. */
async function unreading(times: number): Promise<void> {
  for (let count = 0; count < READERS; count++) {
    const client = await connect();
    client.socket.pause();
    for (let id = 0; id < times; id++) client.send('Fetch', 11, fetchOf(0), id);
  }
}

/** Bytes of records in the next answer. */
async function fetchedBytes(client: RawClient): Promise<number> {
  const frame = await client.frame();
  if (frame === undefined) throw new Error('the connection was closed');
  const { responses } = decodeResponse('Fetch', 11, frame);
  expect(responses[0]?.partitions[0]?.errorCode).toBe(0);
  return responses[0]?.partitions[0]?.records?.length ?? 0;
}

it('answers within the budget, and followers and producers whatever consumers wait', async () => {
  await listen(NEVER_MS);
  await unreading(1);
  await expect.poll(() => answeredBytes).toBeGreaterThan((READERS / 4) * BATCH_BYTES);
  // Unbounded, each of them would get all.
  expect(answeredBytes).toBeLessThan((READERS * ALL_BYTES) / 10);
  await unreading(90);
  await expect.poll(() => front.budget.waiting, LONG).toBeGreaterThan(READERS / 4);
  expect(front.budget.heldBytes).toBeLessThanOrEqual(BUDGET_BYTES);
  const follower = await connect('INTERNAL');
  follower.send('Fetch', 11, fetchOf(0, { replicaId: 2 }));
  expect(await fetchedBytes(follower)).toBeGreaterThan(ALL_BYTES);
  const producer = await connect();
  const records = buildBatch([{ timestampMs: 1, value: Buffer.from('late') }]);
  const topicData = [{ name: 't', partitionData: [{ index: 0, records }] }];
  const produced = await producer.ask('Produce', 7, { acks: 1, timeoutMs: NEVER_MS, topicData });
  expect(produced.responses[0]?.partitionResponses[0]?.errorCode).toBe(0);
  expect(front.budget.waiting).toBeGreaterThan(0);
  expect(reasons).toEqual([]);
  for (const client of clients) client.close();
  await expect.poll(() => front.budget.heldBytes).toBe(0);
}, 60_000);

it('ends who takes nothing while others wait, and serves those who read', async () => {
  await listen(50);
  await unreading(90);
  await expect.poll(() => front.budget.waiting, LONG).toBeGreaterThan(0);
  const reader = await connect();
  for (let offset = 0; offset < BATCHES; ) {
    reader.send('Fetch', 11, fetchOf(offset));
    const batches = Math.floor((await fetchedBytes(reader)) / BATCH_BYTES);
    expect(batches).toBeGreaterThan(0);
    offset += batches;
  }
  const reason =
    /took nothing of \d+ bytes of answers for 50 ms.*queued.max.response.bytes 8388608/;
  expect(reasons).toContainEqual(expect.stringMatching(reason));
}, 60_000);
