import { afterEach, describe, expect, it } from 'vitest';
import { ByteWriter } from '../../wire/bytes.ts';
import { Op } from '../protocol/codes.ts';
import { buffer, int } from '../protocol/jute.ts';
import { CreateRequest, OPEN_ACL, SetDataRequest } from '../protocol/records.ts';
import { sealTxn } from '../txn.ts';
import { epochOf } from '../zxid.ts';
import { TestEnsemble, type TestServer, until } from './testing.ts';

let ensemble: TestEnsemble;

afterEach(async () => {
  const failures = ensemble.failures;
  await ensemble.close();
  expect(failures).toEqual([]);
});

function create(path: string): Buffer {
  const writer = new ByteWriter();
  CreateRequest.write(writer, { path, data: Buffer.from('x'), acl: OPEN_ACL, flags: 0 });
  return writer.toBuffer();
}

function setData(path: string, data: string): Buffer {
  const writer = new ByteWriter();
  SetDataRequest.write(writer, { path, data: Buffer.from(data), version: -1 });
  return writer.toBuffer();
}

async function openSession(server: TestServer, timeoutMs = 60_000): Promise<number> {
  const writer = new ByteWriter();
  int.write(writer, timeoutMs);
  buffer.write(writer, Buffer.alloc(16, 7));
  const { zxid } = await ensemble.submit(server, Op.createSession, writer.toBuffer());
  return zxid;
}

const follower = (leader: TestServer) =>
  [...ensemble.servers.values()].find((server) => server !== leader) as TestServer;

async function equalState(): Promise<void> {
  const all = [...ensemble.servers.values()];
  await until('equal state', () => new Set(all.map(({ tree }) => tree.lastApplied)).size === 1);
  expect(new Set(all.map(({ tree }) => tree.digest())).size).toBe(1);
}

async function startAll(sids: number[]): Promise<TestServer> {
  await Promise.all(sids.map((sid) => ensemble.start(sid)));
  return ensemble.settled();
}

const modes = (server: TestServer) =>
  server.events.filter((e) => e.ev === 'syncStart').map((e) => e.mode);

