// A cluster of three that lives in memory, with a register workload on it, for tests of the harness.
// It is a small real system: it has a leader, stalls under faults, and recovers when healed.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repeat, steps, untilOk } from '../history/combinators.ts';
import { type Capability, describeFault, type Fault, type Verification } from '../history/fault.ts';
import type { ClusterView, OpStep, Plan } from '../history/plan.ts';
import type {
  Nemesis,
  OpResult,
  Workload,
  WorkloadClient,
  WorkloadContext,
} from '../history/plugin.ts';
import type { Checker } from '../history/run-record.ts';
import type {
  Cluster,
  ClusterDriver,
  ClusterOptions,
  InjectedFault,
  NodeState,
} from './cluster.ts';
import type { Registry } from './registry-types.ts';
import type { Nodes, System } from './system.ts';

/** How the memory cluster misbehaves, for tests of the harness' own failures. */
export interface MemoryQuirks {
  /** Injections report that they could not be verified. */
  unverified?: boolean;
  /** Nodes are never ready. */
  neverReady?: boolean;
  /** Starting a node fails. */
  failsToStart?: boolean;
  /** This node ends by itself as soon as a fault is injected. */
  crashes?: string;
  /** Reads give a value that nobody wrote. */
  wrongReads?: boolean;
  /** Every read is refused, so that there is nothing to judge. */
  refusedReads?: boolean;
}

/** A cluster without processes. The node of lowest number that a majority can reach leads. */
export class MemoryCluster implements Cluster {
  readonly kind = 'local' as const;
  readonly nodes: readonly string[];
  readonly supports: ReadonlySet<Capability> = new Set(['cut', 'kill', 'pause']);
  readonly registers = new Map<string, number>();
  readonly quirks: MemoryQuirks;
  /** What was done to it, in order: `inject …`, `heal …`, `start …`, `close`. */
  readonly deeds: string[] = [];
  readonly #options: ClusterOptions;
  readonly #states = new Map<string, NodeState>();
  readonly #faults = new Set<Fault>();
  #listener: (node: string, how: string) => void = () => undefined;

  constructor(options: ClusterOptions, quirks: MemoryQuirks = {}) {
    this.#options = options;
    this.quirks = quirks;
    this.nodes = options.specs.map((spec) => spec.name);
  }

  address(node: string): { host: string; port: number } {
    return { host: '127.0.0.1', port: 10_000 + this.nodes.indexOf(node) };
  }

