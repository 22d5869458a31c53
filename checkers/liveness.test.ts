// Recovery after heals, from histories written by hand: in time, too late, never, and the cases in
// which nothing can be said. The recovery times per fault are checked to the millisecond.
import { expect, test } from 'vitest';
import type { Fault } from '../history/fault.ts';
import { linksBetween } from '../history/fault.ts';
import { liveness, recoveryPerFault } from './liveness.ts';
import type { HistoryLines, OpLine } from './testing-history.ts';
import { historyRun } from './testing-history.ts';
import { altered, correctRun, kinds } from './testing-run.ts';

const CUT: Fault = { kind: 'cut', links: linksBetween(['n1'], ['n2', 'n3']) };
const KILL: Fault = { kind: 'kill', nodes: ['n2'] };

function op(at: number, type: OpLine['type'] = 'ok', f = 'write', took = 5): OpLine {
  return { at, took, f, key: '/a', type };
}

function run(lines: Omit<HistoryLines, 'ops'> & { ops: OpLine[] }) {
  return historyRun({ ...lines, config: { recoveryMsMax: 1000, ...lines.config } });
}

test('recovery is counted from the fault to the first write invoked after it, and from the heal', () => {
  const record = run({
    faults: [
      { fault: CUT, from: 1000, to: 3000 },
      { fault: KILL, from: 5000, to: 6000 },
      { fault: CUT, from: 8000 },
    ],
    ops: [
      op(990, 'ok', 'write', 50), // invoked before the fault: says nothing of it
      op(1100, 'ok', 'read'),
      op(1200, 'info'),
      op(1500, 'ok', 'cas', 20),
      op(3100),
      op(5100, 'fail'),
      op(6010, 'ok', 'read', 10),
      op(6200, 'ok', 'write', 300),
      op(6300, 'ok', 'write', 100),
    ],
  });
  expect(recoveryPerFault(record)).toEqual([
    { id: 0, kind: 'cut', recoveryMs: 520, failoverMs: 520, healRecoveryMs: 105 },
    { id: 1, kind: 'kill', recoveryMs: 1400, failoverMs: null, healRecoveryMs: 20 },
    { id: 2, kind: 'cut', recoveryMs: null, failoverMs: null, healRecoveryMs: null },
  ]);
});

test('without writes any operation measures recovery', () => {
  const record = run({
    faults: [{ fault: CUT, from: 100, to: 200 }],
    ops: [op(150, 'ok', 'read', 10)],
  });
  expect(recoveryPerFault(record)[0]).toMatchObject({ recoveryMs: 60, failoverMs: 60 });
});

test('recovery in time after every heal is valid', async () => {
  const verdict = await liveness.check(
    run({
      faults: [
        { fault: CUT, from: 1000, to: 2000 },
        { fault: KILL, from: 4000, to: 5000 },
      ],
      ops: [op(2100), op(5200)],
    }),
  );
  expect(verdict).toMatchObject({
    outcome: 'valid',
    evidence: { healsJudged: 2, recoveredInTime: 2 },
  });
  expect(verdict.details).toMatchObject({ recoveryMsMax: 1000, faults: [{ id: 0 }, { id: 1 }] });
});

test.each<[string, OpLine[], RegExp]>([
  ['never', [op(2100, 'info'), op(9000, 'fail')], /no operation ever succeeded/],
  ['too late', [op(2100, 'fail'), op(4000)], /succeeded only after 2005.0 ms/],
])('recovery %s is invalid', async (_, ops, why) => {
  const verdict = await liveness.check(
    run({ faults: [{ fault: CUT, from: 1000, to: 2000 }], ops }),
  );
  expect(verdict.outcome).toBe('invalid');
  expect(kinds(verdict)).toEqual(['no-recovery']);
  expect(verdict.anomalies[0]?.why).toMatch(why);
  expect(verdict.anomalies[0]?.events).toHaveLength(4);
});

test('a heal that the next fault cut short is not judged', async () => {
  const faults = [
    { fault: CUT, from: 1000, to: 2000 },
    { fault: CUT, from: 2500, to: 4000 },
  ];
  const verdict = await liveness.check(run({ faults, ops: [op(2100, 'fail'), op(4100)] }));
  expect(verdict).toMatchObject({
    outcome: 'valid',
    evidence: { healsJudged: 1, healsDisturbed: 1 },
  });
});

