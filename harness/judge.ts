// Judges a run's record: runs the checkers, adds up what they rest on, and turns it into an exit code.
// The same record gives the same results, during a run and years later.
import { build } from 'hdr-histogram-js';
import { recoveryPerFault } from '../checkers/liveness.ts';
import { withoutRefusedStarts } from '../checkers/refused-starts.ts';
import type { Op } from '../history/op.ts';
import type { RunRecord, RunResults } from '../history/run-record.ts';
import { EXIT, type Verdict, worstExit, worstOutcome } from '../history/verdict.ts';
import { errorLine } from './clock.ts';
import type { Bench } from './registry-types.ts';

/** How the run went apart from what the system did. */
export interface Circumstances {
  /** Failures of the harness or the infrastructure. */
  errors: readonly string[];
  interrupted: boolean;
}

export interface Judgement {
  results: RunResults;
  /** Failures of the run itself: those given, and faults that were not verified or not healed. */
  runErrors: string[];
  /** Checkers that threw: a failure of judging, gone when the checker is mended. */
  checkerErrors: string[];
}

/**
 * Runs every checker; one that throws gives `unknown` and an error. With any error the outcome is
 * never valid: what the run rests on is not what was asked for.
 */
export async function judge(
  record: RunRecord,
  benches: readonly Bench[],
  circumstances: Circumstances,
): Promise<Judgement> {
  const runErrors = new Set([...circumstances.errors, ...faultErrors(record)]);
  const checkerErrors: string[] = [];
  const verdicts: Verdict[] = [];
  for (const bench of benches) {
    for (const { verdict, error } of await verdictsOf(bench)) {
      if (error !== undefined) checkerErrors.push(error);
      verdicts.push(bench.part === undefined ? verdict : { ...verdict, part: bench.part });
    }
  }
  const failed = runErrors.size + checkerErrors.length > 0;
  const judged = worstOutcome(verdicts.map((verdict) => verdict.outcome));
  const outcome = failed && judged === 'valid' ? 'unknown' : judged;
  const codes: number[] = [EXIT[outcome]];
  if (failed) codes.push(EXIT.infrastructure);
  if (circumstances.interrupted) codes.push(EXIT.interrupted);
  const verified = record.faults.filter((f) => f.injection.verified && f.heal?.verified === true);
  const results: RunResults = {
    outcome,
    exit: worstExit(codes),
    verdicts,
    ops: countOps(record.ops),
    faults: { injected: record.faults.length, verified: verified.length },
    recoveryMs: recovery(benches),
  };
  return { results, runErrors: [...runErrors], checkerErrors };
}

/** What one bench says; a checker that throws says unknown, with what it threw. */
async function verdictsOf({
  record,
  checkers,
}: Bench): Promise<{ verdict: Verdict; error?: string }[]> {
  const all: { verdict: Verdict; error?: string }[] = [];
  // A server that says why it will not start has a log of one word, which is no damage.
  const seen = withoutRefusedStarts(record);
  for (const checker of checkers) {
    // A second Ctrl-C must be heard between two checkers, each of which may take long.
    await new Promise((turn) => setImmediate(turn));
    try {
      all.push({ verdict: await checker.check(seen) });
    } catch (error) {
      const reason = `the checker failed: ${errorLine(error)}`;
      const verdict: Verdict = {
        checker: checker.name,
        guarantee: checker.guarantee,
        outcome: 'unknown',
        evidence: {},
        anomalies: [],
        reason,
      };
      all.push({ verdict, error: `checker ${checker.name} failed: ${errorLine(error)}` });
    }
  }
  return all;
}

/** Faults that did not do, or undo, what they were to. */
function faultErrors(record: RunRecord): string[] {
  const errors: string[] = [];
  for (const { id, injection, heal } of record.faults) {
    if (!injection.verified) errors.push(`fault ${id} was not verified: ${injection.evidence}`);
    else if (heal === undefined) errors.push(`fault ${id} was never healed`);
    else if (!heal.verified) {
      errors.push(`the heal of fault ${id} was not verified: ${heal.evidence}`);
    }
  }
  return errors;
}

function countOps(ops: readonly Op[]): RunResults['ops'] {
  const counts = { ok: 0, fail: 0, info: 0 };
  for (const op of ops) counts[op.type]++;
  return counts;
}

/**
 * How long each fault kept the system from serving writes, in order of the faults: of several services the
 * one that took longest.
 */
function recovery(benches: readonly Bench[]): RunResults['recoveryMs'] {
  const longest = new Map<number, number>();
  // The whole run beside its parts would say when the quickest served again.
  const parts = benches.filter(({ part }) => part !== undefined);
  const judged = parts.length > 0 ? parts : benches;
  for (const { id, recoveryMs } of judged.flatMap(({ record }) => recoveryPerFault(record))) {
    if (recoveryMs !== null) longest.set(id, Math.max(recoveryMs, longest.get(id) ?? 0));
  }
  const each = [...longest].sort(([a], [b]) => a - b).map(([, recoveryMs]) => recoveryMs);
  const sorted = [...each].sort((a, b) => a - b);
  const p50 = sorted[Math.ceil(sorted.length / 2) - 1] ?? null;
  return { p50, max: sorted.at(-1) ?? null, each };
}

/** Response times (from when an operation was due) of acknowledged operations, as `.hgrm` in ms. */
export function latencyPercentiles(ops: readonly Op[]): string {
  const histogram = build({ highestTrackableValue: 2 ** 50, numberOfSignificantValueDigits: 3 });
  for (const op of ops) {
    if (op.type !== 'ok') continue;
    histogram.recordValue(Math.max(1, op.returnTime - (op.invoke.due ?? op.invokeTime)));
  }
  const text = histogram.outputPercentileDistribution(5, 1e6);
  histogram.destroy();
  return text;
}
