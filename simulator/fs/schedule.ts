// Runs an operation: at once for the sync forms, or spread over virtual time as the four threads of
// Node's pool would. Every system call is a place where the process may die, before and after it.
import type { HostInterface, RandomStream } from '../host.ts';
import type { Operation } from './operation.ts';
import type { Call } from './path-calls.ts';
import type { SystemCalls } from './system-calls.ts';

/** Times of one system call in ns of virtual time, each drawn between the two ends. */
export interface DiskLatency {
  /** From the call until it takes effect: the wait for a thread. */
  readonly waitNs: readonly [number, number];
  /** From the effect until the callback, for everything but an fsync. */
  readonly callNs: readonly [number, number];
  readonly fsyncNs: readonly [number, number];
  /** Of every fsync so many take ten times as long, in [0, 1]. */
  readonly slowFsyncs: number;
  /** Bytes moved in a second. */
  readonly bytesPerSecond: number;
}

/** An NVMe disk with a cache that a flush has to empty. */
export const DEFAULT_LATENCY: DiskLatency = {
  waitNs: [2_000, 30_000],
  callNs: [5_000, 60_000],
  fsyncNs: [150_000, 1_500_000],
  slowFsyncs: 0.02,
  bytesPerSecond: 1e9,
};

export class OperationRunner {
  readonly #host: HostInterface;
  readonly #calls: SystemCalls;
  readonly #random: RandomStream;
  readonly #latency: DiskLatency;

  constructor(host: HostInterface, calls: SystemCalls, latency: DiskLatency) {
    this.#host = host;
    this.#calls = calls;
    this.#random = host.random('disk');
    this.#latency = latency;
  }

  /** Runs to the end without virtual time passing. A death passes through and runs no cleanup. */
  runSync<T>(operation: Operation<T>): T {
    let step = operation.next();
    while (!step.done) step = resume(operation, this.#callSync(step.value));
    return step.value;
  }

  /** As `runSync` of a single call. */
  runCallSync<T>(call: Call<T>): T {
    return unwrapped(this.#callSync(call));
  }

  #callSync<T>(call: Call<T>): Outcome<T> {
    const name = `fs.${call.syscall}Sync`;
    this.#host.syscall(name, call.detail);
    let outcome: Outcome<T>;
    try {
      const value = call.effect();
      call.settle?.(value);
      outcome = { ok: true, value };
    } catch (error) {
      outcome = { ok: false, error };
    }
    this.#host.syscall(`${name}.done`, outcome.ok ? null : textOf(outcome));
    return outcome;
  }

  /**
   * Starts an operation; `done` is called in a later event. Calls on one open file take effect in
   * the order in which they were made, all others as their draws have it; completions come in any
   * order. A write takes effect, and an fsync takes its stand, when a thread starts it; what an
   * fsync covers is durable when it completes.
   */
  start<T>(operation: Operation<T>, done: (outcome: Outcome<T>) => void): void {
    const advance = (step: () => IteratorResult<Call<unknown>, T>): void => {
      const result = attempt(step);
      if (!result.ok) done(result);
      else if (result.value.done) done({ ok: true, value: result.value.value });
      else {
        this.#submit(result.value.value, (outcome) => {
          advance(() => resume(operation, outcome));
        });
      }
    };
    const first = attempt(() => operation.next());
    if (!first.ok || first.value.done) {
      // Nothing to do on the disk: a callback comes later all the same.
      this.#host.schedule(0, () => advance(() => unwrapped(first)), 'fs.done');
    } else {
      const step = first.value;
      advance(() => step);
    }
  }

  #submit(call: Call<unknown>, returned: (outcome: Outcome<unknown>) => void): void {
    const host = this.#host;
    const { syscall, file } = call;
    host.syscall(`fs.${syscall}`, call.detail);
    const now = host.nowNs();
    let effectNs = now + this.#between(this.#latency.waitNs);
    if (file !== undefined) {
      effectNs = Math.max(effectNs, file.lastEffectNs + 1);
      file.lastEffectNs = effectNs;
    }
    const takeEffect = (): void => {
      host.syscall(`fs.${syscall}.effect`, call.detail);
      const outcome = attempt(call.effect);
      const complete = (): void => {
        const settled = outcome.ok ? attempt(() => call.settle?.(outcome.value)) : outcome;
        const final = settled.ok ? outcome : settled;
        host.syscall(`fs.${syscall}.done`, textOf(final));
        returned(final);
      };
      host.schedule(this.#lastsNs(call), complete, '');
    };
    host.schedule(effectNs - now, takeEffect, '');
  }

  #lastsNs({ kind, bytes = 0, file }: Call<unknown>): number {
    const moving = Math.round((bytes / this.#latency.bytesPerSecond) * 1e9);
    if (kind !== 'fsync') return moving + this.#between(this.#latency.callNs);
    const slow = this.#random.float() < this.#latency.slowFsyncs ? 10 : 1;
    const extra = file === undefined ? 0 : this.#calls.disk.extraSyncNs(file.path);
    return this.#between(this.#latency.fsyncNs) * slow + extra;
  }

  #between([low, high]: readonly [number, number]): number {
    return low + this.#random.int(Math.max(1, high - low));
  }
}

/** How a call or an operation ended. */
export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: unknown };

function attempt<T>(run: () => T): Outcome<T> {
  try {
    return { ok: true, value: run() };
  } catch (error) {
    return { ok: false, error };
  }
}

function unwrapped<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  throw outcome.error;
}

function resume<T>(operation: Operation<T>, outcome: Outcome<unknown>) {
  return outcome.ok ? operation.next(outcome.value) : operation.throw(outcome.error);
}

function textOf(outcome: Outcome<unknown>): string {
  if (!outcome.ok) return String((outcome.error as NodeJS.ErrnoException).code);
  return typeof outcome.value === 'number' ? String(outcome.value) : 'ok';
}
