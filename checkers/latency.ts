// Measures latency in HdrHistograms: response time from when an operation was due, so that a stalled
// system is not flattered, beside service time from when it was sent; before, during and after faults.
import { build } from 'hdr-histogram-js';
import type { FaultRecord } from '../history/fault.ts';
import { describeFault } from '../history/fault.ts';
import type { Op } from '../history/op.ts';
import type { Checker, RunRecord } from '../history/run-record.ts';
import { Findings, phaseStarts } from './evidence.ts';

const NAME = 'latency';
const GUARANTEE =
  'Latency is measured, not promised: from when an operation was due to its reply, successes only.';

/** Histograms count µs to three digits; ns would need integers beyond 32 bits. */
const NS_PER_US = 1000;
const US_PER_MS = 1000;

/** Plain figures of one histogram, in ms. */
export interface LatencyFigures {
  count: number;
  p50: number;
  p90: number;
  p95: number;
  p99: number;
  p999: number;
  max: number;
}

/** Response time counts from `due` (or the invocation, in a closed loop), service time from the invocation. */
export interface LatencyPair {
  response: LatencyFigures;
  service: LatencyFigures;
}

export interface LatencySlice extends LatencyPair {
  byF: Record<string, LatencyPair>;
}

export interface FaultLatency {
  id: number;
  name: string;
  /** From the heal of the fault before to its injection. */
  before: LatencySlice;
  /** From the start of the injection to the end of the heal. */
  during: LatencySlice;
  /** From its heal to the next injection. */
  after: LatencySlice;
}

export interface LatencyDetails {
  unit: 'ms';
  overall: LatencySlice;
  /** Before the first fault, while any fault was in place, and at all other times. */
  periods: { before: LatencySlice; during: LatencySlice; after: LatencySlice };
  faults: FaultLatency[];
  /** Percentile distributions in HdrHistogram's own text format, for `latency.hgrm`. */
  hgrm: { response: string; service: string };
}

type Histogram = ReturnType<typeof build>;

export const latency: Checker = {
  name: NAME,
  guarantee: GUARANTEE,
  check(run) {
    const findings = new Findings();
    const ops = measured(run);
    findings.count('measured', ops.length);
    findings.count('withDue', ops.filter((op) => op.invoke.due !== undefined).length);
    const details = figures(ops, run.faults);
    const doubt = ops.length === 0 ? 'no operation succeeded, so there is no latency' : undefined;
    return { ...findings.verdict(NAME, GUARANTEE, doubt), details };
  },
};

/** Successes of warm-up, faults and heal by the time they were due; set-up and final reads are no load. */
function measured(run: RunRecord): Op[] {
  const phases = phaseStarts(run.history);
  const from = phases.get('warmup') ?? Number.NEGATIVE_INFINITY;
  const to = phases.get('final') ?? Number.POSITIVE_INFINITY;
  return run.ops
    .filter((op) => op.type === 'ok' && op.invokeTime >= from && op.invokeTime < to)
    .sort((a, b) => dueTime(a) - dueTime(b));
}

function dueTime(op: Op): number {
  return op.invoke.due ?? op.invokeTime;
}

function figures(ops: readonly Op[], faults: readonly FaultRecord[]): LatencyDetails {
  const sorted = [...faults].sort((a, b) => a.injectStart - b.injectStart);
  const response = histogram(ops.map((op) => op.returnTime - dueTime(op)));
  const service = histogram(ops.map((op) => op.returnTime - op.invokeTime));
  const first = sorted[0]?.injectStart ?? Number.POSITIVE_INFINITY;
  const disturbed = inAnyFault(ops, sorted);
  return {
    unit: 'ms',
    overall: slice(ops),
    periods: {
      before: slice(ops.filter((op) => dueTime(op) < first)),
      during: slice(ops.filter((op) => disturbed.has(op))),
      after: slice(ops.filter((op) => dueTime(op) >= first && !disturbed.has(op))),
    },
    faults: sorted.map((fault, i) => faultLatency(ops, sorted, fault, i)),
    hgrm: { response: distribution(response), service: distribution(service) },
  };
}

function faultLatency(
  ops: readonly Op[],
  sorted: readonly FaultRecord[],
  fault: FaultRecord,
  i: number,
): FaultLatency {
  const end = fault.healed ?? Number.POSITIVE_INFINITY;
  const earlier = sorted.slice(0, i).map((other) => other.healed ?? Number.POSITIVE_INFINITY);
  const next = sorted[i + 1]?.injectStart ?? Number.POSITIVE_INFINITY;
  return {
    id: fault.id,
    name: describeFault(fault.fault),
    before: slice(dueIn(ops, Math.max(Number.NEGATIVE_INFINITY, ...earlier), fault.injectStart)),
    during: slice(dueIn(ops, fault.injectStart, end)),
    after: slice(dueIn(ops, end, next)),
  };
}

/** Of operations sorted by due time, those due in [from, to). */
function dueIn(ops: readonly Op[], from: number, to: number): readonly Op[] {
  return ops.slice(firstDue(ops, from), Math.max(firstDue(ops, from), firstDue(ops, to)));
}

function firstDue(ops: readonly Op[], t: number): number {
  let low = 0;
  let high = ops.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (dueTime(ops[middle] as Op) < t) low = middle + 1;
    else high = middle;
  }
  return low;
}

function inAnyFault(ops: readonly Op[], faults: readonly FaultRecord[]): Set<Op> {
  const inside = new Set<Op>();
  for (const fault of faults) {
    const end = fault.healed ?? Number.POSITIVE_INFINITY;
    for (const op of dueIn(ops, fault.injectStart, end)) inside.add(op);
  }
  return inside;
}

function slice(ops: readonly Op[]): LatencySlice {
  const byF = new Map<string, Op[]>();
  for (const op of ops) {
    const same = byF.get(op.f);
    if (same === undefined) byF.set(op.f, [op]);
    else same.push(op);
  }
  return {
    ...pair(ops),
    byF: Object.fromEntries([...byF].map(([f, same]) => [f, pair(same)])),
  };
}

function pair(ops: readonly Op[]): LatencyPair {
  return {
    response: plain(histogram(ops.map((op) => op.returnTime - dueTime(op)))),
    service: plain(histogram(ops.map((op) => op.returnTime - op.invokeTime))),
  };
}

function histogram(latenciesNs: readonly number[]): Histogram {
  const counts = build({ bitBucketSize: 32, autoResize: true, numberOfSignificantValueDigits: 3 });
  for (const ns of latenciesNs) counts.recordValue(Math.max(0, Math.round(ns / NS_PER_US)));
  return counts;
}

function plain(counts: Histogram): LatencyFigures {
  const at = (percentile: number): number =>
    counts.totalCount === 0 ? 0 : counts.getValueAtPercentile(percentile) / US_PER_MS;
  return {
    count: counts.totalCount,
    p50: at(50),
    p90: at(90),
    p95: at(95),
    p99: at(99),
    p999: at(99.9),
    max: counts.totalCount === 0 ? 0 : counts.maxValue / US_PER_MS,
  };
}

function distribution(counts: Histogram): string {
  return counts.totalCount === 0 ? '' : counts.outputPercentileDistribution(5, US_PER_MS);
}
