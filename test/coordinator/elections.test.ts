// The two elections that the coordination service promises, on five real processes: the first start of
// an ensemble, server by server, and the choice of a successor when its leader fails.
import { afterEach, describe, expect, test } from 'vitest';
import { linksBetween } from '../../history/fault.ts';
import { formatZxid, type NodeEvent, zxidEpoch } from '../../history/node-event.ts';
import { Ensemble, PATIENT, until } from './ensemble.ts';

const NODES = ['n1', 'n2', 'n3', 'n4', 'n5'];
const NOT_SERVING = 'This ZooKeeper instance is not currently serving requests\n';

let ensemble: Ensemble;

async function five(): Promise<void> {
  ensemble = await Ensemble.create({ size: 5, systemOptions: PATIENT, eventLevel: 'all' });
}

afterEach(({ task }) => ensemble?.close(task.result?.state === 'fail'));

/** Whom a server voted for, in order. */
const votes = (node: string) => ensemble.eventsOf(node, 'vote').map(({ leader }) => leader);
const roles = (node: string) => ensemble.eventsOf(node, 'role').map(({ role }) => role);

/** Everything about who leads that a server told. */
function course(node: string): NodeEvent[] {
  const kinds: NodeEvent['ev'][] = ['role', 'vote', 'elected', 'left', 'newEpoch', 'currentEpoch'];
  return ensemble.events(node).filter(({ ev }) => kinds.includes(ev));
}

/** The server runs, found no leader and was not made one. */
async function expectStillLooking(node: string): Promise<void> {
  expect(ensemble.cluster.state(node)).toBe('running');
  expect(roles(node)).toEqual(['looking']);
  expect(ensemble.eventsOf(node, 'elected')).toEqual([]);
  expect(ensemble.eventsOf(node, 'newEpoch')).toEqual([]);
  expect(await ensemble.word(node, 'mntr')).toBe(NOT_SERVING);
}

/** Starts servers 1, 2 and 3, each when the one before has cast its vote, until 3 leads. */
async function firstStartOfThree(): Promise<void> {
  await ensemble.start('n1');
  await ensemble.told('n1', 'vote');
  await ensemble.start('n2');
  await ensemble.told('n1', 'vote', ({ leader }) => leader === 2);
  await ensemble.start('n3');
  await serve(1, 'n1', 'n2', 'n3');
}

/** Waits until these servers serve in an epoch. */
async function serve(epoch: number, ...nodes: string[]): Promise<void> {
  for (const node of nodes) {
    const want = async () => Number(await ensemble.mntr(node, 'zk_epoch'));
    await until(`${node} serves in epoch ${epoch}`, want, (seen) => seen === epoch);
  }
}

const stateOf = (node: string) => ensemble.mntr(node, 'zk_server_state');

describe('first start of five servers', () => {
  test('the third makes a majority and leads; the fourth and fifth follow it', async () => {
    await five();

    await ensemble.start('n1');
    await ensemble.told('n1', 'vote');
    await expectStillLooking('n1');
    expect(votes('n1')).toEqual([1]);

    await ensemble.start('n2');
    await ensemble.told('n1', 'vote', ({ leader }) => leader === 2);
    await ensemble.told('n2', 'vote');
    await expectStillLooking('n1');
    await expectStillLooking('n2');
    expect([votes('n1'), votes('n2')]).toEqual([[1, 2], [2]]);

    await ensemble.start('n3');
    await serve(1, 'n1', 'n2', 'n3');
    expect([votes('n1'), votes('n2'), votes('n3')]).toEqual([[1, 2, 3], [2, 3], [3]]);
    expect(await Promise.all(['n1', 'n2', 'n3'].map(stateOf))).toEqual([
      'follower',
      'follower',
      'leader',
    ]);
    for (const node of ['n1', 'n2', 'n3']) {
      expect(ensemble.eventsOf(node, 'elected')).toMatchObject([{ leader: 3, epoch: 0, zxid: 0 }]);
      expect(roles(node)).toEqual(['looking', node === 'n3' ? 'leading' : 'following']);
    }
    const settled = ['n1', 'n2', 'n3'].map(course);

    for (const [node, sid] of [
      ['n4', 4],
      ['n5', 5],
    ] as const) {
      await ensemble.start(node);
      await serve(1, node);
      expect(votes(node)).toEqual([sid]);
      expect(ensemble.eventsOf(node, 'elected')).toMatchObject([{ leader: 3 }]);
      expect(roles(node)).toEqual(['looking', 'following']);
      expect(await stateOf(node)).toBe('follower');
    }

    // What one server writes the others read, and nobody has moved meanwhile.
    const writer = ensemble.client(['n5']);
    await writer.create('/first', Buffer.from('start'));
    for (const node of NODES) {
      const reader = ensemble.client([node]);
      await reader.sync('/first');
      expect((await reader.getData('/first')).data?.toString()).toBe('start');
    }
    expect(['n1', 'n2', 'n3'].map(course)).toEqual(settled);
    const epochs = NODES.flatMap((node) => ensemble.eventsOf(node, 'newEpoch'));
    expect(epochs).toMatchObject([{ node: 'n3', epoch: 1 }]);
  });
});

