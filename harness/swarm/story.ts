// Tells what led to an anomaly: faults, elections, synchronisations, and the fate of the transactions and
// operations concerned, a lane for each server. Short enough to be read whole, last things first to stay.
import type { Event } from '../../history/event.ts';
import { describeFault } from '../../history/fault.ts';
import { type CoordinatorEvent, formatZxid, type NodeEvent } from '../../history/node-event.ts';
import { faultRecords } from '../../history/op.ts';
import type { RunRecord } from '../../history/run-record.ts';
import type { Anomaly, Verdict } from '../../history/verdict.ts';
import { firstAnomaly } from './moment.ts';

const LINES_MAX = 40;
const LANE_WIDTH = 20;
/** Steps told of what came after the anomaly was complete: its damage may show only then. */
const AFTER_MAX = 8;
const PHASES_TOLD = ['faults', 'heal', 'final'];

/**
 * How much a step says about the anomaly: named by it, a fault, a step of a transaction or session that
 * it names, or how the servers stood to each other.
 */
type Weight = 'named' | 'fault' | 'touched' | 'course';
const WEIGHTS: readonly Weight[] = ['course', 'touched', 'fault', 'named'];

interface Step {
  t: number;
  weight: Weight;
  /** Index of the server's lane; undefined: over all lanes. */
  lane: number | undefined;
  text: string;
}

/** What the anomaly is about. */
interface Concern {
  zxids: Set<number>;
  sessions: Set<string>;
  paths: Set<string>;
  events: Set<number>;
  nodeEvents: Set<string>;
}

const eventName = (e: NodeEvent) => `${e.node}/${e.inc}#${e.seq}`;

function concernOf(record: RunRecord, anomaly: Anomaly): Concern {
  const named = (anomaly.nodeEvents ?? []).map((e) => `${e.node}/${e.incarnation}#${e.seq}`);
  const concern: Concern = {
    zxids: new Set(),
    sessions: new Set(),
    paths: new Set(),
    events: new Set(anomaly.events),
    nodeEvents: new Set(named),
  };
  if (anomaly.key !== undefined) concern.paths.add(anomaly.key);
  for (const [path] of anomaly.why.matchAll(/\/[\w/.-]+/g)) concern.paths.add(path);
  for (const index of anomaly.events) {
    const event = record.history[index];
    for (const zxid of [event?.zxid, event?.mzxid]) {
      if (zxid !== undefined) concern.zxids.add(zxid);
    }
    if (event?.session !== undefined) concern.sessions.add(event.session);
  }
  for (const event of record.nodeEvents) {
    if (!concern.nodeEvents.has(eventName(event))) continue;
    if ('zxid' in event) concern.zxids.add(event.zxid);
    if ('session' in event && event.session !== undefined) concern.sessions.add(event.session);
  }
  return concern;
}

