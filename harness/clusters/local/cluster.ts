// A booted cluster of child processes on loopback, each under the agent. It needs no rights and no
// daemon; what containers get from the kernel its nodes get from their agents.
import { type Capability, CLIENTS, type Link } from '../../../history/fault.ts';
import { frontAddress } from '../../agent/backstage.ts';
import type { AgentConfig, AgentPeer } from '../../agent/config.ts';
import type { ClusterOptions, NodeSpec } from '../../cluster.ts';
import type { Message } from '../lines.ts';
import { PROBE_PORT, type ProbeResult, probe } from '../probe.ts';
import { ServerCluster } from '../server-cluster.ts';
import { NodeProcess } from './node-process.ts';
import type { PortPlan } from './ports.ts';
import { ProcessList } from './process-list.ts';
import { Switchboard } from './switchboard.ts';

/** Faults that processes under the agent can make; Windows cannot stop a process. */
export const LOCAL_SUPPORTS: ReadonlySet<Capability> = new Set<Capability>(
  process.platform === 'win32' ? ['cut', 'kill'] : ['cut', 'kill', 'pause'],
);

/** What the driver prepared. */
export interface LocalParts {
  ports: PortPlan;
  token: string;
  /** The bundled agent. */
  agent: string;
}

/** A cluster of child processes. */
export class LocalCluster extends ServerCluster<NodeProcess> {
  readonly kind = 'local';
  readonly supports = LOCAL_SUPPORTS;
  readonly #parts: LocalParts;
  readonly #peers: Record<string, AgentPeer>;
  readonly #switchboard: Switchboard;
  readonly #processes: ProcessList;
  #cuts: readonly Link[] = [];

  constructor(options: ClusterOptions, parts: LocalParts) {
    super(options);
    this.#parts = parts;
    this.#peers = Object.fromEntries(
      [...parts.ports.nodes].map(([node, { mapped, sourcePorts }], index) => {
        const ports = Object.fromEntries(mapped) as Record<string, number>;
        const address = frontAddress(parts.ports.lockPort, index);
        return [node, { address, ports, sourcePorts }];
      }),
    );
    this.#switchboard = new Switchboard(parts.ports.lock, parts.token);
    this.#processes = new ProcessList(options.runDir);
  }

  protected portOf({ name, ports }: NodeSpec, role: string): number | undefined {
    return this.#peers[name]?.ports[String(ports[role])];
  }

  #cutsNow(): Message {
    return { ask: 'cuts', links: this.#cuts };
  }

  protected async launch(spec: NodeSpec, incarnation: number): Promise<NodeProcess> {
    const { name } = spec;
    const directory = this.nodeDir(name);
    const { ports, token, agent } = this.#parts;
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
      args: [...spec.args(directory), ...this.options.launchArgs(name, incarnation)],
      directory,
      agent,
      config,
    });
    await this.#processes.add(name, process.stamp);
    void process.ended.then(() => this.#processes.delete(name));
    try {
      await process.meet(calling, this.#cutsNow());
    } catch (error) {
      await process.kill();
      throw error;
    }
    return process;
  }

  /** Cuts made while a node was starting or stopped reached every node but this one. */
  protected async settle(process: NodeProcess): Promise<void> {
    await process.ask(this.#cutsNow());
  }

  /** Nothing is left of a dead process. */
  protected clearAway(): void {}

  async applyCuts(links: readonly Link[]): Promise<void> {
    this.#cuts = links;
    await Promise.all(
      this.nodes.map(async (node) => {
        const state = this.state(node);
        const process = this.serverOf(node);
        if (state === 'running') await process?.ask(this.#cutsNow());
        // A stopped one finds it when it goes on; its peers hold the cut meanwhile. If it ends instead,
        // its next start is given the cuts that stand then.
        else if (state === 'paused') process?.ask(this.#cutsNow()).catch(() => undefined);
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
    const answer = await this.serverOf(from)?.ask({ ask: 'probe', to, timeoutMs }, timeoutMs);
    if (answer === undefined) return { ok: false, how: `${from} was never started`, ms: 0 };
    return answer.result as ProbeResult;
  }

  async heldBack(links: readonly Link[]): Promise<(number | undefined)[]> {
    const running = this.nodes.filter((node) => this.state(node) === 'running');
    const counts = await Promise.all(
      running.map(async (node) => {
        const answer = await this.serverOf(node)?.ask({ ask: 'held' });
        return (answer?.held ?? {}) as Record<string, number>;
      }),
    );
    return links.map(({ from, to }) => {
      const found = counts.map((c) => c[`${from}>${to}`]).filter((n) => n !== undefined);
      return found.length === 0 ? undefined : found.reduce((a, b) => a + b, 0);
    });
  }

  protected async tearDown(): Promise<void> {
    await Promise.all(this.nodes.map((node) => this.serverOf(node)?.kill()));
    await this.#switchboard.close();
    await this.#processes.close();
  }
}
