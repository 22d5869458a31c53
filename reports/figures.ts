// What every report says about a run, in one place: fault rows, anomalies in order, how numbers are
// written. Terminal, HTML and JUnit thereby agree to the digit.
import { describeFault, faultNodes } from '../history/fault.ts';
import type { FinishedRun } from '../history/run-record.ts';
import type { Anomaly, Outcome, Verdict } from '../history/verdict.ts';

/** A fault as a table row. Times in ns since run start. */
export interface FaultRow {
  id: number;
  kind: string;
  description: string;
  nodes: string[];
  from: number;
  /** Absent when it was never healed. */
  until?: number;
  durationMs?: number;
  /** Injection and heal both verified, one of them, or neither. */
  verified: 'yes' | 'injection only' | 'no';
  /** From the fault in place to the first acknowledged write: how long nothing could be written. */
  recoveryMs?: number;
  /** From the end of the heal to the first acknowledged operation. */
  afterHealMs?: number;
}

/** What the two times of a fault mean, for the reader. */
export const RECOVERY_NOTE =
  'recovery: from the fault in place to the first acknowledged write; ' +
  'after heal: from the heal to the first acknowledged operation';

/** All faults, in order of injection. */
export function faultRows(run: FinishedRun): FaultRow[] {
  const { faults } = run.record;
  const measured = measuredRecoveries(run);
  return faults.map((record) => {
    const row: FaultRow = {
      id: record.id,
      kind: record.fault.kind,
      description: describeFault(record.fault),
      nodes: faultNodes(record.fault),
      from: record.injectStart,
      verified: !record.injection.verified
        ? 'no'
        : record.heal?.verified === true
          ? 'yes'
          : 'injection only',
    };
    if (record.healed !== undefined) {
      row.until = record.healed;
      row.durationMs = (record.healed - record.injectStart) / 1e6;
      const afterHealMs = measured.get(record.id)?.healRecoveryMs;
      if (typeof afterHealMs === 'number') row.afterHealMs = afterHealMs;
    }
    const recoveryMs = measured.get(record.id)?.recoveryMs;
    if (typeof recoveryMs === 'number') row.recoveryMs = recoveryMs;
    return row;
  });
}

// The liveness checker's details, as far as they are there: details are untyped and may be of old runs.
function measuredRecoveries(run: FinishedRun): Map<number, Record<string, unknown>> {
  const byId = new Map<number, Record<string, unknown>>();
  for (const { checker, details } of run.results.verdicts) {
    if (checker !== 'liveness') continue;
    const faults = (details as { faults?: unknown } | null | undefined)?.faults;
    for (const entry of Array.isArray(faults) ? faults : []) {
      if (typeof entry?.id === 'number') byId.set(entry.id, slowest(byId.get(entry.id), entry));
    }
  }
  return byId;
}

// Where two parts of the system were judged, a fault is over when the slower one has recovered.
function slowest(
  known: Record<string, unknown> | undefined,
  entry: Record<string, unknown>,
): Record<string, unknown> {
  const both = { ...known, ...entry };
  for (const name of ['recoveryMs', 'healRecoveryMs']) {
    const [a, b] = [known?.[name], entry[name]];
    if (typeof a === 'number' && typeof b === 'number') both[name] = Math.max(a, b);
  }
  return both;
}

/** An anomaly with the guarantee it breaks. */
export interface JudgedAnomaly {
  verdict: Verdict;
  anomaly: Anomaly;
}

const GRAVEST_FIRST: readonly Outcome[] = ['invalid', 'unknown', 'valid'];

/** Verdicts with the gravest first, otherwise in the order given. */
export function verdictsByGravity(run: FinishedRun): Verdict[] {
  return GRAVEST_FIRST.flatMap((o) => run.results.verdicts.filter((v) => v.outcome === o));
}

/** All anomalies, those of violated guarantees first. */
export function anomaliesOf(run: FinishedRun): JudgedAnomaly[] {
  return verdictsByGravity(run).flatMap((verdict) =>
    verdict.anomalies.map((anomaly) => ({ verdict, anomaly })),
  );
}

/** A verdict's name, with the part of the system where the same checker judged several. */
export function verdictName({ checker, part }: Verdict): string {
  return part === undefined ? checker : `${checker} · ${part}`;
}

/** What became of the messages sent, as the checker named `messages` counted them. */
export interface MessageCounts {
  acknowledged: number;
  /** Sent, and nobody knows whether they are in the log. */
  unknown: number;
  failed: number;
  /** Of those that must be in the log: returned by a poll at least once. */
  read: number;
  /** Messages that stand in the log more than once. */
  duplicates: number;
  /** Of those that must be in the log: returned by no poll. */
  unread: number;
}

/** The messages' counts, from the checker's evidence; undefined where no messages were judged. */
export function messageCounts(run: FinishedRun): MessageCounts | undefined {
  const verdict = run.results.verdicts.find(
    ({ checker, evidence }) => checker === 'messages' && evidence.acknowledged !== undefined,
  );
  if (verdict === undefined) return undefined;
  const count = (name: string): number => verdict.evidence[name] ?? 0;
  return {
    acknowledged: count('acknowledged'),
    unknown: count('unknown'),
    failed: count('refused'),
    read: count('readBack'),
    duplicates: count('anomalies.duplicate'),
    unread: count('anomalies.lost-write') + count('anomalies.unseen') + count('undecided'),
  };
}

/** One or two sentences under the verdict; trouble of the run itself is added and never hides it. */
export function verdictSentence(run: FinishedRun): string {
  const { ended, error } = run.info;
  const trouble = error === undefined ? '' : ` The harness met an error: ${error}`;
  const cut = ended === 'interrupted' ? ' The run was interrupted.' : '';
  return judgementSentence(run) + cut + trouble;
}

function judgementSentence(run: FinishedRun): string {
  const { verdicts, outcome } = run.results;
  const named = (o: Outcome): string[] => verdicts.filter((v) => v.outcome === o).map(verdictName);
  const all = verdicts.length;
  if (outcome === 'invalid') {
    const broken = named('invalid');
    return `${broken.length} of ${all} guarantees broken: ${broken.join(', ')}.`;
  }
  if (outcome === 'unknown') {
    const open = named('unknown');
    if (open.length > 0) {
      return `No violation was found, but the evidence does not suffice for: ${open.join(', ')}.`;
    }
    return all === 0
      ? 'No guarantee was judged.'
      : 'No violation was found, but the run itself failed, so it proves nothing.';
  }
  return all === 1 ? 'The one guarantee held.' : `All ${all} guarantees held.`;
}

/** Milliseconds with three significant digits: `0.42`, `3.14`, `1,250`. */
export function formatMs(ms: number | undefined | null): string {
  if (ms === undefined || ms === null || !Number.isFinite(ms)) return '–';
  if (ms >= 100) return Math.round(ms).toLocaleString('en-US');
  return ms.toFixed(ms >= 10 ? 1 : 2);
}

/** A moment or a length of a run in ns, as seconds. */
export function formatSeconds(ns: number | undefined): string {
  return ns === undefined || !Number.isFinite(ns) ? '–' : `${(ns / 1e9).toFixed(2)} s`;
}

/** A count with thousands separated. */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}

/** Evidence as people read it: `12 keys · 5,021 reads`. */
export function formatEvidence(evidence: Record<string, number>): string {
  return Object.entries(evidence)
    .map(([name, count]) => `${formatCount(count)} ${splitWords(name)}`)
    .join(' · ');
}

/** `nodeEvents` → `node events`, so that names from code read as words. */
export function splitWords(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`);
}
