import { describe, expect, it } from 'vitest';
import { ErrorCode } from '../protocol/codes.ts';
import { openTxn } from '../txn.ts';
import { DataTree } from './data-tree.ts';
import { QuotaValues } from './quotas.ts';
import { ask, part, SoloLeader } from './testing.ts';

const LIMITS = '/zookeeper/quota/a/zookeeper_limits';
const STATS = '/zookeeper/quota/a/zookeeper_stats';

function used(tree: DataTree, path = STATS): string {
  const read = tree.getData(path);
  return read.ok ? String(read.data) : `error ${read.err}`;
}

/** /a with two nodes of 3 bytes, and limits on it. */
function leaderWithQuota(
  limits: string,
  enforceQuota = true,
): { leader: SoloLeader; session: number; warnings: string[] } {
  const warnings: string[] = [];
  const warn = (message: string) => void warnings.push(message);
  const leader = new SoloLeader(new DataTree(), undefined, { enforceQuota, warn });
  const session = leader.open();
  for (const request of [
    ask.create('/a', 'one'),
    ask.create('/a/b', 'two'),
    ask.create('/other', 'not counted'),
    ask.create('/zookeeper/quota/a'),
    ask.create(LIMITS, limits),
    ask.create(STATS, 'count=-1,bytes=-1'),
  ]) {
    expect(leader.run(request, session).err).toBe(0);
  }
  return { leader, session, warnings };
}

describe('values of a quota', () => {
  it.each([
    ['', 'count=-1,bytes=-1'],
    ['count=4,bytes=5', 'count=4,bytes=5'],
    ['bytes=5;count=4', 'count=4,bytes=5'],
    [
      'count=1,bytes=2=;countHardLimit=3;byteHardLimit=4',
      'count=1,bytes=2=;byteHardLimit=4;countHardLimit=3',
    ],
    ['count=x,bytes=', 'count=-1,bytes=-1'],
    ['nonsense', 'count=-1,bytes=-1=;nonsense=-1'],
  ])('%s', (text, printed) => {
    expect(QuotaValues.parse(Buffer.from(text)).toString()).toBe(printed);
  });
});

describe('statistics of a quota', () => {
  it('begin with what is there and follow every change below', () => {
    const { leader, session } = leaderWithQuota('count=10,bytes=100');
    const { tree } = leader;
    expect(used(tree)).toBe('count=2,bytes=6');
    const before = tree.exists(STATS);
    leader.run(ask.create('/a/c', 'four'), session);
    expect(used(tree)).toBe('count=3,bytes=10');
    leader.run(ask.setData('/a/b', 'x'), session);
    expect(used(tree)).toBe('count=3,bytes=8');
    leader.run(ask.setData('/a', null), session);
    leader.run(ask.delete('/a/c'), session);
    leader.run(ask.create('/ab', 'beside'), session);
    leader.run(ask.multi(part.create('/a/d', '1'), part.delete('/a/b')), session);
    leader.run(ask.multi(part.create('/a/e', '1'), part.check('/a', 77)), session);
    expect(used(tree)).toBe('count=2,bytes=1');
    leader.run(ask.create('/a/mine', 'xx', { flags: 1 }), session);
    expect(used(tree)).toBe('count=3,bytes=3');
    leader.run(ask.closeSession(), session);
    expect(used(tree)).toBe('count=2,bytes=1');
    const after = tree.exists(STATS);
    // Nobody changed the node: neither its version nor its time.
    if (!before.ok || !after.ok) throw new Error('expected the statistics');
    expect(after.stat).toEqual(before.stat);
    expect(tree.recomputeDigest()).toBe(tree.digest());
  });

  it('are the same after replay and snapshot, and go on from there', () => {
    const { leader, session } = leaderWithQuota('count=10,bytes=100');
    const loaded = new DataTree();
    loaded.load(leader.tree.serialize());
    leader.run(ask.create('/a/c', 'four'), session);
    const last = leader.records.at(-1);
    if (last === undefined) throw new Error('expected a record');
    loaded.apply(last);
    const replayed = new DataTree();
    for (const { bytes } of leader.records) replayed.apply(openTxn(bytes));
    for (const tree of [loaded, replayed]) {
      expect(used(tree)).toBe('count=3,bytes=10');
      expect(tree.digest()).toBe(leader.tree.digest());
    }
  });

  it('end with the limits, and count for the smallest subtree that has some', () => {
    const { leader, session } = leaderWithQuota('count=10,bytes=100');
    leader.run(ask.create('/zookeeper/quota/a/b'), session);
    leader.run(ask.create('/zookeeper/quota/a/b/zookeeper_limits', 'count=1'), session);
    leader.run(ask.create('/zookeeper/quota/a/b/zookeeper_stats'), session);
    leader.run(ask.create('/a/b/c', 'xx'), session);
    const inner = '/zookeeper/quota/a/b/zookeeper_stats';
    expect([used(leader.tree), used(leader.tree, inner)]).toEqual([
      'count=2,bytes=6',
      'count=2,bytes=5',
    ]);
    leader.run(ask.delete('/zookeeper/quota/a/b/zookeeper_limits'), session);
    leader.run(ask.create('/a/b/d', 'x'), session);
    leader.run(ask.delete(STATS), session);
    expect(leader.run(ask.create('/a/b/e', 'x'), session).err).toBe(0);
    expect(used(leader.tree, inner)).toBe('count=2,bytes=5');
  });
});

const { QuotaExceeded } = ErrorCode;

describe('limits of a quota', () => {
  it('refuse what passes a hard one, also what is only proposed', () => {
    const { leader, session } = leaderWithQuota(
      'count=-1,bytes=-1=;byteHardLimit=10;countHardLimit=4',
    );
    const digest = leader.tree.digest();
    expect(leader.run(ask.create('/a/c', 'fives'), session).err).toBe(QuotaExceeded);
    expect(leader.run(ask.setData('/a/b', 'eight888'), session).err).toBe(QuotaExceeded);
    expect(leader.tree.digest()).toBe(digest);
    // The first two fill the count together; a multi that fails gives back what it took.
    leader.prepare(ask.create('/a/c', ''), session);
    leader.prepare(ask.multi(part.create('/a/d', ''), part.check('/a', 9)), session);
    leader.prepare(ask.create('/a/e', ''), session);
    leader.prepare(ask.create('/a/f', ''), session);
    leader.prepare(ask.delete('/a/e'), session);
    leader.prepare(ask.create('/a/g', ''), session);
    const results = Array.from({ length: 6 }, () => leader.applyNext().err);
    expect(results).toEqual([0, 0, 0, QuotaExceeded, 0, 0]);
    expect(used(leader.tree)).toBe('count=4,bytes=6');
    expect(leader.run(ask.create('/other/x', 'anything goes'), session).err).toBe(0);
  });

  it('only warn when soft, and when not enforced', () => {
    for (const [limits, enforce] of [
      ['count=2,bytes=6', true],
      ['count=-1,bytes=-1=;byteHardLimit=6;countHardLimit=2', false],
    ] as const) {
      const { leader, session, warnings } = leaderWithQuota(limits, enforce);
      expect(leader.run(ask.create('/a/c', 'x'), session).err).toBe(0);
      expect(leader.run(ask.setData('/a/c', 'xxxx'), session).err).toBe(0);
      expect(warnings).toHaveLength(1);
      expect(warnings[0]).toMatch(/quota exceeded: \/a \[count 3, \w+ limit 2\]/);
    }
  });
});