/** A server's event in words; undefined for what a story does not need. */
function describe(event: CoordinatorEvent, name: (sid: number) => string): string | undefined {
  const z = formatZxid;
  switch (event.ev) {
    case 'start':
      return `starts: epoch ${event.currentEpoch}, log to ${z(event.lastLogged)}`;
    case 'stop':
      return `stops: ${event.reason}`;
    case 'left':
      return `gives up: ${event.reason}`;
    case 'role':
      return event.role === 'looking' ? 'looks for a leader' : undefined;
    case 'elected':
      return `elects ${name(event.leader)}, which has ${z(event.zxid)}`;
    case 'newEpoch':
      return `proposes epoch ${event.epoch}`;
    case 'acceptedEpoch':
      return `accepts epoch ${event.epoch}`;
    case 'currentEpoch':
      return `is in epoch ${event.epoch}`;
    case 'syncStart':
      return `sends ${name(event.peer)}, at ${z(event.peerZxid)}, ${event.mode.toUpperCase()} to ${z(event.to)}`;
    case 'trunc':
      return `cuts its log to ${z(event.to)}`;
    case 'snapLoaded':
      return `takes the snapshot of ${z(event.zxid)}`;
    case 'newLeaderAck':
      return `acks NEWLEADER of epoch ${event.epoch} at ${z(event.zxid)}`;
    case 'newLeaderAcked':
      return `counts ${name(event.from)} for epoch ${event.epoch}`;
    case 'established':
      return `LEADS epoch ${event.epoch} from ${z(event.zxid)}`;
    case 'upToDate':
      return `serves in epoch ${event.epoch} from ${z(event.zxid)}`;
    case 'propose':
      return `proposes ${z(event.zxid)}`;
    case 'append':
      return `logs ${z(event.zxid)}`;
    case 'fsync':
      return `has all to ${z(event.upto)} on disk`;
    case 'ackReceived':
      return `hears that ${name(event.from)} has ${z(event.zxid)}`;
    case 'commit':
      return `commits ${z(event.zxid)}`;
    case 'apply':
      return `applies ${z(event.zxid)}: digest ${event.digest.slice(0, 8)}`;
    case 'deleted':
      return `deletes ${event.path} by ${z(event.zxid)}`;
    case 'ephemeralCreated':
      return `makes ${event.path} of session ${event.session} by ${z(event.zxid)}`;
    case 'sessionOpened':
      return `opens session ${event.session} by ${z(event.zxid)}`;
    case 'sessionClosed':
      return `closes session ${event.session} by ${z(event.zxid)}`;
    case 'sessionExpired':
      return `expires session ${event.session}, silent for ${event.silentMs} of ${event.timeoutMs} ms`;
    case 'sessionAttached':
      return `takes session ${event.session}: it saw ${z(event.lastZxidSeen)}, here is ${z(event.applied)}`;
    case 'syncConfirmed':
      return `confirms a sync at ${z(event.zxid)}`;
    default:
      return undefined;
  }
}

const COURSE: readonly CoordinatorEvent['ev'][] = [
  'start',
  'stop',
  'left',
  'elected',
  'established',
  'syncStart',
  'trunc',
  'snapLoaded',
  'upToDate',
];

const SESSIONS: readonly CoordinatorEvent['ev'][] = [
  'sessionOpened',
  'sessionClosed',
  'sessionExpired',
  'sessionAttached',
];

/** How much a server's event says of the anomaly; undefined: nothing. */
function weigh(event: NodeEvent, concern: Concern): Weight | undefined {
  if (concern.nodeEvents.has(eventName(event))) return 'named';
  if (COURSE.includes(event.ev)) return 'course';
  if (SESSIONS.includes(event.ev) && 'session' in event) {
    if (concern.sessions.has(event.session ?? '')) return 'touched';
  }
  if (event.ev === 'ephemeralCreated' || event.ev === 'deleted') {
    if (concern.paths.has(event.path)) return 'touched';
  }
  if (event.ev === 'fsync') return concern.zxids.has(event.upto) ? 'touched' : undefined;
  return 'zxid' in event && concern.zxids.has(event.zxid) ? 'touched' : undefined;
}

/** A client's event in words: `client 8 reads k22`, `client 8 has 2446 at (2,10)`. */
function describeClient({ process, type, f, key, value, zxid, error }: Event): string {
  const what = [f, key, value === undefined ? undefined : JSON.stringify(value)];
  const said = what
    .filter((part) => part !== undefined)
    .join(' ')
    .slice(0, 60);
  if (type === 'invoke') return `client ${process} asks: ${said}`;
  const at = zxid === undefined ? '' : ` at ${formatZxid(zxid)}`;
  return `client ${process} is told ${type}: ${error ?? said}${at}`;
}

