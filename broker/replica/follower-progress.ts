// What a leader knows of one follower, from its fetches of this leader epoch alone: how far its log is there,
// durably, and when it had last caught up. The high watermark and the ISR follow from it.

export class FollowerProgress {
  readonly id: number;
  /** Epoch of the registration that fetched last; −1: nothing fetched yet. */
  brokerEpoch = -1;
  /** It has everything below; −1: it has not fetched in this leader epoch. */
  offset = -1;
  #caughtUpAtMs: number;
  #fetchedAtMs = -1;
  #leaderEndAtFetch = -1;

  /** A follower that is in the ISR when a leader begins is given the time to show itself. */
  constructor(id: number, nowMs: number) {
    this.id = id;
    this.#caughtUpAtMs = nowMs;
  }

  /**
   * It fetched from `offset`, when the leader's log ended at `leaderEnd`. Returns false for a fetch of an
   * earlier life of that broker: what it claims may have been lost since.
   */
  fetched(offset: number, brokerEpoch: number, leaderEnd: number, nowMs: number): boolean {
    if (brokerEpoch < this.brokerEpoch) return false;
    if (offset >= leaderEnd) this.#caughtUpAtMs = nowMs;
    // As far as the leader was when it was asked before: at that time it had nothing more to give.
    else if (this.#fetchedAtMs >= 0 && offset >= this.#leaderEndAtFetch) {
      this.#caughtUpAtMs = Math.max(this.#caughtUpAtMs, this.#fetchedAtMs);
    }
    this.brokerEpoch = brokerEpoch;
    this.offset = offset;
    this.#fetchedAtMs = nowMs;
    this.#leaderEndAtFetch = leaderEnd;
    return true;
  }

  /** Whether it had caught up within the last `lagTimeMaxMs`. */
  inSync(nowMs: number, lagTimeMaxMs: number): boolean {
    return nowMs - this.#caughtUpAtMs <= lagTimeMaxMs;
  }
}
