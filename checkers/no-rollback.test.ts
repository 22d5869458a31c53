// The rollback checker against histories written by hand: lost acknowledged and observed updates,
// reused versions, servers that disagree, and the lawful late arrival of an update nobody answered.
import { expect, test } from 'vitest';
import { noRollback } from './no-rollback.ts';
import type { OpLine } from './testing-history.ts';
import { historyRun } from './testing-history.ts';
import { altered, correctRun, kinds } from './testing-run.ts';

const NODES = ['n1', 'n2', 'n3'];
const FINAL = 1000;

/** Twelve acked writes of /a at zxids 101 … 112, versions 1 … 12. */
function writes(): OpLine[] {
  return Array.from({ length: 12 }, (_, i) => ({
    at: 10 * i,
    took: 5,
    f: 'write',
    key: '/a',
    node: 'n1',
    value: i + 1,
    zxid: 101 + i,
    mzxid: 101 + i,
    version: i + 1,
  }));
}

function finals(shown: Partial<OpLine> = {}, nodes = NODES): OpLine[] {
  return nodes.map((node, i) => ({
    at: FINAL + 10 * (i + 1),
    took: 5,
    f: 'read',
    key: '/a',
    node,
    value: 12,
    zxid: 112,
    mzxid: 112,
    version: 12,
    ...shown,
  }));
}

async function judge(ops: OpLine[]) {
  return noRollback.check(historyRun({ phases: { final: FINAL }, ops }));
}

test('final reads of the last acked write through every server are valid', async () => {
  const verdict = await judge([...writes(), ...finals()]);
  expect(verdict).toMatchObject({
    outcome: 'valid',
    evidence: { ackedWrites: 12, finalReads: 3, nodeLogsUsed: 0 },
  });
});

test('an acked write that no server shows any more is lost', async () => {
  const verdict = await judge([...writes(), ...finals({ mzxid: 111, version: 11, value: 11 })]);
  expect(verdict.outcome).toBe('invalid');
  expect(kinds(verdict)).toEqual(['acked-write-lost']);
  expect(verdict.anomalies).toHaveLength(3);
  expect(verdict.anomalies[0]).toMatchObject({ key: '/a' });
  expect(verdict.anomalies[0]?.events).toHaveLength(4);
});

test('a state that was only read, never acked, is lost likewise', async () => {
  const read = {
    at: 500,
    took: 5,
    f: 'read',
    key: '/a',
    node: 'n2',
    value: 13,
    zxid: 120,
    mzxid: 120,
    version: 13,
  };
  const verdict = await judge([...writes(), read, ...finals()]);
  expect(kinds(verdict)).toEqual(['observed-write-lost']);
});

test('one server behind the others is found by its own read', async () => {
  const ops = [
    ...writes(),
    ...finals({}, ['n1', 'n2']),
    ...finals({ mzxid: 105, version: 5, value: 5 }, ['n3']),
  ];
  expect(kinds(await judge(ops)).sort()).toEqual(['acked-write-lost', 'final-reads-disagree']);
});

test('a version that was given twice shows that the first update was undone', async () => {
  const again = {
    at: 600,
    took: 5,
    f: 'write',
    key: '/a',
    node: 'n2',
    value: 99,
    zxid: 200,
    mzxid: 200,
    version: 12,
  };
  const verdict = await judge([...writes(), again, ...finals({ mzxid: 200, value: 99 })]);
  expect(kinds(verdict)).toEqual(['version-reused']);
  expect(verdict.anomalies[0]?.why).toMatch(/version 12 at \(0,112\).*version 12 at \(0,200\)/);
});

test('a value that changes under one zxid is found', async () => {
  const ops = [...writes(), ...finals({}, ['n1', 'n2']), ...finals({ value: 77 }, ['n3'])];
  expect(kinds(await judge(ops))).toEqual(['state-changed']);
});

test('a later write with a lower zxid, and a zxid given twice, are found', async () => {
  const late = {
    at: 600,
    took: 5,
    f: 'write',
    key: '/b',
    value: 1,
    zxid: 50,
    mzxid: 50,
    version: 1,
  };
  const b = NODES.map((node, i) => ({
    at: FINAL + 50 + 10 * i,
    took: 5,
    f: 'read',
    key: '/b',
    node,
    value: 1,
    mzxid: 50,
    version: 1,
  }));
  expect(kinds(await judge([...writes(), late, ...b, ...finals()]))).toEqual(['write-order']);
  const twin = { ...late, zxid: 112, mzxid: 112 };
  const bTwin = b.map((read) => ({ ...read, mzxid: 112 }));
  expect(kinds(await judge([...writes(), twin, ...bTwin, ...finals()]))).toEqual(['zxid-reused']);
});

