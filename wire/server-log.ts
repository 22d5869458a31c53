// A server's log on standard output: a line an occurrence, with its time. What strangers can cause
// without end is bounded by the second, and what was left out is counted.

/** Lines a second that connections may cause. */
const LINES_MAX = 50;
const WINDOW_MS = 1_000;

const REASON_CHARS_MAX = 300;

/** Text that a stranger had a part in, so that it stays one line of bounded length. */
export function printable(text: string): string {
  const short = text.length > REASON_CHARS_MAX ? `${text.slice(0, REASON_CHARS_MAX)}…` : text;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a log must not contain.
  return short.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, '?');
}

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
