// Whether a run did enough to be judged: one shortage at a time makes it unknown, with its reason.
// The counts themselves are compared with what the history says.
import { expect, test } from 'vitest';
import type { Fault } from '../history/fault.ts';
import { linksBetween } from '../history/fault.ts';
import { affectedNodes, type Stats, stats } from './stats.ts';
import type { FaultLine, OpLine } from './testing-history.ts';
import { historyRun } from './testing-history.ts';

const CUT: Fault = { kind: 'cut', links: linksBetween(['n1'], ['n2', 'n3']) };

function ops(from: number, count: number, change: Partial<OpLine> = {}): OpLine[] {
  return Array.from({ length: count }, (_, i) => ({
    at: from + 10 * i,
    took: 5,
    f: i % 2 === 0 ? 'write' : 'read',
    node: 'n2',
    ...change,
  }));
}

const STUCK: OpLine = {
  at: 1300,
  took: 500,
  f: 'write',
  node: 'n1',
  type: 'info',
  error: 'Timeout: 500 ms',
};

async function judge(
  lines: OpLine[],
  faults: FaultLine[] = [{ fault: CUT, from: 1000, to: 2000 }],
) {
  return stats.check(
    historyRun({ phases: { warmup: 0, faults: 900, final: 2500 }, faults, ops: lines }),
  );
}

const ENOUGH = [...ops(0, 20), ...ops(1100, 15), STUCK, ...ops(2100, 15)];

test('enough before, during and after is valid and counted', async () => {
  const verdict = await judge(ENOUGH);
  expect(verdict).toMatchObject({
    outcome: 'valid',
    evidence: {
      ok: 50,
      fail: 0,
      info: 1,
      ackedBefore: 20,
      ackedDuring: 15,
      ackedAfter: 15,
      invokedOnIsolated: 1,
    },
  });
  const details = verdict.details as Stats;
  expect(details.byF).toEqual({
    write: { ok: 26, fail: 0, info: 1 },
    read: { ok: 24, fail: 0, info: 0 },
  });
  expect(details.byPhase).toEqual({
    warmup: { ok: 20, fail: 0, info: 0 },
    faults: { ok: 30, fail: 0, info: 1 },
  });
  expect(details.byNode.n1).toEqual({ ok: 0, fail: 0, info: 1 });
  expect(details.errors).toEqual({ Timeout: 1 });
  expect(details.faults).toEqual([
    { id: 0, name: 'cut n1-n2 n1-n3', affected: ['n1'], invokedOnAffected: 1, ackedDuring: 15 },
  ]);
});

test.each<[string, OpLine[], FaultLine[] | undefined, RegExp]>([
  ['nothing at all', [], undefined, /no operation was invoked/],
  [
    'an operation that never succeeds',
    [...ENOUGH, ...ops(2100, 3, { f: 'cas', type: 'fail', error: 'BadVersion' })],
    undefined,
    /^no cas ever succeeded/,
  ],
  [
    'silence towards the isolated side',
    ENOUGH.filter((op) => op !== STUCK),
    undefined,
    /no operation was invoked on n1 during fault 0/,
  ],
  [
    'little before',
    [...ops(0, 9), ...ENOUGH.slice(20)],
    undefined,
    /only 9 operations succeeded before the first fault/,
  ],
  [
    'little during',
    [...ops(0, 20), STUCK, ...ops(1100, 4), ...ops(2100, 15)],
    undefined,
    /only 4 operations succeeded during/,
  ],
  [
    'little after',
    [...ENOUGH.slice(0, 36), ...ops(2100, 3)],
    undefined,
    /only 3 operations succeeded after/,
  ],
  [
    'an unverified fault',
    ENOUGH,
    [{ fault: CUT, from: 1000, to: 2000, verified: false }],
    /was not verified/,
  ],
  [
    'an unverified heal',
    ENOUGH,
    [{ fault: CUT, from: 1000, to: 2000, healVerified: false }],
    /heal of fault 0.*not verified/,
  ],
  ['no heal', ENOUGH, [{ fault: CUT, from: 1000 }], /heal of fault 0/],
  ['no fault', ENOUGH, [], /injected no fault/],
])('%s is unknown', async (_, lines, faults, reason) => {
  const verdict = await judge(lines, faults);
  expect(verdict.outcome).toBe('unknown');
  expect(verdict.reason).toMatch(reason);
});

