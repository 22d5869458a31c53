// A whole simulation: machines, processes, network and virtual time behind one small interface. Any Node
// program that uses sockets, files and timers can run in it.

import { Addons } from './addons.ts';
import { currentLife } from './current-life.ts';
import { SimulatedDisk } from './fs/disk.ts';
import type { RandomStream } from './host.ts';
import { takeHostGlobals } from './host-globals.ts';
import { Kernel, type RunEnd } from './kernel.ts';
import { Network, type NetworkOptions } from './network.ts';
import { type ProcessOptions, SimulatedProcess } from './process.ts';
import type { Checkpoint, Trace, TraceOptions } from './trace.ts';

export interface SimulationOptions {
  /** The same seed, programs and calls give the same run to the last event. */
  seed: number | string;
  network?: NetworkOptions;
  /** Processes by name; started with `start`. */
  processes?: Readonly<Record<string, ProcessOptions>>;
  /** Wall-clock time at the start, ms since 1970; default 2026-01-01. */
  epochMs?: number;
  trace?: TraceOptions;
  /**
   * Native addons that programs may load, by package or path: only such as compute, at once, from
   * nothing but their arguments. Any other is refused.
   */
  addons?: readonly string[];
}

/** What proves that two runs were the same. */
export interface TraceSummary {
  hash: string;
  events: number;
  checkpoints: readonly Checkpoint[];
}

export interface RunLimit {
  /** Virtual time after which waiting is given up, ms; default 10 minutes. */
  limitMs?: number;
}

const EPOCH_MS = Date.UTC(2026, 0, 1);
const LIMIT_MS = 600_000;
const NS_PER_MS = 1e6;

/** Fulfilled when no simulation runs; a run under way puts its own end here. */
let turn: Promise<void> = Promise.resolve();

export class Simulation {
  readonly network: Network;
  readonly #kernel: Kernel;
  readonly #epochMs: number;
  readonly #addons: Addons;
  readonly #processes = new Map<string, SimulatedProcess>();
  readonly #disks = new Map<string, SimulatedDisk>();

