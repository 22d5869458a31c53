import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Identity } from '../contract.ts';
import { ErrorCode, Perm } from '../protocol/codes.ts';
import { type Acl, OPEN_ACL } from '../protocol/records.ts';
import { accessList, allows, fixAcl } from './acls.ts';
import { DataTree } from './data-tree.ts';
import { ask, part, SoloLeader } from './testing.ts';

const me: Identity = { scheme: 'digest', id: 'me:hash' };
const you: Identity = { scheme: 'digest', id: 'you:hash' };
const superuser: Identity = { scheme: 'super', id: '' };
const at = (id: string): Identity => ({ scheme: 'ip', id });
const entry = (scheme: string, id: string, perms: number = Perm.all): Acl => ({
  perms,
  scheme,
  id,
});

describe('an access list', () => {
  it.each([
    ['world', OPEN_ACL, [], true],
    ['digest, its own', [entry('digest', me.id)], [me], true],
    ['digest, another', [entry('digest', me.id)], [you], false],
    ['digest, nobody', [entry('digest', me.id)], [], false],
    ['digest as an address', [entry('digest', '1.2.3.4')], [at('1.2.3.4')], false],
    ['anybody of several', [entry('digest', 'x:y'), entry('digest', me.id)], [you, me], true],
    ['other permissions', [entry('digest', me.id, Perm.write)], [me], false],
    ['super', [entry('digest', me.id, 0)], [superuser], true],
    ['an address', [entry('ip', '10.1.2.3')], [at('10.1.2.3')], true],
    ['another address', [entry('ip', '10.1.2.3')], [at('10.1.2.4')], false],
    ['a network', [entry('ip', '10.1.0.0/16')], [at('10.1.255.4')], true],
    ['another network', [entry('ip', '10.1.0.0/16')], [at('10.2.0.4')], false],
    ['a network of odd size', [entry('ip', '10.1.4.0/22')], [at('10.1.7.255')], true],
    ['just outside of it', [entry('ip', '10.1.4.0/22')], [at('10.1.8.0')], false],
    ['everybody by address', [entry('ip', '1.2.3.4/0')], [at('200.1.1.1')], true],
    ['one high address', [entry('ip', '255.255.255.255/32')], [at('255.255.255.255')], true],
    ['no IPv6', [entry('ip', '10.0.0.0/8')], [at('::1')], false],
  ])('%s', (_, acl, identities, expected) => {
    expect(allows(accessList(acl), Perm.read, identities)).toBe(expected);
  });

  it('compares networks as bits do', () => {
    const byte = fc.integer({ min: 0, max: 255 });
    const address = fc.tuple(byte, byte, byte, byte);
    const bits = ([a, b, c, d]: number[]) =>
      [a, b, c, d].map((each) => (each as number).toString(2).padStart(8, '0')).join('');
    fc.assert(
      fc.property(address, address, fc.integer({ min: 0, max: 32 }), (own, net, size) => {
        const list = accessList([entry('ip', `${net.join('.')}/${size}`)]);
        const expected = bits(own).slice(0, size) === bits(net).slice(0, size);
        expect(allows(list, Perm.read, [at(own.join('.'))])).toBe(expected);
      }),
    );
  });

  it.each([
    ['nothing', [], null],
    ['open', OPEN_ACL, OPEN_ACL],
    ['world of somebody', [entry('world', 'me')], null],
    ['an unknown scheme', [entry('kerberos', 'me')], null],
    ['a digest without its hash', [entry('digest', 'me')], null],
    ['a digest with an empty hash', [entry('digest', 'me:')], null],
    ['a digest of three parts', [entry('digest', 'a:b:c')], null],
    ['twice the same', [entry('ip', '1.2.3.4'), entry('ip', '1.2.3.4')], [entry('ip', '1.2.3.4')]],
    ['three numbers', [entry('ip', '1.2.3')], null],
    ['a number too large', [entry('ip', '1.2.3.256')], null],
    ['a mask too large', [entry('ip', '1.2.3.4/33')], null],
    ['IPv6', [entry('ip', '::1')], null],
    ['auth', [entry('auth', '', 3)], [entry('digest', me.id, 3), entry('digest', you.id, 3)]],
  ])('is stored from: %s', (_, acl, expected) => {
    expect(fixAcl(acl, [at('1.2.3.4'), me, superuser, you])).toEqual(expected);
  });
});

function leaderWithSecret(): { leader: SoloLeader; session: number } {
  const leader = new SoloLeader();
  const session = leader.open();
  const acl = [entry('auth', ''), entry('world', 'anyone', Perm.read)];
  leader.run(ask.create('/mine', 'x', { acl }), session, [me]);
  leader.run(ask.create('/mine/secret', 'x', { acl: [entry('auth', '')] }), session, [me]);
  return { leader, session };
}

