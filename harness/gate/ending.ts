// What an attempt at an entry came to, and whether it may be tried again. Only what the infrastructure
// failed may: an anomaly stands whatever comes after it, and so does a server that ended by itself.
import type { GateEnding, GateEntry } from '../../history/gate-record.ts';
import { EXIT, type Outcome } from '../../history/verdict.ts';
import type { EndedRun } from '../run.ts';
import type { PoolResult } from '../swarm/pool.ts';

/** One attempt at an entry. */
export interface Attempt {
  ending: GateEnding;
  exit: number;
  /** Another attempt may end otherwise. */
  again: boolean;
  findings: GateEntry['findings'];
  errors: string[];
}

const CRASH = /\bended by itself\b/;
const CHECKER_FAILED = /^checker \S+ failed: /;

interface Judged {
  outcome: Outcome;
  exit: number;
  errors: readonly string[];
  interrupted?: boolean;
}

/** The worst that a judged run shows. */
export function endingOf({ outcome, exit, errors, interrupted = false }: Judged): GateEnding {
  if (outcome === 'invalid' || exit === EXIT.invalid) return 'anomaly';
  if (errors.some((error) => CRASH.test(error))) return 'crash';
  if (interrupted || exit === EXIT.interrupted) return 'interrupted';
  if (errors.length > 0 || exit === EXIT.infrastructure) return 'infrastructure';
  if (exit === EXIT.threshold) return 'threshold';
  return outcome === 'valid' && exit === EXIT.valid ? 'valid' : 'unknown';
}

/** The exit code of an ending. */
export const EXIT_OF: Readonly<Record<GateEnding, number>> = {
  valid: EXIT.valid,
  anomaly: EXIT.invalid,
  crash: EXIT.infrastructure,
  infrastructure: EXIT.infrastructure,
  threshold: EXIT.threshold,
  unknown: EXIT.unknown,
  interrupted: EXIT.interrupted,
};

/** An attempt that has no run to judge. */
export function failedAttempt(why: string, again: boolean): Attempt {
  const exit = EXIT_OF.infrastructure;
  return { ending: 'infrastructure', exit, again, findings: [], errors: [why] };
}

/** What a run on a real cluster came to. A checker that throws would throw again. */
export function liveAttempt({ run, errors }: EndedRun): Attempt {
  const { outcome, exit, verdicts } = run.results;
  const interrupted = run.info.ended === 'interrupted';
  const ending = endingOf({ outcome, exit, errors, interrupted });
  const again = ending === 'infrastructure' && !errors.some((error) => CHECKER_FAILED.test(error));
  const findings = verdicts
    .filter((verdict) => verdict.outcome !== 'valid')
    .map(({ checker, outcome: said, anomalies, reason }) => {
      const kinds = [...new Set(anomalies.map(({ kind }) => kind))];
      return { checker, outcome: said, kinds, why: anomalies[0]?.why ?? reason ?? '' };
    });
  return { ending, exit: EXIT_OF[ending], again, findings, errors: [...errors] };
}

/** Why a run shows too little to be judged; undefined of one that could be. */
export function thinRun(seed: number, { ending, findings }: Attempt): string | undefined {
  if (ending !== 'unknown') return undefined;
  const doubts = findings.map(({ checker, why }) => `${checker}: ${why}`);
  return `seed ${seed} showed too little to be judged: ${doubts.join('; ')}`;
}

/** The same of a simulated run. */
export function thinDraw(outcome: PoolResult): string | undefined {
  if (outcome.kind !== 'done') return undefined;
  return thinRun(outcome.result.seed, simulatedAttempt(outcome));
}

/** What a simulated run came to. What it does it always does, so only a lost worker is worth another. */
export function simulatedAttempt(outcome: PoolResult): Attempt {
  switch (outcome.kind) {
    case 'lost':
      return failedAttempt(`its worker process: ${outcome.why}`, true);
    case 'changed':
      return failedAttempt(outcome.why, false);
    case 'nondeterministic': {
      const { event, first, second } = outcome.difference;
      const where = event === undefined ? 'that did not differ again' : `from event ${event}`;
      return failedAttempt(
        `two runs of one seed left different traces, ${where}: ${first} / ${second}`,
        false,
      );
    }
    case 'done': {
      const { exit, errors, findings, outcome: said } = outcome.result;
      const ending = endingOf({ outcome: said, exit, errors });
      return { ending, exit: EXIT_OF[ending], again: false, findings, errors: [...errors] };
    }
  }
}