  nodeDir(node: string): string {
    return join(this.#options.runDir, 'nodes', node);
  }

  state(node: string): NodeState {
    return this.#states.get(node) ?? 'absent';
  }

  async start(node: string): Promise<void> {
    this.deeds.push(`start ${node}`);
    if (this.quirks.failsToStart === true) throw new Error(`${node} does not start`);
    mkdirSync(this.nodeDir(node), { recursive: true });
    const line = JSON.stringify({ t: this.deeds.length, node, inc: 0, seq: 0, ev: 'start' });
    writeFileSync(join(this.nodeDir(node), 'events.jsonl'), `${line}\n`);
    this.#states.set(node, 'running');
  }

  async stop(node: string): Promise<void> {
    this.#states.set(node, 'dead');
  }

  async inject(fault: Fault): Promise<InjectedFault> {
    this.deeds.push(`inject ${describeFault(fault)}`);
    this.#faults.add(fault);
    if (this.quirks.crashes !== undefined) this.crash(this.quirks.crashes);
    const verified = this.quirks.unverified !== true;
    const heal = async (): Promise<Verification> => {
      if (this.#faults.delete(fault)) this.deeds.push(`heal ${describeFault(fault)}`);
      return { verified: true, evidence: 'gone from the set' };
    };
    return {
      fault,
      verification: { verified, evidence: verified ? 'in the set' : 'the probe still passed' },
      heal,
      [Symbol.asyncDispose]: async () => void (await heal()),
    };
  }

  onUnexpectedExit(listener: (node: string, how: string) => void): void {
    this.#listener = listener;
  }

  /** A node dies by itself. */
  crash(node: string): void {
    this.#states.set(node, 'dead');
    this.#listener(node, 'exit code 7');
  }

  async close(): Promise<void> {
    if (this.deeds.at(-1) === 'close') return;
    this.#faults.clear();
    this.deeds.push('close');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The node that leads, if a majority reaches it. */
  leader(): string | undefined {
    return this.nodes.find((node) => this.serves(node));
  }

  /** Whether the node is alive and sees a majority. */
  serves(node: string): boolean {
    const alive = (name: string) =>
      this.state(name) === 'running' &&
      ![...this.#faults].some((fault) => 'nodes' in fault && fault.nodes.includes(name));
    const cut = (from: string, to: string) =>
      [...this.#faults].some(
        (fault) =>
          'links' in fault && fault.links.some((link) => link.from === from && link.to === to),
      );
    const seen = this.nodes.filter(
      (peer) => alive(peer) && (peer === node || !(cut(node, peer) || cut(peer, node))),
    );
    return alive(node) && seen.length > this.nodes.length / 2;
  }
}

/** A driver of memory clusters; `created` lists those it made. */
export function memoryDriver(
  quirks: MemoryQuirks = {},
): ClusterDriver & { created: MemoryCluster[] } {
  const created: MemoryCluster[] = [];
  return {
    kind: 'local',
    description: 'in memory, for tests',
    supports: new Set(['cut', 'kill', 'pause']),
    created,
    available: async () => ({ ok: true }),
    async create(options) {
      const cluster = new MemoryCluster(options, quirks);
      created.push(cluster);
      return cluster;
    },
    clean: async () => [],
  };
}

function inMemory(cluster: Nodes): MemoryCluster {
  if (cluster instanceof MemoryCluster) return cluster;
  throw new Error('the memory system runs in a memory cluster only');
}

/** The system on a memory cluster: nothing to bundle, ready at once. */
export const memorySystem: System = {
  name: 'memory',
  description: 'registers in memory, for tests',
  programs: {},
  clientPort: 'client',
  defaultWorkload: 'memory',
  defaultOptions: { tickTime: 1 },
  specs: (config) =>
    config.nodes.map((name) => ({
      name,
      program: 'memory',
      args: () => [],
      files: () => ({}),
      ports: { client: 1 },
      published: ['client'],
    })),
  launchArgs: () => [],
  observe: async (cluster): Promise<ClusterView> => {
    const leader = inMemory(cluster).leader();
    return { nodes: [...cluster.nodes], roles: { leader: leader === undefined ? [] : [leader] } };
  },
  notReady: async (cluster) =>
    inMemory(cluster).quirks.neverReady === true ? 'no node answers' : undefined,
};

/** Reads and writes of registers in a memory cluster, one client pinned to one node. */
export class MemoryClient implements WorkloadClient {
  readonly #cluster: MemoryCluster;
  readonly #node: string;
  closed = false;

  constructor(cluster: MemoryCluster, node: string) {
    this.#cluster = cluster;
    this.#node = node;
  }

  async invoke(step: OpStep): Promise<OpResult> {
    const node = step.node ?? this.#node;
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (this.closed) throw new Error('the client is closed');
    if (!this.#cluster.serves(node)) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      return { type: 'info', error: 'timeout: no majority', node };
    }
    const key = step.key ?? '';
    if (step.f === 'write') this.#cluster.registers.set(key, Number(step.value));
    const { wrongReads, refusedReads } = this.#cluster.quirks;
    if (step.f === 'read' && refusedReads === true) return { type: 'fail', error: 'refused', node };
    const wrong = step.f === 'read' && wrongReads === true;
    return { type: 'ok', node, value: wrong ? -1 : (this.#cluster.registers.get(key) ?? null) };
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

/** Every value read was written before. */
export const writtenBefore: Checker = {
  name: 'written-before',
  guarantee: 'A read returns a value that was written.',
  check: (run) => {
    const written = new Set(run.ops.filter((op) => op.f === 'write').map((op) => op.invoke.value));
    const reads = run.ops.filter((op) => op.f === 'read' && op.type === 'ok');
    const wrong = reads.filter((op) => !written.has(op.completion?.value));
    return {
      checker: 'written-before',
      guarantee: 'A read returns a value that was written.',
      outcome: wrong.length > 0 ? 'invalid' : reads.length > 0 ? 'valid' : 'unknown',
      evidence: { reads: reads.length },
      anomalies: wrong.slice(0, 1).map((op) => ({
        kind: 'unwritten-value',
        why: `Operation ${op.id} read ${op.completion?.value}, which nobody wrote.`,
        events: [op.invoke.index],
      })),
    };
  },
};

/** A register a node, on the clusters that `driver` makes. */
export function memoryWorkload(driver: { created: MemoryCluster[] }): Workload {
  const clusterNow = () => {
    const cluster = driver.created.at(-1);
    if (cluster === undefined) throw new Error('no memory cluster was created yet');
    return cluster;
  };
  const keyOf = (context: WorkloadContext, thread: number) => `/r${thread % context.nodes.length}`;
  return {
    name: 'memory',
    description: 'reads and writes of one register a node, for tests',
    systems: ['memory'],
    defaultOptions: { keys: 3 },
    setup: (_context, thread) => steps([{ kind: 'op', f: 'write', key: `/r${thread}`, value: 0 }]),
    load: (context, thread, random): Plan => {
      const gapNs = (context.concurrency / Math.max(1, context.ratePerSecond)) * 1e9;
      return repeat((round) => {
        const write = random.bool();
        const step: OpStep = { kind: 'op', f: write ? 'write' : 'read' };
        step.key = keyOf(context, thread);
        if (write) step.value = thread * 1e6 + round;
        if (context.ratePerSecond > 0) step.due = Math.round(round * gapNs);
        return steps([step]);
      });
    },
    final: (context, thread) =>
      repeat((i) => {
        const node = context.nodes[i]!;
        return untilOk({ kind: 'op', f: 'read', key: keyOf(context, thread), node }, 3);
      }, context.nodes.length),
    client: (context, thread) =>
      new MemoryClient(clusterNow(), context.nodes[thread % context.nodes.length]!),
    checkers: [writtenBefore],
  };
}

/** Pauses the leader for most of the fault phase and leaves the healing to the harness. */
const pauseOnce: Nemesis = {
  name: 'pause-once',
  description: 'pauses the leader once, for tests',
  needs: ['pause'],
  nodesMin: 3,
  *plan() {
    const seen = yield { kind: 'observe' };
    const leader = seen.kind === 'observed' ? seen.view.roles.leader?.[0] : undefined;
    if (leader === undefined) throw new Error('the memory cluster always has a leader');
    yield { kind: 'inject', fault: { kind: 'pause', nodes: [leader] } };
    for (;;) yield { kind: 'sleep', ms: 1_000 };
  },
};

const skewed: Nemesis = {
  ...pauseOnce,
  name: 'skew-clocks',
  description: 'needs what the memory cluster cannot do, for tests',
  needs: ['skew'],
};

/** A registry whose only system lives in memory, and the driver that makes its clusters. */
export function memoryRegistry(
  quirks: MemoryQuirks = {},
): Registry & { driver: ReturnType<typeof memoryDriver> } {
  const driver = memoryDriver(quirks);
  return {
    driver,
    systems: [memorySystem],
    workloads: [memoryWorkload(driver)],
    nemeses: [pauseOnce, skewed],
    mutants: [],
    drivers: [driver],
    systemCheckers: {},
    chooseCluster: async () => ({ driver }),
    renderHtml: (run) => `<title>${run.results.outcome}</title>`,
    renderSummary: (run) => `${run.results.outcome}\nreproduce: ${run.info.reproduce}`,
  };
}

/** Phases short enough for tests. */
export const QUICK = {
  warmupMs: 40,
  faultsMs: 80,
  afterHealMs: 20,
  recoveryMsMax: 1_000,
  retryMs: 500,
  retryPauseMs: 5,
} as const;
