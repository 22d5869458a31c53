// Fetches of consumers and of followers against one leader: how far each may read, how long it waits, how much
// it gets, and that only fetches which prove something count.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { FetchAsk, Fetched, FetchOptions } from '../contract.ts';
import { describeBatch, split } from '../log/testing.ts';
import { AnswerBudget, AnswerShare } from '../server/answer-budget.ts';
import { TestCluster } from './testing.ts';

const OF = { topic: 't', partition: 0 };
const OTHER = { topic: 't', partition: 1 };

let cluster: TestCluster;

/** The first broker leads both partitions; the second one, the test itself, never fetches by itself. */
beforeEach(async () => {
  cluster = new TestCluster(1);
  cluster.broker(1).start();
  cluster.store.register(2);
  cluster.store.createTopic('t', [
    [1, 2],
    [1, 2],
  ]);
  await vi.waitFor(() => expect(cluster.broker(1).replicas.leaderEpochOf(OTHER)).toBe(0));
});

afterEach(() => cluster.end());

function fetch(
  asks: readonly Partial<FetchAsk>[],
  options: Partial<FetchOptions> = {},
): Promise<Fetched[]> {
  const replicaEpoch = options.replicaId === 2 ? 102 : -1;
  const rest = { replicaId: -1, maxBytes: 1 << 20, minBytes: 0, maxWaitMs: 0, replicaEpoch };
  return cluster.broker(1).replicas.fetch(
    asks.map((ask) => ({
      ...OF,
      offset: 0,
      maxBytes: 1 << 20,
      currentLeaderEpoch: 0,
      lastFetchedEpoch: -1,
      ...ask,
    })),
    { ...rest, ...options },
  );
}

async function only(ask: Partial<FetchAsk>, options?: Partial<FetchOptions>): Promise<Fetched> {
  const [fetched] = await fetch([ask], options);
  return fetched as Fetched;
}

function batches({ records }: Fetched): string[] {
  return split(Buffer.concat(records)).map(describeBatch);
}

/** Appends on the leader alone: nothing counts before the follower has it. */
async function append(of: typeof OF, ...values: string[]): Promise<void> {
  expect((await cluster.broker(1).produce(of, { values }, 1)).error).toBeUndefined();
}

const FOLLOWER = { replicaId: 2 };

describe('a fetch', () => {
  it('of a follower reads to the end, of a consumer to the high watermark', async () => {
    await append(OF, 'a', 'b');
    expect(batches(await only({}, FOLLOWER))).toEqual(['0-1@0']);
    expect(await only({})).toMatchObject({ highWatermark: 0, records: [] });
    await only({ offset: 2, lastFetchedEpoch: 0 }, FOLLOWER);
    expect(await only({})).toMatchObject({ highWatermark: 2 });
    expect(batches(await only({}))).toEqual(['0-1@0']);
  });

  it.each([
    ['an earlier life of the broker', {}, { replicaEpoch: 99 }],
    ['another leader epoch', { currentLeaderEpoch: -1 }, {}],
    ['a log that is not the leader’s', { lastFetchedEpoch: 0, offset: 3 }, {}],
    ['an offset beyond the end', { offset: 3 }, {}],
    ['a broker without a replica', {}, { replicaId: 3 }],
  ])('of %s does not count', async (_, ask, options) => {
    await append(OF, 'a', 'b');
    await only({ offset: 2, ...ask }, { ...FOLLOWER, ...options });
    expect(cluster.of('fetchIn')).toEqual([]);
    expect(await only({})).toMatchObject({ highWatermark: 0 });
  });

  it('is told where the logs part, and of epochs and offsets that are not here', async () => {
    await append(OF, 'a', 'b');
    expect(await only({ offset: 5, lastFetchedEpoch: 0 }, FOLLOWER)).toMatchObject({
      error: undefined,
      records: [],
      diverging: { epoch: 0, endOffset: 2 },
    });
    expect((await only({ lastFetchedEpoch: 1 }, FOLLOWER)).error).toBe('OFFSET_OUT_OF_RANGE');
    expect((await only({ offset: 3 })).error).toBe('OFFSET_OUT_OF_RANGE');
    expect((await only({ currentLeaderEpoch: 1 })).error).toBe('UNKNOWN_LEADER_EPOCH');
    cluster.store.elect(OF, 1);
    expect((await only({ currentLeaderEpoch: 0 })).error).toBe('FENCED_LEADER_EPOCH');
    expect((await only({ topic: 'u' })).error).toBe('UNKNOWN_TOPIC_OR_PARTITION');
  });

  it('waits for records that count, and is answered at once when the leader changes', async () => {
    const waits = { minBytes: 1, maxWaitMs: 60_000 };
    const consumer = only({}, waits);
    const follower = only({}, { ...FOLLOWER, ...waits });
    await append(OF, 'a');
    expect(batches(await follower)).toEqual(['0-0@0']);
    const next = only({ offset: 1, lastFetchedEpoch: 0 }, { ...FOLLOWER, ...waits });
    expect(batches(await consumer)).toEqual(['0-0@0']);
    cluster.store.elect(OF, 2);
    expect((await next).error).toMatch(/NOT_LEADER_OR_FOLLOWER|FENCED_LEADER_EPOCH/);
  });

  it('ends with nothing when its time is over, or the broker stops', async () => {
    expect((await only({}, { minBytes: 1, maxWaitMs: 5 })).records).toEqual([]);
    const held = only({}, { minBytes: 1, maxWaitMs: 60_000 });
    await cluster.broker(1).stop();
    expect((await held).records).toEqual([]);
  });

  it('waits until there is as much as it wants', async () => {
    const held = only({}, { ...FOLLOWER, minBytes: 150, maxWaitMs: 60_000 });
    await append(OF, 'a');
    await append(OF, 'b');
    await append(OF, 'c');
    expect(batches(await held).length).toBeGreaterThanOrEqual(2);
  });

  it('gets one batch whatever its size, and no more than it asked for', async () => {
    await append(OF, 'x'.repeat(500));
    await append(OF, 'b');
    await append(OTHER, 'y'.repeat(500));
    const small = await fetch([{ maxBytes: 10 }, OTHER], { ...FOLLOWER, maxBytes: 600 });
    expect(small.map(batches)).toEqual([['0-0@0'], []]);
    const all = await fetch([{}, OTHER], FOLLOWER);
    expect(all.map(batches)).toEqual([['0-0@0', '1-1@0'], ['0-0@0']]);
  });
});

