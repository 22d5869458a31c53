// What a cluster driver offers: nodes that boot, break and heal. Docker, local processes and the
// simulator implement this one interface; everything above it is the same in all three.
import type { Capability, Fault, Verification } from '../history/fault.ts';

/** Where a port is reached. */
export interface Address {
  host: string;
  port: number;
}

/** How one node is deployed. Paths are functions of the node's directory, which each driver places. */
export interface NodeSpec {
  name: string;
  /** The program: one bundled ESM file on the host (esbuild's output). */
  program: string;
  /** Command line after the program; `dir` is the node's directory as the node sees it. */
  args(dir: string): string[];
  /**
   * Text files written into the node's directory before its first start, by relative path; `reached` says
   * where those outside reach one of its published ports.
   */
  files(dir: string, reached: (port: string) => Address): Record<string, string>;
  /** Ports it listens on, by role (`client`, `peer`, `election`). */
  ports: Record<string, number>;
  /** Roles of ports that the harness' clients reach. */
  published: readonly string[];
  /** Files and folders of this machine that it reads beside its program; it sees the same paths. */
  hostPaths?: readonly string[];
}

/** A fault that is in place. Disposing heals it; healing twice is harmless. */
export interface InjectedFault extends AsyncDisposable {
  readonly fault: Fault;
  /** Evidence, independent of the injection, that it took effect. */
  readonly verification: Verification;
  /** Removes the fault and verifies that it is gone. */
  heal(): Promise<Verification>;
}

/** State of a node's process. */
export type NodeState = 'absent' | 'running' | 'paused' | 'dead';

/** What a driver is given to build a cluster. */
export interface ClusterOptions {
  /** Unique label of the run: names containers, networks, files. */
  runId: string;
  specs: NodeSpec[];
  /** Host directory of the run; node n lives in `<runDir>/nodes/<n>`. */
  runDir: string;
  /** Incarnation numbers and the event clock are passed to nodes as arguments by `launchArgs`. */
  launchArgs(node: string, incarnation: number): string[];
  /** Progress for people, one line each. */
  log(line: string): void;
}

/** A booted cluster. */
export interface Cluster extends AsyncDisposable {
  readonly kind: 'docker' | 'local' | 'sim';
  readonly nodes: readonly string[];
  readonly supports: ReadonlySet<Capability>;
  /** Where the harness reaches a node's published port. Fixed for the whole run. */
  address(node: string, port: string): Address;
  /** Directory of the node on the host: its files, log and data. */
  nodeDir(node: string): string;
  state(node: string): NodeState;
  /** Starts a node that is not running (first start, after kill or after its own exit). */
  start(node: string): Promise<void>;
  /** SIGTERM and wait; SIGKILL after `graceMs`. */
  stop(node: string, graceMs?: number): Promise<void>;
  /** Puts a fault in place, verified. Throws on a fault it does not support. */
  inject(fault: Fault): Promise<InjectedFault>;
  /** Called with (node, description) when a node's process ends without being killed by us. */
  onUnexpectedExit(listener: (node: string, how: string) => void): void;
  /** Heals everything, stops all nodes, removes every trace but the run directory. Idempotent. */
  close(): Promise<void>;
}

/** A kind of cluster, before it is booted. */
export interface ClusterDriver {
  readonly kind: 'docker' | 'local' | 'sim';
  readonly description: string;
  /** Faults it offers on this machine. */
  readonly supports: ReadonlySet<Capability>;
  /** Whether it can work here; if not, why, and what to do. */
  available(): Promise<{ ok: true } | { ok: false; reason: string; remedy: string }>;
  /** Creates network, holders and directories and starts no node yet. */
  create(options: ClusterOptions): Promise<Cluster>;
  /** Removes what runs that ended badly left behind; returns a line for each thing removed. */
  clean(storeDir: string): Promise<string[]>;
}
