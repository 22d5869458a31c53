// What each node was at each time, for its lane: down, looking, following or leading, a broker serving or
// the controller, and which faults lay on it. Told by the nodes' own events; a kill is told by the fault,
// since a killed node cannot.
import type { BrokerNodeEvent } from '../../history/broker-event.ts';
import { faultNodes } from '../../history/fault.ts';
import type { NodeEvent } from '../../history/node-event.ts';
import type { RunRecord } from '../../history/run-record.ts';

/** `unknown`: the node left no events, so nothing can be said. */
export type NodeState =
  | 'unknown'
  | 'down'
  | 'starting'
  | 'looking'
  | 'following'
  | 'leading'
  /** A broker that is registered. */
  | 'serving'
  /** A broker whose session was closed: nobody counts on it. */
  | 'unregistered'
  | 'controller';

type AnyEvent = NodeEvent | BrokerNodeEvent;

/** Times in ns since run start. */
export interface StateSpan {
  from: number;
  until: number;
  state: NodeState;
  epoch?: number;
  /** Name of the leader followed. */
  leader?: string;
  /** A leader that a quorum has acknowledged; before that it only won the election. */
  established?: boolean;
  /** Why it is down. */
  reason?: string;
}

export interface NodeLane {
  node: string;
  spans: StateSpan[];
  /** Faults on this node, by id. */
  faults: number[];
  /** Single moments: elections decided, synchronisations, expiries. */
  marks: { t: number; text: string }[];
  /** What is missing of its event log. */
  problem?: string;
}

const MARKS_MAX = 2_000;
const MARKED: ReadonlySet<string> = new Set([
  'start',
  'stop',
  'elected',
  'newEpoch',
  'established',
  'upToDate',
  'trunc',
  'snapLoaded',
  'sessionExpired',
  'brokerStart',
  'brokerStop',
  'registered',
  'sessionLost',
  'controllerElected',
  'controllerResigned',
]);

/**
 * One lane per configured node, then one for each other node that left events, as coordinators beside the
 * brokers under test. `end` closes the last span.
 */
export function nodeLanes(record: RunRecord, end: number): NodeLane[] {
  const names = new Map<number, string>();
  for (const event of record.nodeEvents) {
    if (event.ev === 'start') names.set(event.sid, event.node);
  }
  const eventsOf = new Map<string, AnyEvent[]>(record.config.nodes.map((node) => [node, []]));
  const said = new Set<string>();
  for (const event of [...record.nodeEvents, ...(record.brokerEvents ?? [])]) said.add(event.node);
  for (const node of [...said].sort()) if (!eventsOf.has(node)) eventsOf.set(node, []);
  for (const event of record.nodeEvents) eventsOf.get(event.node)?.push(event);
  for (const event of record.brokerEvents ?? []) eventsOf.get(event.node)?.push(event);
  return [...eventsOf].map(([node, events]) => {
    const marks = events.filter((event) => MARKED.has(event.ev)).slice(0, MARKS_MAX);
    const lane: NodeLane = {
      node,
      spans: stateSpans(events, deathsOf(record, node, events), names, end),
      faults: record.faults.filter((f) => faultNodes(f.fault).includes(node)).map((f) => f.id),
      marks: marks.map((event) => ({ t: event.t, text: describeEvent(event) })),
    };
    const gap = record.nodeEventGaps.find((g) => g.node === node);
    if (gap !== undefined) lane.problem = gap.problem;
    return lane;
  });
}

/** An event without its header: `elected round 3 leader 2 …`. */
export function describeEvent(event: AnyEvent): string {
  const { t: _t, node: _node, inc: _inc, seq: _seq, ev, ...fields } = event;
  const text = Object.entries(fields).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
  return [ev, ...text].join(' ').slice(0, 300);
}

function isStart({ ev }: AnyEvent): boolean {
  return ev === 'start' || ev === 'brokerStart';
}

