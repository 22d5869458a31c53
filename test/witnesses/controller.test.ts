// Witnesses of planted bugs in the choice of leaders and in the coordinator's recipes: who is elected, who may
// write, and whose registration it is.

import { vi } from 'vitest';
import { replication } from '../../checkers/replication/index.ts';
import { partitionStates } from '../../checkers/replication/states.ts';
import { ScriptedBrokers } from '../../checkers/replication/testing.ts';
import type { Verdict } from '../../history/verdict.ts';
import { kindsIn, type SaidBy } from './brokers.ts';
import { load, witnesses } from './patched.ts';

type Election = typeof import('../../broker/controller/election.ts');
type Controllers = typeof import('../../broker/controller/controller.ts') &
  typeof import('../broker/metadata-brokers.ts');
type Brokers = InstanceType<Controllers['MetadataBrokers']>;
type Metadata = ReturnType<Brokers['make']>;

const REPLICAS = [1, 2, 3];
const PATIENCE = { timeout: 20_000, interval: 2 };

/** What an election makes of a partition whose living brokers are these, and what the checkers say to that. */
async function elected(
  id: string | undefined,
  script: ScriptedBrokers,
  { isr, eligible, living }: { isr: number[]; eligible: number[]; living: [number, boolean][] },
): Promise<[number, string[]]> {
  const { nextState } = await load<Election>(['controller/election'], id, 'broker');
  const before = {
    topicId: '0'.repeat(32),
    leader: -1,
    leaderEpoch: script.leaderEpoch,
    isr,
    eligible,
    brokerEpochs: Object.fromEntries([...isr, ...eligible].map((member) => [member, 10])),
    controllerEpoch: 1,
    version: script.version,
  };
  const decision = nextState(REPLICAS, before, {
    brokers: new Map(living.map(([id, lossy]) => [id, { id, epoch: 20, endpoints: {}, lossy }])),
    leaving: new Set(),
    controllerEpoch: 1,
    minInsyncReplicas: 2,
    uncleanElection: false,
  });
  const leader = decision?.state.leader ?? -1;
  if (decision !== undefined && leader >= 0) {
    const { unclean } = decision;
    script.elect(leader, [...decision.state.isr], unclean === true ? { unclean } : {});
  }
  const run = script.run();
  const verdicts = [replication, partitionStates].map((checker) => checker.check(run) as Verdict);
  const kinds = verdicts.flatMap(({ anomalies }) => anomalies.map(({ kind }) => kind));
  return [leader, [...new Set(kinds)].sort()];
}

/** Only a replica that left the ISR long ago lives. */
function outsider(id?: string): Promise<unknown> {
  const script = new ScriptedBrokers();
  script.isr = [1, 2];
  script.store('leader');
  script.produce(2);
  return elected(id, script, { isr: [1, 2], eligible: [], living: [[3, false]] });
}

/** The last one in sync comes back without what it had not synced; another that has everything lives. */
function lastOneStanding(id?: string): Promise<unknown> {
  const script = new ScriptedBrokers();
  script.produce(2);
  script.isr = [1];
  script.elr = [2];
  script.store('leader');
  script.start(1, false, true);
  script.becomeController(2);
  return elected(id, script, {
    isr: [1],
    eligible: [2],
    living: [
      [1, true],
      [2, false],
    ],
  });
}

/** Some brokers' metadata on a coordinator of one, and what they said. */
async function brokers<T>(
  id: string | undefined,
  act: (parts: { made: Brokers; parts: Controllers; said(): SaidBy[] }) => Promise<T>,
): Promise<T> {
  const files = ['broker/controller/controller', 'test/broker/metadata-brokers'];
  const parts = await load<Controllers>(files, id, '.');
  const made = await parts.MetadataBrokers.start();
  const all: SaidBy[] = [];
  const said = () => all;
  const make = made.make.bind(made);
  made.make = (broker, options) => {
    const events = {
      detailed: true,
      emit: (event: { ev: string }) => void all.push({ ...event, broker }),
      flush: () => undefined,
    };
    return make(broker, { ...options, events });
  };
  try {
    return await act({ made, parts, said });
  } finally {
    await made.close();
  }
}

/** A controller whose session ended, so that another one came and wrote, is asked to write. */
function deposed(id?: string): Promise<unknown> {
  return brokers(id, async ({ made, parts, said }) => {
    const one = await made.add(1);
    const two = await made.add(2);
    for (const other of [3, 4]) await made.add(other);
    const first = new parts.Controller(one, { autoRebalance: false });
    const second = new parts.Controller(two, { autoRebalance: false });
    try {
      first.start();
      await parts.until(one, ({ controller }) => controller?.id === 1);
      await parts.until(one, ({ brokers: live }) => live.size === 4);
      await one.createTopic({ name: 't', placement: { replicas: [[2, 3, 4]] }, settings: {} });
      await parts.until(one, ({ topics }) => leaderIn(topics) === 2);
      const epoch = epochOf(one, 1);
      second.start();
      made.expire(one);
      await parts.until(two, ({ controller }) => controller?.id === 2);
      await parts.until(two, ({ brokers: live }) => (live.get(1)?.epoch ?? 0) > epoch);
      await second.controlledShutdown(4, epochOf(two, 4));
      const answer = await first.controlledShutdown(2, epochOf(two, 2)).then(
        () => 'done',
        (error: Error) => error.message,
      );
      await two.keeper.refresh();
      return [answer, leaderIn(two.image.topics), kindsIn(said())];
    } finally {
      first.stop();
      second.stop();
    }
  });
}

function leaderIn(topics: Metadata['image']['topics']): number | undefined {
  return topics.get('t')?.partitions[0]?.state?.leader;
}

function epochOf(seenBy: Metadata, id: number): number {
  return seenBy.image.brokers.get(id)?.epoch ?? -1;
}

/** A broker that starts again before the session of its earlier life has ended, and then that ends. */
function cameBack(id?: string): Promise<unknown> {
  return brokers(id, async ({ made, said }) => {
    const before = await made.add(1);
    const observer = await made.add(2);
    const again = made.make(1);
    const saidBefore = said().length;
    const started = again.start();
    await vi.waitFor(() => {
      const evs = said()
        .slice(saidBefore)
        .map(({ ev }) => ev);
      if (!evs.includes('registered') && !evs.includes('registrationWaits'))
        throw new Error('not yet');
    }, PATIENCE);
    await before.close();
    await started;
    await observer.keeper.refresh();
    return [observer.image.brokers.has(1), kindsIn(said())];
  });
}

witnesses({
  K09: {
    clean: [-1, []],
    planted: [3, ['elected-outside-isr', 'isr-incomplete', 'leader-incomplete']],
    ask: outsider,
  },
  K12: { clean: [2, []], planted: [1, ['lossy-leader']], ask: lastOneStanding },
  K30: {
    clean: ['broker 1 is not it', 2, []],
    planted: ['done', 3, ['controller-epoch-fell']],
    ask: deposed,
  },
  K33: {
    clean: [true, []],
    planted: [false, ['registration-of-another-session']],
    ask: cameBack,
  },
});
