// One search of one object's history: the state of Wing and Gong's algorithm, step by step. search.ts
// says what it does and why its shortcuts are exact; this file is where they happen.
import { performance } from 'node:perf_hooks';
import type { Op } from '../../history/op.ts';
import { ConfigurationTable } from './configuration-table.ts';
import type { CompiledModel } from './model.ts';
import type { SearchBudget, SearchResult } from './search.ts';

const NONE = -1;
const OPEN = 0x7fffffff;
const CLOCK_EVERY = 1024;

/** Where a search stands: one frame for each call placed by choice. */
interface Frame {
  state: number;
  /** State before the unanswered call placed last, while no other call has followed it. */
  before: number;
  /** Rank of the first reply that has not come yet: calls invoked after it must wait. */
  limit: number;
  /** Next candidate: a required call while below `required.length`, then classes of others. */
  cursor: number;
  optionalClass: number;
  /** Calls placed when the frame began, with its closure. */
  placed: number;
  highest: number;
}

/** An unanswered call: its index in the model, the rank of its invocation, its bit in the memo. */
interface OptionalCall {
  call: number;
  invoke: number;
  bit: number;
}

/** A search, run once. */
export class Search {
  readonly #model: CompiledModel;
  readonly #budget: SearchBudget;
  readonly #table: ConfigurationTable;
  /** Required calls in order of invocation: index in the model, ranks of invocation and return. */
  readonly #required: number[] = [];
  readonly #invoke: Int32Array;
  readonly #return: Int32Array;
  /** Linked list of required calls still open; the index after the last is its head. */
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #bits: Int32Array;
  /** Unanswered calls: for each effect, its calls in order of invocation and how many are placed. */
  readonly #classes: OptionalCall[][] = [];
  readonly #classPlaced: Int32Array;
  readonly #optionalBits: Int32Array;
  /** Placed calls in order: index of a required call, or `required.length` + class. */
  readonly #trail: Int32Array;
  #placed = 0;
  #highest = NONE;
  readonly #key: Int32Array;
  /** The furthest reply reached, the calls placed there, and the state. */
  #furthest = { limit: NONE, placed: 0, state: 0, saved: true, trail: new Int32Array(0) };
  #gaveUp: string | undefined;
  #deadline: number;

  constructor(model: CompiledModel, budget: SearchBudget) {
    this.#model = model;
    this.#budget = budget;
    this.#table = new ConfigurationTable(budget.memoryBytes);
    this.#deadline = performance.now() + budget.timeMs;
    const ranks = rankEvents(model);
    const byEffect = new Map<number, OptionalCall[]>();
    const order = model.calls.map((_, i) => i);
    order.sort((a, b) => (ranks.invoke[a] as number) - (ranks.invoke[b] as number));
    let optional = 0;
    for (const call of order) {
      const { required, effect } = model.calls[call] as CompiledModel['calls'][number];
      if (required) {
        this.#required.push(call);
        continue;
      }
      const member = { call, invoke: ranks.invoke[call] as number, bit: optional++ };
      const own = byEffect.get(effect);
      if (own === undefined) byEffect.set(effect, [member]);
      else own.push(member);
    }
    this.#classes = [...byEffect.values()];
    const n = this.#required.length;
    this.#invoke = Int32Array.from(this.#required, (call) => ranks.invoke[call] as number);
    this.#return = Int32Array.from(this.#required, (call) => ranks.return[call] as number);
    this.#next = Int32Array.from({ length: n + 1 }, (_, i) => (i === n ? 0 : i + 1));
    this.#previous = Int32Array.from({ length: n + 1 }, (_, i) => (i === 0 ? n : i - 1));
    this.#bits = new Int32Array((n >>> 5) + 1);
    this.#classPlaced = new Int32Array(this.#classes.length);
    this.#trail = new Int32Array(n + optional);
    this.#optionalBits = new Int32Array((optional + 31) >>> 5);
    this.#key = new Int32Array(3 + this.#bits.length + this.#optionalBits.length);
  }

