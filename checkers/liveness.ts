// Judges that the cluster comes back: after a heal a leader stands and an operation succeeds within the
// bound. It also measures how long each fault kept the cluster from serving writes.
import type { FaultKind, FaultRecord } from '../history/fault.ts';
import { describeFault } from '../history/fault.ts';
import type { Op } from '../history/op.ts';
import type { Checker, RunRecord } from '../history/run-record.ts';
import { Findings, formatMs, nodeLogProblem, phaseStarts } from './evidence.ts';
import { FirstSuccess, type Subject, subjectsOf } from './recovery-subjects.ts';

const NAME = 'liveness';
const GUARANTEE =
  'After every heal a leader is established and an operation succeeds within the recovery bound, on brokers ' +
  'one on each partition and a poll of a member in each consumer group.';

const SERVING: ReadonlySet<string> = new Set([
  'write',
  'cas',
  'create-ephemeral',
  'create-sequential',
  'multi',
  'add',
  'send',
  'delete',
]);

/** How the cluster came back from one fault; times in ms, null = never in this run. */
export interface FaultRecovery {
  id: number;
  kind: FaultKind;
  /**
   * From the fault in place to the first acknowledged write of any kind that was invoked after that, by
   * whichever server: how long nothing could be written. If none came before the heal it runs on.
   */
  recoveryMs: number | null;
  /** The same, if it came while the fault was still in place: the rest of the cluster took over. */
  failoverMs: number | null;
  /** From the heal complete to the first acknowledged operation that was invoked after it. */
  healRecoveryMs: number | null;
}

function elapsedMs(from: number, to: number | undefined): number | null {
  return to === undefined ? null : (to - from) / 1e6;
}

/**
 * How long each fault kept the cluster from serving, in the order of injection. Workloads without
 * writes are measured by any operation.
 */
export function recoveryPerFault(run: RunRecord): FaultRecovery[] {
  const writes = run.ops.filter((op) => SERVING.has(op.f));
  const served = new FirstSuccess(writes.length > 0 ? writes : run.ops);
  const answered = new FirstSuccess(run.ops);
  return byInjection(run.faults).map((fault) => {
    const first = served.after(fault.injected);
    const healing = fault.healStart ?? Number.POSITIVE_INFINITY;
    return {
      id: fault.id,
      kind: fault.fault.kind,
      recoveryMs: elapsedMs(fault.injected, first),
      failoverMs: first !== undefined && first < healing ? elapsedMs(fault.injected, first) : null,
      healRecoveryMs:
        fault.healed === undefined ? null : elapsedMs(fault.healed, answered.after(fault.healed)),
    };
  });
}

function byInjection(faults: readonly FaultRecord[]): FaultRecord[] {
  return [...faults].sort((a, b) => a.injected - b.injected);
}

export const liveness: Checker = {
  name: NAME,
  guarantee: GUARANTEE,
  check(run) {
    const findings = new Findings();
    const faults = byInjection(run.faults);
    const recoveries = recoveryPerFault(run);
    findings.count('faults', faults.length);
    const subjects = subjectsOf(run);
    const leaders = leaderPeriods(run);
    let doubt = unprovenFault(faults);
    if (faults.length === 0) doubt ??= withoutFaults(run, new FirstSuccess(run.ops), findings);
    for (const fault of faults) {
      if (fault.healed === undefined) continue;
      for (const subject of subjects) {
        doubt = judgeHeal(run, fault, subject, leaders, findings) ?? doubt;
      }
    }
    return {
      ...findings.verdict(NAME, GUARANTEE, doubt),
      details: { recoveryMsMax: run.config.recoveryMsMax, faults: recoveries },
    };
  },
};

function unprovenFault(faults: readonly FaultRecord[]): string | undefined {
  for (const fault of faults) {
    const name = `fault ${fault.id} (${describeFault(fault.fault)})`;
    if (!fault.injection.verified) return `${name} was not verified: ${fault.injection.evidence}`;
    if (fault.healed === undefined) return `${name} was never healed`;
    if (fault.heal?.verified !== true) {
      return `the heal of ${name} was not verified: ${fault.heal?.evidence ?? 'no verification recorded'}`;
    }
  }
  return undefined;
}

