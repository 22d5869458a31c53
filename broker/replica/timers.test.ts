// What brokers do by the clock alone: old segments go by age and by size, though never what is not committed, and
// how far logs are is noted, so that a start after a crash knows.
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { readState } from '../log/log-state.ts';
import { ReplicaCheckpoint } from './checkpoint.ts';
import { TestCluster } from './testing.ts';

const OF = { topic: 't', partition: 0 };
const PATIENCE = { timeout: 20_000, interval: 2 };
/** Longer than any test: what is under test comes by its own timer. */
const NEVER_MS = 3_600_000;
const OFTEN_MS = 20;

let cluster: TestCluster;

afterEach(() => cluster.end());

async function begin(settings: Record<string, number>, topic: Record<string, string> = {}) {
  cluster = new TestCluster(3, {
    'log.retention.check.interval.ms': NEVER_MS,
    'log.flush.offset.checkpoint.interval.ms': NEVER_MS,
    'replica.high.watermark.checkpoint.interval.ms': NEVER_MS,
    ...settings,
  });
  for (const broker of cluster.brokers) broker.start();
  cluster.store.createTopic('t', [[1, 2, 3]], { 'segment.bytes': '1024', ...topic });
  await settled(() => expect(cluster.broker(1).replicas.leaderEpochOf(OF)).toBe(0));
}

function settled(look: () => void): Promise<void> {
  return vi.waitFor(look, PATIENCE);
}

async function append(count: number, acks: -1 | 1 = -1): Promise<void> {
  for (let i = 0; i < count; i++) {
    const produced = await cluster.broker(1).produce(OF, { values: ['x'.repeat(300)] }, acks);
    expect(produced.error).toBeUndefined();
  }
}

const folder = (id: number) => path.join(cluster.broker(id).dir, 't-0');
const segments = (id: number) => fs.readdirSync(folder(id)).filter((name) => name.endsWith('.log'));

/** Where consumers of the leader may begin. */
async function start(): Promise<number> {
  const ask = { ...OF, timestamp: -2, currentLeaderEpoch: -1 };
  return (await cluster.broker(1).replicas.offsetAt(ask, -1)).offset;
}

describe('retention', () => {
  it.each([
    // Every record of these tests is years old.
    ['by age', { 'retention.ms': '1000' }, 0],
    ['by size', { 'retention.bytes': '2500' }, 3],
  ])('deletes whole segments %s, on every replica', async (_, topic, kept) => {
    await begin({ 'log.retention.check.interval.ms': OFTEN_MS }, topic);
    await append(20);
    for (const id of [1, 2, 3]) {
      await settled(() => {
        expect(segments(id).length).toBeLessThanOrEqual(kept + 1);
        expect(segments(id)).not.toContain('00000000000000000000.log');
      });
    }
    const from = await start();
    expect(from).toBeGreaterThan(10);
    expect(cluster.of('logStart').length).toBeGreaterThanOrEqual(3);
    await append(1);
    const told = (await cluster.broker(1).consume(OF, await start())).length;
    expect(told).toBeGreaterThan(0);
    await expect(cluster.broker(1).consume(OF, 0)).rejects.toThrow('OFFSET_OUT_OF_RANGE');
    expect(cluster.brokers.map(({ fatal }) => fatal)).toEqual([undefined, undefined, undefined]);
  });

  it('keeps what is not committed, however old', async () => {
    await begin({ 'log.retention.check.interval.ms': OFTEN_MS }, { 'retention.ms': '1000' });
    await append(5);
    cluster.cut(1, 2);
    cluster.cut(1, 3);
    await append(10, 1);
    // Everything committed goes but for its last segment, which holds more than that.
    await settled(() => expect(segments(1)).not.toContain('00000000000000000000.log'));
    const looks = cluster.of('logStart').length;
    cluster.heal();
    await append(1);
    await settled(() => expect(cluster.of('logStart').length).toBeGreaterThan(looks));
    const before = cluster.events.findIndex(
      ({ ev, hw }) => ev === 'highWatermark' && (hw as number) > 5,
    );
    const early = cluster.events.slice(0, before).filter(({ ev }) => ev === 'logStart');
    expect(early.length).toBeGreaterThan(0);
    for (const { from } of early) expect(from as number).toBeLessThanOrEqual(5);
  });

  it('is none where a topic wants none', async () => {
    await begin(
      { 'log.retention.check.interval.ms': OFTEN_MS },
      { 'retention.ms': '-1', 'retention.bytes': '-1' },
    );
    cluster.store.createTopic('other', [[1, 2, 3]], {
      'segment.bytes': '1024',
      'retention.ms': '1',
    });
    const other = { topic: 'other', partition: 0 };
    await settled(() => expect(cluster.broker(1).replicas.leaderEpochOf(other)).toBe(0));
    await append(10);
    for (let i = 0; i < 10; i++)
      await cluster.broker(1).produce(other, { values: ['x'.repeat(300)] });
    await settled(() =>
      expect(cluster.of('logStart').some(({ tp }) => tp === 'other-0')).toBe(true),
    );
    expect(await start()).toBe(0);
    expect(cluster.of('logStart').some(({ tp }) => tp === 't-0')).toBe(false);
  });
});

describe('what somebody lets go of', () => {
  it('goes on every replica, but for what is not committed', async () => {
    await begin({});
    await append(10);
    const first = cluster.broker(1).replicas;
    await cluster.broker(2).replicas.deleteBefore(OF, 5);
    expect(cluster.of('logStart')).toEqual([]);
    await first.deleteBefore(OF, 5);
    expect(await start()).toBe(5);
    await append(1);
    await settled(() => {
      const told = cluster.of('logStart').map(({ broker, from }) => [broker, from]);
      expect(told.sort()).toEqual([1, 2, 3].map((id) => [id, 5]));
    });
    cluster.cut(1, 2);
    cluster.cut(1, 3);
    await append(3, 1);
    await first.deleteBefore(OF, 1000);
    expect(await start()).toBe(11);
    expect(await cluster.broker(1).consume(OF, 11)).toEqual([]);
  });
});

describe('a checkpoint', () => {
  it('of the recovery point follows what is durable, on every replica', async () => {
    await begin(
      { 'log.flush.offset.checkpoint.interval.ms': OFTEN_MS },
      { 'segment.bytes': '100000' },
    );
    await append(3);
    for (const id of [1, 2, 3]) {
      await settled(() => expect(readState(folder(id))).toMatchObject({ recoveryPoint: 3 }));
      expect(readState(folder(id))?.cleanEndOffset).toBeNull();
    }
  });

  it('of the high watermark is where a killed broker goes on from', async () => {
    await begin({ 'replica.high.watermark.checkpoint.interval.ms': OFTEN_MS });
    await append(3);
    const { id: topicId } = cluster.store.image.topics.get('t') as { id: string };
    await settled(() => {
      const noted = ReplicaCheckpoint.load(cluster.broker(2).dir).noteOf(topicId, 0);
      expect(noted?.highWatermark).toBeGreaterThan(0);
    });
    await cluster.broker(2).kill();
    cluster.broker(2).start();
    await settled(() => {
      const again = cluster.of('becameFollower').filter(({ broker }) => broker === 2);
      expect(again.at(-1)).toMatchObject({ leo: 3 });
      expect(again).toHaveLength(2);
      expect(again.at(-1)?.hw).toBeGreaterThan(0);
    });
  });
});