  constructor(options: SimulationOptions) {
    this.#kernel = new Kernel(String(options.seed), options.trace);
    this.network = new Network(this.#kernel, options.network);
    this.#epochMs = options.epochMs ?? EPOCH_MS;
    this.#addons = new Addons(options.addons ?? []);
    for (const [name, process] of Object.entries(options.processes ?? {})) this.add(name, process);
  }

  /** Virtual ms since the start. */
  get nowMs(): number {
    return this.#kernel.nowNs / NS_PER_MS;
  }

  /** Virtual ns since the start. */
  get nowNs(): number {
    return this.#kernel.nowNs;
  }

  /** Events run so far. */
  get events(): number {
    return this.#kernel.eventsRun;
  }

  get trace(): Trace {
    return this.#kernel.trace;
  }

  /** All processes, in the order in which they were added. */
  get processes(): readonly SimulatedProcess[] {
    return [...this.#processes.values()];
  }

  /** A stream of random numbers of its own, for whoever drives the simulation. */
  random(stream: string): RandomStream {
    return this.#kernel.entropy.stream(`user ${stream}`);
  }

  /** Adds a process; it does not run yet. */
  add(name: string, options: ProcessOptions): SimulatedProcess {
    if (this.#processes.has(name))
      throw new Error(`expected a new process name, got '${name}' again`);
    const host = options.host ?? name;
    const machine = this.network.find(host) ?? this.network.addMachine(host);
    const process = new SimulatedProcess(name, options, {
      kernel: this.#kernel,
      machine,
      disk: this.disk(host),
      epochMs: this.#epochMs,
      addons: this.#addons,
      powerLoss: (which) => this.powerLoss(which),
      findPid: (where, pid) =>
        this.processes.find((p) => p.life?.machine === where && p.life.pid === pid)?.life,
    });
    this.#processes.set(name, process);
    return process;
  }

  /** @throws when there is none of this name; the error lists those that there are. */
  process(name: string): SimulatedProcess {
    const process = this.#processes.get(name);
    if (process !== undefined) return process;
    throw new Error(
      `unknown process '${name}': known are ${[...this.#processes.keys()].join(', ')}`,
    );
  }

  /** The disk of a machine, for faults and for a look at its files. */
  disk(host: string): SimulatedDisk {
    const machine = this.network.machine(host);
    let disk = this.#disks.get(machine.name);
    if (disk === undefined) {
      disk = new SimulatedDisk({ random: this.#kernel.entropy.stream(`disk ${host}`) });
      this.#disks.set(host, disk);
    }
    return disk;
  }

  /** Starts the processes named, or all that do not run. */
  start(...names: string[]): void {
    const chosen = names.length > 0 ? names.map((name) => this.process(name)) : this.processes;
    for (const process of chosen) if (!process.running) process.start();
  }

  /**
   * Takes the power from a machine: its processes end in the middle of what they do, the network
   * hears nothing more from it, and its disk keeps what was synced and a random part of the rest.
   */
  powerLoss(host: string): void {
    const machine = this.network.machine(host);
    this.#kernel.note('power-loss', host);
    // First the silence, then the deaths: a dying process's kernel sends nothing any more.
    machine.losePower();
    for (const process of this.#processes.values()) {
      if (process.life?.machine === machine) process.life.end({ code: null, signal: 'power loss' });
    }
    this.disk(host).powerLoss();
  }

  /** Runs `fn` at `delayMs` from now, outside of all processes: for faults. */
  at(delayMs: number, fn: () => void): void {
    this.#kernel.schedule(delayMs * NS_PER_MS, fn, undefined, 'at');
  }

  /** Takes its turn: what a run changes in its Node process is there once. */
  async #run(untilNs: number, stop: () => boolean): Promise<RunEnd> {
    if (currentLife() !== undefined) {
      throw new Error('expected to be called from outside of all simulated processes');
    }
    const before = turn;
    const { promise, resolve } = Promise.withResolvers<void>();
    turn = promise;
    await before;
    const restore = takeHostGlobals();
    try {
      return await this.#kernel.run(untilNs, stop);
    } finally {
      restore();
      resolve();
    }
  }

  /**
   * Lets `ms` of virtual time pass. Simulations of one Node process take turns: a call waits for the
   * end of another's that is under way.
   */
  async runFor(ms: number): Promise<void> {
    await this.#run(this.#kernel.nowNs + Math.round(ms * NS_PER_MS), () => false);
  }

  /**
   * Runs until the condition holds after an event, or the promise is settled, whose value it gives.
   * @throws when `limitMs` of virtual time have passed or nothing is left to happen before.
   */
  async runUntil<T>(
    goal: (() => boolean) | Promise<T>,
    limit: RunLimit = {},
  ): Promise<T | undefined> {
    const limitMs = limit.limitMs ?? LIMIT_MS;
    let done = false;
    const settled = () => {
      done = true;
    };
    if (goal instanceof Promise) goal.then(settled, settled);
    const stop = typeof goal === 'function' ? goal : () => done;
    const end = await this.#run(this.#kernel.nowNs + limitMs * NS_PER_MS, stop);
    if (end !== 'condition') throw this.#gaveUp(end, limitMs);
    return goal instanceof Promise ? goal : undefined;
  }

  #gaveUp(end: RunEnd, limitMs: number): Error {
    const why = end === 'idle' ? 'nothing is left to happen' : `${limitMs} ms have passed`;
    const states = this.processes.map((p) => {
      const last = p.exits.at(-1);
      const state = p.paused
        ? 'paused'
        : p.running
          ? 'running'
          : `ended (${last?.code ?? last?.signal})`;
      return `${p.name} ${state}`;
    });
    return new Error(
      `expected to reach the goal, but ${why} at virtual time ${this.nowMs} ms: ${states.join(', ')}`,
    );
  }

  /** The trace so far; compare it with another run's by `firstDifference`. */
  summary(): TraceSummary {
    const { trace } = this.#kernel;
    return { hash: trace.hash(), events: trace.events, checkpoints: trace.checkpoints };
  }
}

/** Makes a simulation; nothing runs until `start` and one of the `run` methods. */
export function simulate(options: SimulationOptions): Simulation {
  return new Simulation(options);
}
