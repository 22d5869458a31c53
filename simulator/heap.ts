// The queue of what is yet to happen: a binary heap ordered by time, then by a seeded tiebreak, then
// by the order of scheduling. Cancelled entries are left behind and swept out when they are many.
import type { Scheduled } from './host.ts';

/** Who an event belongs to: a life of a process, or nobody (the network, the faults). */
export interface Owner {
  readonly name: string;
  /** Orders this owner's events among others' of the same moment; the same for all of its own. */
  readonly salt: number;
  readonly alive: boolean;
  readonly paused: boolean;
  /** An event that held the owner up waits no longer. */
  unhold(): void;
}

/** One event. An object of its own rather than closures, since there are so many. */
export class HeapEntry implements Scheduled {
  timeNs: number;
  tie: number;
  seq: number;
  readonly kind: string;
  readonly owner: Owner | undefined;
  /** Whether it keeps its owner from ending by itself. */
  held: boolean;
  /** In the heap now; an entry that a paused owner keeps is not. */
  queued = false;
  /** Undefined once cancelled or run. */
  fn: (() => void) | undefined;
  readonly #heap: EventHeap;

  constructor(
    heap: EventHeap,
    order: { timeNs: number; tie: number; seq: number },
    kind: string,
    owner: Owner | undefined,
    fn: () => void,
    held: boolean,
  ) {
    this.#heap = heap;
    this.timeNs = order.timeNs;
    this.tie = order.tie;
    this.seq = order.seq;
    this.kind = kind;
    this.owner = owner;
    this.fn = fn;
    this.held = held;
  }

  cancel(): void {
    if (this.fn === undefined) return;
    if (this.held) this.owner?.unhold();
    this.#heap.cancel(this);
  }
}

function before(a: HeapEntry, b: HeapEntry): boolean {
  if (a.timeNs !== b.timeNs) return a.timeNs < b.timeNs;
  if (a.tie !== b.tie) return a.tie < b.tie;
  return a.seq < b.seq;
}

/** Below this many entries sweeping is not worth it. */
const SWEEP_MIN = 1024;

export class EventHeap {
  #entries: HeapEntry[] = [];
  #cancelled = 0;

  /** Entries that still wait to run. */
  get size(): number {
    return this.#entries.length - this.#cancelled;
  }

  push(entry: HeapEntry): void {
    const entries = this.#entries;
    let at = entries.length;
    entry.queued = true;
    entries.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = entries[parent]!;
      if (!before(entry, above)) break;
      entries[at] = above;
      at = parent;
    }
    entries[at] = entry;
  }

  /** The first entry that was not cancelled, left in place. */
  peek(): HeapEntry | undefined {
    for (;;) {
      const first = this.#entries[0];
      if (first === undefined || first.fn !== undefined) return first;
      this.#removeFirst();
      this.#cancelled--;
    }
  }

  pop(): HeapEntry | undefined {
    const first = this.peek();
    if (first !== undefined) {
      this.#removeFirst();
      first.queued = false;
    }
    return first;
  }

  cancel(entry: HeapEntry): void {
    if (entry.fn === undefined) return;
    entry.fn = undefined;
    if (!entry.queued) return;
    this.#cancelled++;
    if (this.#cancelled > SWEEP_MIN && this.#cancelled * 2 > this.#entries.length) this.#sweep();
  }

  #removeFirst(): void {
    const entries = this.#entries;
    const last = entries.pop()!;
    const length = entries.length;
    if (length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      if (child + 1 < length && before(entries[child + 1]!, entries[child]!)) child++;
      if (!before(entries[child]!, last)) break;
      entries[at] = entries[child]!;
      at = child;
    }
    entries[at] = last;
  }

  #sweep(): void {
    const waiting = this.#entries.filter((entry) => entry.fn !== undefined);
    this.#entries = [];
    this.#cancelled = 0;
    for (const entry of waiting) this.push(entry);
  }
}
