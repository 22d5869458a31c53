// A cluster inside the simulator: the same servers, unchanged, as simulated processes on machines of
// their own. Faults are exact here, and power loss and crashes inside a system call exist only here.
import {
  type Capability,
  CLIENTS,
  capabilityOf,
  DISK_EFFECTS,
  type DiskFault,
  type Fault,
  type Link,
  type SkewFault,
  type Verification,
} from '../../../history/fault.ts';
import type { Program, Simulation } from '../../../simulator/index.ts';
import type { Cluster, InjectedFault, NodeSpec } from '../../cluster.ts';
import { DiskDamage, strikesAtStart } from './disk-damage.ts';

/** What the simulator can break. */
export const SIM_FAULTS: ReadonlySet<Capability> = new Set([
  'cut',
  'kill',
  'pause',
  'slow',
  'lose',
  'skew',
  'crash',
  ...DISK_EFFECTS.map((effect): Capability => `disk:${effect}`),
]);

/** Where a node's files lie on its machine. */
export const NODE_DIR = '/node';

/** Machine of the harness, and so of its clients. */
export const HARNESS = 'harness';

/** What disk faults strike: the server's own data, not its configuration or what it tells the observer. */
const DATA_DIR = `${NODE_DIR}/data/`;
/** Last lines of a life that are looked through for why it ended. */
const LAST_WORDS = 40;
/** Where the servers find the clock that no clock fault touches. */
const MONOTONIC = Symbol.for('chaos.monotonic');
/** A clock that was set right may be off by the rounding of its reading, ms. */
const CLOCK_ROUNDING_MS = 1;

/** An end of a node that nobody asked for. */
export interface UnexpectedExit {
  node: string;
  how: string;
  /** The fault that made the server stop, as an honest server does; else it is a failure of the run. */
  because?: string;
}

/** How the servers' machines are set up and their processes started. */
export interface SimNodes {
  /** As other clusters are given them, but for `program`, which is a name here. */
  specs: readonly NodeSpec[];
  programs: ReadonlyMap<string, Program>;
  /** As ProcessOptions has it. */
  ownCode: boolean;
  /** Arguments of one start of a node, beside those of its spec. */
  launchArgs(node: string, incarnation: number): string[];
}

export class SimCluster implements Pick<Cluster, 'nodes' | 'address' | 'inject' | 'supports'> {
  readonly nodes: readonly string[];
  readonly supports = SIM_FAULTS;
  readonly #sim: Simulation;
  readonly #specs: ReadonlyMap<string, NodeSpec>;
  readonly #launchArgs: SimNodes['launchArgs'];
  readonly #argv = new Map<string, string[]>();
  readonly #incarnations = new Map<string, number>();
  /** How many of a node's ends were our doing or are reported already. */
  readonly #endsKnown = new Map<string, number>();
  readonly #down = new Set<string>();
  /** Ends found and not asked for yet. */
  readonly #unexpected: UnexpectedExit[] = [];
  /** Disk faults in force. */
  readonly #damages = new Map<string, DiskDamage>();
  /** The last lines of each node's present life. */
  readonly #said = new Map<string, string[]>();

  /** Throws when a spec names a program that is not among `programs`. */
  constructor(sim: Simulation, { specs, programs, ownCode, launchArgs }: SimNodes) {
    this.#sim = sim;
    this.#specs = new Map(specs.map((spec) => [spec.name, spec]));
    this.#launchArgs = launchArgs;
    this.nodes = specs.map(({ name }) => name);
    for (const { name: node, program: named, files } of specs) {
      const program = programs.get(named);
      if (program === undefined) {
        const known = [...programs.keys()].join(', ');
        throw new Error(`${node} runs unknown program '${named}'; known are ${known}`);
      }
      const argv: string[] = [];
      this.#argv.set(node, argv);
      const globals = { [MONOTONIC]: () => BigInt(sim.nowNs) };
      const onLine = ({ text }: { text: string }) => this.#hear(node, text);
      sim.add(node, { program, argv, globals, onLine, ownCode });
      const disk = sim.disk(node);
      disk.seedDirectory(NODE_DIR);
      // What a server says of itself belongs to the observer: its disk does not lose it.
      disk.keep(`${NODE_DIR}/events.jsonl`);
      for (const [path, text] of Object.entries(
        files(NODE_DIR, (port) => this.address(node, port)),
      )) {
        disk.seedFile(`${NODE_DIR}/${path}`, text);
      }
    }
  }

