// What the page knows of a run: the operations as columns and everything else as one small object.
// Nothing is left out in silence: what a limit cuts is counted, and the page says so.
import { type Fault, type FaultRecord, faultNodes, isClientLink } from '../../history/fault.ts';
import type { Op } from '../../history/op.ts';
import type { FinishedRun, RunRecord } from '../../history/run-record.ts';
import { anomaliesOf, faultRows, type JudgedAnomaly } from '../figures.ts';
import { type BrokerMeta, brokerPage } from './broker-page.ts';
import { type ColumnInput, drawable } from './columns.ts';
import type { UnreadMessage } from './message-flow.ts';
import { type NodeLane, nodeLanes } from './node-lanes.ts';
import { type PageAnomaly, pageAnomalies } from './page-anomalies.ts';

/** Outcomes as the column `type` numbers them, in the order they are drawn: later ones on top. */
export const OUTCOMES = ['ok', 'info', 'fail'] as const;

/** Consumers and brokers take turns in so many colours, `--s0` … of the style sheet. */
export const SERIES_COLORS = 8;

/** A fault as the page draws it. Times in ns since run start; `until` is the run's end if unhealed. */
export interface PageFault {
  id: number;
  kind: FaultRecord['fault']['kind'];
  label: string;
  /** Nodes it takes out: of a fault on links, those severed from more than half of the others. */
  struck: string[];
  from: number;
  injected: number;
  healing: number;
  until: number;
  json: string;
  injection: string;
  heal: string;
  recoveryMs?: number;
}

export interface PageMeta {
  until: number;
  ratePerSecond: number;
  fs: string[];
  keys: string[];
  nodes: string[];
  sessions: string[];
  errors: string[];
  phases: { name: string; from: number; until: number }[];
  faults: PageFault[];
  lanes: NodeLane[];
  anomalies: PageAnomaly[];
  /** Each ok operation drawn stands for this many. */
  okWeight: number;
  /** Absent of a run without brokers. */
  broker?: BrokerMeta;
}

/** The limits that took effect. */
export interface PageCuts {
  opsLeftOut: number;
  anomaliesLeftOut: number;
  /** Values longer than this are cut. */
  valueCharsMax: number;
  valuesCut: number;
}

export interface PageData {
  meta: PageMeta;
  columns: ColumnInput[];
  /** Anomalies in the order of `meta.anomalies`. */
  anomalies: JudgedAnomaly[];
  cuts: PageCuts;
  /** Acknowledged messages that no poll returned. */
  unread: UnreadMessage[];
}

/** How much of a run a page holds. */
export interface PageLimits {
  ops: number;
  anomalies: number;
  eventsPerAnomaly: number;
  /** Lengths at which values are cut: the first that brings all of them under the total. */
  valueChars: readonly number[];
  valueCharsTotal: number;
}

export const PAGE_LIMITS: PageLimits = {
  ops: 1_000_000,
  anomalies: 500,
  eventsPerAnomaly: 200,
  valueChars: [2_000, 400, 80, 16],
  valueCharsTotal: 12_000_000,
};