/** The last change a server has on disk, `(epoch,counter)`. */
const lastDurable = (node: string) =>
  formatZxid(ensemble.eventsOf(node, 'fsync').at(-1)?.upto ?? 0);

/** The votes of one election: those cast after a server last began to look. */
function lastVotes(node: string): string[] {
  const events = ensemble.events(node);
  const looking = events.findLastIndex((event) => event.ev === 'role' && event.role === 'looking');
  return events
    .slice(looking)
    .filter((event) => event.ev === 'vote')
    .map(({ leader, epoch, zxid }) => `(${epoch},${zxid >>> 0},${leader})`);
}

/** Brings about zxids 8, 8, 8, 7, 7 under server 3, the last two cut off from everybody. */
async function unequalHistories() {
  const client = ensemble.client(['n1'], { sessionTimeoutMs: 60_000 });
  // The leader has written the ensemble down, and the session was opened.
  await client.create('/count', Buffer.from('3'));
  for (let n = 4; n <= 7; n++) await client.setData('/count', Buffer.from(`${n}`));
  for (const node of NODES) await ensemble.told(node, 'apply', ({ zxid }) => zxid >>> 0 === 7);
  const links = linksBetween(['n4'], ['n1', 'n2', 'n3', 'n5']);
  links.push(...linksBetween(['n5'], ['n1', 'n2', 'n3']));
  const cut = await ensemble.inject({ kind: 'cut', links });
  await client.setData('/count', Buffer.from('8'));
  for (const node of ['n1', 'n2', 'n3']) {
    await ensemble.told(node, 'fsync', ({ upto }) => upto >>> 0 === 8);
  }
  // Once they have given the leader up, nothing of it can reach them any more.
  for (const sid of [4, 5]) {
    await ensemble.told(`n${sid}`, 'vote', ({ leader, epoch }) => leader === sid && epoch === 1);
  }
  return cut;
}

describe('the leader of five fails', () => {
  test('of the servers left, the larger epoch, then zxid, then id wins', async () => {
    await five();
    await firstStartOfThree();
    await ensemble.start('n4', 'n5');
    await serve(1, ...NODES);
    expect(await ensemble.leader()).toBe('n3');

    const cut = await unequalHistories();
    expect(NODES.map(lastDurable)).toEqual(['(1,8)', '(1,8)', '(1,8)', '(1,7)', '(1,7)']);

    await ensemble.kill('n3', 'n5');
    for (const node of ['n1', 'n2']) {
      await ensemble.told(node, 'vote', ({ leader, epoch }) => leader === 2 && epoch === 1);
    }
    // Two of five elect nobody; they wait for the third.
    for (const node of ['n1', 'n2', 'n4']) {
      expect(roles(node).at(-1)).toBe('looking');
      expect(ensemble.eventsOf(node, 'elected')).toHaveLength(1);
    }
    expect(lastVotes('n4').at(-1)).toBe('(1,7,4)');
    expect((await cut.heal()).verified).toBe(true);
    await serve(2, 'n1', 'n2', 'n4');

    const own = ['n1', 'n2', 'n4'].map((node) => lastVotes(node)[0]);
    expect(own).toEqual(['(1,8,1)', '(1,8,2)', '(1,7,4)']);
    for (const node of ['n1', 'n2', 'n4']) {
      expect(lastVotes(node).at(-1)).toBe('(1,8,2)');
      const [, second, ...more] = ensemble.eventsOf(node, 'elected');
      expect(second).toMatchObject({ leader: 2, epoch: 1 });
      expect(second?.zxid).toBe(ensemble.eventsOf('n2', 'elected')[1]?.zxid);
      expect(more).toEqual([]);
    }
    expect(await Promise.all(['n1', 'n2', 'n4'].map(stateOf))).toEqual([
      'follower',
      'leader',
      'follower',
    ]);

    // The eighth change was acknowledged: it has reached the server that had missed it.
    await expectEight('n4');
    // Those that failed are told who leads, and catch up.
    await ensemble.start('n3', 'n5');
    await serve(2, 'n3', 'n5');
    for (const node of ['n3', 'n5']) {
      expect(ensemble.eventsOf(node, 'elected').at(-1)).toMatchObject({ leader: 2 });
      await expectEight(node);
    }
    const epochs = NODES.flatMap((node) => ensemble.eventsOf(node, 'newEpoch'));
    expect(epochs.map(({ node, epoch }) => [node, epoch])).toEqual([
      ['n2', 2],
      ['n3', 1],
    ]);
  });
});

async function expectEight(node: string): Promise<void> {
  const reader = ensemble.client([node]);
  await reader.sync('/count');
  const { data, stat } = await reader.getData('/count');
  expect(data?.toString()).toBe('8');
  expect(formatZxid(stat.mzxid)).toBe('(1,8)');
  expect(zxidEpoch(stat.czxid)).toBe(1);
}
