import { afterEach, describe, expect, it } from 'vitest';
import { ErrorCode, Op } from '../protocol/codes.ts';
import { encodeBody } from '../protocol/jute.ts';
import { CreateRequest, OPEN_ACL, ReconfigRequest, SetDataRequest } from '../protocol/records.ts';
import { CreateSessionRequest } from '../tree/preparer.ts';
import { sealTxn, type TxnRecord } from '../txn.ts';
import { describeEnsemble, ensembleOf, parseEnsemble, parseMembers } from './members.ts';
import { Membership } from './membership.ts';
import { planReconfig } from './reconfig.ts';
import { TestEnsemble, type TestServer, until } from './testing.ts';

const SUPER = [{ scheme: 'super', id: '' }];

/** A reconfig request's body; what is not named is not used. */
function wish(change: Partial<ReconfigRequest>): Buffer {
  const nothing = { joiningServers: null, leavingServers: null, newMembers: null };
  return encodeBody(ReconfigRequest, { ...nothing, curConfigId: -1, ...change });
}

/** A change of the ensemble as the log has it. */
function changeTo(zxid: number, lines: string[]): TxnRecord {
  const members = parseMembers(lines);
  if (typeof members === 'string') throw new Error(members);
  const data = Buffer.from(describeEnsemble(members, zxid));
  const body = { type: 'setData', path: '/zookeeper/config', data, version: -1 } as const;
  const of = { session: 1, cxid: 1, origin: 1, request: 1, op: Op.reconfig, timeMs: 0 };
  return sealTxn({ zxid, ...of, body });
}

describe('planReconfig', () => {
  const line = (sid: number) => `server.${sid}=10.0.0.${sid}:2888:3888;2181`;
  const members = parseMembers([1, 2, 3].map(line));
  if (typeof members === 'string') throw new Error(members);
  const membership = () => new Membership({ peers: members, kept: '', keep: () => undefined });
  const plan = (change: Partial<ReconfigRequest>, inStep = [1, 2, 3, 4], of = membership()) => {
    const terms = { membership: of, enabled: true, inStep: (sid: number) => inStep.includes(sid) };
    const planned = planReconfig(wish(change), terms, 0x200000005);
    return 'error' in planned ? planned.error : parseEnsemble(planned.text);
  };

  it('lets servers join and leave, and gives the ensemble its zxid for a version', () => {
    const change = { joiningServers: `${line(4)}, ${line(5)}`, leavingServers: '1, 7' };
    expect(plan(change)).toMatchObject({ version: 0x200000005, voters: [2, 3, 4, 5] });
    expect(plan({ newMembers: [1, 4].map(line).join(',') })).toMatchObject({ voters: [1, 4] });
    const promoted = { joiningServers: 'server.3=10.0.0.3:2888:3888:observer;2181' };
    expect(plan(promoted)).toMatchObject({ voters: [1, 2], members: [{}, {}, { observer: true }] });
  });

  it('refuses what makes no sense or would stop the ensemble', () => {
    const { BadArguments, BadVersion, NewConfigNoQuorum, ReconfigInProgress } = ErrorCode;
    expect(plan({ joiningServers: 'server.4=a:1:2' })).toBe(BadArguments);
    expect(plan({ joiningServers: 'server.4' })).toBe(BadArguments);
    expect(plan({ joiningServers: 'server.4=10.0.0.1:2888:1;2' })).toBe(BadArguments);
    expect(plan({ leavingServers: 'x' })).toBe(BadArguments);
    expect(plan({ newMembers: '' })).toBe(BadArguments);
    expect(plan({ leavingServers: '1,2' })).toBe(BadArguments);
    expect(plan({ curConfigId: 7, leavingServers: '1' })).toBe(BadVersion);
    expect(plan({ newMembers: [4, 5, 6].map(line).join('\n') })).toBe(NewConfigNoQuorum);
    const changing = membership();
    expect(plan({ curConfigId: 0, leavingServers: '1' }, [1, 2, 3], changing)).toMatchObject({
      voters: [2, 3],
    });
    changing.committed(ensembleOf(members, 9));
    expect(plan({ curConfigId: 0, leavingServers: '1' }, [1, 2, 3], changing)).toBe(BadVersion);
    changing.logged(changeTo(10, [1, 2, 3, 4].map(line)));
    expect(plan({ leavingServers: '1' }, [1, 2, 3], changing)).toBe(ReconfigInProgress);
  });

  it('is off where it is not asked for, and for a server that is alone', () => {
    const terms = { membership: membership(), enabled: false, inStep: () => true };
    const { ReconfigDisabled, Unimplemented } = ErrorCode;
    expect(planReconfig(wish({}), terms, 1)).toEqual({ error: ReconfigDisabled });
    const peers = [{ sid: 1, host: 'a', peerPort: 0, electionPort: 0 }];
    const alone = new Membership({ peers, kept: '', keep: () => undefined });
    const lone = { membership: alone, enabled: true, inStep: () => true };
    expect(planReconfig(wish({}), lone, 1)).toEqual({ error: Unimplemented });
  });
});

