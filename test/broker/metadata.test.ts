import { afterEach, describe, expect, it } from 'vitest';
import { MetadataError } from '../../broker/contract.ts';
import { brokerPath, settingsPath, statePath, topicPath } from '../../broker/metadata/paths.ts';
import { writeBroker, writeState } from '../../broker/metadata/znodes.ts';
import { CreateFlag } from '../../coordinator/client/index.ts';
import { MetadataBrokers, until } from './metadata-brokers.ts';

const clusters: MetadataBrokers[] = [];

afterEach(async () => {
  for (const each of clusters.splice(0)) await each.close();
});

async function cluster(): Promise<MetadataBrokers> {
  const made = await MetadataBrokers.start();
  clusters.push(made);
  return made;
}

async function errorOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof MetadataError) return error.error;
  throw new Error(`expected a MetadataError, got ${error}`);
}

const topic = (name: string, partitions = 2, replicationFactor = 2, settings = {}) => ({
  name,
  placement: { partitions, replicationFactor },
  settings,
});

describe('registration', () => {
  it('shows every broker to all, under the czxid of its node', async () => {
    const brokers = await cluster();
    const one = await brokers.add(1);
    const two = await brokers.add(2, { lossy: true });
    await until(one, ({ brokers: live }) => live.size === 2);
    await until(two, ({ brokers: live }) => live.size === 2);
    expect(one.image.brokers).toEqual(two.image.brokers);
    const { stat } = await brokers.client().getData(brokerPath(2));
    const endpoints = { INTERNAL: { host: 'b2', port: 9092 } };
    expect(one.image.brokers.get(2)).toEqual({ id: 2, epoch: stat.czxid, endpoints, lossy: true });
    expect(two.registration.epoch).toBe(stat.czxid);
  });

  it('waits for the registration of an earlier session to vanish', async () => {
    const brokers = await cluster();
    const one = await brokers.add(1);
    const earlier = brokers.client();
    const data = writeBroker({ endpoints: {}, lossy: false });
    await earlier.create(brokerPath(2), data, { flags: CreateFlag.ephemeral });
    const two = brokers.make(2);
    const started = two.start();
    await until(one, ({ brokers: live }) => live.get(2) !== undefined);
    const before = one.image.brokers.get(2)?.epoch;
    while (!brokers.names(two).includes('registrationWaits')) {
      await two.keeper.refresh();
    }
    expect(brokers.names(two)).not.toContain('registered');
    brokers.server.expire(Number(earlier.sessionId));
    await started;
    const after = two.registration.epoch as number;
    expect(after).toBeGreaterThan(before as number);
    await until(one, ({ brokers: live }) => live.get(2)?.epoch === after);
    const { stat } = await brokers.client().getData(brokerPath(2));
    expect(stat.ephemeralOwner).toBe(two.session.client.sessionId);
  });

  it('gives up a start that another broker of its id stands in the way of', async () => {
    const brokers = await cluster();
    await brokers.add(1);
    const twin = brokers.make(1, { startTimeoutMs: 50 });
    expect(await errorOf(twin.start())).toBe('DUPLICATE_BROKER_REGISTRATION');
  });

  it('registers anew after its session ended', async () => {
    const brokers = await cluster();
    const one = await brokers.add(1);
    const two = await brokers.add(2);
    const before = two.registration.epoch as number;
    const { sessionId } = two.session.client;
    brokers.expire(two);
    await until(one, ({ brokers: live }) => (live.get(2)?.epoch ?? 0) > before);
    await until(two, ({ brokers: live }) => (live.get(2)?.epoch ?? 0) > before);
    expect(two.session.client.sessionId).not.toBe(sessionId);
    expect(brokers.names(two)).toEqual(['registered', 'sessionLost', 'registered']);
    expect(two.registration.epoch).toBe(one.image.brokers.get(2)?.epoch);
  });
});

