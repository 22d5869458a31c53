// Seeded randomness for fuzzing: the same seed gives the same bytes, so that what broke a server can
// be sent again.

export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** The next of a mulberry32 sequence, below 2^32. */
  word(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /** A whole number below `end`. */
  below(end: number): number {
    return this.word() % end;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(all: readonly T[]): T {
    const one = all[this.below(all.length)];
    if (one === undefined) throw new Error('expected something to pick from, got nothing');
    return one;
  }

  bytes(size: number): Buffer {
    const made = Buffer.allocUnsafe(size);
    for (let at = 0; at < size; at++) made[at] = this.word();
    return made;
  }
}
