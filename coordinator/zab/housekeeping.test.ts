import { afterEach, describe, expect, it } from 'vitest';
import { CreateFlag, Op } from '../protocol/codes.ts';
import { encodeBody } from '../protocol/jute.ts';
import { CreateRequest, CreateTtlRequest, DeleteRequest, OPEN_ACL } from '../protocol/records.ts';
import { DataTree } from '../tree/data-tree.ts';
import { CreateSessionRequest, TxnPreparer } from '../tree/preparer.ts';
import { ask, SoloLeader } from '../tree/testing.ts';
import { describing, Reaper } from './housekeeping.ts';
import { describeEnsemble, ensembleOf } from './members.ts';
import { TestEnsemble, type TestServer, until } from './testing.ts';

const peers = [
  { sid: 1, host: 'a', peerPort: 2888, electionPort: 3888, clientAddress: '0.0.0.0:2181' },
  { sid: 2, host: '::1', peerPort: 2889, electionPort: 3889 },
];

describe('the description of an ensemble', () => {
  it('is the text that ZooKeeper keeps', () => {
    expect(describeEnsemble(peers, 0x100000007)).toBe(
      'server.1=a:2888:3888:participant;0.0.0.0:2181\n' +
        'server.2=[::1]:2889:3889:participant\nversion=100000007',
    );
    expect(describeEnsemble(peers, 0)).toMatch(/\nversion=0$/);
  });

  it('is written where it differs, and never by a server alone', () => {
    const leader = new SoloLeader();
    const request = describing(ensembleOf(peers, 0), leader.preparer);
    expect(request?.op).toBe(Op.reconfig);
    expect(describing(ensembleOf(peers.slice(0, 1), 0), leader.preparer)).toBeUndefined();
    expect(leader.run(ask.configure(describeEnsemble(peers, 0))).err).toBe(0);
    expect(describing(ensembleOf(peers, 0), leader.preparer)).toBeUndefined();
    expect(describing(ensembleOf(peers.slice(1), 7), leader.preparer)).toBeUndefined();
    expect(leader.tree.exists('/zookeeper/config')).toMatchObject({ stat: { version: -1 } });
    expect(leader.run(ask.setData('/zookeeper/config', 'x'), leader.open()).err).toBeLessThan(0);
  });
});

describe('Reaper', () => {
  it('looks now and then, and takes no more than it may', () => {
    const leader = new SoloLeader(new DataTree());
    const session = leader.open();
    for (let i = 0; i < 5; i++) leader.run(ask.createTtl(`/t${i}`, 1), session);
    const limits = { checkMs: 1000, perMinuteMax: 120, unusedMsMax: 0 };
    const reaper = new Reaper(limits, leader.preparer, 5000);
    const late = Number.MAX_SAFE_INTEGER;
    expect(reaper.due(5999, late)).toEqual([]);
    expect(reaper.due(6000, late)).toHaveLength(2);
    expect(reaper.due(6999, late)).toEqual([]);
    expect(reaper.due(9000, 0)).toEqual([]);
    const few = new Reaper({ ...limits, perMinuteMax: 1 }, new TxnPreparer(leader.tree), 0);
    expect(few.due(1000, late)).toHaveLength(1);
  });
});

describe('an ensemble', () => {
  let ensemble: TestEnsemble | undefined;
  afterEach(async () => {
    const failures = ensemble?.failures;
    await ensemble?.close();
    expect(failures ?? []).toEqual([]);
  });

  it('writes down its servers once, and ends nodes whose time is over on all of them', async () => {
    const three = await TestEnsemble.create(3);
    ensemble = three;
    await Promise.all([1, 2, 3].map((sid) => three.start(sid)));
    const leader = await three.settled();
    const all = [...three.servers.values()];
    const everywhere = (what: string, holds: (server: TestServer) => boolean) =>
      until(what, () => all.every(holds));
    await everywhere('the servers written down', ({ tree }) => {
      return /^server\.1=.*\nserver\.2=.*\nserver\.3=.*:participant\nversion=0$/.test(
        tree.configuration(),
      );
    });
    const opening = encodeBody(CreateSessionRequest, {
      timeoutMs: 60_000,
      password: Buffer.alloc(16),
    });
    const { zxid: session } = await three.submit(leader, Op.createSession, opening);
    const make = async (op: number, path: string, flags: number, ttl?: number) => {
      const fields = { path, data: null, acl: OPEN_ACL, flags };
      const body =
        ttl === undefined
          ? encodeBody(CreateRequest, fields)
          : encodeBody(CreateTtlRequest, { ...fields, ttl });
      const { result } = await three.submit(leader, op, body, session);
      expect(result.err).toBe(0);
    };
    await make(Op.createTTL, '/ttl', CreateFlag.persistentWithTtl, 1);
    await make(Op.createTTL, '/lasting', CreateFlag.persistentWithTtl, 1_000_000);
    await make(Op.createContainer, '/unused', CreateFlag.container);
    await make(Op.createContainer, '/container', CreateFlag.container);
    await make(Op.create, '/container/child', CreateFlag.persistent);
    await everywhere('the node past its time gone', ({ tree }) => !tree.exists('/ttl').ok);
    expect(leader.tree.exists('/container').ok).toBe(true);
    const gone = encodeBody(DeleteRequest, { path: '/container/child', version: -1 });
    await three.submit(leader, Op.delete, gone, session);
    await everywhere('the container gone', ({ tree }) => !tree.exists('/container').ok);
    for (const { tree } of all) {
      expect([tree.exists('/unused').ok, tree.exists('/lasting').ok]).toEqual([true, true]);
    }
    const written = leader.events.filter(({ ev }) => ev === 'established').length;
    expect(written).toBe(1);
    expect(new Set(all.map(({ tree }) => tree.digest())).size).toBe(1);
  });
});
