// What the page knows of brokers and messages: marks and curves as columns, lanes as one small object.
// What is too much to draw is put together, never dropped, and the page says what was put together.
import type { RunRecord } from '../../history/run-record.ts';
import { type BrokerLanes, brokerLanes, highWatermarks, truncations } from './broker-lanes.ts';
import { type ColumnInput, drawable } from './columns.ts';
import {
  type Consumer,
  MARK_KINDS,
  type Mark,
  type MessageFlow,
  messageFlow,
  type Step,
  type UnreadMessage,
} from './message-flow.ts';
import type { NodeLane } from './node-lanes.ts';

/** The broker's part of the page. Columns beside it: `mark.*`, `hw.*`, `unseen.*`, `cut.*`, `unread.*`. */
export interface BrokerMeta {
  /** Partitions that operations spoke of; the columns number them. */
  keys: string[];
  consumers: Consumer[];
  lanes: BrokerLanes;
  /** Why a panel lacks something, or what it draws put together, by the panel's id. */
  notes: { offsets?: string; lag?: string; unseen?: string; leaders?: string };
}

/** Consumer groups that committed something, by name; their places are their colours. */
export function groupsOf({ consumers }: Pick<BrokerMeta, 'consumers'>): string[] {
  const groups = consumers.filter(({ process }) => process === undefined);
  return groups.map(({ group = '' }) => group).sort();
}

export interface BrokerPage {
  meta: BrokerMeta;
  columns: ColumnInput[];
  unread: UnreadMessage[];
}

/** How much is drawn singly. */
export interface BrokerLimits {
  marks: number;
  steps: number;
}

export const BROKER_LIMITS: BrokerLimits = { marks: 300_000, steps: 100_000 };

/** Widths of the bins that are tried, from the run's length divided by this, doubling. */
const FINEST_BINS = 65_536;

/** The broker's part, undefined for a run without brokers and without messages. */
export function brokerPage(
  record: RunRecord,
  nodes: readonly NodeLane[],
  until: number,
  limits: BrokerLimits = BROKER_LIMITS,
): BrokerPage | undefined {
  const flow = messageFlow(record.ops);
  const events = record.brokerEvents ?? [];
  if (flow.marks.length === 0 && events.length === 0) return undefined;
  const marks = thinMarks(flow.marks, limits.marks, until);
  const watermarks = thinSteps(highWatermarks(events), limits.steps, until, 'last');
  const unseen = thinSteps(withTotal(flow.unseen), limits.steps, until, 'highest');
  const cuts = truncations(events);
  const index = new Map(flow.keys.map((key, i) => [key, i]));
  const at = (key: string): number => index.get(key) ?? Number.NaN;
  const columns: ColumnInput[] = [
    ...markColumns(marks.marks, at),
    ...stepColumns('hw', watermarks.steps, at),
    ...stepColumns('unseen', unseen.steps, at),
    { name: 'cut.t', kind: 'delta', values: cuts.map(({ t }) => t) },
    { name: 'cut.key', kind: 'number', values: cuts.map(({ key }) => at(key)) },
    { name: 'cut.to', kind: 'number', values: cuts.map(({ to }) => drawable(to)) },
    { name: 'cut.node', kind: 'text', values: cuts.map(({ node }) => node) },
    { name: 'unread.t', kind: 'delta', values: flow.unread.map(({ t }) => t) },
    { name: 'unread.key', kind: 'number', values: flow.unread.map(({ key }) => at(key)) },
    {
      name: 'unread.offset',
      kind: 'delta',
      values: flow.unread.map(({ offset }) => drawable(offset)),
    },
    { name: 'unread.op', kind: 'delta', values: flow.unread.map(({ op }) => op) },
  ];
  const meta: BrokerMeta = {
    keys: flow.keys,
    consumers: flow.consumers,
    lanes: brokerLanes(events, nodes, until),
    notes: notesOf(record, flow, { marks, watermarks, unseen }),
  };
  return { meta, columns, unread: flow.unread };
}

function markColumns(marks: readonly Mark[], at: (key: string) => number): ColumnInput[] {
  const column = (
    name: string,
    kind: 'number' | 'delta',
    value: (mark: Mark) => number,
  ): ColumnInput => ({ name: `mark.${name}`, kind, values: marks.map((m) => drawable(value(m))) });
  return [
    column('kind', 'number', ({ kind }) => MARK_KINDS.indexOf(kind)),
    column('key', 'delta', ({ key }) => at(key)),
    column('consumer', 'number', ({ consumer }) => consumer ?? Number.NaN),
    column('t', 'delta', ({ t }) => t),
    column('first', 'delta', ({ first }) => first),
    column('length', 'number', ({ first, last }) => last - first),
    column('op', 'delta', ({ op }) => op),
  ];
}

function stepColumns(
  name: string,
  steps: ReadonlyMap<string, readonly Step[]>,
  at: (key: string) => number,
): ColumnInput[] {
  const rows = [...steps].flatMap(([key, own]) => own.map((step) => ({ key: at(key), ...step })));
  return [
    { name: `${name}.key`, kind: 'number', values: rows.map(({ key }) => key) },
    { name: `${name}.t`, kind: 'delta', values: rows.map(({ t }) => t) },
    { name: `${name}.value`, kind: 'delta', values: rows.map(({ value }) => drawable(value)) },
  ];
}

