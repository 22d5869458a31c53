// The memory that all answers of a broker have together, from when their records are read until their clients have
// taken them. Without it a few hundred consumers that ask for much at once, or never read what they are sent, could
// take all there is from everybody else.
import type { AnswerRoom } from '../contract.ts';

/** At most one part in so many of what is free goes to one consumer, so that a few leave something for the others. */
const FREE_PARTS = 8;

export interface AnswerBudgetConfig {
  /** `queued.max.response.bytes` */
  readonly bytesMax: number;
  /** What a consumer gets at least when its turn comes, bytes: room for one batch, which is never cut. */
  readonly turnBytes: number;
  /** Called when a consumer has to wait for its turn. */
  readonly short: () => void;
}

interface Waiting {
  readonly bytes: number;
  readonly granted: (bytes: number | undefined) => void;
}

export class AnswerBudget {
  readonly bytesMax: number;
  readonly #turnBytes: number;
  readonly #short: () => void;
  /** In the order in which they came. */
  readonly #waiting = new Map<AnswerShare, Waiting>();
  #heldBytes = 0;

  constructor({ bytesMax, turnBytes, short }: AnswerBudgetConfig) {
    this.bytesMax = bytesMax;
    // Whatever it is, one consumer at a time fits.
    this.#turnBytes = Math.min(turnBytes, bytesMax);
    this.#short = short;
  }

  /**
   * Bytes of all answers that are built or not taken yet. Above the budget only by what never waits: followers'
   * fetches, a first batch that is larger than a turn, and answers that carry no records.
   */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Consumers that wait for their turn. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Of `share`: what it holds changes by so many bytes. */
  hold(bytes: number): void {
    this.#heldBytes += bytes;
    if (bytes < 0) this.#grant();
  }

  /** Waits for the turn of `share`; resolves with what it then holds more, undefined when it left. */
  wait(share: AnswerShare, bytes: number): Promise<number | undefined> {
    return new Promise((granted) => {
      this.#waiting.set(share, { bytes, granted });
      this.#grant();
      if (this.#waiting.has(share)) this.#short();
    });
  }

  /** Takes `share` out of the queue. */
  leave(share: AnswerShare): void {
    const waiting = this.#waiting.get(share);
    if (!this.#waiting.delete(share)) return;
    waiting?.granted(undefined);
    // Whoever stood behind it may be the first now.
    this.#grant();
  }

  #grant(): void {
    for (const [share, { bytes, granted }] of this.#waiting) {
      const freeBytes = this.bytesMax - this.#heldBytes;
      if (freeBytes < this.#turnBytes) return;
      const part = Math.max(this.#turnBytes, Math.floor(freeBytes / FREE_PARTS));
      this.#waiting.delete(share);
      // Its first batch may be larger than what was asked for, but not than a turn.
      const held = Math.max(this.#turnBytes, Math.min(bytes, part));
      this.#heldBytes += held;
      granted(held);
    }
  }
}

/** One connection's part of the budget: of the answer that is built for it, and of those it has not taken. */
export class AnswerShare implements AnswerRoom {
  readonly #budget: AnswerBudget;
  #buildingBytes = 0;
  #unsentBytes = 0;
  #ended = false;

  constructor(budget: AnswerBudget) {
    this.#budget = budget;
  }

  async take(bytes: number, waits: boolean): Promise<number | undefined> {
    if (this.#ended) return undefined;
    if (!waits) this.#budget.hold(bytes);
    const held = waits ? await this.#budget.wait(this, bytes) : bytes;
    this.#buildingBytes += held ?? 0;
    // The connection may have been closed between the grant and now.
    if (this.#ended) this.built(0);
    return this.#ended || held === undefined ? undefined : Math.min(held, bytes);
  }

  built(bytes: number): void {
    const more = (this.#ended ? 0 : bytes) - this.#buildingBytes;
    this.#buildingBytes += more;
    this.#budget.hold(more);
  }

  /** What was built waits to be taken: `bytes` of all answers of the connection. */
  unsent(bytes: number): void {
    const more = (this.#ended ? 0 : bytes) - this.#unsentBytes;
    this.#unsentBytes += more;
    this.#budget.hold(more);
  }

  /** The connection is closed: gives back everything, for good. */
  end(): void {
    this.#ended = true;
    this.#budget.leave(this);
    this.built(0);
    this.unsent(0);
  }
}
