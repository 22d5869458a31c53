// What a system to be tested tells the harness: how it is built, deployed, reached and looked at.
// Everything else about it is its own affair.
import type { ClusterView } from '../history/plan.ts';
import type { Checker, RunConfig } from '../history/run-record.ts';
import type { Cluster, NodeSpec } from './cluster.ts';

/** What of a cluster is needed to look at its nodes. */
export type Nodes = Pick<Cluster, 'nodes' | 'address'>;

/** The harness' eyes on a running system. Apart, because they also look from inside the simulator. */
export interface SystemView {
  /** Who plays which role just now. Takes at most about half a second, never rejects. */
  observe(cluster: Nodes): Promise<ClusterView>;
  /** Why the cluster does not serve yet, or undefined when it does. Never rejects. */
  notReady(cluster: Nodes): Promise<string | undefined>;
  /**
   * What nodes that serve have still to recover after a start, or undefined when everything is in place.
   * Absent: a write shows it. Never rejects.
   */
  notWhole?(cluster: Nodes): Promise<string | undefined>;
}

/** One of the services that a system consists of. */
export interface Service {
  system: System;
  /** What its nodes' names begin with; a number follows. */
  nodePrefix: string;
  /** Its settings with their defaults. */
  options: RunConfig['systemOptions'];
}

/** Programs of a system by name. */
export type Programs = Readonly<Record<string, string>>;

export interface System extends SystemView {
  name: string;
  description: string;
  /** Its programs' entry points, from the project's root. */
  programs: Programs;
  /** Role of the port that clients speak to. */
  clientPort: string;
  /** What its clients do where nothing else is asked for. */
  defaultWorkload: string;
  /** Every option of a deployment with its default; `run.json` records those used. */
  defaultOptions: Record<string, number | string | boolean>;
  /** The services it consists of, those that others rest on first; absent: it is one by itself. */
  services?: readonly Service[];
  /** Kinds of cluster it can run on; absent: all. */
  clusters?: readonly Cluster['kind'][];
  /** What its servers log of their own doing; absent: everything. */
  eventLevel?: RunConfig['eventLevel'];
  /** Whether it can work here; if not, why, and what to do. Absent: it can. */
  available?(): { ok: true } | { ok: false; reason: string; remedy: string };
  /**
   * Who judges this system where other systems are judged by `checker`: that one, a stand-in that asks
   * for no more than this system promises and shows, or undefined for nobody. Absent: all apply.
   */
  checkerFor?(checker: Checker): Checker | undefined;
  /** One spec a node; `bundles` are the programs as the cluster is to run them, by name. */
  specs(config: RunConfig, bundles: Programs): NodeSpec[];
  /** Arguments of one start of a node; `baseNs` is the run's start on the monotonic clock. */
  launchArgs(node: string, incarnation: number, baseNs: bigint): string[];
}

/** What a system needs is not installed here; exit 255 with the remedy. */
export class SystemUnavailable extends Error {
  constructor(name: string, reason: string, remedy: string) {
    super(`system '${name}' is not available: ${reason}; ${remedy}`);
    this.name = 'SystemUnavailable';
  }
}