test('a tenth of the pace before is demanded during the faults', async () => {
  const busy = ops(0, 400).map((op, i) => ({ ...op, at: 2 * i }));
  const verdict = await judge([...busy, ...ops(1100, 15), STUCK, ...ops(2100, 15)]);
  expect(verdict.reason).toBe('only 15 operations succeeded during the faults; 40 are needed');
});

test('of several isolations a quarter may find nobody speaking', async () => {
  const at = [1000, 1250, 1500, 1750];
  const faults = at.map((from) => ({ fault: CUT, from, to: from + 240 }));
  const spoken = (count: number) => at.slice(0, count).map((from) => ({ ...STUCK, at: from + 20 }));
  const rest = ENOUGH.filter((op) => op !== STUCK);
  expect(await judge([...rest, ...spoken(3)], faults)).toMatchObject({
    outcome: 'valid',
    evidence: { isolationsUnspokenTo: 1 },
  });
  const half = await judge([...rest, ...spoken(2)], faults);
  expect(half.outcome).toBe('unknown');
  expect(half.reason).toMatch(/n1 during fault 2 .*in 2 of 4 isolations$/);
});

test('a killed server has no clients to speak to it', async () => {
  const killed: FaultLine[] = [{ fault: { kind: 'kill', nodes: ['n1'] }, from: 1000, to: 2000 }];
  const verdict = await judge(
    ENOUGH.filter((op) => op !== STUCK),
    killed,
  );
  expect(verdict).toMatchObject({ outcome: 'valid', evidence: { invokedOnIsolated: 0 } });
});

test('the nodes that a cut affects are those left without a quorum', () => {
  const five = ['n1', 'n2', 'n3', 'n4', 'n5'];
  expect(affectedNodes(CUT, ['n1', 'n2', 'n3'])).toEqual(['n1']);
  const halves: Fault = { kind: 'cut', links: linksBetween(['n2', 'n4'], ['n1', 'n3', 'n5']) };
  expect(affectedNodes(halves, five)).toEqual(['n2', 'n4']);
  const oneWay: Fault = {
    kind: 'cut',
    links: [
      { from: 'n1', to: 'n2' },
      { from: 'n1', to: 'n3' },
    ],
  };
  expect(affectedNodes(oneWay, ['n1', 'n2', 'n3'])).toEqual(['n1']);
  const ring: Fault = { kind: 'cut', links: linksBetween(['n1'], ['n3', 'n4']) };
  expect(affectedNodes(ring, five).sort()).toEqual(['n1', 'n3', 'n4']);
  expect(affectedNodes({ kind: 'pause', nodes: ['n2'] }, five)).toEqual(['n2']);
});

test('a broker that leads nothing has no clients to speak to it when it is cut off', async () => {
  const lines = [...ops(0, 20), ...ops(1100, 15), ...ops(2100, 15)];
  const faults = [{ fault: CUT, from: 1000, to: 2000 }];
  const phases = { warmup: 0, faults: 900, final: 2500 };
  const record = historyRun({ phases, faults, ops: lines });
  const header = { t: 1, node: 'n1', inc: 1, seq: 0 };
  const leads = { leaderEpoch: 0, leo: 0, hw: 0, isr: [1] };
  const withEvents = (tp: string) =>
    stats.check({ ...record, brokerEvents: [{ ...header, ev: 'becameLeader', tp, ...leads }] });
  expect(await withEvents('__consumer_offsets-0')).toMatchObject({ outcome: 'valid' });
  expect(await withEvents('t-0')).toMatchObject({
    outcome: 'unknown',
    reason: expect.stringMatching(/no operation was invoked on n1/),
  });
});