const { NoAuth } = ErrorCode;

describe('permissions', () => {
  it('are asked for by every operation', () => {
    const { leader, session } = leaderWithSecret();
    const { tree } = leader;
    const digest = tree.digest();
    for (const [request, on] of [
      [ask.create('/mine/n'), 'create'],
      [ask.createContainer('/mine/n'), 'create'],
      [ask.createTtl('/mine/n', 5), 'create'],
      [ask.delete('/mine/secret'), 'delete'],
      [ask.setData('/mine', 'y'), 'write'],
      [ask.setAcl('/mine', OPEN_ACL), 'admin'],
      [ask.check('/mine/secret', 0), 'read'],
    ] as const) {
      expect([on, leader.run(request, session).err]).toEqual([on, NoAuth]);
      expect([on, leader.run(request, session, [you, at('1.1.1.1')]).err]).toEqual([on, NoAuth]);
    }
    const multi = leader.run(
      ask.multi(part.check('/mine', 0), part.delete('/mine/secret')),
      session,
    );
    expect(multi.multi?.map((each) => 'err' in each && each.err)).toEqual([0, NoAuth]);
    expect(tree.digest()).toBe(digest);
    const denied = { ok: false, err: NoAuth };
    for (const identities of [[], [you]]) {
      expect(tree.getData('/mine/secret', undefined, identities)).toEqual(denied);
      expect(tree.getChildren('/mine/secret', undefined, identities)).toEqual(denied);
      expect(tree.getAllChildrenNumber('/mine/secret', identities)).toEqual(denied);
      expect(tree.getAcl('/mine/secret', identities)).toEqual(denied);
    }
    for (const identities of [[me], [superuser]]) {
      expect(tree.getData('/mine/secret', undefined, identities).ok).toBe(true);
      expect(tree.getAcl('/mine/secret', identities).ok).toBe(true);
    }
    expect(leader.run(ask.setData('/mine', 'y'), session, [me]).err).toBe(0);
    expect(leader.run(ask.delete('/mine/secret'), session, [superuser]).err).toBe(0);
  });

  it('hide digests from who may not change them', () => {
    const { leader } = leaderWithSecret();
    expect(leader.tree.getAcl('/mine')).toMatchObject({
      acl: [entry('digest', 'me:x'), entry('world', 'anyone', Perm.read)],
    });
    expect(leader.tree.getAcl('/mine', [me])).toMatchObject({
      acl: [entry('digest', me.id), entry('world', 'anyone', Perm.read)],
    });
  });

  it('change with setACL, at once for what is decided after it, with its own version', () => {
    const { leader, session } = leaderWithSecret();
    leader.prepare(ask.setAcl('/mine', OPEN_ACL, 0), session, [me]);
    leader.prepare(ask.setData('/mine', 'y'), session);
    leader.prepare(ask.setAcl('/mine', [entry('ip', '10.0.0.0/8')], 0), session);
    leader.prepare(ask.setAcl('/mine', [entry('ip', '10.0.0.0/8')], 1), session);
    leader.prepare(ask.setData('/mine', 'z'), session, [me]);
    leader.prepare(ask.setData('/mine', 'z'), session, [at('10.4.4.4')]);
    const before = leader.tree.exists('/mine');
    const [opened, set, stale, closed, refused, allowed] = Array.from({ length: 6 }, () =>
      leader.applyNext(),
    );
    const stat = before.ok ? before.stat : undefined;
    // Nothing but aversion: no zxid, no time, no version.
    expect(opened).toEqual({ err: 0, stat: { ...stat, aversion: 1 } });
    expect([set?.err, stale?.err, closed?.err]).toEqual([0, ErrorCode.BadVersion, 0]);
    expect([refused?.err, allowed?.err]).toEqual([NoAuth, 0]);
    expect(closed?.stat).toMatchObject({ aversion: 2, version: 1 });
    expect(leader.preparer.outstanding).toBe(0);
  });

  it('are part of digest, replay and snapshot', () => {
    const { leader, session } = leaderWithSecret();
    const before = leader.tree.digest();
    leader.run(ask.setAcl('/mine', OPEN_ACL), session, [me]);
    expect(leader.tree.digest()).not.toBe(before);
    expect(leader.tree.recomputeDigest()).toBe(leader.tree.digest());
    const [replayed, loaded] = [new DataTree(), new DataTree()];
    for (const record of leader.records) replayed.apply(record);
    loaded.load(leader.tree.serialize());
    for (const tree of [replayed, loaded]) {
      expect(tree.digest()).toBe(leader.tree.digest());
      expect(tree.getAcl('/mine')).toEqual(leader.tree.getAcl('/mine'));
    }
  });
});