  #spec(node: string): NodeSpec {
    const spec = this.#specs.get(node);
    if (spec !== undefined) return spec;
    throw new Error(`unknown node '${node}'; known are ${this.nodes.join(', ')}`);
  }

  #hear(node: string, text: string): void {
    const said = this.#said.get(node) ?? [];
    said.push(text);
    if (said.length > LAST_WORDS) said.shift();
    this.#said.set(node, said);
  }

  address(node: string, port: string): { host: string; port: number } {
    const { ports } = this.#spec(node);
    const number = ports[port];
    if (number !== undefined) return { host: node, port: number };
    const known = Object.keys(ports).join(', ');
    throw new Error(`unknown port '${port}' of ${node}; known are ${known}`);
  }

  start(node: string): void {
    const process = this.#sim.process(node);
    if (process.running) return;
    const incarnation = (this.#incarnations.get(node) ?? 0) + 1;
    this.#incarnations.set(node, incarnation);
    const argv = this.#argv.get(node) as string[];
    const args = [...this.#spec(node).args(NODE_DIR), ...this.#launchArgs(node, incarnation)];
    argv.splice(0, argv.length, ...args);
    this.#down.delete(node);
    this.#said.delete(node);
    process.start();
  }

  /** Ends of nodes that nobody asked for since the last call. */
  unexpectedExits(): UnexpectedExit[] {
    this.#noteExits();
    return this.#unexpected.splice(0);
  }

  /** To be called before anything changes that tells whose doing an end was. */
  #noteExits(): void {
    const found = this.#unexpected;
    for (const node of this.nodes) {
      const { exits } = this.#sim.process(node);
      for (const exit of exits.slice(this.#endsKnown.get(node) ?? 0)) {
        if (this.#down.has(node)) continue;
        const how = `${exit.code ?? exit.signal}`;
        const damage = this.#damages.get(node);
        if (damage?.explains(exit.code, this.#said.get(node) ?? []) === true) {
          found.push({ node, how, because: `disk ${damage.effect}` });
        } else found.push({ node, how });
      }
      this.#endsKnown.set(node, exits.length);
    }
  }

  async inject(fault: Fault): Promise<InjectedFault> {
    const needed = capabilityOf(fault);
    if (!this.supports.has(needed)) {
      throw new Error(`the sim cluster has no fault '${needed}'; it has ${this.#known()}`);
    }
    this.#noteExits();
    const heal = this.#apply(fault);
    let healed: Promise<Verification> | undefined;
    const healOnce = () => {
      this.#noteExits();
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
        for (const { from, to } of this.#machines(fault.links)) network.cut(from, to);
        return () => {
          for (const { from, to } of this.#machines(fault.links)) network.heal(from, to);
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
          const { offsetMs, rate } = fault;
          this.#sim.process(node).skew({ offsetMs, rate, monotonicRate: rate });
        }
        return () => {
          for (const node of fault.nodes) this.#sim.process(node).healClock();
          return this.#verify(fault, false);
        };
      case 'disk':
        return fault.effect === 'power-loss' ? this.#end(fault) : this.#damage(fault, fault.effect);
      case 'kill':
      case 'crash':
        return this.#end(fault);
      default:
        throw new Error(`the sim cluster has no fault '${fault.kind}'; it has ${this.#known()}`);
    }
  }

  /** The links as they are between machines. Throws on an end that is neither a node nor clients. */
  #machines(links: readonly Link[]): Link[] {
    const machineOf = (end: string): string => {
      if (end === CLIENTS) return HARNESS;
      if (this.#specs.has(end)) return end;
      const known = this.nodes.join(', ');
      throw new Error(`unknown end '${end}' of a link; known are ${known} and '${CLIENTS}'`);
    };
    return links.map(({ from, to }) => ({ from: machineOf(from), to: machineOf(to) }));
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
    for (const { from, to } of this.#machines(fault.links)) network.shape(from, to, on);
    return () => {
      for (const { from, to } of this.#machines(fault.links)) network.shape(from, to, off);
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
      } else this.#sim.powerLoss(node);
    }
    return () => {
      for (const node of fault.nodes) {
        // A crash point that was never reached is reached now.
        this.#sim.process(node).kill();
        this.#noteExits();
        this.start(node);
      }
      return this.#verify(fault, false);
    };
  }

  /** Faults of a disk that lasts: a server that stops because of them is started by the heal. */
  #damage(fault: DiskFault, effect: DiskDamage['effect']): () => Verification {
    const { nodes } = fault;
    const taken = nodes.find((node) => this.#damages.has(node));
    if (taken !== undefined) throw new Error(`the disk of ${taken} has a fault already`);
    for (const node of nodes) {
      this.#damages.set(node, new DiskDamage(this.#sim.disk(node), fault, effect, DATA_DIR));
      if (!strikesAtStart(effect)) continue;
      this.#down.add(node);
      this.#sim.process(node).kill();
      this.#noteExits();
      this.start(node);
    }
    return () => {
      const counts = nodes.map((node) => {
        const { struck = 0, matched = 0 } = this.#damages.get(node)?.counts ?? {};
        return `${node}: ${struck} of ${matched} operations struck`;
      });
      for (const node of nodes) {
        this.#damages.get(node)?.remove();
        const standing = this.#damages.get(node)?.counts !== undefined;
        if (!standing) this.#damages.delete(node);
        this.start(node);
      }
      const { verified, evidence } = this.#verify(fault, false);
      return { verified, evidence: `${counts.join(', ')}; ${evidence}` };
    };
  }

  /** What the model of network and processes says, apart from the calls that changed it. */
  #verify(fault: Fault, injected: boolean): Verification {
    if ('links' in fault) {
      if (fault.kind !== 'cut') return { verified: true, evidence: `${fault.kind} set` };
      const states = this.#machines(fault.links).map(({ from, to }) => this.#cut(from, to));
      const verified = states.every((cut) => cut === injected);
      return { verified, evidence: `${states.filter(Boolean).length} links cut in the network` };
    }
    if (fault.kind === 'skew') return this.#verifyClocks(fault, injected);
    if (fault.kind === 'disk' && fault.effect !== 'power-loss') {
      return this.#verifyDamage(fault, injected);
    }
    const states = fault.nodes.map((node) => {
      const process = this.#sim.process(node);
      return process.paused ? 'paused' : process.running ? 'running' : 'dead';
    });
    const wanted = !injected ? 'running' : fault.kind === 'pause' ? 'paused' : 'dead';
    // A crash strikes in one of the next calls; it is verified by the exit that it leaves.
    const verified = fault.kind === 'crash' || states.every((state) => state === wanted);
    return { verified, evidence: states.join(', ') };
  }

  /** What the disks themselves say is in force; a healed node runs. */
  #verifyDamage({ nodes, effect }: DiskFault, injected: boolean): Verification {
    const standing = nodes.filter((node) => this.#damages.get(node)?.counts !== undefined);
    const running = nodes.filter((node) => this.#sim.process(node).running);
    const verified = injected
      ? standing.length === nodes.length
      : standing.length === 0 && running.length === nodes.length;
    const where = standing.length === 0 ? 'no disk' : `the disk of ${standing.join(' ')}`;
    const up = running.length === 0 ? 'nobody runs' : `${running.join(' ')} running`;
    return { verified, evidence: `${effect} in force on ${where}; ${up}` };
  }

  /** The clocks as their processes read them, against true time. */
  #verifyClocks({ nodes, offsetMs, rate }: SkewFault, injected: boolean): Verification {
    const wanted = injected ? { offsetMs, rate } : { offsetMs: 0, rate: 1 };
    let verified = true;
    const readings = nodes.map((node) => {
      const { clock } = this.#sim.process(node);
      const offMs = clock.wallMs() - this.#sim.process(HARNESS).clock.wallMs();
      const runs = 1e9 / clock.trueNs(1e9);
      verified &&= Math.abs(offMs - wanted.offsetMs) <= CLOCK_ROUNDING_MS;
      verified &&= Math.abs(runs - wanted.rate) < 1e-6;
      return `${node} is ${Math.round(offMs)} ms off and runs at ${runs.toFixed(3)}`;
    });
    return { verified, evidence: readings.join(', ') };
  }

  #cut(from: string, to: string): boolean {
    const { network } = this.#sim;
    return network.link(network.machine(from), network.machine(to)).cut;
  }
}
