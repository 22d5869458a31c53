// Timers of one life of a simulated process: the globals, the module `timers` and `timers/promises`.
// A timer fires exactly when due in virtual time; two of one process that are due together keep order.
import { promisify } from 'node:util';
import { nodeError } from './errors.ts';
import type { Scheduled } from './host.ts';
import type { Life } from './life.ts';

const MS = 1e6;
const DELAY_MS_MAX = 2 ** 31 - 1;
/** One turn of the event loop costs this much, so that a loop of immediates lets time pass. */
const TURN_NS = 1_000;

type Callback = (...args: unknown[]) => void;

function checkedCallback(callback: unknown): Callback {
  if (typeof callback === 'function') return callback as Callback;
  throw nodeError(
    'ERR_INVALID_ARG_TYPE',
    `The "callback" argument must be of type function. Received ${String(callback)}`,
    TypeError,
  );
}

/** Node's rule: a delay is a whole number of ms from 1 to 2^31 - 1, or else 1. */
function delayMs(given: unknown): number {
  const ms = Math.trunc(Number(given));
  return ms >= 1 && ms <= DELAY_MS_MAX ? ms : 1;
}

export class SimulatedTimeout {
  readonly #life: Life;
  readonly #callback: Callback;
  readonly #args: unknown[];
  readonly #ms: number;
  readonly #repeats: boolean;
  readonly #id: number;
  #refed = true;
  #closed = false;
  #scheduled: Scheduled | undefined;

  constructor(life: Life, callback: Callback, ms: number, args: unknown[], repeats: boolean) {
    this.#life = life;
    this.#callback = callback;
    this.#args = args;
    this.#ms = ms;
    this.#repeats = repeats;
    this.#id = life.nextTimerId();
    this.#start();
  }