test.each<[string, Omit<HistoryLines, 'ops'> & { ops: OpLine[] }, RegExp]>([
  [
    'an unverified fault',
    { faults: [{ fault: CUT, from: 1, to: 2, verified: false }], ops: [op(3)] },
    /fault 0.*was not verified/,
  ],
  [
    'an unverified heal',
    { faults: [{ fault: CUT, from: 1, to: 2, healVerified: false }], ops: [op(3)] },
    /heal of fault 0.*not verified/,
  ],
  ['a fault never healed', { faults: [{ fault: CUT, from: 1 }], ops: [op(3)] }, /never healed/],
  [
    'nothing tried after the last heal',
    { faults: [{ fault: CUT, from: 10, to: 20 }], ops: [op(1)] },
    /no operation was invoked/,
  ],
  [
    'an end before the bound',
    { faults: [{ fault: CUT, from: 10, to: 20 }], ops: [op(100, 'fail')] },
    /before the bound had passed/,
  ],
  ['a nemesis that did nothing', { ops: [op(1)] }, /injected no fault/],
])('%s is unknown', async (_, lines, reason) => {
  const verdict = await liveness.check(run(lines));
  expect(verdict.outcome).toBe('unknown');
  expect(verdict.reason).toMatch(reason);
});

test('a run without faults has only to answer at its end', async () => {
  const lines = { config: { nemesis: 'none' }, phases: { final: 100 } };
  expect(await liveness.check(run({ ...lines, ops: [op(150)] }))).toMatchObject({
    outcome: 'valid',
  });
  expect(await liveness.check(run({ ...lines, ops: [op(50)] }))).toMatchObject({
    outcome: 'unknown',
  });
});

test('operations without a leader are no recovery, where the nodes tell', async () => {
  const record = altered(correctRun(5), (events) => {
    const end = (events.at(-1)?.t ?? 0) + 60e9;
    const kept = events.filter((e) => e.ev !== 'established');
    const last = kept.at(-1);
    if (last !== undefined) last.t = end;
    return kept;
  });
  const late = { ...record.history.at(-1), time: 60e9, index: record.history.length };
  record.history.push(late as (typeof record.history)[number]);
  expect(kinds(await liveness.check(record))).toEqual(['no-leader']);
});

/** Judged as a run of brokers: one is killed at 600 ms and back at 900, the bound ends at 1900. */
function judgedOnBrokers(ops: OpLine[]) {
  const faults = [{ fault: KILL, from: 600, to: 900 }];
  const record = run({ faults, ops, phases: { warmup: 0, final: 3_000 } });
  const started = { t: 0, node: 'n1', inc: 1, seq: 0, ev: 'brokerStart', broker: 1 } as const;
  const brokerEvents = [{ ...started, clean: true, lossy: false, level: 'all' as const }];
  return liveness.check({ ...record, brokerEvents });
}

const sends = (key: string, from: number, count: number, type: OpLine['type'] = 'ok') =>
  Array.from({ length: count }, (_, i) => ({ ...op(from + 50 * i, type, 'send'), key }));

test('on brokers every partition has to serve again, however well the others do', async () => {
  const judged = (after: OpLine[]) =>
    judgedOnBrokers([...sends('t-0', 0, 10), ...sends('t-1', 20, 10), ...after]);
  const back = sends('t-0', 1_000, 30);
  expect(await judged([...back, ...sends('t-1', 1_020, 30)])).toMatchObject({
    outcome: 'valid',
    evidence: { healsJudged: 2 },
  });
  const dead = await judged([...back, ...sends('t-1', 1_020, 30, 'fail')]);
  expect(kinds(dead)).toEqual(['no-recovery']);
  expect(dead.anomalies[0]?.why).toMatch(/no operation on t-1 ever succeeded/);
});

test('on brokers every consumer group has to be served again, and nobody who only assigns himself counts', async () => {
  const polls = (process: number, from: number, count: number, type: OpLine['type'] = 'ok') =>
    Array.from({ length: count }, (_, i) => ({ ...op(from + 50 * i, type, 'poll'), process }));
  const subscribed = (process: number, group: string): OpLine => {
    return { at: 0, took: 1, f: 'subscribe', process, asked: { topics: ['t'], group } };
  };
  const judged = (after: OpLine[]) =>
    judgedOnBrokers([
      ...sends('t-0', 0, 70),
      subscribed(1, 'a'),
      subscribed(2, 'b'),
      subscribed(3, 'b'),
      ...[1, 2, 3].flatMap((process) => polls(process, 10, 5)),
      { at: 300, took: 1, f: 'assign', process: 3 },
      ...polls(1, 1_000, 30),
      ...polls(3, 1_000, 30),
      ...after,
    ]);
  expect(await judged(polls(2, 1_000, 30))).toMatchObject({
    outcome: 'valid',
    evidence: { healsJudged: 3 },
  });
  const late = [...polls(2, 1_000, 20, 'fail'), ...polls(2, 2_000, 10)];
  const dead = await judged(late);
  expect(kinds(dead)).toEqual(['no-recovery']);
  expect(dead.anomalies[0]?.why).toMatch(
    /first operation of a member of group b succeeded only after/,
  );
});
