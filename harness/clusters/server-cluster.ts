// What every cluster of real servers does alike: one change of a node at a time, and its state by the server it
// was last given. Containers and processes say how a server is started, cut off and probed.
import type { Capability, Fault, Link } from '../../history/fault.ts';
import type { Address, Cluster, ClusterOptions, NodeSpec, NodeState } from '../cluster.ts';
import { type Breakable, Faults, type Inspection, type StandingFault } from './faults.ts';
import { nodeDirectory, nodeIn } from './node-files.ts';
import type { ProbeResult } from './probe.ts';

const STOP_GRACE_MS = 5_000;

/** How a server ended. */
export interface ServerEnd {
  how: string;
  /** Whether this harness ended it. */
  wanted: boolean;
}

/** One incarnation of a node's server. */
export interface RunningServer {
  /** Resolves when its process has ended. */
  readonly ended: Promise<ServerEnd>;
  /** SIGKILL, also to a paused one; resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGTERM, and SIGKILL after `graceMs`; resolves when the process is gone. */
  terminate(graceMs: number): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** What the operating system says of it. */
  inspect(): Inspection | Promise<Inspection>;
}

interface Life<S> {
  spec: NodeSpec;
  state: NodeState;
  incarnation: number;
  server?: S;
  /** The last change to its process; the next one waits for it. */
  turn: Promise<unknown>;
}

/** A cluster whose nodes are servers that come and go on directories that stay. */
export abstract class ServerCluster<S extends RunningServer> implements Cluster, Breakable {
  abstract readonly kind: Cluster['kind'];
  abstract readonly supports: ReadonlySet<Capability>;
  readonly nodes: readonly string[];
  protected readonly options: ClusterOptions;
  readonly #lives: ReadonlyMap<string, Life<S>>;
  readonly #faults: Faults;
  readonly #exitListeners: ((node: string, how: string) => void)[] = [];
  #closing: Promise<void> | undefined;

  constructor(options: ClusterOptions) {
    this.options = options;
    this.nodes = options.specs.map((spec) => spec.name);
    this.#lives = new Map(
      options.specs.map((spec): [string, Life<S>] => [
        spec.name,
        { spec, state: 'absent', incarnation: 0, turn: Promise.resolve() },
      ]),
    );
    this.#faults = new Faults(this);
  }

  abstract applyCuts(links: readonly Link[]): Promise<void>;
  abstract canProbe(node: string): boolean;
  abstract probe(from: string, to: string, timeoutMs: number): Promise<ProbeResult>;
  abstract heldBack(links: readonly Link[]): Promise<(number | undefined)[]>;

  /** Where on 127.0.0.1 a published port of a node is. */
  protected abstract portOf(spec: NodeSpec, role: string): number | undefined;
  /** Makes a server run. Throws when it did not start, and leaves nothing of it. */
  protected abstract launch(spec: NodeSpec, incarnation: number): Promise<S>;
  /** Tells a server, now that it counts as running, what may have changed while it did not. */
  protected abstract settle(server: S): Promise<void>;
  /** A server was stopped or killed: what is left of it may go. */
  protected abstract clearAway(server: S): void;
  /** Ends all servers and removes every trace but the run's directory; no change is under way. */
  protected abstract tearDown(): Promise<void>;

  address(node: string, role: string): Address {
    const { spec } = nodeIn(this.#lives, node);
    const port = spec.published.includes(role) ? this.portOf(spec, role) : undefined;
    if (port === undefined) {
      const known = spec.published.join(', ');
      throw new Error(`unknown published port '${role}' of ${node}; known: ${known}`);
    }
    return { host: '127.0.0.1', port };
  }

  nodeDir(node: string): string {
    nodeIn(this.#lives, node);
    return nodeDirectory(this.options.runDir, node);
  }

  state(node: string): NodeState {
    return nodeIn(this.#lives, node).state;
  }

  /** The last server of a node, if it was ever started. */
  serverOf(node: string): S | undefined {
    return nodeIn(this.#lives, node).server;
  }

  onUnexpectedExit(listener: (node: string, how: string) => void): void {
    this.#exitListeners.push(listener);
  }

  inject(fault: Fault): Promise<StandingFault> {
    return this.#faults.inject(fault);
  }

  start(name: string): Promise<void> {
    return this.#inTurn(name, async (life) => {
      if (this.#closing !== undefined) throw new Error(`cannot start ${name}: cluster is closed`);
      if (life.state === 'running' || life.state === 'paused') return;
      life.incarnation++;
      const server = await this.launch(life.spec, life.incarnation);
      life.server = server;
      life.state = 'running';
      this.#watch(name, life, server);
      try {
        await this.settle(server);
      } catch (error) {
        await server.kill();
        throw error;
      }
    });
  }

  #watch(name: string, life: Life<S>, server: S): void {
    const over = ({ how, wanted }: ServerEnd): void => {
      if (life.server === server) life.state = 'dead';
      if (wanted) return;
      this.options.log(`${name} ended by itself: ${how}`);
      for (const listener of this.#exitListeners) listener(name, how);
    };
    server.ended.then(over, (error: Error) =>
      over({ how: `it was lost sight of: ${error.message}`, wanted: false }),
    );
  }

  stop(name: string, graceMs = STOP_GRACE_MS): Promise<void> {
    return this.#end(name, async (server, state) => {
      if (state === 'paused') await server.resume();
      await server.terminate(graceMs);
    });
  }

  kill(name: string): Promise<void> {
    return this.#end(name, (server) => server.kill());
  }

  #end(name: string, how: (server: S, state: NodeState) => Promise<void>): Promise<void> {
    return this.#inTurn(name, async (life) => {
      const { server, state } = life;
      if (server === undefined) return;
      if (state === 'running' || state === 'paused') await how(server, state);
      life.state = 'dead';
      this.clearAway(server);
    });
  }

  pause(name: string): Promise<void> {
    return this.#inTurn(name, async (life) => {
      if (life.state !== 'running') throw new Error(`cannot pause ${name}: it is ${life.state}`);
      await life.server?.pause();
      life.state = 'paused';
    });
  }

  resume(name: string): Promise<void> {
    return this.#inTurn(name, async (life) => {
      if (life.state !== 'paused' || life.server === undefined) return;
      await life.server.resume();
      life.state = 'running';
      await this.settle(life.server);
    });
  }

  async inspect(name: string): Promise<Inspection> {
    const server = this.serverOf(name);
    return server?.inspect() ?? { state: 'absent', evidence: 'it was never started' };
  }

  #inTurn(name: string, change: (life: Life<S>) => Promise<void>): Promise<void> {
    const life = nodeIn(this.#lives, name);
    const turn = life.turn.then(() => change(life));
    // Whoever asked for the change is given its error; the next change goes ahead all the same.
    life.turn = turn.catch(() => undefined);
    return turn;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#faults.close();
    // A change under way ends first, so that nothing appears after its removal.
    await Promise.all([...this.#lives.values()].map(({ turn }) => turn));
    await this.tearDown();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
