// Client histories written by hand, in milliseconds: what a test says of operations, faults and phases
// becomes the record of a run. Kept apart from the scripted ensemble, which needs no times.
import type { Event, EventType } from '../history/event.ts';
import type { Fault } from '../history/fault.ts';
import type { RunConfig, RunRecord } from '../history/run-record.ts';
import { recordOf, testConfig } from './testing-record.ts';

type Shown = Partial<
  Pick<Event, 'value' | 'error' | 'zxid' | 'mzxid' | 'version' | 'syncZxid' | 'session'>
>;

/** One operation: invoked at `at`, returned after `took` (never, if absent). */
export interface OpLine extends Shown {
  at: number;
  took?: number;
  due?: number;
  f: string;
  key?: string;
  node?: string;
  type?: Exclude<EventType, 'invoke'>;
  process?: number;
  /** The invocation's value. */
  asked?: unknown;
}

/** A fault in place from `from` (ms) until healed at `to`. */
export interface FaultLine {
  fault: Fault;
  from: number;
  to?: number;
  verified?: boolean;
  healVerified?: boolean;
}

export interface HistoryLines {
  nodes?: string[];
  config?: Partial<RunConfig>;
  phases?: Record<string, number>;
  faults?: FaultLine[];
  ops: OpLine[];
}

const NS_PER_MS = 1e6;

/** A run record from lines; node logs are left out. Every op has a process of its own unless it names one. */
export function historyRun(lines: HistoryLines): RunRecord {
  const events: Omit<Event, 'index'>[] = [];
  const add = (ms: number, event: Omit<Event, 'index' | 'time'>): void => {
    events.push({ ...event, time: Math.round(ms * NS_PER_MS) });
  };
  for (const [value, at] of Object.entries(lines.phases ?? {})) {
    add(at, { process: 'harness', type: 'info', f: 'phase', value });
  }
  for (const [id, line] of (lines.faults ?? []).entries()) {
    const verification = { verified: line.verified ?? true, evidence: 'probed' };
    const healing = { verified: line.healVerified ?? true, evidence: 'probed' };
    const value = { id, fault: line.fault };
    add(line.from, { process: 'nemesis', type: 'invoke', f: 'inject', value });
    add(line.from, {
      process: 'nemesis',
      type: 'info',
      f: 'inject',
      value: { ...value, verification },
    });
    if (line.to === undefined) continue;
    add(line.to, { process: 'nemesis', type: 'invoke', f: 'heal', value });
    add(line.to, {
      process: 'nemesis',
      type: 'info',
      f: 'heal',
      value: { ...value, verification: healing },
    });
  }
  for (const [i, line] of lines.ops.entries()) addOp(add, line, i);
  events.sort((a, b) => a.time - b.time);
  const history = events.map((event, index) => ({ index, ...event }));
  const config = { ...testConfig(lines.nodes ?? ['n1', 'n2', 'n3']), ...lines.config };
  return recordOf(config, history, []);
}

function addOp(
  add: (ms: number, event: Omit<Event, 'index' | 'time'>) => void,
  line: OpLine,
  i: number,
): void {
  const { at, took, due, f, type = 'ok', process = 1000 + i, asked, ...shown } = line;
  const who = { process, f, ...('key' in line ? { key: line.key } : {}) } as const;
  const sent = line.node === undefined ? {} : { node: line.node };
  const dueNs = due === undefined ? {} : { due: Math.round(due * NS_PER_MS) };
  const value = asked === undefined ? {} : { value: asked };
  add(at, { ...who, ...sent, ...dueNs, ...value, type: 'invoke' } as Omit<Event, 'index' | 'time'>);
  if (took === undefined) return;
  add(at + took, { ...who, ...shown, type } as Omit<Event, 'index' | 'time'>);
}
