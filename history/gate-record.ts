// What a gate came to, as data: every run of its matrix with how it ended, and what was not run. The
// reports of a gate are made from this and from nothing else.

/**
 * How an entry ended. A crash is a server that ended by itself: the run could not be judged, but it says
 * something of the system, so unlike a failure of the infrastructure it is never tried again.
 */
export type GateEnding =
  | 'valid'
  | 'anomaly'
  | 'crash'
  | 'infrastructure'
  | 'threshold'
  | 'unknown'
  | 'interrupted';

/** One run of the matrix. */
export interface GateEntry {
  /** The cell of the matrix: `local coordinator register kill-leader 3 nodes`. */
  cell: string;
  system: string;
  workload: string;
  nemesis: string;
  cluster: string;
  seed: number;
  ending: GateEnding;
  exit: number;
  /** Wall time of all attempts, ms. */
  wallMs: number;
  /** What checkers found, in the order of their verdicts. */
  findings: { checker: string; outcome: string; kinds: string[]; why: string }[];
  /** Failures of the last attempt that are not the system's, and crashes. */
  errors: string[];
  /** Attempts that the infrastructure failed before the one that counts, each in words. */
  retried: string[];
  /** Runs before the one that counts, with other seeds, which showed too little to be judged, each in words. */
  redrawn: string[];
  /** The command that runs it again. */
  reproduce: string;
  /** Folders of attempts that were kept, from the gate's own folder. */
  runs: string[];
}

/** Entries of one cell that were not begun. */
export interface GateOmission {
  cell: string;
  entries: number;
  /** Whether other entries of the cell were run. */
  elsewhere: boolean;
  why: string;
}

/** A kind of cluster or a system that the matrix names and this machine does not have. */
export interface GateAbsence {
  name: string;
  why: string;
  /** Passed over because that was asked for; else it is an error of the infrastructure. */
  skipped: boolean;
}

export interface GateRecord {
  profile: string;
  /** Everything is drawn from it. */
  seed: number;
  budgetMs: number;
  shard?: { index: number; count: number };
  /** The bug planted in every run. */
  mutant?: { id: string; title: string };
  /** Wall clock, ISO 8601. */
  startedAt: string;
  wallMs: number;
  entries: GateEntry[];
  notRun: GateOmission[];
  absent: GateAbsence[];
  /** What went wrong with the gate itself and cut it short. */
  errors: string[];
  interrupted: boolean;
  exit: number;
  /** The command that repeats it. */
  reproduce: string;
  versions: { chaos: string; node: string; platform: string };
}
