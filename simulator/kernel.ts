// The simulation's clock and its one loop: takes the next event, moves virtual time to it, runs it, and
// lets promises and process.nextTick run dry before the next. No wall clock is read anywhere.
import process from 'node:process';
import { setImmediate } from 'node:timers';
import { EventHeap, HeapEntry, type Owner } from './heap.ts';
import { ProcessDeath } from './host.ts';
import { Entropy } from './random.ts';
import { Trace, type TraceOptions } from './trace.ts';

/** Real macrotasks queued at a time; the loop yields to the host's own I/O after as many events. */
const BATCH = 64;
/** Events at one and the same moment of virtual time after which something must be spinning. */
const SAME_MOMENT_MAX = 1_000_000;

/** What the kernel tells about a process's failure; the process decides what comes of it. */
export interface FailingOwner extends Owner {
  failed(error: unknown, how: 'uncaughtException' | 'unhandledRejection', promise?: unknown): void;
  /** An event of this owner begins. */
  began(): void;
  /** Called when all that an event of this owner caused has run; true: this ran code once more. */
  settled(): boolean;
  /** Takes an event that fell due while the owner is paused. */
  defer(entry: HeapEntry): void;
}

/** The one kernel that runs now: the hooks for failures belong to the whole host process. */
let running: Kernel | undefined;

/** The process whose code runs now, of whatever simulation. */
export function currentOwner(): FailingOwner | undefined {
  return running?.current;
}

/** Why `run` came back. */
export type RunEnd = 'condition' | 'time' | 'idle';

export class Kernel {
  readonly entropy: Entropy;
  readonly trace: Trace;
  /** The process whose code runs now; undefined for the network, the faults and the caller. */
  current: FailingOwner | undefined;
  /** Events run so far. */
  eventsRun = 0;
  readonly #heap = new EventHeap();
  readonly #tieSeed: number;
  #nowNs = 0;
  #seq = 0;
  #sameMoment = 0;
  #settling: FailingOwner | undefined;
  #stop: (() => boolean) | undefined;
  #untilNs = 0;
  #finish: ((end: RunEnd | Error) => void) | undefined;

  constructor(seed: string, trace?: TraceOptions) {
    this.entropy = new Entropy(seed);
    this.trace = new Trace(trace);
    this.#tieSeed = this.entropy.stream('schedule').uint32();
  }

  /** Virtual time, integer ns since the start of the simulation. */
  get nowNs(): number {
    return this.#nowNs;
  }

  /** Events that wait. */
  get waiting(): number {
    return this.#heap.size;
  }