/** A run without faults has to show only that it still answered at its end. */
function withoutFaults(
  run: RunRecord,
  answered: FirstSuccess,
  findings: Findings,
): string | undefined {
  if (run.config.nemesis !== 'none') return `the nemesis ${run.config.nemesis} injected no fault`;
  const end = phaseStarts(run.history).get('heal') ?? phaseStarts(run.history).get('final');
  if (end === undefined) return 'the run did not reach its final reads';
  findings.count('healsJudged', 0);
  return answered.after(end) === undefined
    ? 'no operation succeeded at the end of the run'
    : undefined;
}

/**
 * One heal: judged if nothing else disturbed the cluster until the bound had passed. Returns why it
 * could not be judged where it should have been: after the last heal.
 */
function judgeHeal(
  run: RunRecord,
  fault: FaultRecord,
  { of, ops, answered }: Subject,
  leaders: LeaderPeriods | undefined,
  findings: Findings,
): string | undefined {
  const healed = fault.healed as number;
  const until = healed + run.config.recoveryMsMax * 1e6;
  const others = run.faults.filter((other) => other !== fault);
  const last = others.every((other) => other.injectStart < healed && (other.healed ?? 0) <= healed);
  const disturbed = others.some(
    (other) => other.injectStart < until && (other.healed ?? Number.POSITIVE_INFINITY) > healed,
  );
  const name = `the heal of fault ${fault.id} (${describeFault(fault.fault)})`;
  const first = answered.after(healed);
  const stood = leaders?.standing(healed);
  const inTime = first !== undefined && first <= until;
  if (inTime && (leaders === undefined || (stood !== undefined && stood <= until))) {
    findings.count('healsJudged');
    findings.count('recoveredInTime');
    return undefined;
  }
  if (disturbed) {
    findings.count('healsDisturbed');
    return undefined;
  }
  if (!inTime && !triedIn(ops, healed, until)) {
    return last ? `no operation${of} was invoked within the bound after ${name}` : undefined;
  }
  const end = run.history.at(-1)?.time ?? 0;
  if (end < until && !(first !== undefined && first > until)) {
    return `the run ended ${formatMs(end - healed)} after ${name}, before the bound had passed`;
  }
  findings.count('healsJudged');
  const outcome = inTime
    ? 'no leader stood'
    : first === undefined
      ? `no operation${of} ever succeeded`
      : `the first operation${of} succeeded only after ${formatMs(first - healed)}`;
  const leader =
    leaders === undefined
      ? ''
      : stood === undefined
        ? ' No leader was established.'
        : ` A leader stood ${formatMs(stood - healed)} after the heal.`;
  findings.add({
    kind: inTime ? 'no-leader' : 'no-recovery',
    why: `Within ${run.config.recoveryMsMax} ms after ${name} the cluster must serve again, but ${outcome}.${leader}`,
    events: nemesisEvents(run, fault.id),
  });
  return undefined;
}

function triedIn(ops: readonly Op[], from: number, to: number): boolean {
  return ops.some((op) => op.invokeTime >= from && op.invokeTime < to);
}

function nemesisEvents(run: RunRecord, id: number): number[] {
  return run.history
    .filter((e) => e.process === 'nemesis' && (e.value as { id?: number } | undefined)?.id === id)
    .map((e) => e.index);
}

/** When some server was an established leader. */
interface LeaderPeriods {
  /** First time at or after `t` (ns) at which an established leader stood. */
  standing(t: number): number | undefined;
}

/** From the nodes' own events; undefined if these are missing or have gaps. */
function leaderPeriods(run: RunRecord): LeaderPeriods | undefined {
  // Brokers have a leader for every partition, and clients that are answered prove theirs.
  if (run.nodeEvents.length === 0 || nodeLogProblem(run) !== undefined) return undefined;
  const periods: { from: number; to: number }[] = [];
  const open = new Map<string, { from: number; to: number }>();
  for (const event of run.nodeEvents) {
    if (event.ev === 'established') {
      const period = { from: event.t, to: Number.POSITIVE_INFINITY };
      periods.push(period);
      open.set(event.node, period);
    } else if (
      event.ev === 'start' ||
      event.ev === 'stop' ||
      (event.ev === 'role' && event.role !== 'leading')
    ) {
      const period = open.get(event.node);
      if (period !== undefined) period.to = event.t;
      open.delete(event.node);
    }
  }
  return {
    standing(t) {
      const over = periods
        .filter((period) => period.to > t)
        .map((period) => Math.max(t, period.from));
      return over.length === 0 ? undefined : Math.min(...over);
    },
  };
}