describe('memory for the answer', () => {
  const LARGE = { maxBytes: 10_000 };

  /** Shares of a budget that has room for one batch of these tests at a time. */
  function shares(): { budget: AnswerBudget; share: () => AnswerShare } {
    const budget = new AnswerBudget({ bytesMax: 700, turnBytes: 600, short: () => undefined });
    return { budget, share: () => new AnswerShare(budget) };
  }

  /** Two batches of more than 500 bytes, committed. */
  async function appendTwo(): Promise<void> {
    await append(OF, 'x'.repeat(500));
    await append(OF, 'y'.repeat(500));
    await only({ offset: 2, lastFetchedEpoch: 0 }, FOLLOWER);
  }

  it('is waited for, and where it is short there is less than was wanted, at once', async () => {
    await appendTwo();
    const { budget, share } = shares();
    const [first, second] = [share(), share()];
    const wanting = { ...LARGE, minBytes: 10_000, maxWaitMs: 60_000 };
    expect(batches(await only({}, { ...wanting, room: first }))).toEqual(['0-0@0']);
    expect(budget.heldBytes).toBeGreaterThan(500);
    const next = only({ offset: 1 }, { ...wanting, room: second });
    await vi.waitFor(() => expect(budget.waiting).toBe(1));
    first.built(0);
    expect(batches(await next)).toEqual(['1-1@0']);
    second.built(0);
    expect(budget.heldBytes).toBe(0);
  });

  it('is waited for by no follower, and by nobody for whom there is nothing', async () => {
    await appendTwo();
    const { budget, share } = shares();
    await share().take(700, true);
    const follower = { ...FOLLOWER, ...LARGE, room: share() };
    expect(batches(await only({ lastFetchedEpoch: -1 }, follower))).toEqual(['0-0@0', '1-1@0']);
    expect(await only({ offset: 2 }, { room: share() })).toMatchObject({ records: [] });
    const fenced = await only({ currentLeaderEpoch: 1 }, { room: share() });
    expect(fenced.error).toBe('UNKNOWN_LEADER_EPOCH');
    expect(budget.waiting).toBe(0);
  });

  it('is not held while the request is, nor waited for by who is gone', async () => {
    await appendTwo();
    const { budget, share } = shares();
    const wanting = { ...LARGE, maxBytes: 600, minBytes: 590, maxWaitMs: 60_000 };
    const waiting = share();
    const held = only({ offset: 1 }, { ...wanting, room: waiting });
    await vi.waitFor(() => expect(budget.heldBytes).toBe(0));
    await share().take(700, true);
    await append(OF, 'z'.repeat(500));
    await only({ offset: 3, lastFetchedEpoch: 0 }, FOLLOWER);
    await vi.waitFor(() => expect(budget.waiting).toBe(1));
    waiting.end();
    expect(await held).toMatchObject({ error: undefined, records: [] });
    expect(budget.heldBytes).toBe(600);
  });
});

