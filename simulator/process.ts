// One process of a simulation over all its lives: what it runs, where, and what it has said. The machine,
// its disk and its clock outlive the single life.
import { fileURLToPath } from 'node:url';
import type { Addons } from './addons.ts';
import { Builtins } from './builtins.ts';
import { importMetaUrl, type Program } from './bundle.ts';
import { type ClockSkew, ProcessClock } from './clock.ts';
import type { SimulatedDisk } from './fs/disk.ts';
import { createGlobals, type Globals, SCOPE_NAMES } from './globals.ts';
import type { Kernel } from './kernel.ts';
import { type CrashPoint, type Exit, Life } from './life.ts';
import type { Machine } from './machine.ts';
import { createProcess } from './process-object.ts';
import type { SeededStream } from './random.ts';
import { createTimers } from './timers.ts';

export interface ProcessOptions {
  program: Program;
  /** The machine it runs on, made if there is none of this name; default: the process's own name. */
  host?: string;
  /** The arguments behind the program's path. */
  argv?: readonly string[];
  env?: Readonly<Record<string, string>>;
  /** Default `/`. */
  cwd?: string;
  /** Further properties of the program's `globalThis`. */
  globals?: Readonly<Record<string | symbol, unknown>>;
  /**
   * Compiles the program anew for each life. Lives that share compiled code also share what the engine
   * learnt of it, and none is optimised fully, since each has classes of its own; but each life with code
   * of its own starts cold. Faster from about a minute of busy virtual time on. Default false.
   */
  ownCode?: boolean;
  /** Told of every line of stdout and stderr as it comes. */
  onLine?: (line: OutputLine) => void;
}

export interface OutputLine {
  process: string;
  stream: 'stdout' | 'stderr';
  text: string;
  atNs: number;
}

/** What the process needs of the simulation. */
export interface ProcessParts {
  kernel: Kernel;
  machine: Machine;
  disk: SimulatedDisk;
  epochMs: number;
  addons: Addons;
  powerLoss(host: string): void;
  findPid(machine: Machine, pid: number): Life | undefined;
}

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Older lines are dropped. */
const LINES_MAX = 100_000;
/** A program is not up at once. */
const START_NS_MIN = 1_000_000;
const START_NS_SPAN = 4_000_000;

export class SimulatedProcess {
  readonly name: string;
  readonly clock: ProcessClock;
  /** How its lives ended, in order. */
  readonly exits: Exit[] = [];
  readonly #options: ProcessOptions;
  readonly #parts: ProcessParts;
  readonly #salt: number;
  readonly #partial = { stdout: '', stderr: '' };
  #lines: OutputLine[] = [];
  #life: Life | undefined;
  #starts = 0;

  constructor(name: string, options: ProcessOptions, parts: ProcessParts) {
    this.name = name;
    this.#options = options;
    this.#parts = parts;
    this.#salt = parts.kernel.entropy.stream(`salt ${name}`).uint32() | 1;
    this.clock = new ProcessClock(parts.epochMs, () => parts.kernel.nowNs);
    for (const { path, content } of options.program.assets) parts.disk.seedFile(path, content);
  }

  get host(): string {
    return this.#parts.machine.name;
  }

  /** The life under way, or undefined. */
  get life(): Life | undefined {
    return this.#life?.alive === true ? this.#life : undefined;
  }

  get running(): boolean {
    return this.life !== undefined;
  }

  get paused(): boolean {
    return this.life?.paused === true;
  }

  /** How often it was started. */
  get starts(): number {
    return this.#starts;
  }

  /** What its main module exports in this life; undefined before it has run. */
  get exports(): unknown {
    return this.life?.exports;
  }

  /** Its last lines of output, oldest first. */
  get lines(): readonly OutputLine[] {
    return this.#lines;
  }

  /** The text of its output, a line each. */
  output(stream?: 'stdout' | 'stderr'): string[] {
    const lines = this.#lines.filter((line) => stream === undefined || line.stream === stream);
    return lines.map((line) => line.text);
  }

  /** Starts it on what its machine's disk holds; a machine without power gets it back first. */
  start(): void {
    if (this.running)
      throw new Error(`expected '${this.name}' not to run, but it does: kill it first`);
    const { kernel, machine } = this.#parts;
    if (!machine.up) machine.gainPower();
    this.#starts++;
    const life = new Life({
      kernel,
      machine,
      processName: this.name,
      clock: this.clock,
      pid: machine.nextPid(),
      salt: this.#salt,
      random: (stream) => this.#random(stream),
      output: (stream, text) => this.#take(stream, text),
      ended: (exit) => this.#ended(exit),
      powerLoss: () => this.#parts.powerLoss(machine.name),
    });
    this.#life = life;
    kernel.note('start', `${this.#starts}`, this.name);
    const { globals, builtins } = this.#environment(life);
    const delay = START_NS_MIN + this.#random('start').int(START_NS_SPAN);
    life.schedule(delay, () => this.#load(life, globals, builtins), 'load');
  }

  #random(stream: string): SeededStream {
    return this.#parts.kernel.entropy.stream(`${stream} ${this.name}`);
  }

