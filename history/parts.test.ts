// A run of two services seen as two runs: every operation, event and fault belongs where it happened, and what
// strikes only the upper service is no fault of the lower one.
import { describe, expect, it } from 'vitest';
import { CLIENTS, type Fault, type FaultRecord, linksBetween } from './fault.ts';
import { partOfThread, partRecord, threadInPart, threadsOfPart } from './parts.ts';
import type { RunPart, RunRecord } from './run-record.ts';

const part = (system: string, workload: string, nodes: string[]): RunPart => ({
  system,
  workload,
  nodes,
  systemOptions: { of: system },
  workloadOptions: {},
});
const PARTS = [part('coordinator', 'register', ['c1', 'c2']), part('broker', 'log', ['b1', 'b2'])];

const fault = (id: number, injected: Fault) => ({ id, fault: injected }) as FaultRecord;
const op = (process: number) => ({ id: process, process });
const from = (node: string) => ({ node });

/** What `partRecord` looks at; the rest of a record it hands on. */
function record(faults: FaultRecord[]): RunRecord {
  return {
    config: {
      nodes: ['c1', 'c2', 'b1', 'b2'],
      nemesis: 'some',
      concurrency: 5,
      ratePerSecond: 100,
      parts: PARTS,
    },
    history: [{ index: 0 }],
    ops: [0, 1, 2, 3, 4, 5, 6].map(op),
    nodeEvents: [from('c1')],
    brokerEvents: [from('b2')],
    nodeEventGaps: [from('b1')],
    faults,
  } as Partial<Record<keyof RunRecord, unknown>> as unknown as RunRecord;
}

describe('threads', () => {
  it.each([2, 3, 5, 9, 10])('%i of them are divided without rest among two parts', (threads) => {
    const seen = [new Set<number>(), new Set<number>()];
    for (let thread = 0; thread < threads; thread++) {
      seen[partOfThread(thread, 2)]?.add(threadInPart(thread, 2));
    }
    for (const [number, own] of seen.entries()) {
      const count = threadsOfPart(number, 2, threads);
      expect([...own]).toEqual(Array.from({ length: count }, (_, i) => i));
    }
  });
});

describe('the run of a part', () => {
  const kill = fault(0, { kind: 'kill', nodes: ['b1'] });
  const isolated = fault(1, { kind: 'cut', links: linksBetween(['b1'], ['b2', 'c1', 'c2']) });
  const split = fault(2, { kind: 'cut', links: linksBetween(['c1'], ['c2', 'b1']) });

  it('has its own nodes, options, operations and events, and the whole history', () => {
    const run = record([]);
    const [lower, upper] = [partRecord(run, PARTS, 0), partRecord(run, PARTS, 1)];
    expect(lower.config).toMatchObject({
      system: 'coordinator',
      workload: 'register',
      concurrency: 3,
    });
    expect(upper.config).toMatchObject({ nodes: ['b1', 'b2'], concurrency: 2, ratePerSecond: 50 });
    expect(upper.config.systemOptions).toEqual({ of: 'broker' });
    // Process 5 is thread 0 again, after an operation of its that nobody knows the end of.
    expect(lower.ops.map(({ process }) => process)).toEqual([0, 2, 4, 5]);
    expect(upper.ops.map(({ process }) => process)).toEqual([1, 3, 6]);
    expect([lower.nodeEvents.length, lower.brokerEvents?.length]).toEqual([1, 0]);
    expect([upper.nodeEvents.length, upper.brokerEvents?.length]).toEqual([0, 1]);
    expect([lower.nodeEventGaps.length, upper.nodeEventGaps.length]).toEqual([0, 1]);
    expect(upper.history).toBe(run.history);
  });

  it('has the faults that strike it or what it rests on', () => {
    const run = record([kill, isolated, split]);
    expect(partRecord(run, PARTS, 0).faults).toEqual([split]);
    expect(partRecord(run, PARTS, 1).faults).toEqual([kill, isolated, split]);
  });

  it('is not struck by what those it rests on say to their clients', () => {
    const below = fault(3, { kind: 'cut', links: linksBetween(['c1'], [CLIENTS]) });
    const above = fault(4, { kind: 'cut', links: [{ from: 'b2', to: CLIENTS }] });
    const run = record([below, above]);
    expect(partRecord(run, PARTS, 0).faults).toEqual([below]);
    expect(partRecord(run, PARTS, 1).faults).toEqual([above]);
  });

  it('that no fault struck is a run without faults, and says so', () => {
    const run = record([kill, isolated]);
    expect(partRecord(run, PARTS, 0)).toMatchObject({ faults: [], config: { nemesis: 'none' } });
    expect(partRecord(record([]), PARTS, 0).config.nemesis).toBe('some');
  });
});