  /**
   * Runs `fn` after `delayNs`. Events of one owner at one moment keep their order; those of several
   * are ordered by the seed, since nothing promises an order between processes. `kind` names it in
   * the trace; without one it has no line there, because what it runs writes its own. `held` says
   * that it keeps its owner from ending.
   */
  schedule(
    delayNs: number,
    fn: () => void,
    owner: FailingOwner | undefined,
    kind: string,
    held = false,
  ): HeapEntry {
    if (!(delayNs >= 0)) throw new RangeError(`expected a delay of 0 ns or more, got ${delayNs}`);
    const timeNs = this.#nowNs + Math.round(delayNs);
    const order = { timeNs, tie: this.#tie(timeNs, owner?.salt ?? 0), seq: this.#seq++ };
    const entry = new HeapEntry(this.#heap, order, kind, owner, fn, held);
    this.#heap.push(entry);
    return entry;
  }

  /** Puts events back that fell due during a pause, in their old order. */
  reschedule(entries: readonly HeapEntry[]): void {
    for (const entry of entries) {
      if (entry.fn === undefined) continue;
      entry.timeNs = this.#nowNs;
      entry.tie = this.#tie(this.#nowNs, entry.owner?.salt ?? 0);
      entry.seq = this.#seq++;
      this.#heap.push(entry);
    }
  }

  /** Writes a line of the trace, for the process that runs now. */
  note(kind: string, detail: string, process = this.current?.name ?? '-'): void {
    this.trace.write(this.#nowNs, kind, process, detail);
  }

  /**
   * Runs `fn` as code of `owner` within the event under way; what it leaves behind in promises is
   * the owner's as well. An event may enter one process only.
   */
  enter(owner: FailingOwner, fn: () => void): void {
    owner.began();
    this.reenter(owner, fn);
  }

  /** As `enter`, for code that the owner itself runs when it has nothing left to do. */
  reenter(owner: FailingOwner, fn: () => void): void {
    this.current = owner;
    this.#settling = owner;
    this.#guard(fn);
  }

  /**
   * Runs events until `stop` says so after one, until virtual time `untilNs`, or until nothing is
   * left to happen. At 'time' virtual time stands at `untilNs` exactly.
   */
  run(untilNs: number, stop: () => boolean): Promise<RunEnd> {
    if (running !== undefined) {
      throw new Error(
        'expected no other simulation to run in this Node process, but one does: wait for its run ' +
          'to end, or start another Node process',
      );
    }
    running = this;
    this.#untilNs = untilNs;
    this.#stop = stop;
    const restore = this.#takeFailures();
    return new Promise<RunEnd>((resolve, reject) => {
      this.#finish = (end) => {
        this.#finish = undefined;
        this.#stop = undefined;
        this.current = undefined;
        running = undefined;
        restore();
        if (end instanceof Error) reject(end);
        else resolve(end);
      };
      setImmediate(this.#batch);
    });
  }

  /** Ends the run under way with an error of the harness, not of a process. */
  abort(error: Error): void {
    this.#finish?.(error);
  }

  readonly #batch = (): void => {
    this.current = undefined;
    if (this.#finish === undefined) return;
    for (let i = 0; i < BATCH; i++) setImmediate(this.#one);
    setImmediate(this.#batch);
  };

  /** One event. Its promises and ticks run dry natively before the next immediate is called. */
  readonly #one = (): void => {
    if (this.#finish === undefined) return;
    this.current = undefined;
    const settling = this.#settling;
    if (settling !== undefined) {
      this.#settling = undefined;
      // What it ran must run dry as well, before the next event.
      if (settling.settled()) return;
    }
    if (this.#finish === undefined) return;
    if (this.#stop?.() === true) {
      this.#end('condition');
      return;
    }
    const next = this.#heap.peek();
    if (next === undefined || next.timeNs > this.#untilNs) {
      if (this.#untilNs === Number.POSITIVE_INFINITY) {
        this.#end('idle');
        return;
      }
      this.#nowNs = this.#untilNs;
      this.#end(next === undefined ? 'idle' : 'time');
      return;
    }
    this.#heap.pop();
    this.#advance(next);
    this.#dispatch(next);
  };

  #end(end: RunEnd): void {
    this.#finish?.(end);
  }

  #advance(entry: HeapEntry): void {
    if (entry.timeNs !== this.#nowNs) {
      this.#nowNs = entry.timeNs;
      this.#sameMoment = 0;
    } else if (++this.#sameMoment > SAME_MOMENT_MAX) {
      throw new Error(
        `${SAME_MOMENT_MAX} events ran at virtual time ${entry.timeNs} ns without time going on; ` +
          `the last is '${entry.kind}' of ${entry.owner?.name ?? 'the network'}: something spins`,
      );
    }
  }

  #dispatch(entry: HeapEntry): void {
    const fn = entry.fn!;
    const owner = entry.owner as FailingOwner | undefined;
    if (owner !== undefined) {
      if (!owner.alive) return;
      if (owner.paused) {
        owner.defer(entry);
        return;
      }
    }
    entry.fn = undefined;
    this.eventsRun++;
    if (entry.kind !== '') this.trace.write(this.#nowNs, entry.kind, owner?.name ?? '-', '');
    if (owner !== undefined) {
      if (entry.held) owner.unhold();
      this.enter(owner, fn);
      return;
    }
    fn();
  }

  #guard(fn: () => void): void {
    try {
      fn();
    } catch (error) {
      this.#failure(error, 'uncaughtException');
    }
  }

  #failure(
    error: unknown,
    how: 'uncaughtException' | 'unhandledRejection',
    promise?: unknown,
  ): void {
    const owner = this.current;
    if (error instanceof ProcessDeath || (owner !== undefined && !owner.alive)) return;
    if (owner === undefined) {
      this.abort(error instanceof Error ? error : new Error(String(error), { cause: error }));
      return;
    }
    owner.failed(error, how, promise);
  }

  /** Directs the host's own failure hooks here for the length of a run. */
  #takeFailures(): () => void {
    const rejections = process.listeners('unhandledRejection');
    const exceptions = process.listeners('uncaughtException');
    process.removeAllListeners('unhandledRejection');
    process.removeAllListeners('uncaughtException');
    const onRejection = (reason: unknown, promise: unknown) => {
      this.#guard(() => this.#failure(reason, 'unhandledRejection', promise));
    };
    const onException = (error: unknown) => {
      this.#guard(() => this.#failure(error, 'uncaughtException'));
    };
    process.on('unhandledRejection', onRejection);
    process.on('uncaughtException', onException);
    return () => {
      process.off('unhandledRejection', onRejection);
      process.off('uncaughtException', onException);
      for (const listener of rejections) process.on('unhandledRejection', listener);
      for (const listener of exceptions) process.on('uncaughtException', listener);
    };
  }

  #tie(timeNs: number, salt: number): number {
    const high = (timeNs / 4294967296) | 0;
    let mixed = Math.imul((timeNs | 0) ^ high ^ this.#tieSeed, 0x9e3779b1) ^ salt;
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return (mixed ^ (mixed >>> 16)) >>> 0;
  }
}