/** All partitions together, under a name that no partition has. */
export function withTotal(steps: ReadonlyMap<string, Step[]>): Map<string, Step[]> {
  const changes: Step[] = [];
  for (const own of steps.values()) {
    let before = 0;
    for (const { t, value } of own) {
      changes.push({ t, value: value - before });
      before = value;
    }
  }
  changes.sort((a, b) => a.t - b.t);
  const total: Step[] = [];
  let value = 0;
  for (const change of changes) {
    value += change.value;
    if (total.at(-1)?.t === change.t) total.pop();
    total.push({ t: change.t, value });
  }
  return new Map([...steps, ['', total]]);
}

/** Marks put together, and within which time; 0 = each one stands for itself. */
export interface ThinMarks {
  marks: Mark[];
  widthNs: number;
}

/**
 * Beyond the limit: neighbours of one consumer (or of the sends to one partition) within a bin become one mark
 * where the later one goes on without a gap; so gaps, jumps and beginnings all stay.
 */
export function thinMarks(marks: Mark[], marksMax: number, until: number): ThinMarks {
  let thinned = marks;
  let widthNs = 0;
  for (let bins = FINEST_BINS; thinned.length > marksMax && bins >= 1; bins /= 2) {
    widthNs = until / bins;
    thinned = joined(marks, widthNs);
  }
  return { marks: thinned, widthNs };
}

function joined(marks: readonly Mark[], widthNs: number): Mark[] {
  const kept: Mark[] = [];
  for (const mark of marks) {
    const last = kept.at(-1);
    const goesOn =
      last !== undefined &&
      last.kind === mark.kind &&
      last.key === mark.key &&
      last.consumer === mark.consumer &&
      Math.floor(last.t / widthNs) === Math.floor(mark.t / widthNs) &&
      (mark.kind === 'read' || mark.kind === 'send') &&
      mark.first === last.last + 1;
    if (goesOn) last.last = mark.last;
    else kept.push({ ...mark });
  }
  return kept;
}

export interface ThinSteps {
  steps: Map<string, Step[]>;
  widthNs: number;
}

/** Beyond the limit: of each bin the last step, or the highest; a fall of the last always stays. */
export function thinSteps(
  steps: Map<string, Step[]>,
  stepsMax: number,
  until: number,
  keep: 'last' | 'highest',
): ThinSteps {
  const count = (all: ReadonlyMap<string, readonly Step[]>): number =>
    [...all.values()].reduce((sum, own) => sum + own.length, 0);
  let thinned = steps;
  let widthNs = 0;
  for (let bins = FINEST_BINS; count(thinned) > stepsMax && bins >= 1; bins /= 2) {
    const width = (widthNs = until / bins);
    thinned = new Map([...steps].map(([key, own]) => [key, binned(own, width, keep)]));
  }
  return { steps: thinned, widthNs };
}

function binned(steps: readonly Step[], widthNs: number, keep: 'last' | 'highest'): Step[] {
  const kept: Step[] = [];
  let bin = -1;
  let before = Number.NEGATIVE_INFINITY;
  let fell = false;
  for (const { t, value } of steps) {
    const own = Math.floor(t / widthNs);
    const last = kept.at(-1);
    const falls = keep === 'last' && value < before;
    if (own !== bin || last === undefined || falls || fell) {
      kept.push({ t, value });
      fell = falls;
    } else if (keep === 'last') last.value = value;
    else last.value = Math.max(last.value, value);
    bin = own;
    before = value;
  }
  // The end is what it was, also where the last bin was higher before.
  const end = steps.at(-1);
  if (end !== undefined && kept.at(-1)?.value !== end.value) kept.push({ ...end });
  return kept;
}

function notesOf(
  record: RunRecord,
  flow: MessageFlow,
  thin: { marks: ThinMarks; watermarks: ThinSteps; unseen: ThinSteps },
): BrokerMeta['notes'] {
  const within = (widthNs: number): string => `within ${Number((widthNs / 1e6).toPrecision(3))} ms`;
  const offsets: string[] = [];
  const notes: BrokerMeta['notes'] = {};
  const events = record.brokerEvents ?? [];
  if (flow.marks.length === 0) {
    notes.offsets = 'no message was acknowledged and none was read';
    notes.lag = 'nobody read anything';
    notes.unseen = 'no message was acknowledged';
  }
  if (thin.marks.widthNs > 0) {
    offsets.push(`marks that continue each other ${within(thin.marks.widthNs)} are drawn as one`);
    notes.lag = offsets[0]!;
  }
  if (events.length === 0) {
    notes.leaders = `the brokers logged no events (level ${record.config.eventLevel})`;
  }
  if (thin.watermarks.steps.size === 0) {
    offsets.push(`no high watermarks in the brokers' events (level ${record.config.eventLevel})`);
  } else if (thin.watermarks.widthNs > 0) {
    offsets.push(`one high watermark ${within(thin.watermarks.widthNs)}, and every fall`);
  }
  if (thin.unseen.widthNs > 0) {
    notes.unseen = `the highest count ${within(thin.unseen.widthNs)}`;
  }
  if (offsets.length > 0) notes.offsets ??= offsets.join('; ');
  return notes;
}
