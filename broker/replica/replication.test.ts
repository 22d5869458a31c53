// Replication between brokers of one process: what is acknowledged is where it has to be, through changes of the
// leader, of the ISR and of what is known of it, and after restarts.
import fs from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { NO_LEADER } from '../contract.ts';
import { batch, describeBatch } from '../log/testing.ts';
import { TestCluster } from './testing.ts';

const OF = { topic: 't', partition: 0 };
const PATIENCE = { timeout: 20_000, interval: 2 };

let cluster: TestCluster;

afterEach(() => cluster.end());

/** Three brokers and a topic of one partition on all of them, led by the first. */
function begin(
  settings: Record<string, number> = {},
  topic: Record<string, string> = {},
  logSettings: Record<string, number> = {},
): TestCluster {
  cluster = new TestCluster(3, settings, logSettings);
  for (const broker of cluster.brokers) broker.start();
  cluster.store.createTopic('t', [[1, 2, 3]], topic);
  return cluster;
}

function settled(look: () => void): Promise<void> {
  return vi.waitFor(look, PATIENCE);
}

function leads(id: number): Promise<void> {
  return settled(() => {
    expect(cluster.broker(id).replicas.leaderEpochOf(OF)).toBe(
      cluster.store.stateOf(OF)?.leaderEpoch,
    );
  });
}

function isrIs(...ids: number[]): Promise<void> {
  return settled(() => expect(cluster.store.stateOf(OF)?.isr.toSorted()).toEqual(ids));
}

function cutAll(): void {
  cluster.cut(1, 2);
  cluster.cut(1, 3);
  cluster.cut(2, 3);
}

/** End of a broker's log, as it said. */
function endOf(id: number): number {
  let end = 0;
  for (const { ev, broker, to } of cluster.events) {
    if (broker !== id) continue;
    if (ev === 'logAppend') end = (to as number) + 1;
    if (ev === 'logTruncated') end = to as number;
  }
  return end;
}

async function content(id: number): Promise<string[]> {
  return (await cluster.broker(id).consume(OF)).map(describeBatch);
}

describe('an append', () => {
  it('is acknowledged once it is on the whole ISR, and consumers get it from then on', async () => {
    begin();
    await leads(1);
    cluster.cut(1, 3);
    const waiting = cluster.broker(1).produce(OF, { values: ['a', 'b'] });
    await settled(() => expect(endOf(2)).toBe(2));
    expect(await content(1)).toEqual([]);
    expect(cluster.of('acked')).toEqual([]);
    cluster.heal();
    expect(await waiting).toMatchObject({ error: undefined, baseOffset: 0, logStartOffset: 0 });
    expect(await content(1)).toEqual(['0-1@0']);
    expect(endOf(3)).toBe(2);
  });

  it('with acks 1 needs this disk alone, with acks 0 nothing', async () => {
    begin();
    await leads(1);
    cluster.cut(1, 2);
    expect(await cluster.broker(1).produce(OF, { values: ['a'] }, 1)).toMatchObject({
      baseOffset: 0,
    });
    expect(cluster.of('logFlushed').some(({ broker, upto }) => broker === 1 && upto === 1)).toBe(
      true,
    );
    expect(await cluster.broker(1).produce(OF, { values: ['b'] }, 0)).toMatchObject({
      baseOffset: 1,
    });
  });

  it('that is not acknowledged in time is not known to fail', async () => {
    begin();
    await leads(1);
    cluster.cut(1, 2);
    const produced = await cluster.broker(1).produce(OF, { values: ['a'] }, -1, 20);
    expect(produced.error).toBe('REQUEST_TIMED_OUT');
  });

  it('is refused by whoever does not lead, and of what nobody knows', async () => {
    begin();
    await leads(1);
    const values = ['a'];
    expect((await cluster.broker(2).produce(OF, { values })).error).toBe('NOT_LEADER_OR_FOLLOWER');
    const unknown = { topic: 'u', partition: 0 };
    expect((await cluster.broker(1).produce(unknown, { values })).error).toBe(
      'UNKNOWN_TOPIC_OR_PARTITION',
    );
  });

  it('is refused for what is wrong with it, with nothing appended', async () => {
    begin({}, { 'max.message.bytes': '200' });
    await leads(1);
    const first = cluster.broker(1);
    const large = await first.produce(OF, { values: ['x'.repeat(300)] });
    expect(large.error).toBe('MESSAGE_TOO_LARGE');
    const records = batch({ values: ['a'] });
    records.writeUInt8(1, records.length - 1);
    const [corrupt] = await first.replicas.produce([{ ...OF, records }], {
      acks: -1,
      timeoutMs: 1000,
    });
    expect(corrupt?.error).toBe('CORRUPT_MESSAGE');
    const producer = { producerId: 7, producerEpoch: 0 };
    await first.produce(OF, { ...producer, baseSequence: 0, values: ['a'] });
    const gap = await first.produce(OF, { ...producer, baseSequence: 2, values: ['c'] });
    expect(gap.error).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER');
    const old = await first.produce(OF, {
      producerId: 7,
      producerEpoch: 1,
      baseSequence: 0,
      values: ['b'],
    });
    expect(old.baseOffset).toBe(1);
    const fenced = await first.produce(OF, { ...producer, baseSequence: 1, values: ['b'] });
    expect(fenced.error).toBe('INVALID_PRODUCER_EPOCH');
    expect(endOf(1)).toBe(2);
  });

  it('that is sent again is answered with its offset, also by the next leader, when it is replicated', async () => {
    begin();
    await leads(1);
    const facts = { producerId: 7, producerEpoch: 0, baseSequence: 0, values: ['a', 'b'] };
    cluster.cut(1, 3);
    const once = cluster.broker(1).produce(OF, facts, -1, 20);
    const again = cluster.broker(1).produce(OF, facts);
    expect((await once).error).toBe('REQUEST_TIMED_OUT');
    cluster.heal();
    expect(await again).toMatchObject({ error: undefined, baseOffset: 0 });
    cluster.store.elect(OF, 2);
    await leads(2);
    expect(await cluster.broker(2).produce(OF, facts)).toMatchObject({
      error: undefined,
      baseOffset: 0,
    });
    expect(endOf(2)).toBe(2);
  });
});

