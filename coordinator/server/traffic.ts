// Packets and latencies, of a server and of each of its connections. Latency is counted as ZooKeeper
// counts it: from a request's arrival to its answer, in milliseconds.

export class Traffic {
  received = 0;
  sent = 0;
  latencyMsMin = 0;
  latencyMsMax = 0;
  latencyMsLast = 0;
  latencyMsSum = 0;
  answers = 0;

  get latencyMsMean(): number {
    return this.answers === 0 ? 0 : this.latencyMsSum / this.answers;
  }

  answered(elapsedMs: number): void {
    // The wall clock may have been set back meanwhile.
    const ms = Math.max(0, elapsedMs);
    this.latencyMsMin = this.answers === 0 ? ms : Math.min(this.latencyMsMin, ms);
    this.latencyMsMax = Math.max(this.latencyMsMax, ms);
    this.latencyMsLast = ms;
    this.latencyMsSum += ms;
    this.answers++;
  }

  /** Begins anew, as srst and crst ask for. */
  reset(): void {
    this.received = 0;
    this.sent = 0;
    this.latencyMsMin = 0;
    this.latencyMsMax = 0;
    this.latencyMsLast = 0;
    this.latencyMsSum = 0;
    this.answers = 0;
  }
}

/** Upper bounds of the histogram of latencies, ms. */
export const LATENCY_BUCKETS_MS: readonly number[] = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000,
];

/** How many answers took how long; what no bucket holds is only in `count`. */
export class LatencyHistogram {
  /** Answers at or below each bound, not cumulative. */
  readonly buckets: number[] = LATENCY_BUCKETS_MS.map(() => 0);
  count = 0;
  sumMs = 0;

  add(elapsedMs: number): void {
    const ms = Math.max(0, elapsedMs);
    this.count++;
    this.sumMs += ms;
    const at = LATENCY_BUCKETS_MS.findIndex((bound) => ms <= bound);
    if (at >= 0) this.buckets[at] = (this.buckets[at] as number) + 1;
  }
}
