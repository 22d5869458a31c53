// Produce requests that are appended and wait for their acknowledgement: one queue for those that wait for the
// high watermark, one for those that wait for this broker's disk. Each is told exactly once.
import type { Produced } from '../contract.ts';

export interface Waiting {
  readonly baseOffset: number;
  /** Acknowledged when everything below is where it has to be. */
  readonly offset: number;
  readonly timeoutMs: number;
}

interface Waiter extends Waiting {
  readonly settle: (produced: Produced) => void;
  readonly timer: NodeJS.Timeout;
}

export interface AckQueueParts {
  /** Called right before a waiter is told that it succeeded. */
  readonly acknowledged: (waiting: Waiting) => void;
  readonly logStartOffset: () => number;
}

export class AckQueue {
  readonly #parts: AckQueueParts;
  /** Ascending by offset. */
  #waiters: Waiter[] = [];

  constructor(parts: AckQueueParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#waiters.length;
  }

  wait(waiting: Waiting): Promise<Produced> {
    return new Promise((resolve) => {
      const waiter: Waiter = {
        ...waiting,
        settle: (produced) => {
          clearTimeout(waiter.timer);
          resolve(produced);
        },
        timer: setTimeout(() => this.#timedOut(waiter), waiting.timeoutMs),
      };
      // Repeated batches have the offset that they got first, so they do not always come last.
      let at = this.#waiters.length;
      while (at > 0 && (this.#waiters[at - 1] as Waiter).offset > waiter.offset) at -= 1;
      this.#waiters.splice(at, 0, waiter);
    });
  }

  /** Acknowledges all that wait for offsets up to `offset`. */
  reached(offset: number): void {
    const beyond = this.#waiters.findIndex((waiter) => waiter.offset > offset);
    const count = beyond < 0 ? this.#waiters.length : beyond;
    if (count === 0) return;
    const logStartOffset = this.#parts.logStartOffset();
    for (const waiter of this.#waiters.splice(0, count)) {
      this.#parts.acknowledged(waiter);
      waiter.settle({ error: undefined, baseOffset: waiter.baseOffset, logStartOffset });
    }
  }

  /** Tells all that wait that it is not known whether their records stay. */
  fail(error: NonNullable<Produced['error']>, message: string): void {
    for (const waiter of this.#waiters.splice(0)) {
      waiter.settle({ error, message, baseOffset: -1, logStartOffset: -1 });
    }
  }

  #timedOut(waiter: Waiter): void {
    const at = this.#waiters.indexOf(waiter);
    if (at < 0) return;
    this.#waiters.splice(at, 1);
    const message = `the records were appended, but not acknowledged within ${waiter.timeoutMs} ms`;
    waiter.settle({ error: 'REQUEST_TIMED_OUT', message, baseOffset: -1, logStartOffset: -1 });
  }
}
