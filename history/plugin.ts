// What a nemesis file and a workload file export. Both are pure plans over data plus, for a workload,
// a client; so one file serves containers, local processes and the simulator.
import type { Event } from './event.ts';
import type { Capability } from './fault.ts';
import type { OpStep, Plan } from './plan.ts';
import type { Random } from './random.ts';
import type { Checker } from './run-record.ts';

/** What a nemesis is told when its plan starts. */
export interface NemesisContext {
  nodes: readonly string[];
  /** A stream of the run's seed that only the nemesis draws from. */
  random: Random;
  /** How long the fault phase lasts. The interpreter ends it then and heals what is left. */
  timeLimitMs: number;
  /** The nemesis' own options, as the run's configuration has them. */
  options?: Readonly<Record<string, number | string | boolean>>;
}

/** A nemesis: a name, a sentence, what the cluster must be able to do, and its plan. */
export interface Nemesis {
  name: string;
  description: string;
  /** What it injects; a cluster that lacks one of these refuses it before boot. */
  needs: readonly Capability[];
  /** It leaves out what else the cluster cannot do, as its option `supports` tells it. */
  narrows?: true;
  /** Systems that have what it breaks; absent: all. */
  systems?: readonly string[];
  /** The least number of nodes it makes sense with. */
  nodesMin: number;
  plan(context: NemesisContext): Plan;
}

/** Outcome of one operation: what the interpreter merges into the completion event. */
export type OpResult = { type: 'ok' | 'fail' | 'info' } & Partial<
  Pick<
    Event,
    | 'value'
    | 'error'
    | 'zxid'
    | 'mzxid'
    | 'version'
    | 'syncZxid'
    | 'session'
    | 'connection'
    | 'cxid'
    | 'heard'
    | 'offset'
    | 'leaderEpoch'
    | 'node'
  >
>;

/** One process' client. It makes one attempt an operation and never retries in secret. */
export interface WorkloadClient {
  /** Resolves with the outcome. A rejection is recorded as info with the error's message. */
  invoke(step: OpStep): Promise<OpResult>;
  /** Ends the connection; called when the process is replaced and at the end. Never rejects. */
  close(): Promise<void>;
}

/** What a workload's plans and clients are given. */
export interface WorkloadContext {
  nodes: readonly string[];
  /** Where a client reaches a node's client port. */
  address(node: string): { host: string; port: number };
  /** Client processes at work at once. */
  concurrency: number;
  /** Wanted operations a second over all processes; 0 = closed loop. */
  ratePerSecond: number;
  /** Length of warm-up + faults, ms: what the plans must fill. */
  timeLimitMs: number;
  seed: number;
  options: Readonly<Record<string, number | string | boolean>>;
}

/** A workload: plans, a client and the checkers that judge it. */
export interface Workload {
  name: string;
  description: string;
  /** Systems it can run against. */
  systems: readonly string[];
  defaultOptions: Record<string, number | string | boolean>;
  /** Prepares the data; run by one process per node before the warm-up; every op must end ok. */
  setup(context: WorkloadContext, thread: number): Plan;
  /** The main load of one thread. `random` is this thread's own stream. Ends when the time is over. */
  load(context: WorkloadContext, thread: number, random: Random): Plan;
  /** Final reads after the heal, one plan a thread. */
  final(context: WorkloadContext, thread: number): Plan;
  /** A client for a new process of `thread`; connects on first use. */
  client(context: WorkloadContext, thread: number): WorkloadClient;
  checkers: readonly Checker[];
}