describe('the ISR', () => {
  it('loses who does not catch up, and takes it back when it has', async () => {
    begin({ 'replica.lag.time.max.ms': 1000 });
    await leads(1);
    cluster.cut(1, 3);
    await isrIs(1, 2);
    const produced = await cluster.broker(1).produce(OF, { values: ['a'] });
    expect(produced.error).toBeUndefined();
    cluster.heal();
    await isrIs(1, 2, 3);
    expect(endOf(3)).toBe(1);
  });

  it('below min.insync.replicas takes no append for acks all, and fails those that wait', async () => {
    begin({ 'replica.lag.time.max.ms': 1000 });
    await leads(1);
    cluster.cut(1, 2);
    cluster.cut(1, 3);
    const first = cluster.broker(1);
    const waiting = await first.produce(OF, { values: ['a'] });
    expect(waiting.error).toBe('NOT_ENOUGH_REPLICAS_AFTER_APPEND');
    const refused = await first.produce(OF, { values: ['b'] });
    expect(refused.error).toBe('NOT_ENOUGH_REPLICAS');
    expect(await first.produce(OF, { values: ['c'] }, 1)).toMatchObject({ baseOffset: 1 });
    // Alone in the ISR it has everything, but no high watermark counts on one copy.
    expect(await content(1)).toEqual([]);
    cluster.heal();
    await isrIs(1, 2, 3);
    await settled(() => expect(cluster.broker(1).replicas.highWatermarkOf(OF)).toBe(2));
  });

  it('counts with everybody who may be in it while a change is under way', async () => {
    begin({ 'replica.lag.time.max.ms': 1000 });
    await leads(1);
    const first = cluster.broker(1);
    first.metadata.fate = 'kept waiting';
    cluster.cut(1, 3);
    const waiting = first.produce(OF, { values: ['a'] });
    await settled(() => expect(endOf(2)).toBe(1));
    await settled(() => {
      expect(cluster.of('fetchIn').some(({ from, offset }) => from === 2 && offset === 1)).toBe(
        true,
      );
    });
    expect(await content(1)).toEqual([]);
    first.metadata.fate = 'written';
    first.metadata.answerWrites();
    expect((await waiting).error).toBeUndefined();
    await isrIs(1, 2);
  });

  it.each(['lost', 'written, unanswered'] as const)(
    'is found out by reading when a write is %s',
    async (fate) => {
      begin({ 'replica.lag.time.max.ms': 1000 });
      await leads(1);
      const first = cluster.broker(1);
      first.metadata.behind = true;
      first.metadata.deaf = true;
      first.metadata.fate = fate;
      cluster.cut(1, 3);
      const waiting = first.produce(OF, { values: ['a'] });
      if (fate !== 'lost') await isrIs(1, 2);
      await settled(() => expect(endOf(2)).toBe(1));
      expect(await content(1)).toEqual([]);
      first.metadata.deaf = false;
      first.metadata.fate = 'written';
      expect((await waiting).error).toBeUndefined();
      expect(cluster.store.stateOf(OF)?.isr).toEqual([1, 2]);
    },
  );

  it('does not take back who is registered as another broker than the one that fetched', async () => {
    begin({ 'replica.lag.time.max.ms': 1000 });
    await leads(1);
    cluster.cut(1, 3);
    await isrIs(1, 2);
    cluster.broker(1).metadata.behind = true;
    cluster.broker(3).metadata.behind = true;
    await cluster.broker(3).stop();
    cluster.broker(3).start();
    cluster.heal();
    expect((await cluster.broker(1).produce(OF, { values: ['a'] })).error).toBeUndefined();
    await settled(() => expect(endOf(3)).toBe(1));
    await settled(() => {
      expect(cluster.of('fetchIn').some(({ from, offset }) => from === 3 && offset === 1)).toBe(
        true,
      );
    });
    expect(cluster.store.stateOf(OF)?.isr).toEqual([1, 2]);
    cluster.broker(1).metadata.behind = false;
    await isrIs(1, 2, 3);
  });

  it('loses at once who came back without what was never synced', async () => {
    begin({}, {}, { 'log.flush.interval.messages': 1000 });
    await leads(1);
    expect((await cluster.broker(1).produce(OF, { values: ['a'] })).error).toBeUndefined();
    await cluster.broker(3).stop();
    fs.rmSync(cluster.broker(3).dir, { recursive: true });
    cluster.cut(1, 3);
    cluster.broker(3).start(true);
    await isrIs(1, 2);
    cluster.heal();
    await isrIs(1, 2, 3);
    expect(endOf(3)).toBe(1);
  });

  it.each([
    ['the broker', {}, { 'log.flush.interval.messages': 1000 }],
    ['one topic', { 'flush.messages': '1000' }, {}],
  ])(
    'is without who may have lost records, over a clean restart too, until it is in it again: %s',
    async (_, topic, log) => {
      begin({}, topic, log);
      await leads(1);
      const third = cluster.broker(3);
      const isLossy = () => cluster.store.image.brokers.get(3)?.lossy;
      expect((await cluster.broker(1).produce(OF, { values: ['a'] })).error).toBeUndefined();
      await third.kill();
      cluster.cut(1, 3);
      third.start();
      await isrIs(1, 2);
      await third.stop();
      third.start();
      expect(isLossy()).toBe(true);
      cluster.heal();
      await isrIs(1, 2, 3);
      expect((await cluster.broker(1).produce(OF, { values: ['b'] })).error).toBeUndefined();
      // Its registration says what it said; a new leader goes by the state, and keeps it.
      cluster.store.elect(OF, 2);
      await leads(2);
      expect((await cluster.broker(2).produce(OF, { values: ['c'] })).error).toBeUndefined();
      expect(cluster.store.stateOf(OF)?.isr.toSorted()).toEqual([1, 2, 3]);
      await third.stop();
      third.start();
      expect(isLossy()).toBe(false);
      await third.kill();
      third.start();
      expect(isLossy()).toBe(true);
    },
  );
});

