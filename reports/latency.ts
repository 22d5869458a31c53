// Latency tables of a run: overall, and before, during and after each fault. Taken from the verdict
// named `latency`; where there is none, computed here from the operations, so a report never lacks them.
import type { FaultRecord } from '../history/fault.ts';
import type { Op } from '../history/op.ts';
import type { FinishedRun } from '../history/run-record.ts';

/** Quantiles of one distribution, in milliseconds. */
export interface Quantiles {
  p50: number;
  p95: number;
  p99: number;
  max: number;
}

/** Service time runs from the invocation, response time from when the operation was due. */
export interface LatencyFigures {
  count: number;
  service?: Quantiles;
  response?: Quantiles;
}

export const FAULT_WINDOWS = ['before', 'during', 'after'] as const;

/** One fault's three windows; a window without acknowledged operations has count 0. */
export interface FaultLatency {
  id: number;
  before: LatencyFigures;
  during: LatencyFigures;
  after: LatencyFigures;
}

export interface LatencyTables {
  overall: LatencyFigures;
  faults: FaultLatency[];
  /** Where the figures come from, in words for the reader. */
  source: string;
}

/** The run's latency tables, of acknowledged operations. */
export function latencyTables(run: FinishedRun): LatencyTables {
  // One of a part of the system alone would pass for the whole run's.
  const details = run.results.verdicts.find(
    ({ checker, part }) => checker === 'latency' && part === undefined,
  )?.details;
  const ok = run.record.ops.filter((op) => op.type === 'ok');
  const stated = readDetails(details);
  const source =
    stated.overall !== undefined ? 'from the latency checker' : 'computed from the history';
  return {
    overall: stated.overall ?? exactFigures(ok),
    faults: run.record.faults.map(
      (fault, i) => stated.faults.get(fault.id) ?? phasesOfFault(ok, run.record.faults, i),
    ),
    source,
  };
}

/** When an operation was due, else invoked; ns since run start. */
export function dueTime(op: Op): number {
  return op.invoke.due ?? op.invokeTime;
}

/** Exact quantiles of operations that returned. */
export function exactFigures(ops: readonly Op[]): LatencyFigures {
  const returned = ops.filter((op) => Number.isFinite(op.returnTime));
  if (returned.length === 0) return { count: 0 };
  return {
    count: returned.length,
    service: exactQuantiles(returned, (op) => op.returnTime - op.invokeTime),
    response: exactQuantiles(returned, (op) => op.returnTime - dueTime(op)),
  };
}

/**
 * Figures of one fault's windows: before runs from the previous heal to the injection, during to the
 * end of the heal, after to the next injection; an operation belongs to where it was due.
 */
export function phasesOfFault(
  ok: readonly Op[],
  faults: readonly FaultRecord[],
  index: number,
): FaultLatency {
  const fault = faults[index]!;
  const healed = fault.healed ?? Number.POSITIVE_INFINITY;
  const start = Math.max(
    0,
    ...faults.map((f) => f.healed ?? 0).filter((time) => time <= fault.injectStart),
  );
  const end = Math.min(...faults.map((f) => f.injectStart).filter((time) => time >= healed));
  const within = (from: number, until: number): LatencyFigures =>
    exactFigures(ok.filter((op) => dueTime(op) >= from && dueTime(op) < until));
  return {
    id: fault.id,
    before: within(start, fault.injectStart),
    during: within(fault.injectStart, healed),
    after: within(healed, end),
  };
}

function exactQuantiles(ops: readonly Op[], nanoseconds: (op: Op) => number): Quantiles {
  const sorted = Float64Array.from(ops, nanoseconds).sort();
  const at = (q: number): number => sorted[Math.ceil(q * sorted.length) - 1]! / 1e6;
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
}

type Fields = Record<string, unknown>;

function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null ? (value as Fields) : undefined;
}

// A checker's details are untyped plain data and stored runs outlive their checkers, so both the
// names and the units that a checker may choose are accepted here and nothing is assumed present.
function readDetails(details: unknown): {
  overall?: LatencyFigures;
  faults: Map<number, FaultLatency>;
} {
  const faults = new Map<number, FaultLatency>();
  const root = fieldsOf(details);
  if (root === undefined) return { faults };
  const listed = root.faults ?? root.perFault ?? root.windows;
  for (const entry of Object.values(fieldsOf(listed) ?? {})) {
    const window = fieldsOf(entry);
    const id = window?.id ?? window?.fault;
    if (window === undefined || typeof id !== 'number') continue;
    const [before, during, after] = FAULT_WINDOWS.map((name) => readFigures(window[name]));
    const none: LatencyFigures = { count: 0 };
    if (before === undefined && during === undefined && after === undefined) continue;
    faults.set(id, { id, before: before ?? none, during: during ?? none, after: after ?? none });
  }
  const overall = readFigures(root.overall ?? root.total ?? root.all ?? root);
  return overall === undefined ? { faults } : { overall, faults };
}

function readFigures(value: unknown): LatencyFigures | undefined {
  const fields = fieldsOf(value);
  if (fields === undefined) return undefined;
  const service = readQuantiles(fields.service);
  const response = readQuantiles(fields.response ?? fields);
  if (service === undefined && response === undefined) return undefined;
  const counted = [fields, fieldsOf(fields.response), fieldsOf(fields.service)]
    .map((f) => f?.count ?? f?.ops)
    .find((given) => typeof given === 'number');
  const count = counted ?? 0;
  const figures: LatencyFigures = { count };
  // Of nothing there are no quantiles, whatever was written in their place.
  if (counted === 0) return figures;
  if (service !== undefined) figures.service = service;
  if (response !== undefined) figures.response = response;
  return figures;
}

function readQuantiles(value: unknown): Quantiles | undefined {
  const fields = fieldsOf(value);
  if (fields === undefined) return undefined;
  const read = (name: string): number | undefined => {
    for (const [suffix, perMs] of [
      ['Ms', 1],
      ['', 1],
      ['Us', 1e3],
      ['Ns', 1e6],
    ] as const) {
      const stated = fields[name + suffix];
      if (typeof stated === 'number' && Number.isFinite(stated)) return stated / perMs;
    }
    return undefined;
  };
  const [p50, p95, p99, max] = ['p50', 'p95', 'p99', 'max'].map(read);
  if (p50 === undefined || p95 === undefined || p99 === undefined || max === undefined) {
    return undefined;
  }
  return { p50, p95, p99, max };
}