  run(): SearchResult {
    const stack: Frame[] = [];
    const first = this.#enter(this.#model.initial, NONE);
    if (first !== undefined) stack.push(first);
    while (stack.length > 0 && this.#gaveUp === undefined && !this.#complete()) {
      const frame = stack[stack.length - 1] as Frame;
      const child = this.#branch(frame);
      if (child !== undefined) {
        stack.push(child);
        continue;
      }
      if (this.#gaveUp !== undefined || this.#complete()) break;
      stack.pop();
      const parent = stack[stack.length - 1];
      this.#undoTo(parent?.placed ?? 0, parent?.highest ?? NONE);
    }
    return this.#result();
  }

  #complete(): boolean {
    return this.#next[this.#required.length] === this.#required.length;
  }

  /** Tries the frame's next candidates until one leads to a new configuration. */
  #branch(frame: Frame): Frame | undefined {
    const n = this.#required.length;
    const { state, before, limit } = frame;
    const model = this.#model;
    while (frame.cursor !== n) {
      const i = frame.cursor;
      if ((this.#invoke[i] as number) > limit) {
        frame.cursor = n;
        break;
      }
      frame.cursor = this.#next[i] as number;
      const call = this.#required[i] as number;
      if (model.calls[call]?.pure === true) continue;
      const after = model.step(state, call);
      if (after === NONE) continue;
      if (before !== NONE && model.step(before, call) === after) continue;
      this.#placeRequired(i);
      const child = this.#enter(after, NONE);
      if (child !== undefined || this.#gaveUp !== undefined || this.#complete()) return child;
      this.#undoTo(frame.placed, frame.highest);
    }
    while (frame.optionalClass < this.#classes.length) {
      const c = frame.optionalClass++;
      const member = this.#classes[c]?.[this.#classPlaced[c] as number];
      if (member === undefined || member.invoke > limit) continue;
      const after = model.step(state, member.call);
      if (after === NONE || after === state) continue;
      if (before !== NONE && model.step(before, member.call) === after) continue;
      this.#placeOptional(c);
      const child = this.#enter(after, state);
      if (child !== undefined || this.#gaveUp !== undefined || this.#complete()) return child;
      this.#undoTo(frame.placed, frame.highest);
    }
    return undefined;
  }

  /** Closes a configuration under pure calls and opens a frame for it, unless it was seen before. */
  #enter(state: number, before: number): Frame | undefined {
    const n = this.#required.length;
    const placedBefore = this.#placed;
    let limit = OPEN;
    for (let i = this.#next[n] as number; i !== n; i = this.#next[i] as number) {
      if ((this.#invoke[i] as number) > limit) break;
      const call = this.#required[i] as number;
      if (this.#model.calls[call]?.pure === true && this.#model.step(state, call) === state) {
        this.#placeRequired(i);
      } else if ((this.#return[i] as number) < limit) {
        limit = this.#return[i] as number;
      }
    }
    if (limit > this.#furthest.limit) {
      this.#furthest.limit = limit;
      this.#furthest.placed = this.#placed;
      this.#furthest.state = state;
      this.#furthest.saved = false;
    }
    if (this.#complete()) return undefined;
    const pending = this.#placed > placedBefore ? NONE : before;
    if (!this.#remember(state, pending)) return undefined;
    return {
      state,
      before: pending,
      limit,
      cursor: this.#next[n] as number,
      optionalClass: 0,
      placed: this.#placed,
      highest: this.#highest,
    };
  }

  /** Adds the configuration to the memo; false when it is known or a budget is used up. */
  #remember(state: number, before: number): boolean {
    const key = this.#key;
    const first = this.#next[this.#required.length] as number;
    key[0] = first;
    key[1] = state;
    key[2] = before;
    let length = 3;
    for (let word = first >>> 5; word <= this.#highest >>> 5 && this.#highest > first; word++) {
      key[length++] = this.#bits[word] as number;
    }
    for (const word of this.#optionalBits) key[length++] = word;
    const added = this.#table.add(key, length);
    const { configurations, memoryBytes } = this.#budget;
    if (added === 'full') this.#gaveUp = `the memory budget of ${memoryBytes} bytes is used up`;
    if (added === 'known') return false;
    if (this.#table.size > configurations) {
      this.#gaveUp = `the budget of ${configurations} configurations is used up`;
    } else if (this.#table.size % CLOCK_EVERY === 0 && performance.now() > this.#deadline) {
      this.#gaveUp = `the time budget of ${Math.round(this.#budget.timeMs)} ms is used up`;
    }
    return this.#gaveUp === undefined;
  }

  #placeRequired(i: number): void {
    const next = this.#next[i] as number;
    const previous = this.#previous[i] as number;
    this.#next[previous] = next;
    this.#previous[next] = previous;
    this.#bits[i >>> 5] = (this.#bits[i >>> 5] as number) | (1 << (i & 31));
    if (i > this.#highest) this.#highest = i;
    this.#trail[this.#placed++] = i;
  }

  #placeOptional(c: number): void {
    this.#flipOptional((this.#classes[c] as OptionalCall[])[this.#classPlaced[c] as number]);
    this.#classPlaced[c] = (this.#classPlaced[c] as number) + 1;
    this.#trail[this.#placed++] = this.#required.length + c;
  }

  #flipOptional(member: OptionalCall | undefined): void {
    const bit = (member as OptionalCall).bit;
    this.#optionalBits[bit >>> 5] = (this.#optionalBits[bit >>> 5] as number) ^ (1 << (bit & 31));
  }

  #undoTo(placed: number, highest: number): void {
    const furthest = this.#furthest;
    if (!furthest.saved && placed < furthest.placed) {
      furthest.trail = this.#trail.slice(0, furthest.placed);
      furthest.saved = true;
    }
    const n = this.#required.length;
    while (this.#placed > placed) {
      const entry = this.#trail[--this.#placed] as number;
      if (entry >= n) {
        const c = entry - n;
        this.#classPlaced[c] = (this.#classPlaced[c] as number) - 1;
        this.#flipOptional((this.#classes[c] as OptionalCall[])[this.#classPlaced[c] as number]);
        continue;
      }
      this.#next[this.#previous[entry] as number] = entry;
      this.#previous[this.#next[entry] as number] = entry;
      this.#bits[entry >>> 5] = (this.#bits[entry >>> 5] as number) & ~(1 << (entry & 31));
    }
    this.#highest = highest;
  }

  #result(): SearchResult {
    const configurations = this.#table.size;
    if (this.#complete()) {
      const order = this.#opsOf(this.#trail.subarray(0, this.#placed));
      return { outcome: 'valid', order, configurations };
    }
    if (this.#gaveUp !== undefined) {
      return { outcome: 'unknown', reason: this.#gaveUp, configurations };
    }
    const { limit, trail, state } = this.#furthest;
    const prefix = this.#opsOf(trail);
    const placed = new Set(prefix);
    const concurrent: Op[] = [];
    let blocked: Op | undefined;
    for (const [i, call] of this.#required.entries()) {
      if ((this.#invoke[i] as number) > limit) break;
      const op = this.#model.calls[call]?.op as Op;
      if ((this.#return[i] as number) === limit) blocked = op;
      else if (!placed.has(op)) concurrent.push(op);
    }
    if (blocked === undefined)
      throw new Error('the search ended without an operation that blocks it');
    const words = this.#model.describe(state);
    return { outcome: 'invalid', configurations, prefix, blocked, concurrent, state: words };
  }

  #opsOf(trail: Int32Array): Op[] {
    const used = new Int32Array(this.#classes.length);
    const n = this.#required.length;
    return Array.from(trail, (entry) => {
      let call = this.#required[entry];
      if (entry >= n) {
        const nth = used[entry - n] as number;
        used[entry - n] = nth + 1;
        call = this.#classes[entry - n]?.[nth]?.call;
      }
      return this.#model.calls[call as number]?.op as Op;
    });
  }
}

/** Ranks of events in time; at one instant invocations come first, so that a tie is concurrent. */
function rankEvents(model: CompiledModel): { invoke: Int32Array; return: Int32Array } {
  const n = model.calls.length;
  const times = new Float64Array(2 * n);
  for (const [i, { op, required }] of model.calls.entries()) {
    times[i] = op.invokeTime;
    times[n + i] = required ? op.returnTime : Number.POSITIVE_INFINITY;
  }
  const order = Array.from({ length: 2 * n }, (_, i) => i);
  order.sort((a, b) => {
    const earlier = times[a] as number;
    const later = times[b] as number;
    return earlier === later ? a - b : earlier - later;
  });
  const ranks = { invoke: new Int32Array(n), return: new Int32Array(n) };
  for (const [rank, event] of order.entries()) {
    if (event < n) ranks.invoke[event] = rank;
    else ranks.return[event - n] = rank;
  }
  return ranks;
}