let ensemble: TestEnsemble;

afterEach(async () => {
  await ensemble?.close();
  expect(ensemble?.failures ?? []).toEqual([]);
});

async function openSession(server: TestServer): Promise<number> {
  const body = encodeBody(CreateSessionRequest, {
    timeoutMs: 60_000,
    password: Buffer.alloc(16, 7),
  });
  return (await ensemble.submit(server, Op.createSession, body)).zxid;
}

const create = (path: string) =>
  encodeBody(CreateRequest, { path, data: Buffer.from('x'), acl: OPEN_ACL, flags: 0 });
const setData = (path: string, data: string) =>
  encodeBody(SetDataRequest, { path, data: Buffer.from(data), version: -1 });

function server(sid: number): TestServer {
  const found = ensemble.servers.get(sid);
  if (found === undefined) throw new Error(`server ${sid} does not run`);
  return found;
}

async function equalState(): Promise<void> {
  const all = [...ensemble.servers.values()];
  await until('equal state', () => new Set(all.map(({ tree }) => tree.lastApplied)).size === 1);
  expect(new Set(all.map(({ tree }) => tree.digest())).size).toBe(1);
}

const votersAt = (sid: number) => server(sid).replica.status().voters;

describe('an ensemble that changes', () => {
  it('lets servers join, goes on without those that leave, and remembers it', async () => {
    ensemble = await TestEnsemble.create(5, undefined, { founders: 3 });
    await Promise.all([1, 2, 3].map((sid) => ensemble.start(sid)));
    const first = await ensemble.settled();
    const session = await openSession(first);
    await ensemble.submit(first, Op.create, create('/a'), session);

    await Promise.all([4, 5].map((sid) => ensemble.start(sid)));
    await ensemble.settled();
    expect(first.replica.status()).toMatchObject({ voters: 3, syncedObservers: 2 });

    const through = server(4);
    const mine = await openSession(through);
    const noAuth = wish({ joiningServers: ensemble.line(4) });
    const denied = await ensemble.submit(through, Op.reconfig, noAuth, mine);
    expect(denied.result.err).toBe(ErrorCode.NoAuth);
    for (const sid of [4, 5]) {
      const joining = wish({ joiningServers: ensemble.line(sid) });
      const { result, zxid } = await ensemble.submit(through, Op.reconfig, joining, mine, SUPER);
      expect(result.err).toBe(0);
      expect(String(result.data)).toMatch(new RegExp(`version=${zxid.toString(16)}$`));
    }
    await until('all know', () => [1, 2, 3, 4, 5].every((sid) => votersAt(sid) === 5));
    const write = await ensemble.submit(through, Op.setData, setData('/a', 'five'), mine);
    expect(write.result.err).toBe(0);

    // The leader itself leaves: the others elect another, and it goes on following without a vote.
    const leaving = wish({ leavingServers: `${first.sid}` });
    const left = await ensemble.submit(first, Op.reconfig, leaving, session, SUPER);
    expect(left.result.err).toBe(0);
    await until('another leads', () => {
      const leader = ensemble.leader;
      return leader !== undefined && leader !== first;
    });
    await ensemble.settled();
    await equalState();
    expect([1, 2, 3, 4, 5].map(votersAt)).toEqual([4, 4, 4, 4, 4]);

    // Two of the first three are gone for good: with 4 and 5 there is a quorum of the four that are left.
    const rest = [1, 2, 3].filter((sid) => sid !== first.sid);
    await Promise.all([first.sid, rest[0] as number].map((sid) => ensemble.stop(sid)));
    const leader = await ensemble.settled();
    const last = await ensemble.submit(leader, Op.setData, setData('/a', 'three'), mine);
    expect(last.result.err).toBe(0);

    // From disk alone, whatever the files say.
    const running = [...ensemble.servers.keys()];
    await Promise.all(running.map((sid) => ensemble.stop(sid)));
    await Promise.all(running.map((sid) => ensemble.start(sid)));
    await ensemble.settled();
    expect(running.map(votersAt)).toEqual([4, 4, 4]);
    await equalState();
  });

  it('makes voters of observers whose word is needed at once, and observers of voters', async () => {
    ensemble = await TestEnsemble.create(
      3,
      { snapCount: 20, recentRecordsMax: 10 },
      {
        observers: 3,
        founders: 5,
      },
    );
    await Promise.all([1, 2, 3, 4, 5].map((sid) => ensemble.start(sid)));
    const first = await ensemble.settled();
    await ensemble.start(6);
    await ensemble.settled();
    const session = await openSession(first);
    await ensemble.submit(first, Op.create, create('/a'), session);
    const members = [
      ...[4, 5, 6].map((sid) => ensemble.line(sid)),
      ...[1, 2, 3].map((sid) => ensemble.line(sid, 'observer')),
    ];
    for (let i = 0; i < 30; i++) {
      ensemble.submitOnly(first, Op.setData, setData('/a', `${i}`), session);
    }
    const change = wish({ newMembers: members.join(','), curConfigId: 0 });
    const { result } = await ensemble.submit(first, Op.reconfig, change, session, SUPER);
    expect(result.err).toBe(0);
    await until('one of them leads', () => (ensemble.leader?.sid ?? 0) > 3);
    const leader = await ensemble.settled();
    const roles = [1, 2, 3].map((sid) => server(sid).replica.status().role);
    expect(roles).toEqual(['observing', 'observing', 'observing']);
    const mine = await openSession(leader);
    for (let i = 0; i < 60; i++) {
      await ensemble.submit(leader, Op.setData, setData('/a', `later ${i}`), mine);
    }
    await equalState();
    await Promise.all([1, 2, 3].map((sid) => ensemble.stop(sid)));
    expect(leader.front.serving).toBe(true);
    const alone = await ensemble.submit(leader, Op.setData, setData('/a', 'alone'), mine);
    expect(alone.result.err).toBe(0);
    await Promise.all([1, 2, 3].map((sid) => ensemble.start(sid)));
    await ensemble.settled();
    await equalState();
  });

  it('finishes a change that its leader died over, or forgets it everywhere', async () => {
    ensemble = await TestEnsemble.create(4, undefined, { founders: 3 });
    await Promise.all([1, 2, 3, 4].map((sid) => ensemble.start(sid)));
    const first = await ensemble.settled();
    const session = await openSession(first);
    await ensemble.submit(first, Op.create, create('/a'), session);
    const stopped: Promise<void>[] = [];
    ensemble.onEvent = (sid, event) => {
      // Logged by somebody else, and its leader gone before it can hear of it.
      if (event.ev === 'fsync' && sid !== first.sid && stopped.length === 0) {
        stopped.push(ensemble.stop(first.sid));
      }
    };
    const joining = wish({ joiningServers: ensemble.line(4) });
    first.replica.submit({
      origin: first.sid,
      request: 9_999,
      session,
      cxid: 1,
      op: Op.reconfig,
      body: joining,
      identities: SUPER,
    });
    await until('the leader is gone', () => stopped.length > 0);
    await Promise.all(stopped);
    await ensemble.settled();
    const now = new Set([...ensemble.servers.keys()].map(votersAt));
    expect(now.size).toBe(1);
    await ensemble.start(first.sid);
    const leader = await ensemble.settled();
    await equalState();
    expect(new Set([...ensemble.servers.keys()].map(votersAt))).toEqual(now);
    const mine = await openSession(leader);
    const write = await ensemble.submit(leader, Op.setData, setData('/a', 'on'), mine);
    expect(write.result.err).toBe(0);
  });
});
