// What a system to be tested tells the harness: how it is built, deployed, reached and looked at.
// Everything else about it is its own affair.
import type { ClusterView } from '../history/plan.ts';
import type { Checker, RunConfig } from '../history/run-record.ts';
import type { Mutant } from '../mutants/mutant.ts';
import type { Cluster, NodeSpec } from './cluster.ts';

export interface System {
  name: string;
  description: string;
  /** The server's entry point, from the project's root. */
  source: string;
  /** Role of the port that clients speak to. */
  clientPort: string;
  /** Every option of a deployment with its default; `run.json` records those used. */
  defaultOptions: Record<string, number | string | boolean>;
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
  /** Bundles the server into one file, with the mutant's patches if one is given; its path. */
  bundle(mutant?: Mutant): Promise<string>;
  /** One spec a node; `program` is what `bundle` gave. */
  specs(config: RunConfig, program: string): NodeSpec[];
  /** Arguments of one start of a node; `baseNs` is the run's start on the monotonic clock. */
  launchArgs(node: string, incarnation: number, baseNs: bigint): string[];
  /** Who plays which role just now. Takes at most about half a second, never rejects. */
  observe(cluster: Cluster): Promise<ClusterView>;
  /** Why the cluster does not serve yet, or undefined when it does. Never rejects. */
  notReady(cluster: Cluster): Promise<string | undefined>;
}

/** What a system needs is not installed here; exit 255 with the remedy. */
export class SystemUnavailable extends Error {
  constructor(name: string, reason: string, remedy: string) {
    super(`system '${name}' is not available: ${reason}; ${remedy}`);
    this.name = 'SystemUnavailable';
  }
}
