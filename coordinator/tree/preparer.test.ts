import { describe, expect, it } from 'vitest';
import { CreateFlag, ErrorCode, FRAME_BYTES_MAX, Op } from '../protocol/codes.ts';
import { OPEN_ACL } from '../protocol/records.ts';
import { DataTree } from './data-tree.ts';
import { nextVersion } from './node-changes.ts';
import { type Ask, ask, part, SoloLeader } from './testing.ts';
import { StateError } from './tree-state.ts';

const { ephemeral, persistentSequential, persistentWithTtl } = CreateFlag;

function leaderWithNodes(): { leader: SoloLeader; session: number } {
  const leader = new SoloLeader();
  const session = leader.open();
  leader.run(ask.create('/a'), session);
  leader.run(ask.create('/a/b'), session);
  leader.run(ask.create('/e', '', { flags: ephemeral }), session);
  const acl = [{ perms: 1, scheme: 'world', id: 'anyone' }];
  leader.run(ask.create('/r', '', { acl }), session);
  return { leader, session };
}

const digestAcl = { perms: 31, scheme: 'digest', id: 'me:hash' };
const authAcl = { perms: 31, scheme: 'auth', id: '' };
const ipAcl = { perms: 31, scheme: 'ip', id: '10.0.0.0/8' };
const raw = (op: number, hex = ''): Ask => ({ op, body: Buffer.from(hex, 'hex') });

const REFUSED: [string, Ask, keyof typeof ErrorCode][] = [
  ['create, no parent', ask.create('/x/y'), 'NoNode'],
  ['create, there already', ask.create('/a'), 'NodeExists'],
  ['create the root', ask.create('/'), 'NodeExists'],
  ['create below an ephemeral', ask.create('/e/x'), 'NoChildrenForEphemerals'],
  ['create, bad path', ask.create('/a/'), 'BadArguments'],
  ['create, relative path', ask.create('a'), 'BadArguments'],
  ['create, unknown flags', ask.create('/n', '', { flags: 9 }), 'BadArguments'],
  ['create, negative flags', ask.create('/n', '', { flags: -1 }), 'BadArguments'],
  [
    'create with flags of another',
    ask.create('/n', '', { flags: persistentWithTtl }),
    'BadArguments',
  ],
  ['createTTL for no time', ask.createTtl('/n', 0), 'BadArguments'],
  ['createTTL for too long', ask.createTtl('/n', 2 ** 40), 'BadArguments'],
  ['createTTL of another kind', ask.createTtl('/n', 5, '', { flags: ephemeral }), 'BadArguments'],
  ['createTTL, flags first', ask.createTtl('n', 5, '', { flags: 7 }), 'BadArguments'],
  ['createContainer, no parent', ask.createContainer('/x/y'), 'NoNode'],
  ['createContainer with a time', ask.createContainer('/n', '', { flags: 5 }), 'BadArguments'],
  ['create, the list before the parent', ask.create('/x/y', '', { acl: [] }), 'InvalidACL'],
  ['create, the path after the parent', ask.create('/x/y/'), 'NoNode'],
  ['create, auth of nobody', ask.create('/n', '', { acl: [authAcl] }), 'InvalidACL'],
  [
    'create, not an address',
    ask.create('/n', '', { acl: [{ ...ipAcl, id: '1.2.3' }] }),
    'InvalidACL',
  ],
  [
    'create, not a mask',
    ask.create('/n', '', { acl: [{ ...ipAcl, id: '1.2.3.4/33' }] }),
    'InvalidACL',
  ],
  ['setACL, nothing there', ask.setAcl('/x', OPEN_ACL), 'NoNode'],
  ['setACL, other version', ask.setAcl('/a', OPEN_ACL, 1), 'BadVersion'],
  ['setACL, no list', ask.setAcl('/a', []), 'InvalidACL'],
  ['setACL, bad path', ask.setAcl('/a/', OPEN_ACL), 'BadArguments'],
  ['setACL, the list before the node', ask.setAcl('/x', [{ ...ipAcl, scheme: 'x' }]), 'InvalidACL'],
  ['setACL where only reading is allowed', ask.setAcl('/r', OPEN_ACL), 'NoAuth'],
  ['deleteContainer of a client', ask.deleteContainer('/a'), 'Unimplemented'],
  ['delete, a path without a slash', ask.delete('a'), 'BadArguments'],
  ['delete, a path that cannot be', ask.delete('/a/'), 'NoNode'],
  ['create, no ACL', ask.create('/n', '', { acl: [] }), 'InvalidACL'],
  ['create, strange ACL', ask.create('/n', '', { acl: [{ ...digestAcl, id: 'x' }] }), 'InvalidACL'],
  ['create where only reading is allowed', ask.create('/r/x'), 'NoAuth'],
  ['create, too large', ask.create('/n', Buffer.alloc(FRAME_BYTES_MAX)), 'BadArguments'],
  ['delete, nothing there', ask.delete('/x'), 'NoNode'],
  ['delete, no parent', ask.delete('/x/y'), 'NoNode'],
  ['delete with children', ask.delete('/a'), 'NotEmpty'],
  ['delete, other version', ask.delete('/a/b', 1), 'BadVersion'],
  ['delete the root', ask.delete('/'), 'BadArguments'],
  ['delete a node of the system', ask.delete('/zookeeper/config'), 'BadArguments'],
  ['setData, nothing there', ask.setData('/x', ''), 'NoNode'],
  ['setData, other version', ask.setData('/a', '', 1), 'BadVersion'],
  ['setData, bad path', ask.setData('/a/../b', ''), 'BadArguments'],
  ['setData where only reading is allowed', ask.setData('/r', ''), 'NoAuth'],
  ['setData of the configuration', ask.setData('/zookeeper/config', ''), 'NoAuth'],
  ['check, other version', ask.check('/a', 4), 'BadVersion'],
  ['check, nothing there', ask.check('/x', 0), 'NoNode'],
  ['a multi without the time', ask.multi(part.create('/n', '', { flags: 5 })), 'MarshallingError'],
  ['half a body', raw(Op.create, '000000022f78'), 'MarshallingError'],
  ['no path', raw(Op.delete, 'ffffffff00000000'), 'MarshallingError'],
  ['a multi that never ends', raw(Op.multi, '00000002'), 'MarshallingError'],
  ['an operation not offered', raw(Op.getACL), 'Unimplemented'],
  ['an operation unknown', raw(77), 'Unimplemented'],
  ['a session without a timeout', ask.createSession(0), 'BadArguments'],
];

