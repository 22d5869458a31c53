// The server's log on standard output: a line an occurrence, with its time. What strangers can cause
// without end is bounded by the second, and what was left out is counted.

/** Lines a second that connections may cause. */
const LINES_MAX = 50;
const WINDOW_MS = 1_000;

/** Writes one line, always. */
export function logLine(text: string): void {
  console.log(`${new Date().toISOString()} ${text}`);
}

/** A log for what clients cause. */
export class BoundedLog {
  readonly #write: (text: string) => void;
  readonly #nowMs: () => number;
  #windowMs = Number.NEGATIVE_INFINITY;
  #lines = 0;
  #left = 0;

  constructor(write: (text: string) => void, nowMs: () => number) {
    this.#write = write;
    this.#nowMs = nowMs;
  }

  line(text: string): void {
    const now = this.#nowMs();
    if (now - this.#windowMs >= WINDOW_MS) {
      if (this.#left > 0) this.#write(`${this.#left} more lines like the last were left out`);
      this.#windowMs = now;
      this.#lines = 0;
      this.#left = 0;
    }
    if (this.#lines >= LINES_MAX) this.#left++;
    else {
      this.#lines++;
      this.#write(text);
    }
  }
}
