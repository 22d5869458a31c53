import { describe, expect, it } from 'vitest';
import { Op } from '../protocol/codes.ts';
import { sealTxn } from '../txn.ts';
import {
  describeEnsemble,
  ensembleOf,
  parseEnsemble,
  parseMember,
  parseMembers,
} from './members.ts';
import { Membership } from './membership.ts';

const line = (sid: number, role = 'participant') =>
  `server.${sid}=10.0.0.${sid}:2888:3888:${role};0.0.0.0:2181`;

describe('a member', () => {
  it('is read as ZooKeeper writes it', () => {
    expect(parseMember(3, 'db3:2888:3888')).toEqual({
      sid: 3,
      host: 'db3',
      peerPort: 2888,
      electionPort: 3888,
    });
    expect(parseMember(4, '[::1]:1:2:observer;[::2]:3')).toMatchObject({
      host: '::1',
      observer: true,
      clientAddress: '[::2]:3',
    });
    expect(parseMember(5, 'a:1:2;3')).toMatchObject({ clientAddress: '0.0.0.0:3' });
  });

  it('is refused when it is none', () => {
    expect(parseMember(1, 'a:1')).toContain('expected host:peerPort:electionPort');
    expect(parseMember(1, 'a:1:2:boss')).toContain("'boss' is no role");
    expect(parseMember(1, 'a:1:70000')).toContain('expected ports');
    expect(parseMembers(['server.0=a:1:2'])).toContain('N of 1 to 255');
    expect(parseMembers([line(1), line(1)])).toContain('named twice');
    expect(parseMembers(['server.1=a:1:2', 'server.2=a:2:3'])).toContain('taken by server.1');
  });
});

describe('an ensemble', () => {
  it('comes back from its text', () => {
    const text = `${line(1)}\n${line(2, 'observer')}\nversion=30000000a`;
    const ensemble = parseEnsemble(text);
    expect(ensemble).toMatchObject({ version: 0x30000000a, voters: [1] });
    expect(describeEnsemble(ensemble.members, ensemble.version)).toBe(text);
    expect(() => parseEnsemble(line(1))).toThrow('no version');
    expect(() => parseEnsemble('server.1=a\nversion=1')).toThrow('expected the servers');
  });
});

/** A change of the ensemble to these voters, as the log has it. */
function change(zxid: number, ...voters: number[]) {
  const members = parseMembers(voters.map((sid) => line(sid)));
  if (typeof members === 'string') throw new Error(members);
  const data = Buffer.from(describeEnsemble(ensembleOf(members, zxid).members, zxid));
  const body = { type: 'setData', path: '/zookeeper/config', data, version: -1 } as const;
  const of = { session: 1, cxid: 1, origin: 1, request: 1, op: Op.reconfig, timeMs: 0 };
  return sealTxn({ zxid, ...of, body });
}

function membership(kept = '') {
  const texts: string[] = [];
  const peers = parseMembers([line(1), line(2), line(3), line(9, 'observer')]);
  if (typeof peers === 'string') throw new Error(peers);
  const of = new Membership({ peers, kept, keep: (text) => texts.push(text) });
  const quorum = (...sids: number[]) => of.hasQuorum((sid) => sids.includes(sid));
  return { of, quorum, texts };
}

describe('Membership', () => {
  it('is that of the file at first, and observers have no say', () => {
    const { of, quorum } = membership();
    expect(quorum(1, 2)).toBe(true);
    expect(quorum(1, 9)).toBe(false);
    expect([of.isVoter(9), of.isObserver(9), of.isObserver(1)]).toEqual([false, true, false]);
  });

  it('needs both quorums from the moment a change is logged until it is committed', () => {
    const { of, quorum, texts } = membership();
    const record = change(7, 3, 4, 5);
    of.logged(record);
    expect(of.pending?.version).toBe(7);
    expect([quorum(1, 2), quorum(4, 5), quorum(1, 3, 4), quorum(1, 2, 4, 5)]).toEqual([
      false,
      false,
      true,
      true,
    ]);
    expect(of.peers.map(({ sid }) => sid).sort()).toEqual([1, 2, 3, 4, 5, 9]);
    expect(texts).toEqual([]);
    of.committed(parseEnsemble(textOf(record)));
    expect(of.pending).toBeUndefined();
    expect([quorum(1, 2), quorum(4, 5)]).toEqual([false, true]);
    expect(texts).toEqual([textOf(record)]);
  });

  it('forgets a change that leaves the log, and takes a later one for proof of an earlier', () => {
    const { of, quorum } = membership();
    of.logged(change(7, 3, 4, 5));
    of.truncated(7);
    expect(of.pending?.version).toBe(7);
    of.truncated(6);
    expect(quorum(1, 2)).toBe(true);
    of.logged(change(8, 1, 2, 3, 4));
    of.logged(change(12, 1, 2, 3, 4, 5));
    expect([of.current.version, of.pending?.version]).toEqual([8, 12]);
  });

  it('begins with what was kept, and never goes back', () => {
    const { of, quorum, texts } = membership(textOf(change(20, 4, 5, 6)));
    expect([quorum(1, 2, 3), quorum(4, 5)]).toEqual([false, true]);
    of.logged(change(7, 1, 2, 3));
    expect(of.committed(parseEnsemble(textOf(change(20, 1, 2))))).toBe(false);
    of.replaced('');
    expect(of.current.version).toBe(20);
    expect(texts).toEqual([]);
  });
});

function textOf({ txn }: ReturnType<typeof change>): string {
  return txn.body.type === 'setData' ? (txn.body.data?.toString() ?? '') : '';
}
