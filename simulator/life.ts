// One life of a simulated process, from start to exit, kill or power loss. All that its code can reach
// goes through here, so that after its end nothing that still runs of it has any effect.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { EventEmitter } from 'node:events';
import type { ProcessClock } from './clock.ts';
import { nodeError } from './errors.ts';
import { HeapEntry } from './heap.ts';
import { ProcessDeath, type RandomStream, type Scheduled } from './host.ts';
import type { FailingOwner, Kernel } from './kernel.ts';
import type { Machine } from './machine.ts';
import type { NetContext } from './net/context.ts';
import type { SeededStream } from './random.ts';

/** How a life ended. */
export interface Exit {
  /** The exit code, or null when a signal or a power loss ended it. */
  code: number | null;
  signal: string | null;
  /** The error that nobody caught, if that was the end. */
  error?: unknown;
  atNs: number;
}

/** A death that falls into a simulated system call. */
export interface CrashPoint {
  /** The n-th matching call from now, counted from 1, does not return. */
  call: number;
  /** Only calls whose name starts so: `fs.`, `fs.fsync`, `net.write`. */
  match?: string;
  how: 'kill' | 'powerLoss';
}

/** What a life needs of the process whose life it is. */
export interface LifeParts {
  kernel: Kernel;
  machine: Machine;
  processName: string;
  clock: ProcessClock;
  pid: number;
  salt: number;
  /** Streams that go on over restarts, so that each life draws anew. */
  random(stream: string): SeededStream;
  /** A whole line, or the last piece at the end. */
  output(stream: 'stdout' | 'stderr', text: string): void;
  ended(exit: Exit): void;
  powerLoss(): void;
}

/** Reads of the clock within one event after which the program must be waiting for it to move. */
const CLOCK_READS_MAX = 1_000_000;
const EXIT_UNCAUGHT = 1;
const EXIT_HANDLER_THREW = 7;
const EXIT_UNSETTLED_AWAIT = 13;

/** What a dead life gets for an event. */
const NEVER: Scheduled = { cancel() {} };

export class Life implements NetContext, FailingOwner {
  readonly processName: string;
  readonly hostName: string;
  readonly machine: Machine;
  readonly kernel: Kernel;
  readonly clock: ProcessClock;
  readonly pid: number;
  readonly salt: number;
  /** Timers that were turned into numbers, by which they can be cleared. */
  readonly timers = new Map<number, { close(): unknown }>();
  /** Set once the program asked for AsyncLocalStorage: contexts are then carried along. */
  carriesContext = false;
  crashPoint: CrashPoint | undefined;
  /** The program's `process`. */
  process!: EventEmitter & { exitCode?: number | string | null | undefined };
  /** The main module has not come to its end (top-level await). */
  loading = true;
  exports: unknown;
  alive = true;
  paused = false;
  readonly #parts: LifeParts;
  readonly #deferred: HeapEntry[] = [];
  readonly #onDeath = new Set<() => void>();
  #holds = 0;
  #calls = 0;
  #timerIds = 0;
  #clockReads = 0;
  #exiting = false;
  /** Told once for each time that nothing is left; new work makes it be told again. */
  #beforeExitTold = false;

  constructor(parts: LifeParts) {
    this.#parts = parts;
    this.kernel = parts.kernel;
    this.machine = parts.machine;
    this.processName = parts.processName;
    this.hostName = parts.machine.name;
    this.clock = parts.clock;
    this.pid = parts.pid;
    this.salt = parts.salt;
  }

  get name(): string {
    return this.processName;
  }

  get owner(): this {
    return this;
  }

  /** Calls into the simulated system so far: the numbers that crash points count. */
  get systemCalls(): number {
    return this.#calls;
  }

  nowNs(): number {
    return this.kernel.nowNs;
  }

  wallMs(): number {
    return Math.floor(this.wallMsExact());
  }

  /** The wall clock as the program reads it. */
  wallMsExact(): number {
    this.#countClockRead();
    return this.clock.wallMs();
  }

  /** The monotonic clock as the program reads it, ns. */
  monotonicNs(): number {
    this.#countClockRead();
    return this.clock.monotonicNs();
  }

  #countClockRead(): void {
    if (++this.#clockReads <= CLOCK_READS_MAX) return;
    this.#clockReads = 0;
    throw new Error(
      `'${this.processName}' read the clock ${CLOCK_READS_MAX} times within one event: virtual time ` +
        'stands still while code runs, so a loop that waits for it never ends; wait with a timer',
    );
  }

  schedule(delayNs: number, fn: () => void, kind = 'event'): Scheduled {
    return this.#schedule(delayNs, fn, kind, true);
  }

  scheduleUnref(delayNs: number, fn: () => void, kind = 'event'): Scheduled {
    return this.#schedule(delayNs, fn, kind, false);
  }