describe('TxnPreparer', () => {
  it.each(REFUSED)('refuses: %s', (_, request, error) => {
    const { leader, session } = leaderWithNodes();
    const digest = leader.tree.digest();
    const { body } = leader.prepare(request, session);
    expect(body).toEqual({ type: 'error', error: ErrorCode[error] });
    expect(leader.applyNext()).toEqual({ err: ErrorCode[error] });
    expect(leader.tree.digest()).toBe(digest);
    expect(leader.preparer.outstanding).toBe(0);
  });

  it('takes the largest data a frame can carry', () => {
    const { leader, session } = leaderWithNodes();
    const data = Buffer.alloc(FRAME_BYTES_MAX - 200, 1);
    expect(leader.run(ask.create('/n', data), session).err).toBe(0);
  });

  it('decides against what is proposed, not what is applied', () => {
    const { leader, session } = leaderWithNodes();
    const asks = [
      ask.create('/n', 'x'),
      ask.create('/n'),
      ask.create('/n/c', '', { flags: persistentSequential }),
      ask.create('/n/c', '', { flags: persistentSequential }),
      ask.delete('/n'),
      ask.setData('/n', 'y', 0),
      ask.setData('/n', 'z', 0),
      ask.delete('/n/c0000000000'),
      ask.delete('/n/c0000000000'),
      ask.create('/n/c', '', { flags: persistentSequential }),
    ];
    for (const each of asks) leader.prepare(each, session);
    const results = asks.map(() => leader.applyNext());
    const { NodeExists, NotEmpty, BadVersion, NoNode } = ErrorCode;
    const errors = results.map((result) => result.err);
    expect(errors).toEqual([0, NodeExists, 0, 0, NotEmpty, 0, BadVersion, 0, NoNode, 0]);
    const made = results.filter((result) => result.path?.startsWith('/n/c'));
    const paths = ['/n/c0000000000', '/n/c0000000001', '/n/c0000000002'];
    expect(made.map((result) => result.path)).toEqual(paths);
    expect(leader.preparer.outstanding).toBe(0);
  });

  it('knows a session from its proposal to the proposal of its close', () => {
    const leader = new SoloLeader();
    const { zxid: session } = leader.prepare(ask.createSession());
    const flags = ephemeral;
    expect(leader.prepare(ask.create('/e', '', { flags }), session).body.type).toBe('create');
    expect(leader.preparer.closing(session)).toBe(false);
    const close = leader.prepare(ask.closeSession(), session);
    const deletes = [{ path: '/e', parentCversion: 1 }];
    expect(close.body).toEqual({ type: 'closeSession', session, deletes });
    expect(leader.preparer.closing(session)).toBe(true);
    const expired = { type: 'error', error: ErrorCode.SessionExpired };
    // ZOOKEEPER-1208: the close is only proposed, and the session is over all the same.
    expect(leader.prepare(ask.create('/late', '', { flags }), session).body).toEqual(expired);
    expect(leader.prepare(ask.multi(part.create('/late')), session).body).toEqual(expired);
    expect(leader.prepare(ask.closeSession(), session).body).toEqual(expired);
    while (leader.waiting > 0) leader.applyNext();
    expect(leader.preparer.closing(session)).toBe(false);
    expect(leader.prepare(ask.setData('/', ''), session).body).toEqual(expired);
    expect(leader.prepare(ask.create('/n'), 12345).body).toEqual(expired);
    expect(leader.tree.counts()).toMatchObject({ nodes: 4, ephemerals: 0, sessions: 0 });
  });

  it('closes with ephemerals applied, proposed, deleted and made again', () => {
    const { leader } = leaderWithNodes();
    const [session, other] = [leader.open(), leader.open()];
    const flags = ephemeral;
    const make = (path: string, by = session) =>
      leader.prepare(ask.create(path, '', { flags }), by);
    for (const path of ['/z', '/gone', '/again', '/taken']) make(path);
    while (leader.waiting > 0) leader.applyNext();
    for (const path of ['/gone', '/again', '/taken']) leader.prepare(ask.delete(path), session);
    make('/again');
    make('/taken', other);
    make('/new');
    leader.applyNext();
    leader.applyNext();
    leader.prepare(ask.multi(part.delete('/new'), part.check('/x', 0)), session);
    const failing = [part.create('/never', '', { flags }), part.check('/x', 0)];
    leader.prepare(ask.multi(...failing), session);
    const { body } = leader.prepare(ask.closeSession(), session);
    const closed = body.type === 'closeSession' ? body.deletes.map((each) => each.path) : [];
    expect(closed).toEqual(['/again', '/new', '/z']);
    while (leader.waiting > 0) leader.applyNext();
    expect(leader.tree.exists('/taken')).toMatchObject({ stat: { ephemeralOwner: BigInt(other) } });
    expect(leader.tree.session(session)).toBeUndefined();
  });

  it('takes a failed multi back, the counter of sequential nodes included (ZOOKEEPER-1624)', () => {
    const { leader, session } = leaderWithNodes();
    const sequential = (path: string) => part.create(path, '', { flags: persistentSequential });
    leader.prepare(ask.multi(sequential('/a/s')), session);
    leader.prepare(
      ask.multi(sequential('/a/s'), part.delete('/a/b'), part.check('/a', 3)),
      session,
    );
    leader.prepare(ask.multi(sequential('/a/s'), part.setData('/a/b', 'x', 0)), session);
    const results = [leader.applyNext(), leader.applyNext(), leader.applyNext()];
    expect(results[0]?.multi).toEqual([{ type: Op.create, path: '/a/s0000000001' }]);
    expect(results[1]?.multi).toEqual(
      [0, 0, ErrorCode.BadVersion].map((err) => ({ type: Op.error, err })),
    );
    expect(results[2]?.multi?.[0]).toEqual({ type: Op.create, path: '/a/s0000000002' });
  });

  it('accepts an empty multi', () => {
    const { leader, session } = leaderWithNodes();
    expect(leader.run(ask.multi(), session)).toMatchObject({ err: 0, multi: [] });
  });

  it('frees what is applied and keeps what came later', () => {
    const { leader, session } = leaderWithNodes();
    leader.prepare(ask.setData('/a', '1', 0), session);
    leader.prepare(ask.setData('/a', '2', 1), session);
    leader.applyNext();
    expect(leader.preparer.outstanding).toBe(1);
    expect(leader.prepare(ask.setData('/a', '3', 1), session).body.type).toBe('error');
    expect(leader.prepare(ask.setData('/a', '3', 2), session).body.type).toBe('setData');
    while (leader.waiting > 0) leader.applyNext();
    expect(leader.preparer.outstanding).toBe(0);
    for (let i = 0; i < 10_000; i++) {
      leader.prepare(ask.setData('/a', 'n'), session);
      if (leader.waiting > 100) leader.applyNext();
    }
    while (leader.waiting > 0) leader.applyNext();
    expect(leader.preparer.outstanding).toBe(0);
    expect(leader.tree.exists('/a')).toMatchObject({ stat: { version: 10_003 } });
  });

  it('stores one copy of each ACL entry and judges by world:anyone', () => {
    const { leader, session } = leaderWithNodes();
    const open = { perms: 31, scheme: 'world', id: 'anyone' };
    leader.run(ask.create('/m', '', { acl: [digestAcl, open, digestAcl] }), session);
    expect(leader.tree.getAcl('/m')).toMatchObject({ ok: true, acl: [digestAcl, open] });
    leader.run(ask.create('/s', 'secret', { acl: [digestAcl] }), session);
    const denied = { ok: false, err: ErrorCode.NoAuth };
    expect(leader.tree.getData('/s')).toEqual(denied);
    expect(leader.tree.getChildren('/s')).toEqual(denied);
    expect(leader.tree.exists('/s')).toMatchObject({ ok: true });
    expect(leader.run(ask.delete('/s'), session).err).toBe(0);
  });

  it('insists on ascending zxids', () => {
    const leader = new SoloLeader(new DataTree(), 0x100000005);
    leader.prepare(ask.createSession());
    const { zxid } = leader.prepare(ask.createSession());
    const request = { origin: 1, request: 1, session: 0, cxid: 0, ...ask.createSession() };
    expect(() => leader.preparer.prepare(request, zxid, 0)).toThrow(StateError);
  });

  it('wraps versions and skips the one that means any', () => {
    expect(nextVersion(0)).toBe(1);
    expect(nextVersion(2 ** 31 - 1)).toBe(-(2 ** 31));
    expect(nextVersion(-2)).toBe(0);
  });
});