function stepsOf(record: RunRecord, concern: Concern): Step[] {
  const steps: Step[] = [];
  const { nodes } = record.config;
  const laneOf = (node: string | undefined) => {
    const lane = nodes.indexOf(node ?? '');
    return lane === -1 ? undefined : lane;
  };
  for (const { fault, injected, healed } of faultRecords(record.history)) {
    const text = describeFault(fault);
    steps.push({ t: injected, weight: 'fault', lane: undefined, text: `=== ${text}` });
    if (healed !== undefined) {
      steps.push({ t: healed, weight: 'fault', lane: undefined, text: `=== healed: ${text}` });
    }
  }
  const sids = new Map<number, string>();
  for (const e of record.nodeEvents) if (e.ev === 'start') sids.set(e.sid, e.node);
  for (const event of record.nodeEvents) {
    const weight = weigh(event, concern);
    const text = describe(event, (sid) => sids.get(sid) ?? `server ${sid}`);
    if (weight === undefined || text === undefined) continue;
    steps.push({ t: event.t, weight, lane: laneOf(event.node), text });
  }
  // An anomaly names outcomes; what was asked belongs to them.
  for (const { invoke, completion } of record.ops) {
    const events = completion === undefined ? [invoke] : [invoke, completion];
    if (!events.some(({ index }) => concern.events.has(index))) continue;
    const lane = laneOf(invoke.node ?? completion?.node);
    for (const event of events) {
      steps.push({ t: event.time, weight: 'named', lane, text: describeClient(event) });
    }
  }
  for (const { f, value, time } of record.history) {
    if (f !== 'phase' || !PHASES_TOLD.includes(String(value))) continue;
    steps.push({ t: time, weight: 'course', lane: undefined, text: `--- ${value}` });
  }
  return steps.sort((a, b) => a.t - b.t);
}

/** Drops what says least, the earliest of it first, until few enough are left. */
function most(steps: readonly Step[], limit: number): Step[] {
  const dropped = new Set<Step>();
  for (const weight of WEIGHTS) {
    for (const step of steps) {
      if (steps.length - dropped.size <= limit) break;
      if (step.weight === weight) dropped.add(step);
    }
  }
  return steps.filter((step) => !dropped.has(step));
}

function draw(steps: readonly Step[], nodes: readonly string[]): string[] {
  const time = (t: number) => `${(t / 1e9).toFixed(4).padStart(9)} s  `;
  const lane = (text: string) => text.padEnd(LANE_WIDTH);
  const head = `${' '.repeat(13)}${nodes.map(lane).join('')}`.trimEnd();
  const lines = steps.map((step) => {
    if (step.lane === undefined) return `${time(step.t)}${step.text}`;
    const mark = step.weight === 'named' ? '* ' : '';
    const before = nodes.slice(0, step.lane).map(() => lane('|'));
    const width = LANE_WIDTH * (nodes.length - step.lane);
    // A long text runs over the lanes to its right.
    const text = mark + step.text;
    const free = Math.max(0, Math.floor((width - text.length - 1) / LANE_WIDTH));
    const after = Array.from({ length: free }, () => lane('|'));
    const padded = free > 0 ? text.padEnd(width - free * LANE_WIDTH) : text;
    return `${time(step.t)}${before.join('')}${padded}${after.join('')}`.trimEnd();
  });
  return [head, ...lines];
}

/**
 * The story of a failed run's first anomaly as lines for people, at most some 40; `checkers`: whose
 * anomalies count, empty: all. Empty when there is none that has a time.
 */
export function tellStory(
  { record, results }: { record: RunRecord; results: { verdicts: readonly Verdict[] } },
  checkers: readonly string[] = [],
): string[] {
  const first = firstAnomaly(record, results.verdicts, checkers);
  if (first === undefined) return [];
  const { anomaly, checker, atNs } = first;
  const concern = concernOf(record, anomaly);
  const all = stepsOf(record, concern);
  const steps = all.filter(({ t }) => t <= atNs);
  const after = all.filter(({ t, weight }) => t > atNs && weight !== 'fault').slice(0, AFTER_MAX);
  const told = most(steps, LINES_MAX - AFTER_MAX - 4);
  const left = steps.length - told.length;
  return [
    ...draw(told, record.config.nodes),
    ...(left > 0 ? [`${' '.repeat(13)}(${left} earlier or lesser steps are left out)`] : []),
    ...(after.length > 0 ? [`${' '.repeat(13)}--- afterwards`] : []),
    ...draw(after, record.config.nodes).slice(1),
    `${checker}: ${anomaly.kind}. ${anomaly.why}`,
  ];
}