describe('the fetches that count', () => {
  it('are told when they come from another offset, or from the same in another life', async () => {
    begin();
    await leads(1);
    await cluster.broker(1).produce(OF, { values: ['a'] });
    const claims = () =>
      cluster
        .of('fetchIn')
        .filter(({ from }) => from === 3)
        .map(({ offset }) => offset);
    expect(claims()).toEqual([0, 1]);
    await cluster.broker(3).kill();
    cluster.broker(3).start();
    await settled(() => expect(claims()).toEqual([0, 1, 1]));
  });
});

describe('another leader', () => {
  it('has what was acknowledged, and the old one gives up what was not (KIP-101)', async () => {
    begin();
    await leads(1);
    await cluster.broker(1).produce(OF, { values: ['a'] });
    cluster.cut(1, 2);
    cluster.cut(1, 3);
    const lost = cluster.broker(1).produce(OF, { values: ['b', 'c'] });
    await settled(() => expect(endOf(1)).toBe(3));
    cluster.broker(1).metadata.behind = true;
    cluster.store.elect(OF, 2, [2, 3]);
    await leads(2);
    expect((await cluster.broker(2).produce(OF, { values: ['d'] })).error).toBeUndefined();
    cluster.broker(1).metadata.behind = false;
    expect((await lost).error).toBe('NOT_LEADER_OR_FOLLOWER');
    cluster.heal();
    await isrIs(1, 2, 3);
    expect(cluster.of('logTruncated')).toMatchObject([{ broker: 1, to: 1, leaderEpoch: 1 }]);
    cluster.store.elect(OF, 1);
    await leads(1);
    expect(await content(1)).toEqual(['0-0@0', '1-1@1']);
  });

  it('is followed from where the logs part, over several epochs that nobody replicated (KIP-279)', async () => {
    begin({ 'min.insync.replicas': 1 });
    await leads(1);
    await cluster.broker(1).produce(OF, { values: ['a'] });
    // Each leads alone for a while and writes what nobody else gets.
    cutAll();
    await cluster.broker(1).produce(OF, { values: ['b', 'c', 'd'] }, 1);
    cluster.store.elect(OF, 2, [2]);
    await leads(2);
    await cluster.broker(2).produce(OF, { values: ['e'] }, 1);
    cluster.store.elect(OF, 1, [1]);
    await leads(1);
    await cluster.broker(1).produce(OF, { values: ['f'] }, 1);
    cluster.store.elect(OF, 3, [3]);
    await leads(3);
    await cluster.broker(3).produce(OF, { values: ['g', 'h'] }, 1);
    cluster.store.elect(OF, 2, [2]);
    await leads(2);
    await cluster.broker(2).produce(OF, { values: ['i'] }, 1);
    cluster.heal();
    await isrIs(1, 2, 3);
    const expected = ['0-0@0', '1-1@1', '2-2@4'];
    for (const id of [2, 1, 3]) {
      if (id !== 2) cluster.store.elect(OF, id);
      await leads(id);
      expect(await content(id)).toEqual(expected);
    }
  });

  it('may have a longer log of an older epoch; whose last epoch it does not know cuts that off', async () => {
    begin({ 'min.insync.replicas': 1 });
    await leads(1);
    await cluster.broker(1).produce(OF, { values: ['a'] });
    cutAll();
    await cluster.broker(1).produce(OF, { values: ['b', 'c', 'd'] }, 1);
    cluster.store.elect(OF, 2, [2]);
    await leads(2);
    await cluster.broker(2).produce(OF, { values: ['e'] }, 1);
    cluster.store.elect(OF, 1, [1]);
    await leads(1);
    cluster.heal();
    await isrIs(1, 2, 3);
    expect(cluster.of('logTruncated')).toMatchObject([{ broker: 2, to: 1, leaderEpoch: 2 }]);
    for (const id of [1, 2, 3]) {
      if (id !== 1) cluster.store.elect(OF, id);
      await leads(id);
      expect(await content(id)).toEqual(['0-0@0', '1-3@0']);
    }
  });

  it('follows another, and that one it, faster than anybody can fetch', async () => {
    begin();
    await leads(1);
    await cluster.broker(1).produce(OF, { values: ['a'] });
    for (let round = 0; round < 12; round++) {
      const id = (round % 3) + 1;
      cluster.store.elect(OF, id);
      // Whoever leads for a moment takes what it can; most of it is cut off again.
      void cluster.broker(id).produce(OF, { values: [`x${round}`] }, 1);
      if (round % 4 === 3)
        await settled(() => expect(cluster.broker(id).replicas.leaderEpochOf(OF)).toBe(round + 1));
    }
    await leads(3);
    expect((await cluster.broker(3).produce(OF, { values: ['z'] })).error).toBeUndefined();
    await isrIs(1, 2, 3);
    const contents: string[][] = [];
    for (const id of [3, 1, 2]) {
      if (id !== 3) cluster.store.elect(OF, id);
      await leads(id);
      contents.push(await content(id));
    }
    expect(contents[0]?.[0]).toBe('0-0@0');
    expect(contents[1]).toEqual(contents[0]);
    expect(contents[2]).toEqual(contents[0]);
    expect(cluster.brokers.map(({ fatal }) => fatal)).toEqual([undefined, undefined, undefined]);
  });

  it('knows of every producer what its log says, at once and after an unclean restart', async () => {
    begin();
    await leads(1);
    const facts = (baseSequence: number, producerEpoch = 0) => {
      return { producerId: 7, producerEpoch, baseSequence, values: ['p'] };
    };
    for (const sequence of [0, 1, 2]) await cluster.broker(1).produce(OF, facts(sequence));
    cutAll();
    await cluster.broker(1).produce(OF, facts(3), 1);
    cluster.store.elect(OF, 2);
    await settled(() => expect(cluster.of('becameLeader').at(-1)?.broker).toBe(2));
    const second = cluster.broker(2);
    // Nothing has come from the others yet: its own log is enough to judge by.
    expect((await second.produce(OF, facts(4), 1)).error).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER');
    expect(await second.produce(OF, facts(1), 1)).toMatchObject({ baseOffset: 1 });
    expect(await second.produce(OF, facts(3), 1)).toMatchObject({ baseOffset: 3 });
    cluster.heal();
    expect(await second.produce(OF, facts(4))).toMatchObject({ baseOffset: 4 });
    await isrIs(1, 2, 3);
    // What broker 1 had of sequence 3 was cut off, and with it what it knew.
    await cluster.broker(3).kill();
    cluster.broker(3).start();
    expect((await second.produce(OF, facts(0, 1))).baseOffset).toBe(5);
    await isrIs(1, 2, 3);
    for (const id of [1, 3]) {
      cluster.store.elect(OF, id);
      await leads(id);
      const leader = cluster.broker(id);
      expect(await leader.produce(OF, facts(0, 1))).toMatchObject({ baseOffset: 5 });
      expect((await leader.produce(OF, facts(5))).error).toBe('INVALID_PRODUCER_EPOCH');
      expect((await leader.produce(OF, facts(2, 1))).error).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER');
      expect(endOf(id)).toBe(6);
    }
  });

  it('shows no high watermark before it has come to where its epoch begins', async () => {
    // The leader holds the fetches that follow the one that counted, so nobody learns that it counted.
    begin({ 'replica.fetch.wait.max.ms': 5000 });
    await leads(1);
    await cluster.broker(1).produce(OF, { values: ['a'] });
    cutAll();
    cluster.store.elect(OF, 2);
    await settled(() => {
      expect(cluster.of('becameLeader').at(-1)).toMatchObject({ broker: 2, leo: 1, hw: 0 });
    });
    const second = cluster.broker(2).replicas;
    const latest = { ...OF, timestamp: -1, currentLeaderEpoch: -1 };
    expect(await second.offsetAt(latest, -1)).toMatchObject({ error: 'OFFSET_NOT_AVAILABLE' });
    expect(second.highWatermarkOf(OF)).toBeUndefined();
    expect(second.leaderEpochOf(OF)).toBeUndefined();
    cluster.heal();
    await leads(2);
    expect(await second.offsetAt(latest, -1)).toMatchObject({ offset: 1, leaderEpoch: 1 });
  });

  it('fences whoever asks with another epoch, and so is an old leader', async () => {
    begin();
    await leads(1);
    cluster.broker(1).metadata.behind = true;
    cluster.store.elect(OF, 2);
    await leads(2);
    const end = (id: number, currentLeaderEpoch: number): string | undefined => {
      const ask = { ...OF, leaderEpoch: 0, currentLeaderEpoch };
      return cluster.broker(id).replicas.endOfEpoch(ask).error;
    };
    expect(end(2, 0)).toBe('FENCED_LEADER_EPOCH');
    expect(end(1, 1)).toBe('UNKNOWN_LEADER_EPOCH');
    expect(end(2, 1)).toBeUndefined();
    // The old one has followers no more, so nothing that it takes is acknowledged.
    const produced = await cluster.broker(1).produce(OF, { values: ['a'] }, -1, 50);
    expect(produced.error).toBe('REQUEST_TIMED_OUT');
  });

  it('is nobody whose session ended, before anything is written, and may be the same in the next epoch', async () => {
    begin();
    await leads(1);
    await cluster.broker(1).produce(OF, { values: ['a'] });
    cluster.cut(1, 2);
    const first = cluster.broker(1);
    const waiting = first.produce(OF, { values: ['b'] });
    await settled(() => expect(endOf(1)).toBe(2));
    first.metadata.registered = false;
    expect((await waiting).error).toBe('NOT_LEADER_OR_FOLLOWER');
    expect(first.replicas.leaderEpochOf(OF)).toBeUndefined();
    for (const acks of [1, -1] as const) {
      const refused = await first.produce(OF, { values: ['c'] }, acks);
      expect(refused.error).toBe('NOT_LEADER_OR_FOLLOWER');
    }
    cluster.heal();
    // The new state comes before the registration that it was written for is known here.
    cluster.store.elect(OF, 1);
    first.metadata.registered = true;
    await leads(1);
    expect((await first.produce(OF, { values: ['d'] })).baseOffset).toBe(2);
  });

  it('is told to listeners when it serves and when it ends', async () => {
    begin();
    const told: (number | undefined)[] = [];
    cluster.broker(1).replicas.onLeadership((_, epoch) => told.push(epoch));
    await leads(1);
    cluster.store.elect(OF, NO_LEADER);
    await settled(() => expect(told).toEqual([0, undefined]));
    await settled(() => expect(cluster.of('leftPartition')).toHaveLength(3));
  });
});

