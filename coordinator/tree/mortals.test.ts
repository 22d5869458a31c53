import { describe, expect, it } from 'vitest';
import { CreateFlag, ErrorCode, Op } from '../protocol/codes.ts';
import { openTxn } from '../txn.ts';
import { DataTree } from './data-tree.ts';
import { CONTAINER, isOwner, ownerOfTtl, ownerOnWire, TTL_MS_MAX, ttlOf } from './lifetimes.ts';
import { ask, part, SoloLeader } from './testing.ts';

function statOf(tree: DataTree, path: string) {
  const read = tree.exists(path);
  if (!read.ok) throw new Error(`expected ${path}, got error ${read.err}`);
  return read.stat;
}

function leaderWithMortals(): { leader: SoloLeader; session: number } {
  const leader = new SoloLeader();
  const session = leader.open();
  for (const request of [
    ask.createContainer('/c', 'x'),
    ask.createTtl('/t', 5000, 'x'),
    ask.create('/p'),
  ]) {
    expect(leader.run(request, session).err).toBe(0);
  }
  return { leader, session };
}

const deletion = (leader: SoloLeader, path: string) => leader.run(ask.deleteContainer(path)).err;

describe('an owner that is no session', () => {
  it('is not shown to clients, who see only sessions there', () => {
    expect(ownerOnWire(0)).toBe(0n);
    expect(ownerOnWire(0x1_0000_0001)).toBe(0x1_0000_0001n);
    expect(ownerOnWire(CONTAINER)).toBe(0n);
    for (const ms of [1, 5000, TTL_MS_MAX]) {
      expect(ownerOnWire(ownerOfTtl(ms))).toBe(0n);
      expect(ttlOf(ownerOfTtl(ms))).toBe(ms);
    }
    for (const ms of [0, -1, TTL_MS_MAX + 1, 1.5]) expect(() => ownerOfTtl(ms)).toThrow(RangeError);
    expect([0, 7, CONTAINER, -1, -TTL_MS_MAX].every(isOwner)).toBe(true);
    expect([-TTL_MS_MAX - 1, CONTAINER + 1].some(isOwner)).toBe(false);
  });
});

