// The run's clock: integer nanoseconds since the start of the run, and sleeps that can be cut short.
// One base serves the harness and, handed over as an argument, the nodes, so their times compare.

/** Name of the global that stands in for `process.hrtime.bigint` where time is not the machine's. */
const MONOTONIC = Symbol.for('chaos.monotonic');

/** Now, in ns of the machine's monotonic clock, unskewed. */
export function monotonicNs(): bigint {
  const stand = (globalThis as { [MONOTONIC]?: () => bigint })[MONOTONIC];
  return stand === undefined ? process.hrtime.bigint() : stand();
}

/** Time since the start of a run. */
export class RunClock {
  /** The start of the run on the monotonic clock, ns. */
  readonly baseNs: bigint;

  constructor(baseNs: bigint = monotonicNs()) {
    this.baseNs = baseNs;
  }

  /** Integer ns since the start of the run. */
  now(): number {
    return Number(monotonicNs() - this.baseNs);
  }
}

/** A moment that ends waits: once reached, every sleep on it is over and new ones end at once. */
export class Halt {
  #reached = false;
  readonly #wake = new Set<() => void>();

  get reached(): boolean {
    return this.#reached;
  }

  reach(): void {
    this.#reached = true;
    for (const wake of this.#wake) wake();
    this.#wake.clear();
  }

  /** Waits `ms` milliseconds, or until the halt is reached. */
  sleep(ms: number): Promise<void> {
    if (this.#reached || ms < 0) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#wake.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.#wake.add(wake);
    });
  }
}

/** The promise's outcome, or a rejection that names `what` after `ms` milliseconds. */
export function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = () => reject(new Error(`${what} did not end within ${ms} ms`));
    const timer = setTimeout(late, ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** What was thrown, as one line. */
export function errorLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replaceAll('\n', ' ');
}