describe('replica', () => {
  it('serves alone when it is the only voter', async () => {
    ensemble = await TestEnsemble.create(1);
    const leader = await startAll([1]);
    const session = await openSession(leader);
    const { result } = await ensemble.submit(leader, Op.create, create('/a'), session);
    expect(result.err).toBe(0);
    leader.replica.sync(77, session);
    expect(leader.front.syncs.get(77)).toBe(leader.tree.lastApplied);
  });

  it('replicates writes of leader and followers, and confirms syncs', async () => {
    ensemble = await TestEnsemble.create(3);
    const leader = await startAll([1, 2, 3]);
    const other = follower(leader);
    const session = await openSession(other);
    const made = await ensemble.submit(other, Op.create, create('/a'), session);
    expect(made.result).toMatchObject({ err: 0, path: '/a' });
    for (let i = 0; i < 50; i++)
      ensemble.submitOnly(other, Op.setData, setData('/a', `${i}`), session);
    const last = await ensemble.submit(other, Op.setData, setData('/a', 'end'), session);
    expect(last.result.stat?.version).toBe(51);
    other.replica.sync(901, session);
    leader.replica.sync(902, session);
    await until('synced', () => other.front.syncs.has(901) && leader.front.syncs.has(902));
    expect(other.front.syncs.get(901)).toBeGreaterThanOrEqual(last.zxid);
    await equalState();
  });

  it('lets no session expire once the epoch is used up', async () => {
    const limits = { snapCount: 1_000_000, recentRecordsMax: 1_000, transactionsPerEpochMax: 4 };
    ensemble = await TestEnsemble.create(1, limits);
    const server = await startAll([1]);
    for (let i = 0; i < 3; i++) await openSession(server, 100);
    await until('all sessions are closed', () => [...server.tree.sessions()].length === 0);
    const told = server.events.filter(({ ev }) =>
      ['established', 'left', 'sessionExpired'].includes(ev as string),
    );
    const lefts = told.flatMap(({ ev }, i) => (ev === 'left' ? [i] : []));
    expect(lefts).not.toEqual([]);
    for (const i of lefts) expect(told[i + 1]?.ev).toBe('established');
  });

  it('survives the loss of a leader and synchronises it by DIFF when it is back', async () => {
    ensemble = await TestEnsemble.create(3);
    const first = await startAll([1, 2, 3]);
    const session = await openSession(first);
    await ensemble.submit(first, Op.create, create('/a'), session);
    await ensemble.stop(first.sid);
    const second = await ensemble.settled();
    const write = await ensemble.submit(second, Op.setData, setData('/a', 'new'), session);
    expect(write.result.err).toBe(0);
    expect(epochOf(write.zxid)).toBeGreaterThan(1);
    const back = await ensemble.start(first.sid);
    await ensemble.settled();
    expect(back.tree.lastApplied).toBe(write.zxid);
    expect(modes(second)).toContain('diff');
    await equalState();
  });

  it('cuts what only the old leader had logged', async () => {
    ensemble = await TestEnsemble.create(3);
    const first = await startAll([1, 2, 3]);
    const session = await openSession(first);
    const made = await ensemble.submit(first, Op.create, create('/a'), session);
    const others = [...ensemble.servers.keys()].filter((sid) => sid !== first.sid);
    await Promise.all([1, 2, 3].map((sid) => ensemble.stop(sid)));
    const lost = { session: 0, cxid: 0, origin: 1, request: 1, op: 1, timeMs: 0 };
    await ensemble.logBehindItsBack(
      first.sid,
      sealTxn({ zxid: made.zxid + 1, ...lost, body: { type: 'noop' } }),
    );
    await Promise.all(others.map((sid) => ensemble.start(sid)));
    const second = await ensemble.settled();
    const kept = await ensemble.submit(second, Op.setData, setData('/a', 'kept'), session);
    expect(kept.zxid).toBeGreaterThan(made.zxid);
    const back = await ensemble.start(first.sid);
    await ensemble.settled();
    expect(modes(second)).toContain('trunc');
    expect(back.events.some((e) => e.ev === 'trunc' && e.to === made.zxid)).toBe(true);
    expect(back.tree.getData('/a')).toMatchObject({ data: Buffer.from('kept') });
    await equalState();
    // And after one more restart, from disk alone.
    await ensemble.stop(first.sid);
    await ensemble.start(first.sid);
    await ensemble.settled();
    await equalState();
  });

  it('sends a snapshot to a server that is too far behind', async () => {
    ensemble = await TestEnsemble.create(3, { snapCount: 40, recentRecordsMax: 10 });
    const leader = await startAll([1, 2, 3]);
    const session = await openSession(leader);
    await ensemble.submit(leader, Op.create, create('/a'), session);
    await ensemble.stop(1);
    for (let i = 0; i < 150; i++) {
      await ensemble.submit(leader, Op.setData, setData('/a', `${i}`), session);
    }
    const back = await ensemble.start(1);
    await ensemble.settled();
    expect(modes(leader)).toContain('snap');
    await equalState();
    expect(leader.events.some((e) => e.ev === 'snapSaved')).toBe(true);
    await ensemble.stop(1);
    await ensemble.start(1);
    await ensemble.settled();
    await equalState();
    expect(back.events.some((e) => e.ev === 'snapLoaded')).toBe(true);
  });

  it('keeps everything over a restart of all servers', async () => {
    ensemble = await TestEnsemble.create(3, { snapCount: 60, recentRecordsMax: 20 });
    let leader = await startAll([1, 2, 3]);
    const session = await openSession(leader);
    await ensemble.submit(leader, Op.create, create('/a'), session);
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 40; i++) {
        await ensemble.submit(leader, Op.setData, setData('/a', `${round}-${i}`), session);
      }
      await equalState();
      const digest = leader.tree.digest();
      await Promise.all([1, 2, 3].map((sid) => ensemble.stop(sid)));
      leader = await startAll([1, 2, 3]);
      expect(leader.tree.digest()).toBe(digest);
    }
  });

  it('has observers follow and serve, and never asks for their word', async () => {
    const limits = { snapCount: 40, recentRecordsMax: 10 };
    ensemble = await TestEnsemble.create(3, limits, { observers: 2 });
    const leader = await startAll([1, 2, 3, 4, 5]);
    expect(leader.sid).toBeLessThan(4);
    const observer = ensemble.servers.get(4) as TestServer;
    expect(observer.replica.status()).toMatchObject({ role: 'observing', voters: 3 });
    expect(leader.replica.status()).toMatchObject({ syncedFollowers: 2, syncedObservers: 2 });
    const session = await openSession(observer);
    const made = await ensemble.submit(observer, Op.create, create('/a'), session);
    expect(made.result).toMatchObject({ err: 0, path: '/a' });
    observer.replica.sync(901, session);
    await until('synced', () => observer.front.syncs.has(901));
    expect(observer.front.syncs.get(901)).toBeGreaterThanOrEqual(made.zxid);
    await ensemble.stop(5);
    for (let i = 0; i < 60; i++) {
      await ensemble.submit(leader, Op.setData, setData('/a', `${i}`), session);
    }
    await ensemble.start(5);
    await ensemble.settled();
    await equalState();
    // Two of three are a quorum, whatever the observers do; with them alone nobody may lead.
    const others = [1, 2, 3].filter((sid) => sid !== leader.sid);
    await ensemble.stop(leader.sid);
    const second = await ensemble.settled();
    const write = await ensemble.submit(observer, Op.setData, setData('/a', 'end'), session);
    expect(write.result.err).toBe(0);
    await equalState();
    const events = [4, 5].flatMap((sid) => ensemble.servers.get(sid)?.events ?? []);
    expect(events.filter(({ ev }) => ev === 'vote' || ev === 'newEpoch')).toEqual([]);
    for (const { ev, from } of [...leader.events, ...second.events]) {
      const counted = ['ackReceived', 'ackEpochCounted', 'newLeaderAcked'].includes(ev as string);
      if (counted) expect(from).toBeLessThan(4);
    }
    await ensemble.stop(second.sid);
    await until('nobody serves', () =>
      [...ensemble.servers.values()].every((s) => !s.front.serving),
    );
    const last = others.find((sid) => sid !== second.sid) as number;
    expect(ensemble.servers.get(last)?.replica.status().role).toBe('looking');
  });

  it('tells observers nothing that is not committed', async () => {
    ensemble = await TestEnsemble.create(3, undefined, { observers: 1 });
    const leader = await startAll([1, 2, 3, 4]);
    const observer = ensemble.servers.get(4) as TestServer;
    const session = await openSession(leader);
    const { zxid } = await ensemble.submit(leader, Op.create, create('/a'), session);
    await equalState();
    const others = [1, 2, 3].filter((sid) => sid !== leader.sid);
    const stopped: Promise<void>[] = [];
    ensemble.onEvent = (_, event) => {
      if (event.ev !== 'propose') return;
      for (const sid of others) stopped.push(ensemble.stop(sid));
    };
    ensemble.submitOnly(leader, Op.setData, setData('/a', 'for nobody'), session);
    await until('nobody serves', () => !leader.front.serving && !observer.front.serving);
    await Promise.all(stopped);
    expect(leader.events.filter(({ ev }) => ev === 'append').at(-1)?.zxid).toBe(zxid + 1);
    const logged = observer.events.filter(({ ev }) => ev === 'append').at(-1);
    expect(logged?.zxid).toBe(zxid);
  });

  it('serves reads without a quorum only where it may, until it has one again', async () => {
    ensemble = await TestEnsemble.create(3);
    ensemble.readOnly = new Set([1]);
    await startAll([1, 2, 3]);
    await Promise.all([2, 3].map((sid) => ensemble.stop(sid)));
    const alone = ensemble.servers.get(1) as TestServer;
    await until('it serves reads', () => alone.front.readOnly);
    expect(alone.front.serving).toBe(false);
    const other = await ensemble.start(2);
    await ensemble.settled();
    expect([alone.front.readOnly, other.front.readOnly]).toEqual([false, false]);
  });
});
