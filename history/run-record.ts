// A finished run as data: what checkers judge and reports draw. Nothing here points at a cluster, so
// a stored run is judged again years later.
import type { BrokerNodeEvent } from './broker-event.ts';
import type { Event } from './event.ts';
import type { FaultRecord } from './fault.ts';
import type { NodeEvent } from './node-event.ts';
import type { Op } from './op.ts';
import type { Outcome, Verdict } from './verdict.ts';

/** One service of a run that has several. */
export interface RunPart {
  system: string;
  workload: string;
  nodes: string[];
  systemOptions: Record<string, number | string | boolean>;
  workloadOptions: Record<string, number | string | boolean>;
}

/** The resolved configuration of a run, complete: nothing is drawn or defaulted after this. */
export interface RunConfig {
  name: string;
  system: string;
  workload: string;
  nemesis: string;
  cluster: string;
  nodes: string[];
  timeLimitMs: number;
  /** Wanted operations a second over all processes; 0 = closed loop, as fast as answers come. */
  ratePerSecond: number;
  concurrency: number;
  seed: number;
  /** A planted bug's id, if one was patched into the servers. */
  mutant?: string;
  /** Options of the system (tick times, limits) and of the workload (keys), as used. */
  systemOptions: Record<string, number | string | boolean>;
  workloadOptions: Record<string, number | string | boolean>;
  /**
   * The services of a system that has several, those that others rest on first; their options are then
   * here, and `nodes` are those of all. The threads of the load take turns among them.
   */
  parts?: RunPart[];
  /** Options of the nemesis, if it has any: a schedule given instead of drawn. */
  nemesisOptions?: Record<string, number | string | boolean>;
  /** Options of the cluster: latency, loss and re-chunking of a simulated network. */
  clusterOptions?: Record<string, number>;
  /** Bounds that verdicts refer to. */
  recoveryMsMax: number;
  eventLevel: 'off' | 'state' | 'all';
}

/** `run.json`. */
export interface RunInfo {
  config: RunConfig;
  /** Wall clock, ISO 8601. */
  startedAt: string;
  finishedAt?: string;
  versions: { chaos: string; node: string; platform: string };
  /** Of a simulated run: what proves that a replay is the same. */
  simulation?: {
    /** Rolling SHA-256 over every event. */
    trace: string;
    events: number;
    virtualMs: number;
    /** SHA-256 of the code of each of the system's programs by name, and of the `harness`. */
    programs: Record<string, string>;
  };
  /** The command that runs the same again. */
  reproduce: string;
  /** How the run ended: absent while it runs or when the harness was killed. */
  ended?: 'complete' | 'interrupted' | 'error';
  error?: string;
}

/** Everything a checker may look at. */
export interface RunRecord {
  config: RunConfig;
  history: Event[];
  /** Client operations paired (history/op.ts). */
  ops: Op[];
  /** All coordinators' events, by time. */
  nodeEvents: NodeEvent[];
  /** All brokers' events, by time; absent where there were no brokers. */
  brokerEvents?: BrokerNodeEvent[];
  /** Nodes whose event log is missing or has a gap, with what is missing; empty is good. */
  nodeEventGaps: { node: string; problem: string }[];
  faults: FaultRecord[];
}

/** One guarantee's judge. Pure: the same record gives the same verdict. */
export interface Checker {
  name: string;
  guarantee: string;
  check(run: RunRecord): Verdict | Promise<Verdict>;
}

/** `results.json`. */
export interface RunResults {
  outcome: Outcome;
  exit: number;
  verdicts: Verdict[];
  ops: { ok: number; fail: number; info: number };
  faults: { injected: number; verified: number };
  /**
   * From each fault in place to the first write acknowledged that was invoked after it, ms: how long
   * nothing could be written. Faults after which none came are left out.
   */
  recoveryMs: { p50: number | null; max: number | null; each: number[] };
}

/** A finished run with its verdicts: what a report is made from. */
export interface FinishedRun {
  info: RunInfo;
  record: RunRecord;
  results: RunResults;
}
