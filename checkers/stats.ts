// Counts what the run did, and decides whether it did enough to prove anything: operations before,
// during and after the faults, verified faults, and clients that really spoke to the cut-off side.
import type { FaultRecord } from '../history/fault.ts';
import { describeFault, faultNodes } from '../history/fault.ts';
import type { Op } from '../history/op.ts';
import type { Checker, RunRecord } from '../history/run-record.ts';
import { Findings, phaseStarts, upperBound } from './evidence.ts';

const NAME = 'stats';
const GUARANTEE =
  'The run did enough to be judged: operations of every kind succeeded before, during and after ' +
  'verified faults, and clients spoke to the nodes that the faults cut off.';

/** Acknowledged operations needed before the first fault, during the faults, and after the last. */
const ACKED_MIN = 10;
/**
 * During the faults the cluster has to acknowledge this part of its pace before them: a leader change
 * costs seconds, so less than that means that it hardly served while the faults were being tested.
 */
const PACE_DURING_MIN = 0.1;
/** The part of all cuts and pauses in which nobody may have spoken to the nodes cut off. */
const UNSPOKEN_PART_MAX = 0.25;

export interface OutcomeCounts {
  ok: number;
  fail: number;
  info: number;
}

export interface FaultStats {
  id: number;
  name: string;
  /** Nodes without a quorum in reach, or else all that the fault touches. */
  affected: string[];
  invokedOnAffected: number;
  ackedDuring: number;
}

export interface Stats {
  byF: Record<string, OutcomeCounts>;
  byPhase: Record<string, OutcomeCounts>;
  byNode: Record<string, OutcomeCounts>;
  errors: Record<string, number>;
  faults: FaultStats[];
}

export const stats: Checker = {
  name: NAME,
  guarantee: GUARANTEE,
  check(run) {
    const findings = new Findings();
    const details = countOutcomes(run);
    const acked = run.ops
      .filter((op) => op.type === 'ok')
      .map((op) => op.returnTime)
      .sort((a, b) => a - b);
    details.faults = run.faults.map((fault) => faultStats(run, fault, acked));
    for (const type of ['ok', 'fail', 'info'] as const) findings.count(type, 0);
    for (const op of run.ops) findings.count(op.type);
    findings.count('faults', run.faults.length);
    findings.count('verified', run.faults.filter((f) => f.injection.verified).length);
    findings.count('healsVerified', run.faults.filter((f) => f.heal?.verified === true).length);
    const invoked = details.faults.reduce((sum, fault) => sum + fault.invokedOnAffected, 0);
    findings.count('invokedOnIsolated', invoked);
    const doubt =
      idleOperation(details) ??
      unverified(run.faults) ??
      unspokenTo(run, details.faults, findings) ??
      thinAcks(run, acked, findings);
    return { ...findings.verdict(NAME, GUARANTEE, doubt), details };
  },
};

function countOutcomes(run: RunRecord): Stats {
  const counts: Stats = { byF: {}, byPhase: {}, byNode: {}, errors: {}, faults: [] };
  const phases = [...phaseStarts(run.history)].sort((a, b) => a[1] - b[1]);
  const starts = phases.map(([, start]) => start);
  const add = (table: Record<string, OutcomeCounts>, name: string, op: Op): void => {
    const row = (table[name] ??= { ok: 0, fail: 0, info: 0 });
    row[op.type]++;
  };
  for (const op of run.ops) {
    add(counts.byF, op.f, op);
    add(counts.byPhase, phases[upperBound(starts, op.invokeTime) - 1]?.[0] ?? 'unknown', op);
    add(counts.byNode, op.invoke.node ?? op.completion?.node ?? 'unknown', op);
    if (op.type === 'ok') continue;
    const error = (op.completion?.error ?? 'no outcome recorded').split(':')[0] as string;
    counts.errors[error] = (counts.errors[error] ?? 0) + 1;
  }
  return counts;
}

/**
 * The nodes that a fault keeps from serving. Of a cut: those that can no longer reach a quorum directly
 * and both ways; where a cut leaves every node a quorum (a ring), all nodes it touches.
 */
export function affectedNodes(fault: FaultRecord['fault'], nodes: readonly string[]): string[] {
  if (!('links' in fault)) return [...fault.nodes];
  if (fault.kind !== 'cut') return faultNodes(fault);
  const broken = new Set<string>();
  for (const { from, to } of fault.links) {
    broken.add(`${from} ${to}`);
    broken.add(`${to} ${from}`);
  }
  const quorum = Math.floor(nodes.length / 2) + 1;
  const minority = nodes.filter((a) => {
    const reached = nodes.filter((b) => a === b || !broken.has(`${a} ${b}`));
    return reached.length < quorum;
  });
  return minority.length > 0 ? minority : faultNodes(fault);
}

function faultStats(run: RunRecord, fault: FaultRecord, acked: readonly number[]): FaultStats {
  const { nodes } = run.config;
  const affected = affectedNodes(fault.fault, nodes).filter((node) => nodes.includes(node));
  const until = fault.healStart ?? Number.POSITIVE_INFINITY;
  let invokedOnAffected = 0;
  for (const op of run.ops) {
    if (op.invokeTime < fault.injected || op.invokeTime >= until) continue;
    const node = op.invoke.node ?? op.completion?.node;
    if (node !== undefined && affected.includes(node)) invokedOnAffected++;
  }
  return {
    id: fault.id,
    name: describeFault(fault.fault),
    affected,
    invokedOnAffected,
    ackedDuring: between(acked, fault.injected, until),
  };
}

