// A cluster inside the simulator: the same servers, unchanged, as simulated processes on machines of
// their own. Faults are exact here, and power loss and crashes inside a system call exist only here.
import type { Fault, FaultKind, Link, Verification } from '../../../history/fault.ts';
import type { RunConfig } from '../../../history/run-record.ts';
import type { Program, Simulation } from '../../../simulator/index.ts';
import type { Cluster, InjectedFault } from '../../cluster.ts';
import { PORTS, zooCfg } from '../../systems/coordinator-view.ts';

/** What the simulator can break. */
export const SIM_FAULTS: ReadonlySet<FaultKind> = new Set([
  'cut',
  'kill',
  'pause',
  'slow',
  'lose',
  'skew',
  'disk',
  'crash',
]);

/** Where a node's files lie on its machine. */
export const NODE_DIR = '/node';

/** How a server's machine is set up and its process started. */
export interface SimNodes {
  config: RunConfig;
  program: Program;
  /** Arguments of one start of a node. */
  args(node: string, incarnation: number): string[];
}

export class SimCluster implements Pick<Cluster, 'nodes' | 'address' | 'inject' | 'supports'> {
  readonly nodes: readonly string[];
  readonly supports = SIM_FAULTS;
  readonly #sim: Simulation;
  readonly #specs: SimNodes;
  readonly #argv = new Map<string, string[]>();
  readonly #incarnations = new Map<string, number>();
  /** How many of a node's ends were our doing or are reported already. */
  readonly #endsKnown = new Map<string, number>();
  readonly #down = new Set<string>();

  constructor(sim: Simulation, specs: SimNodes) {
    this.#sim = sim;
    this.#specs = specs;
    this.nodes = specs.config.nodes;
    for (const node of this.nodes) {
      const argv: string[] = [];
      this.#argv.set(node, argv);
      sim.add(node, { program: specs.program, argv });
      sim.disk(node).seedDirectory(NODE_DIR);
      // What a server says of itself belongs to the observer: its disk does not lose it.
      sim.disk(node).keep(`${NODE_DIR}/events.jsonl`);
      sim.disk(node).seedFile(`${NODE_DIR}/zoo.cfg`, zooCfg(specs.config, NODE_DIR));
    }
  }

  address(node: string, port: string): { host: string; port: number } {
    return { host: node, port: PORTS[port as keyof typeof PORTS] };
  }

  start(node: string): void {
    const process = this.#sim.process(node);
    if (process.running) return;
    const incarnation = (this.#incarnations.get(node) ?? 0) + 1;
    this.#incarnations.set(node, incarnation);
    const argv = this.#argv.get(node) as string[];
    argv.splice(0, argv.length, ...this.#specs.args(node, incarnation));
    this.#down.delete(node);
    process.start();
  }

  /** Ends of nodes that nobody asked for since the last call. */
  unexpectedExits(): { node: string; how: string }[] {
    const found: { node: string; how: string }[] = [];
    for (const node of this.nodes) {
      const { exits } = this.#sim.process(node);
      for (const exit of exits.slice(this.#endsKnown.get(node) ?? 0)) {
        if (!this.#down.has(node)) found.push({ node, how: `${exit.code ?? exit.signal}` });
      }
      this.#endsKnown.set(node, exits.length);
    }
    return found;
  }

  async inject(fault: Fault): Promise<InjectedFault> {
    this.unexpectedExits();
    const heal = this.#apply(fault);
    let healed: Promise<Verification> | undefined;
    const healOnce = () => {
      healed ??= Promise.resolve(heal());
      return healed;
    };
    return {
      fault,
      verification: this.#verify(fault, true),
      heal: healOnce,
      [Symbol.asyncDispose]: async () => {
        await healOnce();
      },
    };
  }

  /** Puts a fault in place and gives back how it is healed. */
  #apply(fault: Fault): () => Verification {
    const { network } = this.#sim;
    switch (fault.kind) {
      case 'cut':
        for (const { from, to } of fault.links) network.cut(from, to);
        return () => {
          for (const { from, to } of fault.links) network.heal(from, to);
          return this.#verify(fault, false);
        };
      case 'slow':
        return this.#shape(fault, { delayMs: fault.delayMs }, { delayMs: 0 });
      case 'lose':
        return this.#shape(fault, { loss: fault.probability }, { loss: 0 });
      case 'pause':
        for (const node of fault.nodes) this.#sim.process(node).pause();
        return () => {
          for (const node of fault.nodes) this.#sim.process(node).resume();
          return this.#verify(fault, false);
        };
      case 'skew':
        for (const node of fault.nodes) {
          this.#sim.process(node).skew({ offsetMs: fault.offsetMs, rate: fault.rate });
        }
        return () => {
          for (const node of fault.nodes) this.#sim.process(node).healClock();
          return { verified: true, evidence: 'clocks set right' };
        };
      case 'kill':
      case 'disk':
      case 'crash':
        return this.#end(fault);
      default:
        throw new Error(`the sim cluster has no fault '${fault.kind}'; it has ${this.#known()}`);
    }
  }

  #known(): string {
    return [...this.supports].join(', ');
  }

  #shape(
    fault: Fault & { links: Link[] },
    on: { delayMs?: number; loss?: number },
    off: { delayMs?: number; loss?: number },
  ): () => Verification {
    const { network } = this.#sim;
    for (const { from, to } of fault.links) network.shape(from, to, on);
    return () => {
      for (const { from, to } of fault.links) network.shape(from, to, off);
      return { verified: true, evidence: 'links as before' };
    };
  }

  /** Faults that end processes; healing starts them on the disk they left. */
  #end(fault: Extract<Fault, { kind: 'kill' | 'disk' | 'crash' }>): () => Verification {
    for (const node of fault.nodes) {
      const process = this.#sim.process(node);
      this.#down.add(node);
      if (fault.kind === 'kill') process.kill();
      else if (fault.kind === 'crash') {
        const how = fault.how === 'power' ? 'powerLoss' : 'kill';
        if (process.running) process.crashAt({ call: fault.call, match: fault.match, how });
      } else if (fault.effect === 'power-loss') this.#sim.powerLoss(node);
      else throw new Error(`the sim cluster cannot do disk ${fault.effect} yet`);
    }
    return () => {
      for (const node of fault.nodes) {
        // A crash point that was never reached is reached now.
        this.#sim.process(node).kill();
        this.unexpectedExits();
        this.start(node);
      }
      return this.#verify(fault, false);
    };
  }

  /** What the model of network and processes says, apart from the calls that changed it. */
  #verify(fault: Fault, injected: boolean): Verification {
    if ('links' in fault) {
      if (fault.kind !== 'cut') return { verified: true, evidence: `${fault.kind} set` };
      const states = fault.links.map(({ from, to }) => this.#cut(from, to));
      const verified = states.every((cut) => cut === injected);
      return { verified, evidence: `${states.filter(Boolean).length} links cut in the network` };
    }
    const states = fault.nodes.map((node) => {
      const process = this.#sim.process(node);
      return process.paused ? 'paused' : process.running ? 'running' : 'dead';
    });
    const wanted = !injected ? 'running' : fault.kind === 'pause' ? 'paused' : 'dead';
    // A crash strikes in one of the next calls; it is verified by the exit that it leaves.
    const verified = fault.kind === 'crash' || states.every((state) => state === wanted);
    return { verified: verified || fault.kind === 'skew', evidence: states.join(', ') };
  }

  #cut(from: string, to: string): boolean {
    const { network } = this.#sim;
    return network.link(network.machine(from), network.machine(to)).cut;
  }
}
