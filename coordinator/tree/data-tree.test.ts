import { describe, expect, it } from 'vitest';
import { CreateFlag, ErrorCode, Op } from '../protocol/codes.ts';
import { openTxn, sealTxn, type TxnBody } from '../txn.ts';
import { makeZxid } from '../zxid.ts';
import { DataTree } from './data-tree.ts';
import { ask, part, SoloLeader } from './testing.ts';
import { StateError } from './tree-state.ts';

function statOf(tree: DataTree, path: string) {
  const read = tree.exists(path);
  if (!read.ok) throw new Error(`expected a node ${path}, got error ${read.err}`);
  return read.stat;
}

function recordOf(zxid: number, body: TxnBody) {
  const header = { zxid, session: 0, cxid: 0, origin: 1, request: 1, op: Op.create, timeMs: 1 };
  return openTxn(Buffer.from(sealTxn({ ...header, body }).bytes));
}

describe('DataTree', () => {
  it('begins as ZooKeeper does', () => {
    const tree = new DataTree();
    const zeros = { czxid: 0, mzxid: 0, pzxid: 0, ctime: 0, mtime: 0, version: 0 };
    const rest = { aversion: 0, ephemeralOwner: 0n, dataLength: 0 };
    expect(statOf(tree, '/')).toEqual({ ...zeros, ...rest, cversion: -1, numChildren: 1 });
    expect(statOf(tree, '/zookeeper')).toMatchObject({ cversion: -2, numChildren: 2 });
    expect(statOf(tree, '/zookeeper/config')).toMatchObject({ aversion: -1, cversion: 0 });
    expect(tree.getChildren('/zookeeper')).toMatchObject({ children: ['config', 'quota'] });
    expect(tree.recomputeDigest()).toBe(tree.digest());
  });

  it('keeps the Stat of a node and its parent', () => {
    const leader = new SoloLeader();
    const { tree } = leader;
    const session = leader.open();
    const created = leader.run(ask.create('/a', 'one'), session);
    const time = SoloLeader.timeOf(created.zxid);
    const fresh = {
      czxid: created.zxid,
      mzxid: created.zxid,
      pzxid: created.zxid,
      ctime: time,
      mtime: time,
      version: 0,
      cversion: 0,
      aversion: 0,
      ephemeralOwner: 0n,
      dataLength: 3,
      numChildren: 0,
    };
    expect(created).toMatchObject({ err: 0, path: '/a', stat: fresh });
    const set = leader.run(ask.setData('/a', 'three'), session);
    const mtime = SoloLeader.timeOf(set.zxid);
    const changed = { ...fresh, mzxid: set.zxid, mtime, version: 1, dataLength: 5 };
    expect(set.stat).toEqual(changed);
    const child = leader.run(ask.create('/a/b', null, { flags: CreateFlag.ephemeral }), session);
    expect(child.stat).toMatchObject({ ephemeralOwner: BigInt(session), dataLength: 0 });
    const withChild = { ...changed, cversion: 1, numChildren: 1, pzxid: child.zxid };
    expect(statOf(tree, '/a')).toEqual(withChild);
    const gone = leader.run(ask.delete('/a/b'), session);
    expect(statOf(tree, '/a')).toEqual({ ...changed, cversion: 2, pzxid: gone.zxid });
    expect(statOf(tree, '/')).toMatchObject({ cversion: 0, numChildren: 2, pzxid: created.zxid });
  });

  it('numbers sequential nodes by creations, whatever was deleted', () => {
    const leader = new SoloLeader();
    const session = leader.open();
    leader.run(ask.create('/q'), session);
    const next = (prefix = '/q/n-') =>
      leader.run(ask.create(prefix, '', { flags: CreateFlag.persistentSequential }), session).path;
    expect(next()).toBe('/q/n-0000000000');
    expect(leader.run(ask.delete('/q/n-0000000000'), session).err).toBe(0);
    expect(next()).toBe('/q/n-0000000001');
    expect(leader.run(ask.create('/q/plain'), session).err).toBe(0);
    expect(next('/q/')).toBe('/q/0000000003');
    expect(next('/')).toBe('/0000000001');
  });

  it('tells null data from empty data', () => {
    const leader = new SoloLeader();
    const session = leader.open();
    leader.run(ask.create('/a', null), session);
    const digest = leader.tree.digest();
    expect(leader.tree.getData('/a')).toMatchObject({ ok: true, data: null });
    leader.run(ask.setData('/a', ''), session);
    expect(leader.tree.getData('/a')).toMatchObject({ ok: true, data: Buffer.alloc(0) });
    expect(leader.tree.digest()).not.toBe(digest);
  });

  it('answers reads of nodes that are not there with NoNode', () => {
    const tree = new DataTree();
    const missing = { ok: false, err: ErrorCode.NoNode };
    expect(tree.getData('/x')).toEqual(missing);
    expect(tree.exists('/x')).toEqual(missing);
    expect(tree.getChildren('/x')).toEqual(missing);
    expect(tree.getAcl('/x')).toEqual(missing);
  });

  it('does not keep the memory of the request it was written by', () => {
    const leader = new SoloLeader();
    const session = leader.open();
    leader.prepare(ask.create('/a', 'data'), session);
    leader.applyNext();
    leader.records.at(-1)?.bytes.fill(0);
    expect(leader.tree.getData('/a')).toMatchObject({ data: Buffer.from('data') });
    leader.prepare(ask.setData('/a', 'more'), session);
    leader.applyNext();
    leader.records.at(-1)?.bytes.fill(0);
    expect(leader.tree.getData('/a')).toMatchObject({ data: Buffer.from('more') });
    expect(leader.tree.recomputeDigest()).toBe(leader.tree.digest());
  });

  it('applies only the transaction that is next', () => {
    const noop: TxnBody = { type: 'noop' };
    const tree = new DataTree();
    expect(() => tree.apply(recordOf(makeZxid(1, 2), noop))).toThrow(StateError);
    expect(() => tree.apply(recordOf(makeZxid(1, 0), noop))).toThrow(/do not belong together/);
    tree.apply(recordOf(makeZxid(1, 1), noop));
    tree.apply(recordOf(makeZxid(1, 2), { type: 'error', error: ErrorCode.NoNode }));
    expect(tree.lastApplied).toBe(makeZxid(1, 2));
    expect(() => tree.apply(recordOf(makeZxid(1, 2), noop))).toThrow(StateError);
    expect(() => tree.apply(recordOf(makeZxid(1, 1), noop))).toThrow(StateError);
    expect(() => tree.apply(recordOf(makeZxid(1, 4), noop))).toThrow(StateError);
    expect(() => tree.apply(recordOf(makeZxid(3, 2), noop))).toThrow(StateError);
    tree.apply(recordOf(makeZxid(3, 1), noop));
    expect(tree.lastApplied).toBe(makeZxid(3, 1));
  });

  it('closes a session with exactly the nodes listed, and refuses to leave any', () => {
    const leader = new SoloLeader();
    const { tree } = leader;
    const session = leader.open();
    const flags = CreateFlag.ephemeral;
    for (const path of ['/e1', '/e2']) leader.run(ask.create(path, '', { flags }), session);
    expect([...tree.ephemerals(session)]).toEqual(['/e1', '/e2']);
    const next = tree.lastApplied + 1;
    const one = { path: '/e1', parentCversion: 2 };
    const half: TxnBody = { type: 'closeSession', session, deletes: [one] };
    const copy = new DataTree();
    copy.load(tree.serialize());
    expect(() => copy.apply(recordOf(next, half))).toThrow(/1 are left: \/e2/);
    const foreign: TxnBody = { ...half, deletes: [{ path: '/zookeeper', parentCversion: 0 }] };
    expect(() => tree.apply(recordOf(next, foreign))).toThrow(/its owner is 0x0/);
    leader.run(ask.closeSession(), session);
    expect(tree.session(session)).toBeUndefined();
    expect(tree.counts()).toMatchObject({ nodes: 4, ephemerals: 0, sessions: 0 });
  });

  it('refuses what contradicts its state', () => {
    const at = makeZxid(1, 1);
    const create = { type: 'create', data: null, acl: [], ephemeralOwner: 0, parentCversion: 1 };
    const refused: [TxnBody, RegExp][] = [
      [{ ...create, path: '/x/y' } as TxnBody, /expected a node \/x to create \/x\/y/],
      [{ ...create, path: '/zookeeper' } as TxnBody, /expected no node at \/zookeeper/],
      [{ ...create, path: '/e', ephemeralOwner: 9 } as TxnBody, /open session to own \/e, got 0x9/],
      [{ type: 'delete', path: '/x', parentCversion: 0 }, /expected a node \/x to delete/],
      [{ type: 'delete', path: '/zookeeper', parentCversion: 0 }, /expected no children/],
      [{ type: 'setData', path: '/x', data: null, version: 1 }, /expected a node \/x to setData/],
      [{ type: 'closeSession', session: 5, deletes: [] }, /open session to close, got 0x5/],
      [{ type: 'multi', parts: [{ type: 'noop' }] }, /in a multi, got noop/],
    ];
    for (const [body, message] of refused) {
      expect(() => new DataTree().apply(recordOf(at, body))).toThrow(message);
    }
  });

  it('gives the results of a multi, one for each operation', () => {
    const leader = new SoloLeader();
    const session = leader.open();
    const ops = [
      part.create('/a', 'x'),
      part.create('/a/s-', '', { flags: CreateFlag.persistentSequential }),
      part.setData('/a', 'y', 0),
      part.check('/a', 1),
      part.delete('/a/s-0000000000'),
    ];
    const done = leader.run(ask.multi(...ops), session);
    expect(done.err).toBe(0);
    expect(done.multi).toMatchObject([
      { type: Op.create, path: '/a' },
      { type: Op.create, path: '/a/s-0000000000' },
      { type: Op.setData, stat: { version: 1, mzxid: done.zxid, cversion: 1, numChildren: 1 } },
      { type: Op.check },
      { type: Op.delete },
    ]);
    expect(statOf(leader.tree, '/a')).toMatchObject({ cversion: 2, pzxid: done.zxid });
    const digest = leader.tree.digest();
    const failed = leader.run(
      ask.multi(part.setData('/a', 'z'), part.delete('/a', 7), part.create('/b')),
      session,
    );
    expect(failed.err).toBe(0);
    expect(failed.multi).toEqual([
      { type: Op.error, err: ErrorCode.Ok },
      { type: Op.error, err: ErrorCode.BadVersion },
      { type: Op.error, err: ErrorCode.RuntimeInconsistency },
    ]);
    expect(leader.tree.digest()).toBe(digest);
  });
});