  #schedule(delayNs: number, fn: () => void, kind: string, held: boolean): Scheduled {
    if (!this.alive) return NEVER;
    if (held) this.#holds++;
    const run = this.carriesContext ? inContext(fn) : fn;
    return this.kernel.schedule(delayNs, run, this, kind, held);
  }

  unhold(): void {
    this.#holds--;
  }

  /** Lets a scheduled event keep the process from ending, or not. */
  setHeld(scheduled: Scheduled, held: boolean): void {
    if (!(scheduled instanceof HeapEntry)) return;
    if (scheduled.fn === undefined || scheduled.held === held) return;
    scheduled.held = held;
    this.#holds += held ? 1 : -1;
  }

  hold(): () => void {
    this.#holds++;
    let held = true;
    return () => {
      if (held) this.#holds--;
      held = false;
    };
  }

  random(stream: string): RandomStream {
    return this.#parts.random(stream);
  }

  nextTimerId(): number {
    return ++this.#timerIds;
  }

  note(kind: string, detail: string): void {
    this.kernel.note(kind, detail, this.processName);
  }

  /** @throws {ProcessDeath} when this life has ended. */
  check(): void {
    if (!this.alive) throw new ProcessDeath(this.processName);
  }

  syscall(name: string, detail: string | null = ''): void {
    this.check();
    this.#calls++;
    if (detail !== null) this.kernel.note(name, detail, this.processName);
    const point = this.crashPoint;
    if (point === undefined || !name.startsWith(point.match ?? '')) return;
    if (--point.call > 0) return;
    this.crashPoint = undefined;
    this.kernel.note('crash-point', `${point.how} in ${name} ${detail ?? ''}`, this.processName);
    if (point.how === 'powerLoss') this.#parts.powerLoss();
    else this.end({ code: null, signal: 'SIGKILL' });
    this.check();
  }

  /** As the host interface has it; what it returns takes the listener back. */
  onDeath(fn: () => void): () => void {
    this.#onDeath.add(fn);
    return () => this.#onDeath.delete(fn);
  }

  output(stream: 'stdout' | 'stderr', text: string): void {
    this.check();
    this.#parts.output(stream, text);
  }

  defer(entry: HeapEntry): void {
    this.#deferred.push(entry);
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.kernel.reschedule(this.#deferred.splice(0));
  }

  /** Ends this life at once. The process's code is told nothing; its machine cleans up. */
  end(how: { code: number | null; signal: string | null; error?: unknown }): void {
    if (!this.alive) return;
    this.alive = false;
    this.machine.release(this);
    for (const fn of this.#onDeath) fn();
    const exit: Exit = { ...how, atNs: this.kernel.nowNs };
    this.kernel.note('exit', `${how.code ?? how.signal}`, this.processName);
    this.#parts.ended(exit);
  }

  /** `process.exit`: the 'exit' listeners run, then nothing more. */
  exit(code: number, error?: unknown): never {
    this.check();
    if (!this.#exiting) {
      this.#exiting = true;
      this.process.exitCode = code;
      try {
        this.process.emit('exit', code);
      } finally {
        const last = Number(this.process.exitCode ?? code);
        this.end({ code: last, signal: null, ...(error === undefined ? {} : { error }) });
      }
    }
    throw new ProcessDeath(this.processName);
  }

  /** Delivers a signal: to the program's listeners, or with its default effect. */
  signal(signal: string): void {
    this.kernel.note('signal', signal, this.processName);
    if (signal === 'SIGSTOP') {
      this.pause();
      return;
    }
    if (signal === 'SIGCONT') this.resume();
    const heard = signal !== 'SIGKILL' && this.process.listenerCount(signal) > 0;
    if (heard) this.scheduleUnref(0, () => void this.process.emit(signal, signal), 'signal');
    else if (!['SIGCONT', 'SIGCHLD', 'SIGWINCH', 'SIGURG'].includes(signal)) {
      this.end({ code: null, signal });
    }
  }

  failed(error: unknown, how: 'uncaughtException' | 'unhandledRejection', promise?: unknown): void {
    if (!this.alive) return;
    this.kernel.note(how, describe(error), this.processName);
    try {
      if (how === 'unhandledRejection' && this.process.listenerCount(how) > 0) {
        this.process.emit(how, error, promise);
        return;
      }
      const cause = how === 'unhandledRejection' ? asRejection(error) : error;
      this.process.emit('uncaughtExceptionMonitor', cause, how);
      if (this.process.emit('uncaughtException', cause, how)) return;
      this.#crash(cause, EXIT_UNCAUGHT);
    } catch (thrown) {
      if (this.alive && !(thrown instanceof ProcessDeath)) this.#crash(thrown, EXIT_HANDLER_THREW);
    }
  }

  #crash(error: unknown, code: number): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : describe(error);
    this.output('stderr', `Uncaught ${text}\n`);
    try {
      this.exit(code, error);
    } catch (thrown) {
      if (!(thrown instanceof ProcessDeath)) throw thrown;
    }
  }

  settled(): boolean {
    this.#clockReads = 0;
    if (!this.alive || this.#holds > 0 || this.paused) return false;
    this.kernel.reenter(this, () => {
      if (!this.#beforeExitTold) {
        this.#beforeExitTold = true;
        this.process.emit('beforeExit', this.process.exitCode ?? 0);
        return;
      }
      const unsettled = this.loading && this.process.exitCode === undefined;
      this.exit(unsettled ? EXIT_UNSETTLED_AWAIT : Number(this.process.exitCode ?? 0));
    });
    return true;
  }

  /** An event of this life begins: it is not idle. */
  began(): void {
    this.#beforeExitTold = false;
  }
}

/** Runs later what runs in the asynchronous context of now. */
function inContext(fn: () => void): () => void {
  const run = AsyncLocalStorage.snapshot();
  return () => run(fn);
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

function asRejection(reason: unknown): unknown {
  if (reason instanceof Error) return reason;
  const text = `This error originated either by throwing inside of an async function without a catch block, or by rejecting a promise which was not handled with .catch(). The promise rejected with the reason "${String(reason)}".`;
  return nodeError('ERR_UNHANDLED_REJECTION', text);
}
