// The leader's clock over all sessions: when each was last heard from and at which server it is. A
// touch is the commonest call by far, so it only notes the time; the order of deadlines is put right
// when the earliest of them comes due.
import type { SessionTracker } from '../contract.ts';

interface Tracked {
  readonly id: number;
  timeoutMs: number;
  heardMs: number;
  owner: number | undefined;
  /** The deadline it is queued under: at or before the true one. */
  queuedMs: number;
  state: 'live' | 'expired' | 'untracked';
}

/** Untracked entries in the heap above which, if they are the majority, it is built anew. */
const DEAD_MAX = 1024;

/** Tracks deadlines in a binary heap; touch O(1), the rest O(log n) amortised. */
export class HeapSessionTracker implements SessionTracker {
  readonly #byId = new Map<number, Tracked>();
  #heap: Tracked[] = [];
  #dead = 0;

  /** Sessions known, those reported as expired included. */
  get size(): number {
    return this.#byId.size;
  }

  /** Tracking a known session again restarts its time and keeps the server it is attached to. */
  track(id: number, timeoutMs: number, nowMs: number): void {
    const owner = this.#byId.get(id)?.owner;
    this.untrack(id);
    const queuedMs = nowMs + timeoutMs;
    const entry: Tracked = { id, timeoutMs, heardMs: nowMs, owner, queuedMs, state: 'live' };
    this.#byId.set(id, entry);
    this.#push(entry);
  }

  untrack(id: number): void {
    const entry = this.#byId.get(id);
    if (entry === undefined) return;
    this.#byId.delete(id);
    // An expired one has left the heap already.
    if (entry.state === 'live') this.#dead++;
    entry.state = 'untracked';
    if (this.#dead > DEAD_MAX && this.#dead * 2 > this.#heap.length) this.#rebuild();
  }

  /** False also for a session reported as expired: its close is on its way and cannot be stopped. */
  touch(id: number, nowMs: number): boolean {
    const entry = this.#byId.get(id);
    if (entry === undefined || entry.state !== 'live') return false;
    if (nowMs > entry.heardMs) entry.heardMs = nowMs;
    return true;
  }

  /** Without effect for a session that is not tracked: it was closed meanwhile. */
  attach(id: number, origin: number): void {
    const entry = this.#byId.get(id);
    if (entry !== undefined) entry.owner = origin;
  }

  owner(id: number): number | undefined {
    return this.#byId.get(id)?.owner;
  }

  /** In order of their deadlines as queued; never before the timeout has passed in full. */
  expired(nowMs: number): { id: number; silentMs: number; timeoutMs: number }[] {
    const over: { id: number; silentMs: number; timeoutMs: number }[] = [];
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      if (top.state === 'live' && top.queuedMs > nowMs) break;
      this.#pop();
      if (top.state !== 'live') {
        this.#dead--;
        continue;
      }
      const dueMs = top.heardMs + top.timeoutMs;
      if (dueMs > nowMs) {
        top.queuedMs = dueMs;
        this.#push(top);
        continue;
      }
      top.state = 'expired';
      over.push({ id: top.id, silentMs: nowMs - top.heardMs, timeoutMs: top.timeoutMs });
    }
    return over;
  }

  #rebuild(): void {
    const live = this.#heap.filter((entry) => entry.state === 'live');
    this.#heap = [];
    this.#dead = 0;
    for (const entry of live) this.#push(entry);
  }

  #push(entry: Tracked): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up] as Tracked;
      if (!isBefore(entry, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && isBefore(right, heap[child] as Tracked)) child++;
      const smaller = heap[child] as Tracked;
      if (!isBefore(smaller, last)) break;
      heap[at] = smaller;
      at = child;
    }
    heap[at] = last;
  }
}

// By id where deadlines are equal, so that the order of reports depends on nothing else.
function isBefore(a: Tracked, b: Tracked): boolean {
  return a.queuedMs !== b.queuedMs ? a.queuedMs < b.queuedMs : a.id < b.id;
}