describe('a restart', () => {
  it('in order goes on with the same log and high watermark', async () => {
    begin();
    await leads(1);
    await cluster.broker(1).produce(OF, { values: ['a'] });
    await cluster.broker(2).stop();
    cluster.broker(2).start();
    expect((await cluster.broker(1).produce(OF, { values: ['b'] })).error).toBeUndefined();
    expect(cluster.of('logTruncated')).toEqual([]);
    expect(endOf(2)).toBe(2);
  });

  it('by a kill leads no epoch that it led before, but the next one', async () => {
    begin();
    await leads(1);
    await cluster.broker(1).produce(OF, { values: ['a'] });
    await cluster.broker(1).kill();
    cluster.broker(1).start();
    await settled(() => {
      const reasons = cluster.of('leftPartition').map(({ reason }) => reason);
      expect(reasons).toContain('it led epoch 0 before it stopped, not in order');
    });
    cluster.store.elect(OF, 1);
    await leads(1);
    expect(await content(1)).toEqual(['0-0@0']);
  });

  it('without a note of what it led, leads what it is elected for from now on, and nothing older', async () => {
    begin();
    await leads(1);
    await cluster.broker(1).produce(OF, { values: ['a'] });
    await cluster.broker(1).kill();
    fs.writeFileSync(`${cluster.broker(1).dir}/replication-offset-checkpoint`, 'damaged');
    cluster.broker(1).start();
    await settled(() => {
      const reasons = cluster.of('leftPartition').map(({ reason }) => reason);
      expect(reasons).toContain('it led epoch 0 before it stopped, not in order');
    });
    cluster.store.elect(OF, 2);
    await leads(2);
    cluster.store.elect(OF, 1);
    await leads(1);
    expect(cluster.of('becameLeader').map(({ leaderEpoch }) => leaderEpoch)).toEqual([0, 1, 2]);
  });

  it('without a note of what it led, follows first and is then elected as anybody is', async () => {
    begin();
    await leads(1);
    await cluster.broker(2).kill();
    fs.writeFileSync(`${cluster.broker(2).dir}/replication-offset-checkpoint`, 'damaged');
    cluster.broker(2).start();
    await isrIs(1, 2, 3);
    cluster.store.elect(OF, 2);
    await leads(2);
  });

  it('does not truncate to the high watermark (K01)', async () => {
    begin();
    await leads(1);
    await cluster.broker(1).produce(OF, { values: ['a'] });
    await cluster.broker(2).kill();
    await cluster.broker(1).kill();
    cluster.broker(2).start();
    cluster.store.elect(OF, 2, [2, 3]);
    await leads(2);
    expect(await content(2)).toEqual(['0-0@0']);
  });

  it('stops a broker whose log stays unreadable while it serves, and says nothing else of it', async () => {
    begin();
    await leads(1);
    await cluster.broker(1).produce(OF, { values: ['a'] });
    expect(await content(1)).toEqual(['0-0@0']);
    const file = `${cluster.broker(1).dir}/t-0/00000000000000000000.log`;
    fs.writeFileSync(
      file,
      fs.readFileSync(file).map((byte) => byte ^ 0xff),
    );
    await expect(cluster.broker(1).consume(OF)).rejects.toThrow('KAFKA_STORAGE_ERROR');
    expect(cluster.broker(1).fatal?.message).toMatch(/is corrupt at byte/);
    expect(cluster.of('leftPartition').filter(({ broker }) => broker === 1)).toEqual([]);
  });

  it('keeps a damaged log while the broker is in the ISR, and fetches it again afterwards', async () => {
    begin({ 'replica.lag.time.max.ms': 1000 });
    await leads(1);
    await cluster.broker(1).produce(OF, { values: ['a'] });
    await cluster.broker(3).stop();
    const file = `${cluster.broker(3).dir}/t-0/00000000000000000000.log`;
    fs.writeFileSync(
      file,
      fs.readFileSync(file).map((byte) => byte ^ 0xff),
    );
    cluster.cut(1, 3);
    cluster.broker(3).start();
    expect(cluster.of('leftPartition').at(-1)?.reason).toMatch(/^its log is damaged/);
    expect(fs.readdirSync(cluster.broker(3).dir)).toContain('t-0');
    cluster.heal();
    await isrIs(1, 2, 3);
    await settled(() => {
      expect(fs.readdirSync(cluster.broker(3).dir)).toContain('t-0.0-corrupt');
    });
    await isrIs(1, 2, 3);
    cluster.store.elect(OF, 3);
    await leads(3);
    expect(await content(3)).toEqual(['0-0@0']);
  });
});

