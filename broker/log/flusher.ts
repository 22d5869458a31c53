// Group commit: one sync at a time, and everything appended while it is under way goes into the next. Whoever
// waits for an offset is told when a sync covered it, and all are told when one failed.

interface Waiter {
  readonly offset: number;
  resolve(): void;
  reject(error: Error): void;
}

export interface FlushParts {
  /** Makes everything appended so far durable, and calls `covered` as soon as everything below is. */
  sync(covered: (offset: number) => void): Promise<void>;
  /** A sync failed: nothing is retried, since the kernel may have dropped what it could not write. */
  failed(error: Error): void;
}

export class Flusher {
  readonly #parts: FlushParts;
  #flushedOffset: number;
  #wanted = false;
  #scheduled = false;
  #cycle: Promise<void> | null = null;
  #pauses = 0;
  #failure: Error | null = null;
  #timer: NodeJS.Timeout | undefined;
  #waiters: Waiter[] = [];
  /** Everyone who paused waits for those before. */
  #turn: Promise<void> = Promise.resolve();

  constructor(flushedOffset: number, parts: FlushParts) {
    this.#flushedOffset = flushedOffset;
    this.#parts = parts;
  }

  /** Everything below is durable. */
  get flushedOffset(): number {
    return this.#flushedOffset;
  }

  /** A sync is due: it begins at the end of this turn of the loop, or when the one under way is done. */
  request(): void {
    this.#wanted = true;
    if (this.#scheduled || this.#cycle !== null || this.#pauses > 0) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }

  /** A sync is due in `delayMs` at the latest. */
  requestWithin(delayMs: number): void {
    if (this.#failure !== null) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.request();
    }, delayMs);
  }

  /** Resolves when everything below `offset` is durable. Rejects when the log fails. */
  flushed(offset: number): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (offset <= this.#flushedOffset) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiters.push({ offset, resolve, reject }));
  }

  /** Runs `change` while no sync is under way and none begins; one such change after the other. */
  async exclusively<T>(change: () => T | Promise<T>): Promise<T> {
    this.#pauses += 1;
    const before = this.#turn;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#turn = promise;
    try {
      await before;
      if (this.#cycle !== null) await this.#cycle;
      if (this.#failure !== null) throw this.#failure;
      return await change();
    } finally {
      this.#pauses -= 1;
      resolve();
      if (this.#wanted) this.request();
    }
  }

  /** Resolves when no sync is under way, and lets none begin any more. */
  async idle(): Promise<void> {
    this.#pauses += 1;
    await this.#turn;
    await this.#cycle;
  }

  /** Syncs at once; only for who has it exclusively. */
  async syncNow(): Promise<void> {
    await this.#run();
    if (this.#failure !== null) throw this.#failure;
  }

  /** The log ends, and is durable, at `offset`: who waits for more waits in vain. */
  restartAt(offset: number): void {
    this.#flushedOffset = offset;
    const lost = this.#waiters.filter((waiter) => waiter.offset > offset);
    this.#waiters = this.#waiters.filter((waiter) => waiter.offset <= offset);
    for (const { reject, offset: wanted } of lost) {
      reject(new Error(`the log was truncated to ${offset} while offset ${wanted} was waited for`));
    }
    this.#tell();
  }

  /** The log is dead or closed: whoever waits is told so, and no sync begins any more. */
  stop(reason: Error): void {
    this.#failure ??= reason;
    clearTimeout(this.#timer);
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const { reject } of waiters) reject(this.#failure);
  }

  #pump(): void {
    if (this.#cycle !== null || this.#pauses > 0 || !this.#wanted) return;
    if (this.#failure !== null) return;
    this.#cycle = this.#run().then(() => {
      this.#cycle = null;
      this.#pump();
    });
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    if (this.#failure !== null) return;
    this.#wanted = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    try {
      await this.#parts.sync((offset) => {
        this.#flushedOffset = offset;
        this.#tell();
      });
    } catch (error) {
      this.#parts.failed(error as Error);
    }
  }

  #tell(): void {
    const ready = this.#waiters.filter(({ offset }) => offset <= this.#flushedOffset);
    if (ready.length === 0) return;
    this.#waiters = this.#waiters.filter(({ offset }) => offset > this.#flushedOffset);
    for (const { resolve } of ready) resolve();
  }
}
