// A booted cluster of child processes on loopback, each under the agent. It needs no rights and no
// daemon; what containers get from the kernel its nodes get from their agents.
import { type Capability, CLIENTS, type Fault, type Link } from '../../../history/fault.ts';
import { frontAddress } from '../../agent/backstage.ts';
import type { AgentConfig, AgentPeer } from '../../agent/config.ts';
import type { Cluster, ClusterOptions, NodeSpec, NodeState } from '../../cluster.ts';
import { type Breakable, Faults, type StandingFault } from '../faults.ts';
import type { Message } from '../lines.ts';
import { nodeDirectory, nodeIn } from '../node-files.ts';
import { PROBE_PORT, type ProbeResult, probe } from '../probe.ts';
import { NodeProcess } from './node-process.ts';
import type { PortPlan } from './ports.ts';
import { ProcessList } from './process-list.ts';
import { Switchboard } from './switchboard.ts';

/** Faults that processes under the agent can make; Windows cannot stop a process. */
export const LOCAL_SUPPORTS: ReadonlySet<Capability> = new Set<Capability>(
  process.platform === 'win32' ? ['cut', 'kill'] : ['cut', 'kill', 'pause'],
);

const STOP_GRACE_MS = 5_000;

interface LocalNode {
  spec: NodeSpec;
  state: NodeState;
  incarnation: number;
  process?: NodeProcess;
  /** The last change to its process; the next one waits for it. */
  turn: Promise<unknown>;
}

/** What the driver prepared. */
export interface LocalParts {
  ports: PortPlan;
  token: string;
  /** The bundled agent. */
  agent: string;
}

/** A cluster of child processes. */
export class LocalCluster implements Cluster, Breakable {
  readonly kind = 'local';
  readonly nodes: readonly string[];
  readonly supports = LOCAL_SUPPORTS;
  readonly #options: ClusterOptions;
  readonly #parts: LocalParts;
  readonly #nodes: ReadonlyMap<string, LocalNode>;
  readonly #peers: Record<string, AgentPeer>;
  readonly #switchboard: Switchboard;
  readonly #processes: ProcessList;
  readonly #faults: Faults;
  readonly #exitListeners: ((node: string, how: string) => void)[] = [];
  #cuts: readonly Link[] = [];
  #closing: Promise<void> | undefined;

