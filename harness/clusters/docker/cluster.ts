// A booted cluster of containers: per node a holder that lives as long as the run and a server that
// comes and goes. Its faults are nft rules in the holders' namespaces and signals to the servers.
import { setTimeout as delay } from 'node:timers/promises';
import { type Capability, CLIENTS, type Link } from '../../../history/fault.ts';
import type { ClusterOptions, NodeSpec } from '../../cluster.ts';
import { nodeIn } from '../node-files.ts';
import type { ProbeResult } from '../probe.ts';
import { ServerCluster } from '../server-cluster.ts';
import { type Daemon, unlessGone } from './daemon.ts';
import type { Holder } from './holder-container.ts';
import { nameOf } from './labels.ts';
import type { RunNetwork } from './network.ts';
import { DIRECTORY_IN_CONTAINER, type Server, startServer } from './server-container.ts';

/** Faults that containers with nft can make. */
export const DOCKER_SUPPORTS: ReadonlySet<Capability> = new Set(['cut', 'kill', 'pause']);

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

/** A cluster of containers. */
export class DockerCluster extends ServerCluster<Server> {
  readonly kind = 'docker';
  readonly supports = DOCKER_SUPPORTS;
  readonly #parts: DockerParts;

  constructor(options: ClusterOptions, parts: DockerParts) {
    super(options);
    this.#parts = parts;
  }

  protected portOf({ name }: NodeSpec, role: string): number | undefined {
    return this.holder(name).published.get(role);
  }

  /** The holder of a node: its namespace seen from inside. */
  holder(node: string): Holder {
    return nodeIn(this.#parts.holders, node);
  }

  protected launch(spec: NodeSpec, incarnation: number): Promise<Server> {
    const { name } = spec;
    return startServer(this.#parts.daemon, {
      name: nameOf(this.options.runId, name, String(incarnation)),
      node: name,
      labels: this.#parts.labels,
      image: this.#parts.image,
      holderId: this.holder(name).id,
      program: spec.program,
      args: [...spec.args(DIRECTORY_IN_CONTAINER), ...this.options.launchArgs(name, incarnation)],
      directory: this.nodeDir(name),
      hostPaths: spec.hostPaths ?? [],
      resolver: this.#parts.resolver,
    });
  }

  /** Nothing to tell: cuts are in the holder's namespace, whoever lives in it. */
  protected async settle(): Promise<void> {}

  /** Removes the container in the background: nothing waits for it but close. */
  protected clearAway(server: Server): void {
    server.remove().catch((error: Error) => {
      this.options.log(`could not remove a dead container: ${error.message}`);
    });
  }

  async applyCuts(links: readonly Link[]): Promise<void> {
    await Promise.all(
      [...this.#parts.holders].map(([name, holder]) =>
        holder.applyCuts({
          out: links.filter((l) => l.from === name).map((l) => this.#addressOf(l.to, holder)),
          in: links.filter((l) => l.to === name).map((l) => this.#addressOf(l.from, holder)),
        }),
      ),
    );
  }

  /** The address of a node, or of clients as the holder at the other end sees them. */
  #addressOf(end: string, holder: Holder): string {
    return end === CLIENTS ? holder.clients : this.#parts.network.address(this.nodes.indexOf(end));
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

  protected async tearDown(): Promise<void> {
    const { daemon, holders } = this.#parts;
    await Promise.all(
      [...holders].map(async ([name, holder]) => {
        const server = this.serverOf(name);
        await server?.remove();
        // How it ended was told to whoever started it; here it only has to be over.
        await server?.ended.catch(() => undefined);
        holder.close();
        await unlessGone(daemon.docker.getContainer(holder.id).remove({ force: true }));
      }),
    );
    await removeRun(daemon, this.options.runId);
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
