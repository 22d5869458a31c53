// A booted cluster of containers: per node a holder that lives as long as the run and a server that
// comes and goes. Its faults are nft rules in the holders' namespaces and signals to the servers.
import { setTimeout as delay } from 'node:timers/promises';
import { type Capability, CLIENTS, type Fault, type Link } from '../../../history/fault.ts';
import type { Cluster, ClusterOptions, NodeSpec, NodeState } from '../../cluster.ts';
import { type Breakable, Faults, type StandingFault } from '../faults.ts';
import { nodeDirectory, nodeIn } from '../node-files.ts';
import type { ProbeResult } from '../probe.ts';
import { type Daemon, unlessGone } from './daemon.ts';
import type { Holder } from './holder-container.ts';
import { nameOf } from './labels.ts';
import type { RunNetwork } from './network.ts';
import { DIRECTORY_IN_CONTAINER, type Server, startServer } from './server-container.ts';

/** Faults that containers with nft can make. */
export const DOCKER_SUPPORTS: ReadonlySet<Capability> = new Set(['cut', 'kill', 'pause']);

const STOP_GRACE_MS = 5_000;

/** What the driver prepared. */
export interface DockerParts {
  daemon: Daemon;
  image: string;
  labels: Record<string, string>;
  network: RunNetwork;
  holders: ReadonlyMap<string, Holder>;
  /** A resolv.conf without a resolver. */
  resolver: string;
}

interface DockerNode {
  spec: NodeSpec;
  address: string;
  holder: Holder;
  state: NodeState;
  incarnation: number;
  server?: Server;
  /** The last change to its process; the next one waits for it. */
  turn: Promise<unknown>;
}

/** A cluster of containers. */
export class DockerCluster implements Cluster, Breakable {
  readonly kind = 'docker';
  readonly nodes: readonly string[];
  readonly supports = DOCKER_SUPPORTS;
  readonly #options: ClusterOptions;
  readonly #parts: DockerParts;
  readonly #nodes: ReadonlyMap<string, DockerNode>;
  readonly #faults: Faults;
  readonly #exitListeners: ((node: string, how: string) => void)[] = [];
  #closing: Promise<void> | undefined;