  constructor(options: ClusterOptions, parts: LocalParts) {
    this.#options = options;
    this.#parts = parts;
    this.nodes = options.specs.map((spec) => spec.name);
    this.#nodes = new Map(
      options.specs.map((spec): [string, LocalNode] => [
        spec.name,
        { spec, state: 'absent', incarnation: 0, turn: Promise.resolve() },
      ]),
    );
    this.#peers = Object.fromEntries(
      [...parts.ports.nodes].map(([node, { mapped, sourcePorts }], index) => {
        const ports = Object.fromEntries(mapped) as Record<string, number>;
        const address = frontAddress(parts.ports.lockPort, index);
        return [node, { address, ports, sourcePorts }];
      }),
    );
    this.#switchboard = new Switchboard(parts.ports.lock, parts.token);
    this.#processes = new ProcessList(options.runDir);
    this.#faults = new Faults(this);
  }

  address(node: string, port: string): { host: string; port: number } {
    const { spec } = nodeIn(this.#nodes, node);
    const logical = spec.published.includes(port) ? spec.ports[port] : undefined;
    const mapped = logical === undefined ? undefined : this.#peers[node]?.ports[String(logical)];
    if (mapped === undefined) {
      throw new Error(
        `unknown published port '${port}' of ${node}; known: ${spec.published.join(', ')}`,
      );
    }
    return { host: '127.0.0.1', port: mapped };
  }

  nodeDir(node: string): string {
    nodeIn(this.#nodes, node);
    return nodeDirectory(this.#options.runDir, node);
  }

  state(node: string): NodeState {
    return nodeIn(this.#nodes, node).state;
  }

  /** The process of a node, if it was ever started. */
  processOf(node: string): NodeProcess | undefined {
    return nodeIn(this.#nodes, node).process;
  }

  onUnexpectedExit(listener: (node: string, how: string) => void): void {
    this.#exitListeners.push(listener);
  }

  inject(fault: Fault): Promise<StandingFault> {
    return this.#faults.inject(fault);
  }

  #cutsFor(): Message {
    return { ask: 'cuts', links: this.#cuts };
  }

  /** Cuts made while a node was starting or stopped reached every node but this one. */
  async #tellCuts(process: NodeProcess): Promise<void> {
    let told: readonly Link[];
    do {
      told = this.#cuts;
      await process.ask(this.#cutsFor());
    } while (told !== this.#cuts);
  }

  start(name: string): Promise<void> {
    return this.#inTurn(name, async (node) => {
      if (this.#closing !== undefined) throw new Error(`cannot start ${name}: cluster is closed`);
      if (node.state === 'running' || node.state === 'paused') return;
      node.incarnation++;
      const { spec, incarnation } = node;
      const directory = this.nodeDir(name);
      const { ports, token } = this.#parts;
      const config: AgentConfig = {
        node: name,
        incarnation,
        nodes: this.#peers,
        control: { port: ports.lockPort, token },
      };
      const calling = this.#switchboard.agentOf(name, incarnation);
      const process = new NodeProcess({
        node: name,
        program: spec.program,
        args: [...spec.args(directory), ...this.#options.launchArgs(name, incarnation)],
        directory,
        agent: this.#parts.agent,
        config,
      });
      node.process = process;
      await this.#processes.add(name, process.stamp);
      try {
        await process.meet(calling, this.#cutsFor());
        await this.#tellCuts(process);
      } catch (error) {
        await process.kill();
        throw error;
      }
      node.state = 'running';
      this.#watch(name, node, process);
    });
  }

  #watch(name: string, node: LocalNode, process: NodeProcess): void {
    void process.ended.then(async ({ how, wanted }) => {
      if (node.process === process) {
        node.state = 'dead';
        await this.#processes.delete(name);
      }
      if (wanted) return;
      this.#options.log(`${name} ended by itself: ${how}`);
      for (const listener of this.#exitListeners) listener(name, how);
    });
  }

  stop(name: string, graceMs = STOP_GRACE_MS): Promise<void> {
    return this.#inTurn(name, async (node) => {
      if (node.state === 'paused') await node.process?.resume();
      if (node.state === 'running' || node.state === 'paused')
        await node.process?.terminate(graceMs);
      if (node.state !== 'absent') node.state = 'dead';
    });
  }

  kill(name: string): Promise<void> {
    return this.#inTurn(name, async (node) => {
      if (node.state === 'running' || node.state === 'paused') await node.process?.kill();
      if (node.state !== 'absent') node.state = 'dead';
    });
  }

  pause(name: string): Promise<void> {
    return this.#inTurn(name, async (node) => {
      if (node.state !== 'running') throw new Error(`cannot pause ${name}: it is ${node.state}`);
      await node.process?.pause();
      node.state = 'paused';
    });
  }

  resume(name: string): Promise<void> {
    return this.#inTurn(name, async (node) => {
      if (node.state !== 'paused') return;
      await node.process?.resume();
      if (node.process !== undefined) await this.#tellCuts(node.process);
      node.state = 'running';
    });
  }

  async inspect(name: string): Promise<{ state: NodeState; evidence: string }> {
    const { process } = nodeIn(this.#nodes, name);
    return process?.inspect() ?? { state: 'absent', evidence: 'it was never started' };
  }

  async applyCuts(links: readonly Link[]): Promise<void> {
    this.#cuts = links;
    await Promise.all(
      [...this.#nodes.values()].map(async ({ state, process }) => {
        if (state === 'running') await process?.ask(this.#cutsFor());
        // A stopped one finds it when it goes on; its peers hold the cut meanwhile. If it ends instead,
        // its next start is given the cuts that stand then.
        else if (state === 'paused') process?.ask(this.#cutsFor()).catch(() => undefined);
      }),
    );
  }

  canProbe(node: string): boolean {
    return this.state(node) === 'running';
  }

  async probe(from: string, to: string, timeoutMs: number): Promise<ProbeResult> {
    if (from === CLIENTS) {
      const port = this.#peers[to]?.ports[String(PROBE_PORT)];
      if (port === undefined) throw new Error(`${to} has no port for probes`);
      return probe('127.0.0.1', port, timeoutMs);
    }
    const process = nodeIn(this.#nodes, from).process;
    const answer = await process?.ask({ ask: 'probe', to, timeoutMs }, timeoutMs);
    if (answer === undefined) return { ok: false, how: `${from} was never started`, ms: 0 };
    return answer.result as ProbeResult;
  }

  async heldBack(links: readonly Link[]): Promise<(number | undefined)[]> {
    const running = [...this.#nodes.values()].filter(({ state }) => state === 'running');
    const counts = await Promise.all(
      running.map(async ({ process }) => {
        const answer = await process?.ask({ ask: 'held' });
        return (answer?.held ?? {}) as Record<string, number>;
      }),
    );
    return links.map(({ from, to }) => {
      const found = counts.map((c) => c[`${from}>${to}`]).filter((n) => n !== undefined);
      return found.length === 0 ? undefined : found.reduce((a, b) => a + b, 0);
    });
  }

  #inTurn(name: string, change: (node: LocalNode) => Promise<void>): Promise<void> {
    const node = nodeIn(this.#nodes, name);
    const turn = node.turn.then(() => change(node));
    // Whoever asked for the change is given its error; the next change goes ahead all the same.
    node.turn = turn.catch(() => undefined);
    return turn;
  }

  close(): Promise<void> {
    this.#closing ??= this.#tearDown();
    return this.#closing;
  }

  async #tearDown(): Promise<void> {
    this.#faults.close();
    const nodes = [...this.#nodes.values()];
    await Promise.all(nodes.map((node) => node.turn));
    await Promise.all(nodes.map((node) => node.process?.kill()));
    await this.#switchboard.close();
    await this.#processes.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
