// What every checker needs to turn findings into a verdict: counts, capped anomalies, phases, and
// whether the nodes' logs are whole. It stands alone so that "thin evidence is unknown" is decided once.
import type { Event, Phase } from '../history/event.ts';
import type { NodeEventHeader } from '../history/node-event.ts';
import type { RunRecord } from '../history/run-record.ts';
import type { Anomaly, Verdict } from '../history/verdict.ts';

/** Anomalies listed per kind; the evidence counts all of them. */
export const ANOMALIES_PER_KIND_MAX = 20;

/** Gathers counts and anomalies while a checker runs, and ends as its verdict. */
export class Findings {
  readonly evidence: Record<string, number> = {};
  readonly #anomalies: Anomaly[] = [];
  readonly #totals = new Map<string, number>();

  count(name: string, by = 1): void {
    this.evidence[name] = (this.evidence[name] ?? 0) + by;
  }

  add(anomaly: Anomaly): void {
    const total = (this.#totals.get(anomaly.kind) ?? 0) + 1;
    this.#totals.set(anomaly.kind, total);
    if (total <= ANOMALIES_PER_KIND_MAX) this.#anomalies.push(anomaly);
  }

  /** One anomaly proven by node events alone. */
  addNodeAnomaly(kind: string, why: string, concerned: readonly NodeEventHeader[]): void {
    this.add({ kind, why, events: [], nodeEvents: concerned.map(nodeEventRef) });
  }

  get violated(): boolean {
    return this.#totals.size > 0;
  }

  /** Invalid if anything was found; else unknown if there is a reason for doubt; else valid. */
  verdict(checker: string, guarantee: string, doubt?: string): Verdict {
    for (const [kind, total] of this.#totals) this.evidence[`anomalies.${kind}`] = total;
    const verdict: Verdict = {
      checker,
      guarantee,
      outcome: this.violated ? 'invalid' : doubt === undefined ? 'valid' : 'unknown',
      evidence: this.evidence,
      anomalies: this.#anomalies,
    };
    if (doubt !== undefined) verdict.reason = doubt;
    return verdict;
  }
}

/** A verdict for a run that cannot be judged at all. */
export function unknownVerdict(checker: string, guarantee: string, reason: string): Verdict {
  return { checker, guarantee, outcome: 'unknown', evidence: {}, anomalies: [], reason };
}

/** How an anomaly names a node event. */
export function nodeEventRef(e: NodeEventHeader): {
  node: string;
  incarnation: number;
  seq: number;
} {
  return { node: e.node, incarnation: e.inc, seq: e.seq };
}

/** `n1/0#17`: node, incarnation, sequence number; for prose. */
export function nameEvent(e: NodeEventHeader): string {
  return `${e.node}/${e.inc}#${e.seq}`;
}

/** Milliseconds with one decimal, from ns; for prose. */
export function formatMs(ns: number): string {
  return `${(ns / 1e6).toFixed(1)} ms`;
}

/** Each node's events in the order it wrote them. */
export function eventsByNode<E extends NodeEventHeader>(events: readonly E[]): Map<string, E[]> {
  const byNode = new Map<string, E[]>();
  /** Nodes whose events do not come in order already: sorting is most of the work. */
  const unordered = new Set<E[]>();
  let own: E[] = [];
  let last: E | undefined;
  for (const event of events) {
    if (event.node !== last?.node) {
      own = byNode.get(event.node) ?? [];
      if (own.length === 0) byNode.set(event.node, own);
      last = own.at(-1);
    }
    if (last !== undefined && inWritingOrder(last, event) > 0) unordered.add(own);
    own.push(event);
    last = event;
  }
  for (const events of unordered) events.sort(inWritingOrder);
  return byNode;
}

function inWritingOrder(a: NodeEventHeader, b: NodeEventHeader): number {
  return a.inc - b.inc || a.seq - b.seq;
}

/**
 * Why the nodes' logs cannot carry a verdict, or undefined if they are whole: every node has one,
 * every incarnation opens with `start`, sequence numbers have no gap, and time never runs backwards.
 */
export function nodeLogProblem(run: RunRecord): string | undefined {
  const gap = run.nodeEventGaps[0];
  if (gap !== undefined) {
    const more = run.nodeEventGaps.length - 1;
    return `the event log of ${gap.node} is incomplete: ${gap.problem}${more > 0 ? ` (and ${more} more)` : ''}`;
  }
  if (run.nodeEvents.length === 0) return 'the nodes logged no events';
  const byNode = eventsByNode(run.nodeEvents);
  const brokers = new Set(run.brokerEvents?.map(({ node }) => node));
  for (const node of run.config.nodes) {
    if (!byNode.has(node) && !brokers.has(node)) return `the event log of ${node} is missing`;
  }
  return orderProblem(byNode, 'start');
}

/** Why the brokers' logs cannot carry a verdict, as `nodeLogProblem` for coordinators. */
export function brokerLogProblem(run: RunRecord): string | undefined {
  const gap = run.nodeEventGaps[0];
  if (gap !== undefined) return `the event log of ${gap.node} is incomplete: ${gap.problem}`;
  const { brokerEvents = [] } = run;
  if (brokerEvents.length === 0) return 'the brokers logged no events';
  const byNode = eventsByNode(brokerEvents);
  const coordinators = new Set(run.nodeEvents.map(({ node }) => node));
  for (const node of run.config.nodes) {
    if (!byNode.has(node) && !coordinators.has(node)) return `the event log of ${node} is missing`;
  }
  return orderProblem(byNode, 'brokerStart');
}

type AnyEvent = NodeEventHeader & { ev: string };

function orderProblem(
  byNode: ReadonlyMap<string, readonly AnyEvent[]>,
  opening: string,
): string | undefined {
  for (const events of byNode.values()) {
    let previous: AnyEvent | undefined;
    for (const event of events) {
      const problem = sequenceProblem(previous, event, opening);
      if (problem !== undefined) return problem;
      previous = event;
    }
  }
  return undefined;
}

function sequenceProblem(
  previous: AnyEvent | undefined,
  event: AnyEvent,
  opening: string,
): string | undefined {
  const opens = previous === undefined || previous.inc !== event.inc;
  const expected = opens ? 0 : (previous?.seq ?? 0) + 1;
  if (event.seq !== expected) {
    return (
      `the event log of ${event.node} has a gap: incarnation ${event.inc} goes on with event ` +
      `${event.seq} where ${expected} was expected`
    );
  }
  if (opens !== (event.ev === opening)) {
    return `the event log of ${event.node} is damaged: ${nameEvent(event)} is \`${event.ev}\`, expected ${opens ? '' : 'no second '}\`${opening}\``;
  }
  if (previous !== undefined && event.t < previous.t) {
    return `the event log of ${event.node} runs backwards in time at ${nameEvent(event)}`;
  }
  return undefined;
}

/** Why transactions cannot be judged, or undefined if every server logged at level `all`. */
export function levelProblem(run: RunRecord): string | undefined {
  for (const event of run.nodeEvents) {
    if (event.ev === 'start' && event.level !== 'all') {
      return `${event.node} logged at level ${event.level}, which leaves transactions out; level all is needed`;
    }
  }
  return run.config.eventLevel === 'all'
    ? undefined
    : `the run logged at level ${run.config.eventLevel}, which leaves transactions out; level all is needed`;
}

/** When each phase began, ns since run start. */
export function phaseStarts(history: readonly Event[]): Map<Phase, number> {
  const starts = new Map<Phase, number>();
  for (const event of history) {
    if (event.process !== 'harness' || event.f !== 'phase') continue;
    const phase = event.value as Phase;
    if (!starts.has(phase)) starts.set(phase, event.time);
  }
  return starts;
}

/** First index whose item is above `x`, in an ascending list. */
export function upperBound(ascending: readonly number[], x: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ascending[middle] as number) <= x) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The least number of voters that is more than half of them. */
export function quorumOf(voters: readonly number[]): number {
  return Math.floor(voters.length / 2) + 1;
}
