// Witnesses of planted bugs in the state and in what its clients hear of it: snapshots that replay does not
// make whole, sessions that come too early, watches that come too late.
import { Op } from '../../coordinator/protocol/codes.ts';
import { PathWatchRequest, SetDataRequest } from '../../coordinator/protocol/records.ts';
import { load, witnesses } from './patched.ts';

type Tree = typeof import('../../coordinator/tree/testing.ts') &
  typeof import('../../coordinator/tree/data-tree.ts');
const tree = (id?: string) => load<Tree>(['tree/testing', 'tree/data-tree'], id);

/** Whether an ephemeral node outlives its session on a server that began from a snapshot. */
async function closedAfterSnapshot(id?: string): Promise<'gone' | 'left'> {
  const { SoloLeader, DataTree, ask } = await tree(id);
  const leader = new SoloLeader();
  const session = leader.open();
  leader.run(ask.create('/mine', '', { flags: 1 }), session);
  const restarted = new DataTree();
  restarted.load(leader.tree.serialize());
  leader.run(ask.closeSession(), session);
  restarted.apply(leader.records.at(-1) as NonNullable<(typeof leader.records)[0]>);
  return restarted.getData('/mine').ok ? 'left' : 'gone';
}

/** Whether a session is there before its creation is applied. */
async function sessionAtPreparation(id?: string): Promise<boolean> {
  const { SoloLeader, ask } = await tree(id);
  const leader = new SoloLeader();
  const { zxid } = leader.prepare(ask.createSession());
  return leader.tree.session(zxid) !== undefined;
}

type Asks = Tree['ask'];
type Part = Tree['part'];

/**
 * Whether a server alone, which saves snapshots now and then, has the same state after a restart.
 * The last request is only there to note that those before it are committed.
 */
async function restarted(
  id: string | undefined,
  requests: (ask: Asks, part: Part) => { op: number; body: Buffer }[],
  snapCount = 2,
): Promise<'same' | 'other'> {
  type Zab = typeof import('../../coordinator/zab/testing.ts') & Tree;
  const { TestEnsemble, ask, part } = await load<Zab>(['zab/testing', 'tree/testing'], id);
  const ensemble = await TestEnsemble.create(1, { snapCount, recentRecordsMax: 1_000 });
  try {
    const before = await ensemble.start(1);
    await ensemble.settled();
    const { zxid: session } = await ensemble.submit(
      before,
      Op.createSession,
      ask.createSession().body,
    );
    for (const { op, body } of requests(ask, part))
      await ensemble.submit(before, op, body, session);
    const digests = new Map(
      before.events.filter(({ ev }) => ev === 'apply').map((e) => [e.zxid, e.digest]),
    );
    await ensemble.stop(1);
    const again = await ensemble.start(1);
    const started = again.events.find(({ ev }) => ev === 'start');
    return digests.get(started?.applied) === started?.digest ? 'same' : 'other';
  } finally {
    await ensemble.close();
  }
}

type Lone = typeof import('../../coordinator/server/lone-server.testing.ts') &
  typeof import('../../coordinator/server/raw-client.testing.ts');

/** xids of what a client is sent that watches a node and changes it in one go; -1: a notification. */
async function watchedAndChanged(id: string | undefined, pinged: boolean): Promise<number[]> {
  const { LoneServer, RawClient } = await load<Lone>(
    ['server/lone-server.testing', 'server/raw-client.testing'],
    id,
  );
  const server = await new LoneServer().start();
  const client = await new RawClient(server.port).open();
  const change = { path: '/', data: Buffer.from('new'), version: -1 };
  try {
    client.send(
      [1, Op.getData, PathWatchRequest as never, { path: '/', watch: true }],
      [2, Op.setData, SetDataRequest as never, change],
    );
    const xids: number[] = [];
    while (!xids.includes(2)) xids.push((await client.reply()).xid);
    // The answer to a ping ends the wait for what never comes.
    if (pinged) client.send([-2, Op.ping]);
    while (!xids.includes(-1) && !xids.includes(-2)) xids.push((await client.reply()).xid);
    return xids;
  } finally {
    client.socket.destroy();
    await server.front.close();
  }
}

witnesses({
  Z41: { clean: 'gone', planted: 'left', ask: closedAfterSnapshot },
  Z43: { clean: false, planted: true, ask: sessionAtPreparation },
  Z47: {
    clean: 'same',
    planted: 'other',
    ask: (id) =>
      // A later snapshot, if the disk is quick enough for one, would hide this one.
      restarted(id, (ask, part) => [
        ask.multi(part.create('/a'), part.create('/b')),
        ask.create('/end'),
      ]),
  },
  Z49: {
    clean: 'same',
    planted: 'other',
    ask: (id) =>
      restarted(
        id,
        (ask) => [
          ask.create('/parent'),
          ask.create('/parent/child'),
          ask.delete('/parent/child'),
          ask.create('/end'),
        ],
        1_000,
      ),
  },
  Z50: {
    clean: 'same',
    planted: 'other',
    ask: (id) =>
      restarted(id, (ask) => [
        ask.create('/counted'),
        ...Array.from({ length: 6 }, (_, i) => ask.setData('/counted', `${i}`)),
      ]),
  },
  Z51: { clean: [1, -1, 2], planted: [1, 2, -2], ask: (id) => watchedAndChanged(id, true) },
  Z52: { clean: [1, -1, 2], planted: [1, 2, -1], ask: (id) => watchedAndChanged(id, false) },
});
