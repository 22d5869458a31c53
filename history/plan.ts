// What a process does next, as native generators: it yields a step and is given back how that ended.
// Plans know no time and no network, so the same plan runs in every cluster and in a test without one.
import type { Event } from './event.ts';
import type { Fault, Verification } from './fault.ts';

/** Do one operation of the workload. */
export interface OpStep {
  kind: 'op';
  f: string;
  key?: string;
  value?: unknown;
  /** ns since the start of the load: not before this, and latency is measured from it. */
  due?: number;
  /** Which node to speak to, when the operation is about a node (final reads). */
  node?: string;
}
/** Wait, in ms of the cluster's time. */
export interface SleepStep {
  kind: 'sleep';
  ms: number;
}
/** Nemesis: look at the cluster. */
export interface ObserveStep {
  kind: 'observe';
}
/** Nemesis: put a fault in place and verify it. */
export interface InjectStep {
  kind: 'inject';
  fault: Fault;
}
/** Nemesis: heal one fault by the id that its injection returned, and verify. */
export interface HealStep {
  kind: 'heal';
  id: number;
}

export type Step = OpStep | SleepStep | ObserveStep | InjectStep | HealStep;

/** What the cluster looks like to a nemesis: who plays which role just now. */
export interface ClusterView {
  nodes: string[];
  /** Role name → nodes that hold it, e.g. `leader` → `['n2']`; empty when nobody does. */
  roles: Record<string, string[]>;
}

/** How a step ended. */
export type Completion =
  | { kind: 'op'; event: Event }
  | { kind: 'slept' }
  | { kind: 'observed'; view: ClusterView }
  | { kind: 'injected'; id: number; verification: Verification }
  | { kind: 'healed'; id: number; verification: Verification };

/** A process: yields steps, is given completions, ends by returning. */
export type Plan = Generator<Step, void, Completion>;