  #start(): void {
    const delayNs = this.#life.clock.trueNs(this.#ms * MS);
    const fire = () => this.#fire();
    this.#scheduled = this.#refed
      ? this.#life.schedule(delayNs, fire, 'timer')
      : this.#life.scheduleUnref(delayNs, fire, 'timer');
  }

  #fire(): void {
    this.#scheduled = undefined;
    try {
      this.#callback(...this.#args);
    } finally {
      if (this.#scheduled === undefined && this.#repeats && !this.#closed) this.#start();
      else if (this.#scheduled === undefined) this.#life.timers.delete(this.#id);
    }
  }

  refresh(): this {
    if (this.#closed) return this;
    this.#scheduled?.cancel();
    this.#start();
    return this;
  }

  close(): this {
    this.#closed = true;
    this.#scheduled?.cancel();
    this.#scheduled = undefined;
    this.#life.timers.delete(this.#id);
    return this;
  }

  ref(): this {
    return this.#setRef(true);
  }

  unref(): this {
    return this.#setRef(false);
  }

  #setRef(refed: boolean): this {
    if (this.#refed === refed) return this;
    this.#refed = refed;
    if (this.#scheduled !== undefined) this.#life.setHeld(this.#scheduled, refed);
    return this;
  }

  hasRef(): boolean {
    return this.#refed;
  }

  [Symbol.toPrimitive](): number {
    this.#life.timers.set(this.#id, this);
    return this.#id;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

class SimulatedImmediate {
  readonly #life: Life;
  #scheduled: Scheduled | undefined;
  #refed = true;

  constructor(life: Life, callback: Callback, args: unknown[]) {
    this.#life = life;
    const run = () => {
      this.#scheduled = undefined;
      callback(...args);
    };
    this.#scheduled = life.schedule(TURN_NS, run, 'immediate');
  }

  close(): void {
    this.#scheduled?.cancel();
    this.#scheduled = undefined;
  }

  #setRef(refed: boolean): this {
    this.#refed = refed;
    if (this.#scheduled !== undefined) this.#life.setHeld(this.#scheduled, refed);
    return this;
  }

  ref(): this {
    return this.#setRef(true);
  }

  unref(): this {
    return this.#setRef(false);
  }

  hasRef(): boolean {
    return this.#refed;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function aborted(signal: AbortSignal): Error {
  const error = new Error('The operation was aborted', { cause: signal.reason });
  return Object.assign(error, { name: 'AbortError', code: 'ABORT_ERR' });
}

interface WaitOptions {
  signal?: AbortSignal;
  ref?: boolean;
}

/** What `timers`, `timers/promises` and the globals of one life consist of. */
export interface SimulatedTimers {
  callbacks: Record<string, unknown>;
  promises: Record<string, unknown>;
}

export function createTimers(life: Life): SimulatedTimers {
  const setTimeout = (callback: unknown, ms?: unknown, ...args: unknown[]) => {
    life.check();
    return new SimulatedTimeout(life, checkedCallback(callback), delayMs(ms), args, false);
  };
  const setInterval = (callback: unknown, ms?: unknown, ...args: unknown[]) => {
    life.check();
    return new SimulatedTimeout(life, checkedCallback(callback), delayMs(ms), args, true);
  };
  const setImmediate = (callback: unknown, ...args: unknown[]) => {
    life.check();
    return new SimulatedImmediate(life, checkedCallback(callback), args);
  };
  const clear = (timer: unknown) => {
    if (timer instanceof SimulatedTimeout || timer instanceof SimulatedImmediate) timer.close();
    else life.timers.get(Number(timer))?.close();
  };
  const promises = createPromises(
    (fn, ms) => setTimeout(fn, ms),
    (fn) => setImmediate(fn),
  );
  Object.assign(setTimeout, { [promisify.custom]: promises.setTimeout });
  Object.assign(setImmediate, { [promisify.custom]: promises.setImmediate });
  const callbacks = {
    setTimeout,
    setInterval,
    setImmediate,
    clearTimeout: clear,
    clearInterval: clear,
    clearImmediate: clear,
  };
  return { callbacks: { ...callbacks, promises }, promises };
}

type Started = { close(): unknown; unref(): unknown };

function createPromises(
  after: (fn: Callback, ms: unknown) => Started,
  soon: (fn: Callback) => Started,
): Record<string, unknown> {
  const wait = (start: (fn: Callback) => Started, value: unknown, options: WaitOptions = {}) => {
    const { signal, ref = true } = options;
    if (signal?.aborted === true) return Promise.reject(aborted(signal));
    return new Promise<unknown>((resolve, reject) => {
      const onAbort = () => {
        started.close();
        reject(aborted(signal!));
      };
      const started = start(() => {
        signal?.removeEventListener('abort', onAbort);
        resolve(value);
      });
      if (!ref) started.unref();
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  };
  const setTimeout = (ms?: unknown, value?: unknown, options?: WaitOptions) =>
    wait((fn) => after(fn, ms), value, options);
  const setImmediate = (value?: unknown, options?: WaitOptions) => wait(soon, value, options);
  async function* setInterval(ms?: unknown, value?: unknown, options: WaitOptions = {}) {
    // Late rounds are made up for, as Node's own interval does.
    let due = 0;
    let wake: (() => void) | undefined;
    let timer: Started | undefined;
    const tick = () => {
      due++;
      timer = after(tick, ms);
      if (options.ref === false) timer.unref();
      wake?.();
    };
    const { signal } = options;
    const onAbort = () => wake?.();
    signal?.addEventListener('abort', onAbort, { once: true });
    timer = after(tick, ms);
    if (options.ref === false) timer.unref();
    try {
      for (;;) {
        if (signal?.aborted === true) throw aborted(signal);
        if (due === 0) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          continue;
        }
        due--;
        yield value;
      }
    } finally {
      timer.close();
      signal?.removeEventListener('abort', onAbort);
    }
  }
  const scheduler = {
    wait: (ms: unknown, options?: WaitOptions) => setTimeout(ms, undefined, options),
    yield: () => setImmediate(),
  };
  return { setTimeout, setImmediate, setInterval, scheduler };
}