/** Prepares a run for the page. */
export function pageData(run: FinishedRun, limits: PageLimits = PAGE_LIMITS): PageData {
  const { record } = run;
  const judged = anomaliesOf(run);
  const anomalies = judged.slice(0, limits.anomalies);
  const opOfEvent = new Map<number, Op>();
  for (const op of record.ops) {
    opOfEvent.set(op.invoke.index, op);
    if (op.completion !== undefined) opOfEvent.set(op.completion.index, op);
  }
  const { ops, okWeight } = thin(record.ops, anomalies, opOfEvent, limits.ops);
  const rowOfOp = new Map(ops.map((op, row) => [op, row]));
  const until = runEnd(record);
  const names = { fs: new Names(), keys: new Names(), nodes: new Names(), sessions: new Names() };
  for (const node of record.config.nodes) names.nodes.index(node);
  const errors = new Names();
  const values = valueColumns(ops, limits);
  const lanes = nodeLanes(record, until);
  const broker = brokerPage(record, lanes, until);
  const columns = [
    ...opColumns(ops, names, errors),
    ...values.columns,
    ...(broker === undefined ? [] : broker.columns),
  ];
  const meta: PageMeta = {
    until,
    ratePerSecond: record.config.ratePerSecond,
    fs: names.fs.list,
    keys: names.keys.list,
    nodes: names.nodes.list,
    sessions: names.sessions.list,
    errors: errors.list,
    phases: phases(record, until),
    faults: pageFaults(run, until),
    lanes,
    anomalies: pageAnomalies(record, anomalies, opOfEvent, rowOfOp, limits.eventsPerAnomaly),
    okWeight,
    ...(broker === undefined ? {} : { broker: broker.meta }),
  };
  const cuts: PageCuts = {
    opsLeftOut: record.ops.length - ops.length,
    anomaliesLeftOut: judged.length - anomalies.length,
    valueCharsMax: values.charsMax,
    valuesCut: values.cut,
  };
  return { meta, columns, anomalies, cuts, unread: broker?.unread ?? [] };
}

/** Texts numbered in order of appearance. */
class Names {
  readonly list: string[] = [];
  readonly #indexes = new Map<string, number>();

  /** NaN for an absent text. */
  index(text: string | undefined): number {
    if (text === undefined) return Number.NaN;
    let index = this.#indexes.get(text);
    if (index === undefined) {
      index = this.list.push(text) - 1;
      this.#indexes.set(text, index);
    }
    return index;
  }
}

// Only beyond the limit: all that is not ok and all that an anomaly names stays, of the rest one in k.
function thin(
  ops: readonly Op[],
  anomalies: readonly JudgedAnomaly[],
  opOfEvent: ReadonlyMap<number, Op>,
  opsMax: number,
): { ops: readonly Op[]; okWeight: number } {
  if (ops.length <= opsMax) return { ops, okWeight: 1 };
  const okWeight = Math.ceil(ops.length / opsMax) + 1;
  const involved = new Set(
    anomalies.flatMap(({ anomaly }) => anomaly.events.map((index) => opOfEvent.get(index))),
  );
  const kept = ops.filter((op, i) => op.type !== 'ok' || i % okWeight === 0 || involved.has(op));
  return { ops: kept, okWeight };
}

function runEnd(record: RunRecord): number {
  // An empty run still has an axis.
  let end = 1e6;
  for (const event of record.history) end = Math.max(end, event.time);
  for (const event of record.nodeEvents) end = Math.max(end, event.t);
  for (const event of record.brokerEvents ?? []) end = Math.max(end, event.t);
  return end;
}

function opColumns(
  ops: readonly Op[],
  names: { fs: Names; keys: Names; nodes: Names; sessions: Names },
  errors: Names,
): ColumnInput[] {
  const column = (
    name: string,
    kind: 'number' | 'delta',
    value: (op: Op) => number | undefined,
  ): ColumnInput => {
    return { name, kind, values: Float64Array.from(ops, (op) => drawable(value(op))) };
  };
  return [
    column('id', 'delta', (op) => op.id),
    column('invoke', 'delta', (op) => op.invokeTime),
    column('wait', 'number', (op) => op.invokeTime - (op.invoke.due ?? Number.NaN)),
    column('took', 'number', (op) => op.completion && op.completion.time - op.invokeTime),
    column('process', 'number', (op) => op.process),
    column('type', 'number', (op) => OUTCOMES.indexOf(op.type)),
    column('f', 'number', (op) => names.fs.index(op.f)),
    column('key', 'number', (op) => names.keys.index(op.key)),
    column('node', 'number', (op) => names.nodes.index(op.completion?.node ?? op.invoke.node)),
    column('session', 'number', (op) =>
      names.sessions.index(op.completion?.session ?? op.invoke.session),
    ),
    column('error', 'number', (op) => errors.index(op.completion?.error?.slice(0, 2_000))),
    column('zxid', 'delta', (op) => op.completion?.zxid),
    column('mzxid', 'delta', (op) => op.completion?.mzxid),
    column('syncZxid', 'delta', (op) => op.completion?.syncZxid),
    column('version', 'delta', (op) => op.completion?.version),
    column('offset', 'delta', (op) => op.completion?.offset),
    column('leaderEpoch', 'delta', (op) => op.completion?.leaderEpoch),
    column('invokeEvent', 'delta', (op) => op.invoke.index),
    column('completionEvent', 'delta', (op) => op.completion?.index),
  ];
}