describe('containers and nodes with a time to live', () => {
  it('answer with their Stat, alone and in a multi', () => {
    const { leader, session } = leaderWithMortals();
    const { tree } = leader;
    expect(statOf(tree, '/c')).toMatchObject({ ephemeralOwner: 0n, dataLength: 1 });
    expect(statOf(tree, '/t').ephemeralOwner).toBe(0n);
    const flags = CreateFlag.persistentSequentialWithTtl;
    const made = leader.run(ask.createTtl('/p/t-', 7, '', { flags }), session);
    expect(made).toMatchObject({ path: '/p/t-0000000000', stat: { ephemeralOwner: 0n } });
    const { multi } = leader.run(
      ask.multi(
        part.create('/m'),
        { ...part.create('/m2'), type: Op.create2 } as ReturnType<typeof part.create>,
        part.createContainer('/mc'),
        part.createTtl('/mt', 9),
      ),
      session,
    );
    expect(multi).toMatchObject([
      { type: Op.create, path: '/m' },
      { type: Op.create2, path: '/m2', stat: { ephemeralOwner: 0n } },
      { type: Op.create2, path: '/mc', stat: { ephemeralOwner: 0n } },
      { type: Op.create2, path: '/mt', stat: { ephemeralOwner: 0n } },
    ]);
    expect('stat' in (multi?.[0] ?? {})).toBe(false);
  });

  it('have children, and survive every session', () => {
    const { leader, session } = leaderWithMortals();
    expect(leader.run(ask.create('/c/x'), session).err).toBe(0);
    expect(leader.run(ask.create('/t/x', '', { flags: 1 }), session).err).toBe(0);
    expect(leader.run(ask.closeSession(), session).err).toBe(0);
    expect(leader.tree.exists('/c/x').ok).toBe(true);
    expect(leader.tree.exists('/t').ok).toBe(true);
    expect(leader.tree.counts()).toMatchObject({ ephemerals: 0 });
  });

  it('are overdue when empty after a child, or untouched for their time', () => {
    const { leader, session } = leaderWithMortals();
    const { preparer, tree } = leader;
    const { mtime } = statOf(tree, '/t');
    expect(preparer.overdue(mtime + 5000, 0)).toEqual([]);
    expect(preparer.overdue(mtime + 5001, 0)).toEqual(['/t']);
    expect(preparer.overdue(mtime + 5001, 1000)).toEqual(['/c', '/t']);
    leader.run(ask.create('/c/x'), session);
    leader.run(ask.create('/t/x'), session);
    expect(preparer.overdue(mtime + 50_000, 1)).toEqual([]);
    leader.run(ask.delete('/c/x'), session);
    leader.run(ask.delete('/t/x'), session);
    // A child does not begin the time anew, a change of the node does.
    expect(preparer.overdue(mtime + 5001, 0)).toEqual(['/c', '/t']);
    leader.run(ask.setData('/t', 'y'), session);
    expect(preparer.overdue(mtime + 5001, 0)).toEqual(['/c']);
    // Whatever is under way is left for the next look.
    leader.prepare(ask.create('/c/y'), session);
    leader.prepare(ask.setData('/t', 'z'), session);
    expect(preparer.overdue(mtime + 50_000, 0)).toEqual([]);
  });

  it('are deleted by the leader alone, and only if they may be', () => {
    const { leader, session } = leaderWithMortals();
    const { NoNode, NotEmpty, BadVersion, Unimplemented } = ErrorCode;
    expect(leader.run(ask.deleteContainer('/c'), session).err).toBe(Unimplemented);
    expect(leader.run(ask.configure('server.1=x'), session).err).toBe(ErrorCode.NoAuth);
    expect(deletion(leader, '/x')).toBe(NoNode);
    expect(deletion(leader, '/p')).toBe(BadVersion);
    expect(deletion(leader, '/')).toBe(NotEmpty);
    leader.run(ask.create('/e', '', { flags: 1 }), session);
    expect(deletion(leader, '/e')).toBe(BadVersion);
    leader.prepare(ask.create('/c/x'), session);
    expect(leader.prepare(ask.deleteContainer('/c')).body).toEqual({
      type: 'error',
      error: NotEmpty,
    });
    leader.prepare(ask.delete('/c/x'), session);
    leader.prepare(ask.deleteContainer('/c'));
    leader.prepare(ask.create('/c/late'), session);
    while (leader.waiting > 1) leader.applyNext();
    expect(leader.tree.exists('/c').ok).toBe(false);
    expect(leader.applyNext().err).toBe(NoNode);
    expect(deletion(leader, '/t')).toBe(0);
    expect(leader.preparer.overdue(Number.MAX_SAFE_INTEGER, 1)).toEqual([]);
  });

  it('are the same after replay and snapshot, and refused by the digest otherwise', () => {
    const { leader } = leaderWithMortals();
    const [replayed, loaded] = [new DataTree(), new DataTree()];
    for (const { bytes } of leader.records) replayed.apply(openTxn(bytes));
    loaded.load(leader.tree.serialize());
    for (const tree of [replayed, loaded]) {
      expect(tree.digest()).toBe(leader.tree.digest());
      expect(tree.recomputeDigest()).toBe(leader.tree.digest());
      expect(tree.overdue(Number.MAX_SAFE_INTEGER, 1)).toEqual(['/c', '/t']);
    }
  });

  it('can be switched off, as far as times to live go', () => {
    const leader = new SoloLeader(new DataTree(), undefined, { extendedTypes: false });
    const session = leader.open();
    expect(leader.run(ask.createTtl('/t', 5), session).err).toBe(ErrorCode.Unimplemented);
    expect(leader.run(ask.createContainer('/c'), session).err).toBe(0);
  });
});
