// Witnesses of planted bugs in replication: what is counted, acknowledged, shown or cut off too early. Each lets
// three brokers run into the schedule that the bug is known from, and asks the checkers what they see.
import { vi } from 'vitest';
import { MessageScript } from '../../checkers/messages/testing.ts';
import { kindsIn } from './brokers.ts';
import { load, type Question, witnesses } from './patched.ts';

type Testing = typeof import('../../broker/replica/testing.ts');
type Cluster = InstanceType<Testing['TestCluster']>;

const OF = { topic: 't', partition: 0 };
const TP = 't-0';
const PATIENCE = { timeout: 20_000, interval: 2 };

function settled(look: () => boolean): Promise<void> {
  return vi.waitFor(() => {
    if (!look()) throw new Error('not yet');
  }, PATIENCE);
}

/** Runs three brokers with a topic on all of them, led by the first, and gives what `act` does. */
async function cluster<T>(
  id: string | undefined,
  settings: Record<string, number>,
  act: (brokers: Cluster) => Promise<T>,
): Promise<T> {
  const { TestCluster } = await load<Testing>(['replica/testing'], id, 'broker');
  const brokers = new TestCluster(3, settings);
  brokers.events.push({ ev: 'brokerStart', broker: 0, clean: true, lossy: false, level: 'all' });
  brokers.events.push({ ev: 'controllerElected', broker: 0, controllerEpoch: 1 });
  try {
    for (const broker of brokers.brokers) broker.start();
    brokers.store.createTopic('t', [[1, 2, 3]]);
    await leads(brokers, 1);
    return await act(brokers);
  } finally {
    await brokers.end();
  }
}

function leads(brokers: Cluster, id: number): Promise<void> {
  return settled(() => {
    const epoch = brokers.store.stateOf(OF)?.leaderEpoch;
    return brokers.events.some(({ ev, broker, leaderEpoch }) => {
      return ev === 'becameLeader' && broker === id && leaderEpoch === epoch;
    });
  });
}

/** Until a broker follows, or has done so, in the newest epoch. */
function follows(brokers: Cluster, id: number): Promise<void> {
  return settled(() => {
    const epoch = brokers.store.stateOf(OF)?.leaderEpoch;
    return brokers.events.some(({ ev, broker, leaderEpoch }) => {
      return ev === 'becameFollower' && broker === id && leaderEpoch === epoch;
    });
  });
}

function appended(brokers: Cluster, id: number, count: number): Promise<void> {
  return settled(() => {
    const own = brokers.of('logAppend').filter(({ broker }) => broker === id);
    return own.length >= count;
  });
}

function cutAll(brokers: Cluster): void {
  brokers.cut(1, 2);
  brokers.cut(1, 3);
  brokers.cut(2, 3);
}

/** The leader changes twice, and those who follow have not heard of the last high watermark. */
function twoElections(id?: string): Promise<string[]> {
  // So long that no answer with the newer high watermark comes between.
  const settings = { 'replica.fetch.wait.max.ms': 20_000 };
  return cluster(id, settings, async (brokers) => {
    await brokers.broker(1).produce(OF, { values: ['a'] });
    cutAll(brokers);
    brokers.store.elect(OF, 2);
    await follows(brokers, 3);
    brokers.store.elect(OF, 3);
    await leads(brokers, 3);
    return kindsIn(brokers.events);
  });
}

/** The second leader has a high watermark from before, and the third replica not what came since. */
function takenInEarly(id?: string): Promise<string[]> {
  const settings = { 'replica.lag.time.max.ms': 1_500, 'replica.fetch.max.bytes': 1 };
  return cluster(id, settings, async (brokers) => {
    const first = brokers.broker(1);
    await first.produce(OF, { values: ['a'] });
    brokers.cut(1, 3);
    // Acknowledged without the third replica, once that has left the ISR.
    await first.produce(OF, { values: ['b'] });
    await Promise.all(['c', 'd'].map((value) => first.produce(OF, { values: [value] })));
    cutAll(brokers);
    brokers.store.elect(OF, 2, [2]);
    await leads(brokers, 2);
    brokers.heal();
    brokers.cut(1, 2);
    await settled(() => brokers.store.stateOf(OF)?.isr.includes(3) === true);
    return kindsIn(brokers.events);
  });
}

/** The leader wants to go on without the third replica, but cannot store that; then that one is elected. */
function shrunkAlone(id?: string): Promise<string[]> {
  return cluster(id, { 'replica.lag.time.max.ms': 200 }, async (brokers) => {
    const first = brokers.broker(1);
    first.metadata.fate = 'kept waiting';
    brokers.cut(1, 3);
    const late = first.produce(OF, { values: ['a'] }, -1, 1_000);
    await appended(brokers, 2, 1);
    await late;
    cutAll(brokers);
    brokers.store.elect(OF, 3);
    await leads(brokers, 3);
    first.metadata.fate = 'lost';
    first.metadata.answerWrites();
    return kindsIn(brokers.events);
  });
}

/** The leader is the only one in sync. */
function alone(id?: string): Promise<unknown> {
  return cluster(id, { 'replica.lag.time.max.ms': 200 }, async (brokers) => {
    brokers.cut(1, 2);
    brokers.cut(1, 3);
    await settled(() => brokers.store.stateOf(OF)?.isr.length === 1);
    const { error } = await brokers.broker(1).produce(OF, { values: ['a'] });
    return [error, kindsIn(brokers.events)];
  });
}

/** Nobody has it but the leader. */
function toldEarly(id?: string): Promise<unknown> {
  return cluster(id, {}, async (brokers) => {
    brokers.cut(1, 2);
    brokers.cut(1, 3);
    const { error } = await brokers.broker(1).produce(OF, { values: ['a'] }, -1, 500);
    return [error, kindsIn(brokers.events)];
  });
}

/** A consumer asks while one replica lacks the record. */
function readEarly(id?: string): Promise<unknown> {
  return cluster(id, {}, async (brokers) => {
    brokers.cut(1, 3);
    const late = brokers.broker(1).produce(OF, { values: ['a'] }, -1, 500);
    await appended(brokers, 2, 1);
    const got = await brokers.broker(1).consume(OF);
    const clients = new MessageScript();
    if (got.length > 0) clients.poll(1, { [TP]: [[0, 1]] });
    await late;
    return [got.length, kindsIn(brokers.events, clients.history)];
  });
}

const asked: Record<string, Question> = {
  K01: {
    clean: [],
    planted: ['committed-truncated', 'isr-incomplete', 'leader-incomplete'],
    ask: twoElections,
  },
  K06: { clean: [], planted: ['expanded-behind'], ask: takenInEarly },
  K08: {
    clean: [],
    planted: ['hw-without-isr', 'isr-incomplete', 'leader-incomplete'],
    ask: shrunkAlone,
  },
  K10: {
    clean: ['NOT_ENOUGH_REPLICAS', []],
    planted: [undefined, ['ack-by-few', 'hw-below-min-isr']],
    ask: alone,
  },
  K11: {
    clean: ['REQUEST_TIMED_OUT', []],
    planted: [undefined, ['ack-above-hw', 'ack-by-few']],
    ask: toldEarly,
  },
  K18: { clean: [0, []], planted: [1, ['read-above-hw']], ask: readEarly },
};

witnesses(asked);