test('writes that overlap may take effect in either order', async () => {
  const first = {
    at: 600,
    took: 50,
    f: 'write',
    key: '/b',
    value: 1,
    zxid: 151,
    mzxid: 151,
    version: 2,
  };
  const second = {
    at: 601,
    took: 10,
    f: 'write',
    key: '/b',
    value: 2,
    zxid: 152,
    mzxid: 152,
    version: 3,
  };
  const b = NODES.map((node, i) => ({
    at: FINAL + 50 + 10 * i,
    took: 5,
    f: 'read',
    key: '/b',
    node,
    value: 2,
    mzxid: 152,
    version: 3,
  }));
  expect(await judge([...writes(), first, second, ...b, ...finals()])).toMatchObject({
    outcome: 'valid',
  });
});

test('a write that nobody answered may arrive between the final reads, but only forward', async () => {
  const unanswered = { at: 700, f: 'write', key: '/a', value: 13 };
  const moved = { mzxid: 130, version: 13, value: 13 };
  const forward = [
    ...writes(),
    unanswered,
    ...finals({}, ['n1', 'n2']).slice(0, 2),
    { ...finals(moved, NODES)[2], at: FINAL + 60 } as OpLine,
  ];
  expect(await judge(forward)).toMatchObject({
    outcome: 'valid',
    evidence: { finalKeysMovedByUndecided: 1 },
  });
  const back = [...writes(), unanswered, ...finals(moved, ['n1']), ...finals({}, NODES).slice(1)];
  expect(kinds(await judge(back))).toEqual(['observed-write-lost']);
  const twice = [
    ...writes(),
    unanswered,
    ...finals({}, ['n1', 'n2']),
    { ...finals({ ...moved, version: 14 }, NODES)[2], at: FINAL + 60 } as OpLine,
  ];
  expect(kinds(await judge(twice))).toEqual(['final-reads-disagree']);
});

test('a key that is gone without a delete is lost', async () => {
  const gone = finals({ type: 'fail', error: 'NoNode: /a' }, ['n3']).map(
    ({ value: _value, zxid: _zxid, mzxid: _mzxid, version: _version, ...rest }) => rest,
  );
  const ops = [...writes(), ...finals({}, ['n1', 'n2']), ...gone];
  expect(kinds(await judge(ops))).toEqual(['acked-write-lost']);
  const deleted = { at: 800, took: 5, f: 'delete', key: '/a' };
  expect(await judge([...ops, deleted])).toMatchObject({ outcome: 'valid' });
});

test('thin evidence is unknown, with the reason', async () => {
  expect(await judge(writes())).toMatchObject({
    outcome: 'unknown',
    reason: 'no final read of /a through n1',
  });
  expect(await judge([...writes(), ...finals({}, ['n1', 'n3'])])).toMatchObject({
    outcome: 'unknown',
    reason: 'no final read of /a through n2',
  });
  expect(await judge([...writes().slice(9), ...finals()])).toMatchObject({ outcome: 'unknown' });
  const unended = historyRun({ ops: [...writes(), ...finals()] });
  expect(await noRollback.check(unended)).toMatchObject({
    outcome: 'unknown',
    reason: 'the run had no final reads',
  });
});

test('with node logs, an acked write missing from one final log is found', async () => {
  const run = altered(correctRun(8), (events) => {
    const node = 'n1';
    const last = events.findLast((e) => e.node === node);
    if (last === undefined) throw new Error('expected n1');
    return [...events, { t: last.t + 1, node, inc: last.inc, seq: 0, ev: 'trunc', to: 0 }];
  });
  expect(kinds(await noRollback.check(correctRun(8)))).toEqual([]);
  const verdict = await noRollback.check(run);
  // Truncation takes the applied state back as well, and two of three logs are a quorum still.
  expect(verdict.outcome).toBe('valid');
  const both = altered(run, (events) => {
    const last = events.findLast((e) => e.node === 'n2');
    if (last === undefined) throw new Error('expected n2');
    return [...events, { t: last.t + 1, node: 'n2', inc: last.inc, seq: 0, ev: 'trunc', to: 0 }];
  });
  expect(kinds(await noRollback.check(both))).toEqual(['acked-not-in-log']);
});

test('with node logs, the record under a passed zxid has to be there', async () => {
  const run = altered(correctRun(8), (_, history) => {
    const write = history.find((e) => e.type === 'ok' && e.f === 'write');
    if (write?.mzxid !== undefined) write.mzxid += 900;
    return undefined;
  });
  expect(kinds(await noRollback.check(run))).toContain('acked-not-in-log');
});