  constructor(options: ClusterOptions, parts: DockerParts) {
    this.#options = options;
    this.#parts = parts;
    this.nodes = options.specs.map((spec) => spec.name);
    this.#nodes = new Map(
      options.specs.map((spec, index): [string, DockerNode] => [
        spec.name,
        {
          spec,
          address: parts.network.address(index),
          holder: nodeIn(parts.holders, spec.name),
          state: 'absent',
          incarnation: 0,
          turn: Promise.resolve(),
        },
      ]),
    );
    this.#faults = new Faults(this);
  }

  address(node: string, port: string): { host: string; port: number } {
    const { published } = nodeIn(this.#nodes, node).holder;
    const found = published.get(port);
    if (found === undefined) {
      const known = [...published.keys()].join(', ');
      throw new Error(`unknown published port '${port}' of ${node}; known: ${known}`);
    }
    return { host: '127.0.0.1', port: found };
  }

  nodeDir(node: string): string {
    nodeIn(this.#nodes, node);
    return nodeDirectory(this.#options.runDir, node);
  }

  state(node: string): NodeState {
    return nodeIn(this.#nodes, node).state;
  }

  /** The holder of a node: its namespace seen from inside. */
  holder(node: string): Holder {
    return nodeIn(this.#nodes, node).holder;
  }

  onUnexpectedExit(listener: (node: string, how: string) => void): void {
    this.#exitListeners.push(listener);
  }

  inject(fault: Fault): Promise<StandingFault> {
    return this.#faults.inject(fault);
  }

  start(name: string): Promise<void> {
    return this.#inTurn(name, async (node) => {
      if (this.#closing !== undefined) throw new Error(`cannot start ${name}: cluster is closed`);
      if (node.state === 'running' || node.state === 'paused') return;
      node.incarnation++;
      const { spec, incarnation } = node;
      const server = await startServer(this.#parts.daemon, {
        name: nameOf(this.#options.runId, name, String(incarnation)),
        node: name,
        labels: this.#parts.labels,
        image: this.#parts.image,
        holderId: node.holder.id,
        program: spec.program,
        args: [
          ...spec.args(DIRECTORY_IN_CONTAINER),
          ...this.#options.launchArgs(name, incarnation),
        ],
        directory: this.nodeDir(name),
        hostPaths: spec.hostPaths ?? [],
        resolver: this.#parts.resolver,
      });
      node.server = server;
      node.state = 'running';
      this.#watch(name, node, server);
    });
  }

  #watch(name: string, node: DockerNode, server: Server): void {
    const over = (how: string, wanted: boolean): void => {
      if (node.server === server) node.state = 'dead';
      if (wanted) return;
      this.#options.log(`${name} ended by itself: ${how}`);
      for (const listener of this.#exitListeners) listener(name, how);
    };
    server.ended.then(
      ({ how, wanted }) => over(how, wanted),
      (error: Error) => over(`the daemon lost sight of it: ${error.message}`, false),
    );
  }

  stop(name: string, graceMs = STOP_GRACE_MS): Promise<void> {
    return this.#inTurn(name, async (node) => {
      if (node.state === 'paused') await node.server?.resume();
      if (node.state === 'running' || node.state === 'paused')
        await node.server?.terminate(graceMs);
      await this.#clearAway(node);
    });
  }

  kill(name: string): Promise<void> {
    return this.#inTurn(name, async (node) => {
      if (node.state === 'running' || node.state === 'paused') await node.server?.kill();
      await this.#clearAway(node);
    });
  }

  /** Removes the container of a dead server in the background: nothing waits for it but close. */
  async #clearAway(node: DockerNode): Promise<void> {
    if (node.state !== 'absent') node.state = 'dead';
    node.server?.remove().catch((error: Error) => {
      this.#options.log(`could not remove a dead container: ${error.message}`);
    });
  }

  pause(name: string): Promise<void> {
    return this.#inTurn(name, async (node) => {
      if (node.state !== 'running') throw new Error(`cannot pause ${name}: it is ${node.state}`);
      await node.server?.pause();
      node.state = 'paused';
    });
  }

  resume(name: string): Promise<void> {
    return this.#inTurn(name, async (node) => {
      if (node.state !== 'paused') return;
      await node.server?.resume();
      node.state = 'running';
    });
  }

  async inspect(name: string): Promise<{ state: NodeState; evidence: string }> {
    const { server } = nodeIn(this.#nodes, name);
    return server?.inspect() ?? { state: 'absent', evidence: 'it was never started' };
  }

  async applyCuts(links: readonly Link[]): Promise<void> {
    await Promise.all(
      [...this.#nodes].map(([name, { holder }]) =>
        holder.applyCuts({
          out: links.filter((l) => l.from === name).map((l) => this.#addressOf(l.to, holder)),
          in: links.filter((l) => l.to === name).map((l) => this.#addressOf(l.from, holder)),
        }),
      ),
    );
  }

  /** The address of a node, or of clients as the holder at the other end sees them. */
  #addressOf(end: string, holder: Holder): string {
    return end === CLIENTS ? holder.clients : nodeIn(this.#nodes, end).address;
  }

  canProbe(): boolean {
    return true;
  }

  probe(from: string, to: string, timeoutMs: number): Promise<ProbeResult> {
    if (from === CLIENTS) return this.holder(to).probeAsClient(timeoutMs);
    const holder = this.holder(from);
    return holder.probe(this.#addressOf(to, holder), timeoutMs);
  }

  async heldBack(links: readonly Link[]): Promise<(number | undefined)[]> {
    const ends = [...new Set(links.flatMap((l) => [l.from, l.to]))];
    const counters = new Map(
      await Promise.all(
        ends
          .filter((end) => end !== CLIENTS)
          .map(async (name) => [name, await this.holder(name).counters()] as const),
      ),
    );
    const dropped = (way: 'in' | 'out', node: string, peer: string): number | undefined =>
      counters.get(node)?.[way][this.#addressOf(peer, this.holder(node))];
    return links.map(({ from, to }) => {
      const out = from === CLIENTS ? undefined : dropped('out', from, to);
      const back = to === CLIENTS ? undefined : dropped('in', to, from);
      return out === undefined && back === undefined ? undefined : (out ?? 0) + (back ?? 0);
    });
  }

  #inTurn(name: string, change: (node: DockerNode) => Promise<void>): Promise<void> {
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
    // A change under way ends first, so that no container appears after its removal.
    await Promise.all(nodes.map((node) => node.turn));
    await Promise.all(
      nodes.map(async (node) => {
        await node.server?.remove();
        // How it ended was told to whoever started it; here it only has to be over.
        await node.server?.ended.catch(() => undefined);
        node.holder.close();
        const holder = this.#parts.daemon.docker.getContainer(node.holder.id);
        await unlessGone(holder.remove({ force: true }));
      }),
    );
    await removeRun(this.#parts.daemon, this.#options.runId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

const REMOVAL_TIMEOUT_MS = 30_000;
const REMOVAL_POLL_MS = 20;

/** Removes every container and network of a run and waits until they are gone. */
export async function removeRun(daemon: Daemon, runId: string): Promise<void> {
  const { docker } = daemon;
  const filters = { label: [`chaos.run=${runId}`] };
  const deadline = performance.now() + REMOVAL_TIMEOUT_MS;
  for (;;) {
    const containers = await docker.listContainers({ all: true, filters });
    if (containers.length === 0) break;
    if (performance.now() > deadline) {
      const left = containers.map(({ Names }) => Names[0]).join(', ');
      throw new Error(`containers of ${runId} are still there after 30 s: ${left}`);
    }
    await Promise.all(
      containers.map(({ Id }) => unlessGone(docker.getContainer(Id).remove({ force: true }))),
    );
    // A removal that somebody else began is only seen to be over when it is no longer listed.
    await delay(REMOVAL_POLL_MS);
  }
  const networks = await docker.listNetworks({ filters });
  await Promise.all(networks.map(({ Id }) => unlessGone(docker.getNetwork(Id).remove())));
}
