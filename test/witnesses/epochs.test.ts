// Witnesses of planted bugs in elections and epochs: who wins, what a leader claims, and when an epoch is
// given up or made durable.
import { epochOf } from '../../coordinator/zxid.ts';
import { load, witnesses } from './patched.ts';

type Zab = typeof import('../../coordinator/zab/testing.ts') &
  typeof import('../../coordinator/tree/testing.ts');
const zab = (id?: string) => load<Zab>(['zab/testing', 'tree/testing'], id);

/** Whether a longer log of an earlier epoch wins. */
async function olderEpochWins(id?: string): Promise<boolean> {
  const { beats } = await load<typeof import('../../coordinator/zab/vote.ts')>(['zab/vote'], id);
  return beats({ leader: 1, epoch: 1, zxid: 9 }, { leader: 2, epoch: 2, zxid: 8 });
}

/** What a follower does first with a new epoch. */
async function firstWithTheEpoch(id?: string): Promise<unknown> {
  const { TestEnsemble } = await zab(id);
  const ensemble = await TestEnsemble.create(2);
  try {
    await Promise.all([1, 2].map((sid) => ensemble.start(sid)));
    const leader = await ensemble.settled();
    const follower = ensemble.servers.get(3 - leader.sid);
    return follower?.events.find(({ ev }) => ev === 'currentEpoch' || ev === 'newLeaderAck')?.ev;
  } finally {
    await ensemble.close();
  }
}

/** The zxid that the first leader, whose log is empty, counts itself with. */
async function ownZxid(id?: string): Promise<unknown> {
  const { TestEnsemble } = await zab(id);
  const ensemble = await TestEnsemble.create(2);
  try {
    await Promise.all([1, 2].map((sid) => ensemble.start(sid)));
    const leader = await ensemble.settled();
    return leader.events.find(({ ev, from }) => ev === 'ackEpochCounted' && from === leader.sid)
      ?.zxid;
  } finally {
    await ensemble.close();
  }
}

/** What a leader does with more requests than an epoch has room for. */
async function epochUsedUp(id?: string): Promise<string> {
  const { TestEnsemble, ask, until } = await zab(id);
  const ensemble = await TestEnsemble.create(1, {
    snapCount: 1_000,
    recentRecordsMax: 1_000,
    transactionsPerEpochMax: 2,
  });
  try {
    const server = await ensemble.start(1);
    await ensemble.settled();
    const { epoch } = server.replica.status();
    const left = () => server.events.some(({ ev }) => ev === 'left');
    const ranOver = () =>
      server.events.some(({ ev, zxid }) => ev === 'propose' && epochOf(zxid as number) > epoch);
    const { op, body } = ask.createSession();
    for (let i = 0; i < 3; i++) ensemble.submitOnly(server, op, body);
    await until('the third request has an outcome', () => left() || ranOver());
    return left() ? 'gave up the epoch' : 'went on in the next';
  } finally {
    await ensemble.close();
  }
}

witnesses({
  Z02: { clean: false, planted: true, ask: olderEpochWins },
  Z06: { clean: 'currentEpoch', planted: 'newLeaderAck', ask: firstWithTheEpoch },
  Z07: { clean: 0, planted: 2 ** 32, ask: ownZxid },
  Z10: { clean: 'gave up the epoch', planted: 'went on in the next', ask: epochUsedUp },
});