describe('the image', () => {
  it('misses no change of the time without a connection', async () => {
    const brokers = await cluster();
    const one = await brokers.add(1);
    const two = await brokers.add(2);
    await two.createTopic(topic('kept'));
    await until(one, ({ topics }) => topics.has('kept'));
    for (let round = 0; round < 10; round++) {
      const name = `t${round}`;
      const created = two.createTopic(topic(name, 1, 1));
      one.session.client.drop();
      await created;
      one.session.client.drop();
      await until(one, ({ topics }) => topics.has(name));
    }
    await one.keeper.refresh();
    await two.keeper.refresh();
    expect(one.image.topics).toEqual(two.image.topics);
  });

  it('is told of in order, with the topics that changed', async () => {
    const brokers = await cluster();
    const one = await brokers.add(1);
    const heard: string[] = [];
    one.subscribe(({ topics }) => heard.push(...topics));
    for (const name of ['a', 'b', 'c']) {
      await one.createTopic(topic(name, 1, 1));
      await one.keeper.refresh();
    }
    expect(heard.filter((name, at) => heard.indexOf(name) === at)).toEqual(['a', 'b', 'c']);
  });

  it('leaves out what it cannot read, says so, and goes on', async () => {
    const brokers = await cluster();
    const one = await brokers.add(1);
    await one.createTopic(topic('good', 1, 1));
    const client = brokers.client();
    await client.create(topicPath('bad'), Buffer.from('{"version":3,"partitions":{"1":[1]}}'));
    await client.create(brokerPath(9), Buffer.from('no JSON'));
    await one.keeper.refresh();
    const refused = brokers.said.get(one)?.filter(({ ev }) => ev === 'znodeRefused') ?? [];
    expect(new Set(refused.map(({ path }) => path))).toEqual(
      new Set([topicPath('bad'), brokerPath(9)]),
    );
    expect([...one.image.topics.keys()]).toEqual(['good']);
    expect([...one.image.brokers.keys()]).toEqual([1]);
    await one.createTopic(topic('later', 1, 1));
    await one.keeper.refresh();
    expect([...one.image.topics.keys()].sort()).toEqual(['good', 'later']);
  });

  describe('with settings that cannot be read', () => {
    const strict = { 'min.insync.replicas': '2', 'retention.ms': '-1' };
    const stored = (config: object) => Buffer.from(JSON.stringify({ version: 1, config }));

    /** A topic with a leader, and who knew its settings before they became `data`. */
    async function damaged(data: Buffer) {
      const brokers = await cluster();
      // Less than the topic has, so that a fall-back shows.
      const defaults = { minInsyncReplicas: 1, uncleanElection: true };
      const one = await brokers.add(1, { defaults });
      await brokers.add(3);
      await until(one, ({ brokers: live }) => live.size === 2);
      const placement = { replicas: [[1, 3]] };
      const { id } = await one.createTopic({ name: 't', placement, settings: strict });
      const client = brokers.client();
      await client.create(`${topicPath('t')}/partitions/0`, null);
      const state = { topicId: id, leader: 1, leaderEpoch: 0, isr: [1], eligible: [] };
      const brokerEpochs = { 1: one.registration.epoch as number };
      await client.create(
        statePath('t', 0),
        writeState({ ...state, brokerEpochs, controllerEpoch: 1 }),
      );
      await one.keeper.refresh();
      await client.setData(settingsPath('t'), data, -1);
      await one.keeper.refresh();
      const two = await brokers.add(2, { defaults });
      const of = (broker: typeof one) => broker.image.topics.get('t');
      const why = (broker: typeof one) =>
        brokers.said
          .get(broker)
          ?.filter(({ ev }) => ev === 'znodeRefused')
          .map(({ path, reason }) => `${path}: ${reason}`);
      return { one, two, of, why, client };
    }

    it('keeps the last ones that it knew, over a new reading of everything too', async () => {
      const { one, of, why } = await damaged(Buffer.from('no JSON'));
      expect(of(one)?.settings).toEqual(strict);
      await one.keeper.refresh(true);
      expect(of(one)?.settings).toEqual(strict);
      expect(of(one)?.partitions[0]?.state?.leader).toBe(1);
      const told = /^\/config\/topics\/t: expected JSON: .*stays in force for t: write it anew$/;
      expect(why(one)).toEqual([expect.stringMatching(told), expect.stringMatching(told)]);
    });

    it('keeps them too when the coordinator does not show them', async () => {
      const { one, two, of, client } = await damaged(stored(strict));
      await client.addAuth('digest', 'me:secret');
      await client.setAcl(settingsPath('t'), [{ perms: 31, scheme: 'auth', id: '' }]);
      for (const each of [one, two]) {
        await each.keeper.refresh(true);
        expect(of(each)?.settings).toEqual(strict);
      }
    });

    it('waits where it never knew any, and takes them up when they are mended', async () => {
      const { two, of, why, client } = await damaged(Buffer.from('{"version":2}'));
      expect(of(two)?.partitions).toEqual([{ replicas: [1, 3] }]);
      expect(of(two)?.settings).toMatchObject({
        'min.insync.replicas': '2',
        'unclean.leader.election.enable': 'false',
        'retention.ms': '-1',
      });
      expect(two.keeper.view().topics.get('t')?.states).toEqual(['damaged']);
      expect(why(two)?.[0]).toMatch(/expected version 1, got 2; nothing is known.*, so t waits/);
      await two.keeper.refresh(true);
      expect(of(two)?.partitions).toEqual([{ replicas: [1, 3] }]);
      await client.setData(settingsPath('t'), stored(strict), -1);
      await two.keeper.refresh();
      expect(of(two)?.settings).toEqual(strict);
      expect(of(two)?.partitions[0]?.state?.leader).toBe(1);
    });

    it('takes the right ones of them, and for the wrong ones what they were', async () => {
      const wrong = {
        'min.insync.replicas': 'most of them',
        'retention.ms': '5',
        'segment.bytes': '-7',
        colour: 'red',
      };
      const { one, two, of, why } = await damaged(stored(wrong));
      expect(of(one)?.settings).toEqual({ 'min.insync.replicas': '2', 'retention.ms': '5' });
      expect(why(one)).toHaveLength(1);
      expect(why(one)?.[0]).toMatch(
        /min.insync.replicas is 'most of them', expected.*segment.bytes.*colour.*stays in force/,
      );
      expect(of(two)?.partitions).toEqual([{ replicas: [1, 3] }]);
    });

    it('leaves out single ones that promise nothing, and takes the others', async () => {
      const { one, two, of, why } = await damaged(
        stored({ 'retention.ms': '5', 'segment.bytes': '-7', colour: 'red' }),
      );
      for (const each of [one, two]) {
        expect(of(each)?.settings).toEqual({ 'retention.ms': '5' });
        expect(of(each)?.partitions[0]?.state?.leader).toBe(1);
        expect(why(each)?.[0]).toMatch(/left out: segment.bytes.*colour[^;]*$/);
      }
    });
  });

  it('names the cluster once, for brokers of now and of later', async () => {
    const brokers = await cluster();
    const one = await brokers.add(1);
    const two = await brokers.add(2);
    const { clusterId } = one.image;
    expect(clusterId).toMatch(/^[a-zA-Z0-9_-]{22}$/);
    await Promise.all([one.close(), two.close()]);
    const three = await brokers.add(3);
    expect([two.image.clusterId, three.image.clusterId]).toEqual([clusterId, clusterId]);
  });

  it('shows its own leadership only under the registration that was elected', async () => {
    const brokers = await cluster();
    const one = await brokers.add(1);
    const two = await brokers.add(2);
    const { id } = await one.createTopic({ ...topic('t'), placement: { replicas: [[1, 2]] } });
    const epoch = (broker: typeof one) => broker.registration.epoch as number;
    const brokerEpochs = { 1: epoch(one), 2: epoch(two) };
    const state = { topicId: id, leader: 1, leaderEpoch: 0, isr: [1, 2], eligible: [] };
    const client = brokers.client();
    await client.create(`${topicPath('t')}/partitions/0`, null);
    const data = writeState({ ...state, brokerEpochs, controllerEpoch: 1 });
    await client.create(statePath('t', 0), data);
    const leader = (broker: typeof one) =>
      broker.image.topics.get('t')?.partitions[0]?.state?.leader;
    await one.keeper.refresh();
    expect(leader(one)).toBe(1);
    brokers.expire(one);
    await until(one, () => leader(one) === -1);
    await until(one, ({ brokers: live }) => live.get(1)?.epoch === one.registration.epoch);
    await one.keeper.refresh(true);
    expect(leader(one)).toBe(-1);
    await two.keeper.refresh();
    expect(leader(two)).toBe(1);
  });
});