function valueColumns(
  ops: readonly Op[],
  limits: PageLimits,
): {
  columns: ColumnInput[];
  charsMax: number;
  cut: number;
} {
  const text = (value: unknown): string =>
    value === undefined ? '' : (JSON.stringify(value) ?? '');
  const input = ops.map((op) => text(op.invoke.value));
  const output = ops.map((op, i) => {
    const out = text(op.completion?.value);
    return out !== '' && out === input[i] ? '=' : out;
  });
  const all = [input, output];
  const total = (charsMax: number): number =>
    all.flat().reduce((sum, value) => sum + Math.min(value.length, charsMax), 0);
  const { valueChars, valueCharsTotal } = limits;
  const charsMax = valueChars.find((max) => total(max) <= valueCharsTotal) ?? valueChars.at(-1)!;
  let cut = 0;
  const shorten = (value: string): string => {
    if (value.length <= charsMax) return value;
    cut++;
    return `${value.slice(0, charsMax)}…`.toWellFormed();
  };
  const [inputs, outputs] = all.map((values) => values.map(shorten));
  return {
    columns: [
      { name: 'input', kind: 'text', values: inputs! },
      { name: 'output', kind: 'text', values: outputs! },
    ],
    charsMax,
    cut,
  };
}

function phases(record: RunRecord, until: number): PageMeta['phases'] {
  const starts = record.history.filter((e) => e.process === 'harness' && e.f === 'phase');
  return starts.map((event, i) => ({
    name: String(event.value),
    from: event.time,
    until: starts[i + 1]?.time ?? until,
  }));
}

function pageFaults(run: FinishedRun, until: number): PageFault[] {
  const rows = faultRows(run);
  const evidence = (v: { verified: boolean; evidence: string } | undefined): string =>
    v === undefined ? 'never' : `${v.verified ? 'verified' : 'NOT verified'}: ${v.evidence}`;
  return run.record.faults.map((record, i) => {
    const row = rows[i]!;
    return {
      id: record.id,
      kind: record.fault.kind,
      label: row.description,
      struck: struckNodes(record.fault, run.record.config.nodes.length),
      from: record.injectStart,
      injected: record.injected,
      healing: record.healStart ?? until,
      until: record.healed ?? until,
      json: JSON.stringify(record.fault),
      injection: evidence(record.injection),
      heal: evidence(record.heal),
      ...(row.recoveryMs === undefined ? {} : { recoveryMs: row.recoveryMs }),
    };
  });
}

// A cut touches every node, yet takes out only the smaller side, and whoever has lost the clients.
function struckNodes(fault: Fault, nodeCount: number): string[] {
  if ('nodes' in fault) return fault.nodes;
  const speechless = new Set(
    fault.links.filter(isClientLink).flatMap(({ from, to }) => [from, to]),
  );
  return faultNodes(fault).filter((node) => {
    if (speechless.has(node)) return true;
    const peers = fault.links.flatMap(({ from, to }) =>
      from === node ? [to] : to === node ? [from] : [],
    );
    return new Set(peers).size > (nodeCount - 1) / 2;
  });
}