describe('a topic', () => {
  it('of which the note could not be read is taken up once it can be', async () => {
    begin();
    await leads(1);
    await cluster.broker(1).produce(OF, { values: ['a'] });
    await cluster.broker(3).stop();
    const file = `${cluster.broker(3).dir}/t-0/partition.metadata`;
    const note = fs.readFileSync(file);
    fs.writeFileSync(file, 'damaged');
    cluster.broker(3).start();
    expect(cluster.of('leftPartition').at(-1)?.reason).toMatch(/^its log is damaged/);
    fs.writeFileSync(file, note);
    await isrIs(1, 2, 3);
    cluster.store.elect(OF, 3);
    await leads(3);
    expect(await content(3)).toEqual(['0-0@0']);
    expect(cluster.broker(3).fatal).toBeUndefined();
    expect(fs.readdirSync(cluster.broker(3).dir)).not.toContain('t-0.0-corrupt');
  });

  it('that is made again under its name begins empty, also for who was away', async () => {
    begin();
    await leads(1);
    await cluster.broker(1).produce(OF, { values: ['a'] });
    await cluster.broker(3).stop();
    cluster.store.deleteTopic('t');
    await settled(() => expect(fs.readdirSync(cluster.broker(1).dir)).not.toContain('t-0'));
    cluster.store.createTopic('t', [[2, 1, 3]]);
    cluster.broker(3).start();
    await leads(2);
    expect((await cluster.broker(2).produce(OF, { values: ['b'] })).error).toBeUndefined();
    for (const id of [2, 3]) {
      if (id !== 2) cluster.store.elect(OF, id);
      await leads(id);
      expect(await content(id)).toHaveLength(1);
    }
  });

  it('leaves a broker that is no replica of it any more', async () => {
    begin();
    await leads(1);
    await cluster.broker(1).produce(OF, { values: ['a'] });
    cluster.store.setState(OF, { ...cluster.store.stateOf(OF)!, isr: [1, 2], version: 1 });
    cluster.store.setReplicas(OF, [1, 2]);
    await settled(() => expect(fs.readdirSync(cluster.broker(3).dir)).not.toContain('t-0'));
    expect(fs.readdirSync(cluster.broker(2).dir)).toContain('t-0');
  });
});
