// The rolling SHA-256 over everything that happens in a simulation, with checkpoints on the way. Two
// runs are the same exactly if their hashes are; the checkpoints say where two runs part.
import { createHash, type Hash } from 'node:crypto';

/** The hash over all events before number `event`. */
export interface Checkpoint {
  event: number;
  timeNs: number;
  hash: string;
}

export interface TraceOptions {
  /** Events between two checkpoints; default 10,000. */
  checkpointEvery?: number;
  /** Keeps the lines of events numbered from `from` (inclusive) to `to` (exclusive). */
  record?: { from: number; to: number };
  /** Keeps the last so many lines, for the story of a failure. */
  keepLast?: number;
}

/** Lines are gathered up to this length before they are hashed: one call costs more than a line. */
const PENDING_CHARS = 16_384;
/** Recording more lines than this would eat the memory of the machine. */
const RECORD_LINES_MAX = 2_000_000;

export class Trace {
  readonly checkpoints: Checkpoint[] = [];
  readonly #hash: Hash = createHash('sha256');
  readonly #every: number;
  readonly #from: number;
  readonly #to: number;
  readonly #keepLast: number;
  readonly #recorded: string[] = [];
  #last: string[] = [];
  #pending = '';
  #events = 0;
  /** The time of the last line: many lines share theirs, and writing a number out is slow. */
  #timeNs = -1;
  #time = '';

  constructor(options: TraceOptions = {}) {
    this.#every = options.checkpointEvery ?? 10_000;
    this.#from = options.record?.from ?? 0;
    this.#to = options.record?.to ?? 0;
    this.#keepLast = options.keepLast ?? 0;
    if (!(this.#every >= 1)) {
      throw new RangeError(`expected a checkpoint every 1 or more events, got ${this.#every}`);
    }
    if (this.#to - this.#from > RECORD_LINES_MAX) {
      throw new RangeError(
        `expected at most ${RECORD_LINES_MAX} events to record, got ${this.#to - this.#from}: ` +
          'narrow the window with the checkpoints first',
      );
    }
  }

  /** Events written so far. */
  get events(): number {
    return this.#events;
  }

  /** One event: when (virtual ns), what, whose, and what else tells it from another. */
  write(timeNs: number, kind: string, process: string, detail: string): void {
    if (this.#events > 0 && this.#events % this.#every === 0) this.#checkpoint(timeNs);
    if (timeNs !== this.#timeNs) {
      this.#timeNs = timeNs;
      this.#time = `${timeNs}`;
    }
    const line = `${this.#time} ${kind} ${process} ${detail}`;
    const number = this.#events++;
    this.#pending += `${line}\n`;
    if (this.#pending.length >= PENDING_CHARS) this.#flush();
    if (number >= this.#from && number < this.#to) this.#recorded.push(line);
    if (this.#keepLast > 0) {
      this.#last.push(line);
      if (this.#last.length >= 2 * this.#keepLast) this.#last = this.#last.slice(-this.#keepLast);
    }
  }

  /** The hash over everything so far, in hex; writing may go on afterwards. */
  hash(): string {
    this.#flush();
    return this.#hash.copy().digest('hex');
  }

  /** The lines of the window that `record` asked for. */
  recorded(): readonly string[] {
    return this.#recorded;
  }

  /** The last lines, as many as `keepLast` asked for. */
  last(): string[] {
    return this.#keepLast === 0 ? [] : this.#last.slice(-this.#keepLast);
  }

  #checkpoint(timeNs: number): void {
    this.checkpoints.push({ event: this.#events, timeNs, hash: this.hash() });
  }

  #flush(): void {
    if (this.#pending === '') return;
    this.#hash.update(this.#pending);
    this.#pending = '';
  }
}

/**
 * The window of events in which two runs part: `from` is the last checkpoint that both share, `to`
 * the first that differs. Undefined when all common checkpoints agree and both ended alike. Run both
 * again with `record` set to the window, and compare the lines to find the event.
 */
export function firstDifference(
  a: { checkpoints: readonly Checkpoint[]; events: number; hash: string },
  b: { checkpoints: readonly Checkpoint[]; events: number; hash: string },
): { from: number; to: number } | undefined {
  if (a.hash === b.hash && a.events === b.events) return undefined;
  let from = 0;
  for (let i = 0; i < Math.max(a.checkpoints.length, b.checkpoints.length); i++) {
    const left = a.checkpoints[i];
    const right = b.checkpoints[i];
    if (left === undefined || right === undefined) break;
    if (left.event !== right.event || left.hash !== right.hash) return { from, to: left.event };
    from = left.event;
  }
  return { from, to: Math.max(a.events, b.events) };
}