describe('administration', () => {
  it('makes topics that all brokers see alike, spread without doubles', async () => {
    const brokers = await cluster();
    const one = await brokers.add(1);
    const two = await brokers.add(2);
    await until(one, ({ brokers: live }) => live.size === 2);
    const settings = { 'min.insync.replicas': '2', 'retention.ms': '1000' };
    const info = await one.createTopic(topic('t', 4, 2, settings));
    await two.keeper.refresh();
    expect(two.image.topics.get('t')).toEqual(info);
    expect(info.id).toMatch(/^[0-9a-f]{32}$/);
    const leaders = info.partitions.map(({ replicas }) => replicas[0]);
    expect(leaders.filter((each) => each === 1)).toHaveLength(2);
  });

  it('refuses by name what Kafka refuses', async () => {
    const brokers = await cluster();
    const one = await brokers.add(1, { partitionsMax: 10 });
    const create = (name: string, partitions = 1, factor = 1, settings = {}) =>
      errorOf(one.createTopic(topic(name, partitions, factor, settings)));
    for (const name of ['', '.', '..', 'a b', 'x'.repeat(250), 'a/b']) {
      expect(await create(name)).toBe('INVALID_TOPIC_EXCEPTION');
    }
    expect(await create('t', 0)).toBe('INVALID_PARTITIONS');
    expect(await create('t', 11)).toBe('INVALID_PARTITIONS');
    expect(await create('t', 1, 2)).toBe('INVALID_REPLICATION_FACTOR');
    expect(await create('t', 1, 0)).toBe('INVALID_REPLICATION_FACTOR');
    expect(await create('t', 1, 1, { 'no.such': '1' })).toBe('INVALID_CONFIG');
    expect(await create('t', 1, 1, { 'segment.bytes': 'x' })).toBe('INVALID_CONFIG');
    expect(await create('t', 1, 1, { 'min.insync.replicas': '0' })).toBe('INVALID_CONFIG');
    for (const replicas of [[[]], [[1, 1]], [[2]], [[1], []]]) {
      const placement = { replicas };
      const made = one.createTopic({ name: 't', placement, settings: {} });
      expect(await errorOf(made)).toBe('INVALID_REPLICA_ASSIGNMENT');
    }
    expect(await create('t', 1, 1, { 'flush.messages': '0' })).toBe('INVALID_CONFIG');
    await one.createTopic(topic('only.checked', 1, 1, { 'flush.messages': '1' }), true);
    await one.createTopic(topic('a.b', 1, 1));
    expect(await create('a.b')).toBe('TOPIC_ALREADY_EXISTS');
    expect(await create('a_b')).toBe('INVALID_TOPIC_EXCEPTION');
    expect(await errorOf(one.createPartitions('a.b', 1))).toBe('INVALID_PARTITIONS');
    expect(await errorOf(one.createPartitions('none', 3))).toBe('UNKNOWN_TOPIC_OR_PARTITION');
    expect(await errorOf(one.deleteTopic('none'))).toBe('UNKNOWN_TOPIC_OR_PARTITION');
    await one.keeper.refresh();
    expect([...one.image.topics.keys()]).toEqual(['a.b']);
  });

  it('lets one of many win who make the same topic, and all who enlarge it', async () => {
    const brokers = await cluster();
    const all = [await brokers.add(1), await brokers.add(2), await brokers.add(3)];
    const made = await Promise.allSettled(all.map((each) => each.createTopic(topic('t', 1, 1))));
    expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const each of all) await each.keeper.refresh();
    const before = all[0]?.image.topics.get('t')?.partitions[0];
    expect(before).toBeDefined();
    await Promise.allSettled(all.map((each, at) => each.createPartitions('t', 2 + at)));
    for (const each of all) await each.keeper.refresh();
    const after = all[0]?.image.topics.get('t')?.partitions;
    expect(after?.[0]).toEqual(before);
    expect(after).toHaveLength(4);
  });

  it('gives every producer id once', async () => {
    const brokers = await cluster();
    const all = [await brokers.add(1), await brokers.add(2)];
    const firsts = await Promise.all(
      Array.from({ length: 8 }, (_, at) => (all[at % 2] as (typeof all)[0]).producerIds(10)),
    );
    expect(firsts.sort((a, b) => a - b)).toEqual([0, 10, 20, 30, 40, 50, 60, 70]);
  });
});