function isStop(event: AnyEvent): event is Extract<AnyEvent, { ev: 'stop' | 'brokerStop' }> {
  return event.ev === 'stop' || event.ev === 'brokerStop';
}

interface Death {
  t: number;
  reason: string;
}

function deathsOf(record: RunRecord, node: string, events: readonly AnyEvent[]): Death[] {
  const deaths: Death[] = [];
  for (const { fault, id, injectStart, injected } of record.faults) {
    if (fault.kind !== 'kill' || !fault.nodes.includes(node)) continue;
    // The signal lands between the two stamps: not before the last thing that the node still said.
    const last = events.findLast((e) => e.t > injectStart && e.t <= injected && !isStart(e));
    deaths.push({ t: last?.t ?? injectStart, reason: `killed by fault ${id}` });
  }
  for (const [i, event] of events.entries()) {
    if (isStop(event)) deaths.push({ t: event.t, reason: `stopped: ${event.reason}` });
    const before = events[i - 1];
    if (!isStart(event) || before === undefined || isStop(before)) continue;
    const killed = deaths.some((death) => death.t >= before.t && death.t <= event.t);
    if (!killed) deaths.push({ t: before.t, reason: 'ended without a word; last event here' });
  }
  return deaths;
}

type State = Omit<StateSpan, 'from' | 'until'>;

/** What a node is after an event; null: the same as before. */
function stateAfter(
  event: AnyEvent,
  before: StateSpan,
  names: ReadonlyMap<number, string>,
): State | null {
  switch (event.ev) {
    case 'start':
    case 'brokerStart':
      return { state: 'starting' };
    case 'role': {
      const state: State = { state: event.role };
      if (event.epoch !== undefined) state.epoch = event.epoch;
      if (event.leader !== undefined) state.leader = names.get(event.leader) ?? `${event.leader}`;
      return state;
    }
    case 'established':
      if (before.state !== 'leading') return null;
      return { state: 'leading', epoch: event.epoch, established: true };
    case 'registered':
      return { state: 'serving' };
    case 'sessionLost':
      return { state: 'unregistered' };
    case 'controllerElected':
      return { state: 'controller', epoch: event.controllerEpoch };
    case 'controllerResigned':
      return before.state === 'controller' ? { state: 'serving' } : null;
    default:
      return null;
  }
}

const CHANGING: ReadonlySet<string> = new Set([
  'start',
  'brokerStart',
  'role',
  'established',
  'registered',
  'sessionLost',
  'controllerElected',
  'controllerResigned',
]);

function stateSpans(
  events: readonly AnyEvent[],
  deaths: readonly Death[],
  names: ReadonlyMap<number, string>,
  end: number,
): StateSpan[] {
  if (events.length === 0) return [{ from: 0, until: end, state: 'unknown' }];
  type Change = { t: number; apply: (span: StateSpan) => State | null };
  const changes: Change[] = deaths.map(({ t, reason }) => {
    return { t, apply: () => ({ state: 'down', reason }) };
  });
  for (const event of events) {
    if (!CHANGING.has(event.ev)) continue;
    changes.push({ t: event.t, apply: (span) => stateAfter(event, span, names) });
  }
  // Stable: a death and a word at the same instant keep the death last only if it was pushed last, so
  // deaths are moved behind the events of their instant.
  const order = new Map(changes.map((change, i) => [change, i < deaths.length ? 1 : 0]));
  changes.sort((a, b) => a.t - b.t || order.get(a)! - order.get(b)!);
  const spans: StateSpan[] = [{ from: 0, until: end, state: 'down', reason: 'not started yet' }];
  for (const { t, apply } of changes) {
    const last = spans.at(-1)!;
    const next = apply(last);
    if (next === null) continue;
    last.until = t;
    spans.push({ from: t, until: end, ...next });
  }
  return spans.filter((span) => span.until > span.from);
}
