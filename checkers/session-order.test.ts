// The session checker against histories written by hand: one rule broken at a time, and the staleness
// that the guarantee allows between sessions.
import { expect, test } from 'vitest';
import { sessionOrder } from './session-order.ts';
import type { OpLine } from './testing-history.ts';
import { historyRun } from './testing-history.ts';
import { kinds } from './testing-run.ts';

/** Twelve operations of one session: writes and reads of /a in turn, zxids 101, 102 … */
function session(name = 's1', from = 0): OpLine[] {
  return Array.from({ length: 12 }, (_, i) => {
    const mzxid = 101 + from + 2 * Math.floor(i / 2);
    const version = Math.floor(i / 2);
    const both = {
      at: from + 10 * i,
      took: 5,
      key: '/a',
      node: 'n1',
      session: name,
      mzxid,
      version,
    };
    return i % 2 === 0
      ? { ...both, f: 'write', zxid: mzxid }
      : { ...both, f: 'read', zxid: mzxid + 1, syncZxid: mzxid };
  });
}

async function judge(ops: OpLine[]) {
  return sessionOrder.check(historyRun({ ops }));
}

/** The session with its operation `i` changed. */
function changed(i: number, change: Partial<OpLine>): OpLine[] {
  return session().map((op, j) => (i === j ? { ...op, ...change } : op));
}

test('a session that only moves forward is valid', async () => {
  expect(await judge(session())).toMatchObject({
    outcome: 'valid',
    evidence: { sessions: 1, pairs: 11, syncPairs: 6, ownWritesRead: 6 },
  });
});

test.each<[string, number, Partial<OpLine>, string]>([
  ['a reply older than the one before', 6, { zxid: 103, mzxid: 999 }, 'reply-went-back'],
  ['a read older than its own sync', 7, { zxid: 107, syncZxid: 109 }, 'read-before-sync'],
  ['a sync answered in the past', 7, { syncZxid: 101 }, 'reply-went-back'],
  ['a write before the write before', 6, { mzxid: 103 }, 'writes-reordered'],
  ['an own write not seen', 7, { mzxid: 105, version: 2 }, 'own-write-unseen'],
  ['an own version not seen', 7, { version: 2 }, 'own-write-unseen'],
])('%s is found', async (_, i, change, kind) => {
  const verdict = await judge(changed(i, change));
  expect(verdict.outcome).toBe('invalid');
  expect(kinds(verdict)).toContain(kind);
  expect(verdict.anomalies[0]?.why).toMatch(/^In session s1 .*\.$/);
});

test('a read older than another session’s write seen before is found', async () => {
  const seen: OpLine = {
    at: 300,
    took: 5,
    f: 'read',
    key: '/b',
    node: 'n1',
    session: 's1',
    zxid: 500,
    mzxid: 490,
    version: 4,
  };
  const older: OpLine = { ...seen, at: 310, zxid: 501, mzxid: 480, version: 3 };
  expect(kinds(await judge([...session(), seen, older]))).toEqual(['read-went-back']);
});

test('a session across servers is one session', async () => {
  const elsewhere: OpLine = {
    at: 300,
    took: 5,
    f: 'read',
    key: '/a',
    node: 'n3',
    session: 's1',
    zxid: 90,
    mzxid: 90,
    version: 0,
  };
  const verdict = await judge([...session(), elsewhere]);
  expect(verdict.evidence.sessionsAcrossServers).toBe(1);
  expect(kinds(verdict)).toEqual(['reply-went-back', 'own-write-unseen', 'read-went-back']);
});

test('another session may see older state', async () => {
  const stale: OpLine = {
    at: 300,
    took: 5,
    f: 'read',
    key: '/a',
    node: 'n3',
    session: 's2',
    zxid: 90,
    mzxid: 90,
    version: 0,
  };
  expect(await judge([...session(), stale])).toMatchObject({ outcome: 'valid' });
});

test('replies of overlapping operations are not ordered', async () => {
  const first: OpLine = {
    at: 300,
    took: 50,
    f: 'read',
    key: '/b',
    session: 's1',
    zxid: 400,
    mzxid: 1,
    version: 0,
  };
  const second: OpLine = { ...first, at: 310, took: 5, zxid: 401 };
  expect(await judge([...session(), first, second])).toMatchObject({ outcome: 'valid' });
});

test('without sessions to compare it is unknown', async () => {
  const anonymous = session().map(({ session: _, ...op }) => op);
  expect(await judge(anonymous)).toMatchObject({ outcome: 'unknown', evidence: { sessions: 0 } });
  expect(await judge(session().slice(0, 5))).toMatchObject({ outcome: 'unknown' });
});
