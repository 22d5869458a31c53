// Latency figures from histories whose latencies are known: response time counts from `due`, service
// time from the invocation, and each fault has its own before, during and after.
import { expect, test } from 'vitest';
import type { Fault } from '../history/fault.ts';
import { type LatencyDetails, latency } from './latency.ts';
import type { OpLine } from './testing-history.ts';
import { historyRun } from './testing-history.ts';

const PAUSE: Fault = { kind: 'pause', nodes: ['n1'] };

async function measure(ops: OpLine[], faults = [{ fault: PAUSE, from: 1000, to: 2000 }]) {
  const phases = { warmup: 0, final: 5000 };
  const verdict = await latency.check(historyRun({ phases, faults, ops }));
  return { verdict, details: verdict.details as LatencyDetails };
}

/** Latencies 1, 2 … 100 ms. */
const HUNDRED: OpLine[] = Array.from({ length: 100 }, (_, i) => ({
  at: i,
  took: i + 1,
  f: 'read',
}));

test('percentiles of known latencies, to three digits', async () => {
  const { verdict, details } = await measure(HUNDRED);
  expect(verdict).toMatchObject({ outcome: 'valid', evidence: { measured: 100, withDue: 0 } });
  const { response } = details.overall;
  expect(response.count).toBe(100);
  for (const [name, ms] of [
    ['p50', 50],
    ['p90', 90],
    ['p95', 95],
    ['p99', 99],
    ['p999', 100],
    ['max', 100],
  ] as const) {
    expect(Math.abs(response[name] - ms)).toBeLessThanOrEqual(ms / 1000);
  }
  expect(details.overall.service).toEqual(response);
});

test('a late start counts in the response time alone', async () => {
  const { details } = await measure([{ due: 100, at: 400, took: 10, f: 'write' }]);
  expect(details.overall.response.max).toBeCloseTo(310, 0);
  expect(details.overall.service.max).toBeCloseTo(10, 1);
});

test('operations belong to the window in which they were due', async () => {
  const { details } = await measure(
    [
      { at: 500, took: 1, f: 'read' },
      { due: 1500, at: 2500, took: 10, f: 'write' },
      { at: 2100, took: 2, f: 'read' },
      { at: 3500, took: 3, f: 'read' },
      { at: 4200, took: 4, f: 'read' },
    ],
    [
      { fault: PAUSE, from: 1000, to: 2000 },
      { fault: PAUSE, from: 3000, to: 4000 },
    ],
  );
  const counts = details.faults.map((f) =>
    [f.before, f.during, f.after].map((s) => s.response.count),
  );
  expect(counts).toEqual([
    [1, 1, 1],
    [1, 1, 1],
  ]);
  const { before, during, after } = details.periods;
  expect([before, during, after].map((s) => s.response.count)).toEqual([1, 2, 2]);
  expect(Object.keys(details.faults[0]?.during.byF ?? {})).toEqual(['write']);
  expect(details.faults[0]?.during.response.max).toBeCloseTo(1010, -1);
});

test('failures, unknown outcomes, set-up and final reads are not measured', async () => {
  const { verdict } = await measure([
    { at: 10, took: 1, f: 'read' },
    { at: 20, took: 1, f: 'read', type: 'fail' },
    { at: 30, took: 1, f: 'read', type: 'info' },
    { at: 40, f: 'read' },
    { at: 5001, took: 1, f: 'read' },
    { at: -5, took: 1, f: 'create' },
  ]);
  expect(verdict.evidence.measured).toBe(1);
});

test('the distribution is in HdrHistogram’s own format, in ms', async () => {
  const { details } = await measure(HUNDRED);
  const lines = details.hgrm.response.split('\n');
  expect(lines[0]).toMatch(/Value\s+Percentile\s+TotalCount\s+1\/\(1-Percentile\)/);
  expect(details.hgrm.response).toMatch(/#\[Max\s+=\s+100\.\d+, Total count\s+=\s+100\]/);
});

test('nothing acknowledged is unknown', async () => {
  const { verdict } = await measure([{ at: 1, took: 1, f: 'read', type: 'fail' }]);
  expect(verdict).toMatchObject({ outcome: 'unknown' });
});
