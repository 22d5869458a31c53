// The clocks of one simulated process: wall time that can be set wrong and drift, and a monotonic clock
// that stays true unless told otherwise. They survive a restart of the process, as a machine's do.

/** A wrong clock. What is left out is right. */
export interface ClockSkew {
  /** Added to the wall clock at once, ms: a jump. */
  offsetMs?: number;
  /** Seconds that the wall clock counts in a true second; default 1. */
  rate?: number;
  /** The same for the monotonic clock, by which timers run; default 1. */
  monotonicRate?: number;
}

const NS_PER_MS = 1e6;

export class ProcessClock {
  readonly #nowNs: () => number;
  #wallMs: number;
  #monotonicNs = 0;
  #sinceNs = 0;
  #rate = 1;
  #monotonicRate = 1;

  constructor(epochMs: number, nowNs: () => number) {
    this.#wallMs = epochMs;
    this.#nowNs = nowNs;
  }

  /** The wall clock, ms since 1970, with fractions. */
  wallMs(): number {
    return this.#wallMs + ((this.#nowNs() - this.#sinceNs) * this.#rate) / NS_PER_MS;
  }

  /** The monotonic clock, integer ns. */
  monotonicNs(): number {
    const passed = this.#nowNs() - this.#sinceNs;
    return this.#monotonicNs + Math.round(passed * this.#monotonicRate);
  }

  /** True ns until the monotonic clock has counted `ns`. */
  trueNs(ns: number): number {
    return ns / this.#monotonicRate;
  }

  skew(skew: ClockSkew): void {
    const { offsetMs = 0, rate = 1, monotonicRate = 1 } = skew;
    if (!(rate >= 0) || !(monotonicRate > 0)) {
      throw new RangeError(
        `expected a rate of 0 or more and a monotonic rate above 0, got ${rate} and ${monotonicRate}`,
      );
    }
    this.#wallMs = this.wallMs() + offsetMs;
    this.#monotonicNs = this.monotonicNs();
    this.#sinceNs = this.#nowNs();
    this.#rate = rate;
    this.#monotonicRate = monotonicRate;
  }

  /** Sets the wall clock right, at the true rate; the monotonic clock never jumps back. */
  heal(epochMs: number): void {
    this.skew({});
    this.#wallMs = epochMs + this.#nowNs() / NS_PER_MS;
  }
}
