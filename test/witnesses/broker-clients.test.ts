// Witnesses of planted bugs in what a broker remembers of its clients: the batches of a producer, and who is a
// member of a consumer group.
import { vi } from 'vitest';
import { kindsIn, type SaidBy } from './brokers.ts';
import { load, witnesses } from './patched.ts';

type Replicas = typeof import('../../broker/replica/testing.ts');
type Groups = typeof import('../../broker/groups/coordinator.ts') &
  typeof import('../../broker/testing.ts');
type Coordinator = InstanceType<Groups['GroupCoordinator']>;

const OF = { topic: 't', partition: 0 };
const PATIENCE = { timeout: 20_000, interval: 2 };
const GROUP = 'readers';

/** A producer sends its second batch again, to the next leader. */
async function sentAgain(id?: string): Promise<unknown> {
  const { TestCluster } = await load<Replicas>(['replica/testing'], id, 'broker');
  const brokers = new TestCluster(3);
  try {
    for (const broker of brokers.brokers) broker.start();
    brokers.store.createTopic('t', [[1, 2, 3]]);
    const leads = (broker: number) =>
      vi.waitFor(() => {
        if (brokers.broker(broker).replicas.leaderEpochOf(OF) === undefined) throw new Error('no');
      }, PATIENCE);
    await leads(1);
    const second = { producerId: 7, producerEpoch: 0, baseSequence: 1, values: ['b'] };
    await brokers.broker(1).produce(OF, { ...second, baseSequence: 0, values: ['a'] });
    await brokers.broker(1).produce(OF, second);
    brokers.store.elect(OF, 2);
    await leads(2);
    const { error, baseOffset } = await brokers.broker(2).produce(OF, second);
    const kinds = kindsIn(brokers.events).filter((kind) => kind !== 'stored-without-office');
    return [error, baseOffset, kinds];
  } finally {
    await brokers.end();
  }
}

/** Joins, waiting while the coordinator loads. */
async function join(groups: Coordinator, memberId: string) {
  const ask = {
    ...{ group: GROUP, memberId, instanceId: null, needsKnownId: false, canSkipAssignment: true },
    ...{ clientId: 'c', clientHost: '127.0.0.1' },
    ...{ sessionTimeoutMs: 20_000, rebalanceTimeoutMs: 20_000, protocolType: 'consumer' },
    protocols: [{ name: 'range', metadata: Buffer.from('topics') }],
  };
  for (;;) {
    const answer = await groups.join(ask);
    if (answer.error !== 'COORDINATOR_LOAD_IN_PROGRESS') return answer;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function sync(groups: Coordinator, memberId: string, generation: number) {
  const ask = { group: GROUP, memberId, instanceId: null, generation };
  const assignments = [{ memberId, assignment: Buffer.alloc(0) }];
  return groups.sync({ ...ask, protocolType: 'consumer', protocol: 'range', assignments });
}

/** A member of the first generation, gone since the second began, commits, and then a stranger. */
async function committedLate(id?: string): Promise<unknown> {
  const files = ['groups/coordinator', 'testing'];
  const parts = await load<Groups>(files, id, 'broker');
  const replicas = new parts.MemoryReplicas();
  const metadata = new parts.MemoryMetadata(1, replicas, new Map());
  const said: SaidBy[] = [];
  let ids = 0;
  const groups = new parts.GroupCoordinator({
    brokerId: 1,
    replicas,
    metadata,
    events: { detailed: true, emit: (e) => void said.push({ ...e, broker: 1 }), flush: () => {} },
    config: {
      minSessionTimeoutMs: 10,
      maxSessionTimeoutMs: 60_000,
      initialRebalanceDelayMs: 0,
      membersMax: 3,
      offsetMetadataBytesMax: 4096,
      storeTimeoutMs: 1_000,
    },
    wallMs: () => 1_700_000_000_000,
    newId: () => `m${++ids}`,
    log: () => undefined,
  });
  try {
    const placement = { partitions: 1, replicationFactor: 1 };
    await metadata.createTopic({ name: '__consumer_offsets', placement, settings: {} });
    const first = await join(groups, '');
    await sync(groups, first.memberId, first.generation);
    groups.leave({ group: GROUP, members: [{ memberId: first.memberId, instanceId: null }] });
    const second = await join(groups, '');
    await sync(groups, second.memberId, second.generation);
    const offsets = [{ ...OF, offset: 3, leaderEpoch: 0, metadata: '' }];
    const by = { group: GROUP, instanceId: null, offsets };
    const { memberId, generation } = first;
    return [
      await groups.commit({ ...by, memberId, generation }),
      await groups.commit({ ...by, memberId: 'nobody', generation: second.generation }),
      kindsIn(said),
    ];
  } finally {
    groups.close();
  }
}

witnesses({
  K40: {
    clean: [undefined, 1, []],
    planted: [undefined, 2, ['batch-stored-twice']],
    ask: sentAgain,
  },
  K51: {
    clean: ['UNKNOWN_MEMBER_ID', 'UNKNOWN_MEMBER_ID', []],
    planted: ['NONE', 'NONE', ['commit-by-stranger', 'commit-of-old-generation']],
    ask: committedLate,
  },
});
