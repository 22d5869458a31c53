// Keeps the true monotonic clock reachable, whatever is later done to the clocks a program sees.
// Event logs are stamped with it, so that a skewed node's events still line up with the others'.

/** Puts a function that returns true monotonic ns at `globalThis[Symbol.for('chaos.monotonic')]`. */
export function keepMonotonicClock(): void {
  const trueClock = process.hrtime.bigint.bind(process.hrtime);
  Object.defineProperty(globalThis, Symbol.for('chaos.monotonic'), { value: trueClock });
}