  #environment(life: Life): { globals: Globals; builtins: Builtins } {
    const { program, argv = [], env = {}, cwd = '/', globals: extra = {} } = this.#options;
    const { machine, disk, addons } = this.#parts;
    const facts = {
      argv: [program.file, ...argv],
      env,
      cwd,
      findPid: (pid: number) => this.#parts.findPid(machine, pid),
      getBuiltin: (name: string) => builtins.get(name),
    };
    const simulated = createProcess(life, facts);
    life.process = simulated;
    const timers = createTimers(life);
    const globals = createGlobals(life, simulated, timers, extra);
    const builtins = new Builtins({ life, disk, timers, globals, addons });
    return { globals, builtins };
  }

  #load(life: Life, globals: Globals, builtins: Builtins): void {
    const { program, ownCode = false } = this.#options;
    const module: { exports: unknown } = { exports: {} };
    life.exports = module.exports;
    const scope: Globals = {
      ...globals,
      require: Object.assign(builtins.require, { main: module }),
      module,
      exports: module.exports,
      __filename: program.file,
      __dirname: program.file.slice(0, program.file.lastIndexOf('/')) || '/',
      __simulatedImportMetaUrl: importMetaUrl(program),
    };
    const instantiate = ownCode ? program.compile() : program.instantiate;
    const body = instantiate(...SCOPE_NAMES.map((name) => scope[name]));
    const loaded = () => {
      life.loading = false;
      life.exports = module.exports;
    };
    const result = body.call(module.exports);
    if (result instanceof Promise) {
      // A rejection goes on to be an unhandled one, which ends the process as Node does.
      result.then(loaded);
    } else {
      loaded();
    }
  }

  #take(stream: 'stdout' | 'stderr', text: string): void {
    const pieces = (this.#partial[stream] + text).split('\n');
    this.#partial[stream] = pieces.pop()!;
    for (const piece of pieces) this.#line(stream, piece);
  }

  #line(stream: 'stdout' | 'stderr', text: string): void {
    const { kernel } = this.#parts;
    const line: OutputLine = { process: this.name, stream, text, atNs: kernel.nowNs };
    // A stack names the simulator's own files; where they lie must not make another run.
    kernel.note(stream, text.includes(ROOT) ? text.replaceAll(ROOT, '') : text, this.name);
    this.#lines.push(line);
    if (this.#lines.length >= 2 * LINES_MAX) this.#lines = this.#lines.slice(-LINES_MAX);
    const { onLine } = this.#options;
    if (onLine === undefined) return;
    // The listener is none of the process's code: its globals are the host's.
    const { current } = kernel;
    kernel.current = undefined;
    try {
      onLine(line);
    } finally {
      kernel.current = current;
    }
  }

  #ended(exit: Exit): void {
    this.exits.push(exit);
    for (const stream of ['stdout', 'stderr'] as const) {
      const rest = this.#partial[stream];
      this.#partial[stream] = '';
      if (rest !== '') this.#line(stream, rest);
    }
  }

  /** Sends a signal; SIGKILL (the default) ends it at once. Nothing happens if it does not run. */
  kill(signal = 'SIGKILL'): void {
    this.life?.signal(signal);
  }

  /** Stops it where it stands; its machine goes on answering for it. */
  pause(): void {
    this.life?.signal('SIGSTOP');
  }

  resume(): void {
    this.life?.signal('SIGCONT');
  }

  /** Kills it if it runs, and starts it. */
  restart(): void {
    this.kill();
    this.start();
  }

  /** Sets its clocks wrong from now on, also over restarts; `{}` keeps them as they are, but true. */
  skew(skew: ClockSkew): void {
    this.clock.skew(skew);
    this.#parts.kernel.note('skew', JSON.stringify(skew), this.name);
  }

  /** Sets its wall clock right. */
  healClock(): void {
    this.clock.heal(this.#parts.epochMs);
    this.#parts.kernel.note('skew', 'healed', this.name);
  }

  /** Makes it die in one of its next simulated system calls. */
  crashAt(point: CrashPoint): void {
    const { life } = this;
    if (life === undefined) throw new Error(`expected '${this.name}' to run, but it does not`);
    if (!(point.call >= 1)) throw new RangeError(`expected a call from 1 on, got ${point.call}`);
    life.crashPoint = { ...point };
  }

  /** Runs `fn` as code of this process, now; for what its main module exports. */
  call<T>(fn: (exports: never) => T | Promise<T>): Promise<T> {
    const { life } = this;
    if (life === undefined) {
      return Promise.reject(new Error(`expected '${this.name}' to run, but it does not`));
    }
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const forget = life.onDeath(() => {
      reject(new Error(`'${this.name}' ended before the call did`));
    });
    const run = async () => fn(life.exports as never);
    const start = () => void run().then(resolve, reject).finally(forget);
    life.schedule(0, start, 'call');
    return promise;
  }
}
