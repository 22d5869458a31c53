// Latency tables: taken from the checker in whatever units it states, else exact from the history.
import { describe, expect, it } from 'vitest';
import type { Op } from '../history/op.ts';
import { exactFigures, latencyTables } from './latency.ts';
import { synthesiseRun } from './testing.ts';

function withDetails(details: unknown) {
  const run = synthesiseRun({ ops: 1_000 });
  const verdict = run.results.verdicts.find((v) => v.checker === 'latency')!;
  verdict.details = details;
  return run;
}

describe('latencyTables', () => {
  it('computes exact quantiles, response from when it was due', () => {
    const ops = Array.from({ length: 100 }, (_, i) => {
      const invoke = { index: 0, time: 5e6, due: 0, process: 0, type: 'invoke', f: 'read' };
      return { invoke, invokeTime: 5e6, returnTime: 5e6 + (i + 1) * 1e6 } as Op;
    });
    const { service, response } = exactFigures(ops);
    expect(service).toEqual({ p50: 50, p95: 95, p99: 99, max: 100 });
    expect(response).toEqual({ p50: 55, p95: 100, p99: 104, max: 105 });
  });

  it('reads what the checker states, in its units', () => {
    const q = (n: number) => ({ p50Ns: n * 1e6, p95Ns: n * 1e6, p99Ns: n * 1e6, maxNs: n * 1e6 });
    const figures = (n: number) => ({ count: n, service: q(n), response: q(n + 1) });
    const tables = latencyTables(
      withDetails({
        overall: figures(1),
        faults: [{ id: 1, before: figures(2), during: figures(3), after: figures(4) }],
      }),
    );
    expect(tables.source).toContain('checker');
    expect(tables.overall.response).toEqual({ p50: 2, p95: 2, p99: 2, max: 2 });
    expect(tables.faults[1]!.during).toMatchObject({ count: 3, service: { p99: 3 } });
    expect(tables.faults[0]!.during.count).toBeGreaterThan(3);
  });

  it('computes what no checker stated', () => {
    for (const details of [undefined, null, 'text', [], { overall: { service: { p50: 'x' } } }]) {
      const tables = latencyTables(withDetails(details));
      expect(tables.source).toContain('history');
      expect(tables.overall.response!.max).toBeGreaterThan(0);
      expect(tables.faults).toHaveLength(6);
    }
  });
});