/** How many of the ascending times lie in (from, to]. */
function between(times: readonly number[], from: number, to: number): number {
  return upperBound(times, to) - upperBound(times, from);
}

function idleOperation(details: Stats): string | undefined {
  const functions = Object.entries(details.byF);
  if (functions.length === 0) return 'no operation was invoked';
  const idle = functions.find(([, counts]) => counts.ok === 0);
  return idle === undefined ? undefined : `no ${idle[0]} ever succeeded`;
}

function unverified(faults: readonly FaultRecord[]): string | undefined {
  for (const fault of faults) {
    const name = `fault ${fault.id} (${describeFault(fault.fault)})`;
    if (!fault.injection.verified) return `${name} was not verified: ${fault.injection.evidence}`;
    if (fault.heal?.verified !== true) {
      return `the heal of ${name} was not verified: ${fault.heal?.evidence ?? 'it was never healed'}`;
    }
  }
  return undefined;
}

/**
 * A dead server has no clients; one that is cut off or paused keeps them, and they must speak. In a
 * fault shorter than one operation's patience all of them may still wait for an earlier reply; and
 * where few clients wait for their turn, one fault of several may find none of them there.
 */
function unspokenTo(
  run: RunRecord,
  rows: readonly FaultStats[],
  findings: Findings,
): string | undefined {
  let judged = 0;
  const silent: string[] = [];
  const patience = run.config.workloadOptions.opTimeoutMs;
  const patienceNs = (typeof patience === 'number' ? patience : 0) * 1e6;
  const leads = leadership(run);
  for (const [i, fault] of run.faults.entries()) {
    const row = rows[i];
    if (row === undefined || (fault.fault.kind !== 'cut' && fault.fault.kind !== 'pause')) continue;
    // What it cut off or stopped is of another service, whose clients are judged there.
    if (row.affected.length === 0) continue;
    if (!row.affected.some((node) => leads(node, fault.injected))) continue;
    if ((fault.healStart ?? Number.POSITIVE_INFINITY) - fault.injected <= patienceNs) continue;
    judged++;
    if (row.invokedOnAffected > 0) continue;
    silent.push(`${row.affected.join(', ')} during fault ${fault.id} (${row.name})`);
  }
  findings.count('isolationsUnspokenTo', silent.length);
  if (silent.length <= judged * UNSPOKEN_PART_MAX) return undefined;
  return `no operation was invoked on ${silent[0]}; so it was in ${silent.length} of ${judged} isolations`;
}

/**
 * Whether clients have business with a node at a time. Any coordinator serves any client; a broker serves
 * those of the partitions that it leads, as it believes itself, and nobody else turns to it.
 */
function leadership({ brokerEvents = [] }: RunRecord): (node: string, time: number) => boolean {
  if (brokerEvents.length === 0) return () => true;
  const leading = new Map<string, Set<string>>();
  const changes = new Map<string, { t: number; leads: boolean }[]>();
  for (const event of brokerEvents) {
    const { node, t } = event;
    const led = leading.get(node) ?? new Set<string>();
    leading.set(node, led);
    if (event.ev === 'brokerStart') led.clear();
    else if (event.ev === 'becameLeader') {
      if (!event.tp.startsWith('__')) led.add(event.tp);
    } else if (event.ev === 'becameFollower' || event.ev === 'leftPartition') led.delete(event.tp);
    else continue;
    const list = changes.get(node) ?? [];
    changes.set(node, list);
    list.push({ t, leads: led.size > 0 });
  }
  return (node, time) => changes.get(node)?.findLast(({ t }) => t <= time)?.leads ?? false;
}

function thinAcks(
  run: RunRecord,
  acked: readonly number[],
  findings: Findings,
): string | undefined {
  const total = acked.length;
  if (run.faults.length === 0) {
    if (run.config.nemesis !== 'none') return `the nemesis ${run.config.nemesis} injected no fault`;
    return total >= ACKED_MIN
      ? undefined
      : `only ${total} operations succeeded; ${ACKED_MIN} are needed`;
  }
  const first = Math.min(...run.faults.map((fault) => fault.injectStart));
  const last = Math.max(...run.faults.map((fault) => fault.healed ?? Number.POSITIVE_INFINITY));
  const before = between(acked, -1, first);
  const during = between(acked, first, last);
  const after = between(acked, last, Number.POSITIVE_INFINITY);
  findings.count('ackedBefore', before);
  findings.count('ackedDuring', during);
  findings.count('ackedAfter', after);
  const warmedUp = phaseStarts(run.history).get('warmup') ?? run.ops[0]?.invokeTime ?? 0;
  const pace = between(acked, warmedUp, first) / Math.max(1, first - warmedUp);
  const duringMin = Math.max(ACKED_MIN, Math.floor(pace * (last - first) * PACE_DURING_MIN));
  findings.count('ackedDuringMin', Number.isFinite(duringMin) ? duringMin : 0);
  const few = (count: number, when: string, least: number): string | undefined =>
    count >= least ? undefined : `only ${count} operations succeeded ${when}; ${least} are needed`;
  return (
    few(before, 'before the first fault', ACKED_MIN) ??
    few(during, 'during the faults', duringMin) ??
    few(after, 'after the last heal', ACKED_MIN)
  );
}