describe('an offset', () => {
  it('is found by time below the high watermark, at the start and at the end', async () => {
    const { replicas } = cluster.broker(1);
    const at = (timestamp: number, replicaId = -1) =>
      replicas.offsetAt({ ...OF, timestamp, currentLeaderEpoch: 0 }, replicaId);
    const time = 1_700_000_000_000;
    await append(OF, 'a', 'b');
    expect(await at(-1)).toMatchObject({ offset: 0 });
    expect(await at(-1, 2)).toMatchObject({ offset: 2 });
    expect(await at(time)).toMatchObject({ offset: -1, timestamp: -1 });
    await only({ offset: 2, lastFetchedEpoch: 0 }, FOLLOWER);
    expect(await at(-1)).toMatchObject({ offset: 2, leaderEpoch: 0 });
    expect(await at(time)).toMatchObject({ offset: 0, timestamp: time });
    expect(await at(time + 1)).toMatchObject({ offset: -1 });
    expect(await at(-2)).toMatchObject({ offset: 0 });
    expect(await at(-7)).toMatchObject({ error: 'INVALID_REQUEST' });
  });

  it('is for those alone who know the leader epoch', async () => {
    const { replicas } = cluster.broker(1);
    const errors = async (currentLeaderEpoch: number) => {
      const offset = await replicas.offsetAt({ ...OF, timestamp: -2, currentLeaderEpoch }, -1);
      const end = replicas.endOfEpoch({ ...OF, leaderEpoch: 0, currentLeaderEpoch });
      return [offset.error, end.error, (await only({ currentLeaderEpoch })).error];
    };
    expect(await errors(0)).toEqual([undefined, undefined, undefined]);
    expect(await errors(1)).toEqual(Array(3).fill('UNKNOWN_LEADER_EPOCH'));
    cluster.store.elect(OF, 1);
    await vi.waitFor(() => expect(cluster.of('becameLeader').at(-1)?.leaderEpoch).toBe(1));
    expect(await errors(0)).toEqual(Array(3).fill('FENCED_LEADER_EPOCH'));
    expect(await errors(1)).toEqual([undefined, undefined, undefined]);
  });
});

describe('a replica that wants into the ISR', () => {
  const THIRD = { replicaId: 3, replicaEpoch: 104 };

  /** Broker 1 leads epoch 1 from offset 2 on, with 3 in the ISR and nothing known of what is committed. */
  async function beginEpoch(): Promise<void> {
    cluster.store.register(3);
    cluster.store.setReplicas(OF, [1, 2, 3]);
    await append(OF, 'a', 'b');
    cluster.store.elect(OF, 1, [1, 3]);
    await vi.waitFor(() => {
      expect(cluster.of('becameLeader').at(-1)).toMatchObject({ leaderEpoch: 1, leo: 2, hw: 0 });
    });
  }

  const isr = (): readonly number[] | undefined => cluster.store.stateOf(OF)?.isr;

  it('needs all that the leader began with, whatever the high watermark says (K06)', async () => {
    await beginEpoch();
    await only({ offset: 0, currentLeaderEpoch: 1 }, FOLLOWER);
    await new Promise(setImmediate);
    expect(isr()).toEqual([1, 3]);
    await only({ offset: 2, currentLeaderEpoch: 1, lastFetchedEpoch: 0 }, FOLLOWER);
    await vi.waitFor(() => expect(isr()).toEqual([1, 3, 2]));
  });

  it('counts from the moment that it may have got there', async () => {
    await beginEpoch();
    const { metadata } = cluster.broker(1);
    metadata.fate = 'kept waiting';
    await only({ offset: 2, currentLeaderEpoch: 1, lastFetchedEpoch: 0 }, FOLLOWER);
    await append(OF, 'c');
    await only({ offset: 3, currentLeaderEpoch: 1, lastFetchedEpoch: 1 }, THIRD);
    expect(await only({ currentLeaderEpoch: 1 })).toMatchObject({ highWatermark: 2 });
    metadata.answerWrites();
    await vi.waitFor(() => expect(isr()).toEqual([1, 3, 2]));
    expect(await only({ currentLeaderEpoch: 1 })).toMatchObject({ highWatermark: 2 });
    await only({ offset: 3, currentLeaderEpoch: 1, lastFetchedEpoch: 1 }, FOLLOWER);
    expect(await only({ currentLeaderEpoch: 1 })).toMatchObject({ highWatermark: 3 });
  });
});
