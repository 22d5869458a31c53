// What a checker says, and how several verdicts become one exit code. Thin evidence is unknown,
// never valid; a violation is never hidden by anything less.

export type Outcome = 'valid' | 'invalid' | 'unknown';

/** One contradiction found, in prose, with the events that prove it. */
export interface Anomaly {
  /** Short name of the class: `stale-read`, `two-leaders`, `lost-write` … */
  kind: string;
  /** Whole sentences: what was promised, what was seen, which operations. */
  why: string;
  /** Indexes of history events concerned. */
  events: number[];
  /** Node events concerned. */
  nodeEvents?: { node: string; incarnation: number; seq: number }[];
  key?: string;
}

/** A checker's verdict on one guarantee. */
export interface Verdict {
  checker: string;
  /** Which part of the system it is about, where several were judged by the same checker: `broker`. */
  part?: string;
  /** The promise, as one sentence. */
  guarantee: string;
  outcome: Outcome;
  /** Counts that the outcome rests on, by name. */
  evidence: Record<string, number>;
  anomalies: Anomaly[];
  /** Why it is unknown. */
  reason?: string;
  /** Figures of a measuring checker (latency, stats), plain data. */
  details?: unknown;
}

export const EXIT = {
  valid: 0,
  invalid: 1,
  unknown: 2,
  threshold: 3,
  badArguments: 254,
  infrastructure: 255,
  interrupted: 130,
} as const;

const WORST_FIRST: readonly number[] = [
  EXIT.invalid,
  EXIT.infrastructure,
  EXIT.threshold,
  EXIT.unknown,
  EXIT.valid,
];

/** The worst of several exit codes: 1 > 255 > 3 > 2 > 0. Other codes stand above all. */
export function worstExit(codes: readonly number[]): number {
  const other = codes.find((code) => !WORST_FIRST.includes(code));
  if (other !== undefined) return other;
  return WORST_FIRST.find((code) => codes.includes(code)) ?? EXIT.valid;
}

/** The outcome of a whole run: invalid if any is, else unknown if any is, else valid. */
export function worstOutcome(outcomes: readonly Outcome[]): Outcome {
  if (outcomes.includes('invalid')) return 'invalid';
  return outcomes.includes('unknown') || outcomes.length === 0 ? 'unknown' : 'valid';
}
