// A gate's time. An entry begins only if what it is expected to take still fits, so the gate ends within
// its budget and one entry; what does not fit is remembered by name.
import { Costs, type Entry } from './plan.ts';

/** Entries of a cell that were not begun. */
interface Left {
  entries: number;
  why: string;
}

export class Budget {
  readonly ms: number;
  readonly costs = new Costs();
  readonly #now: () => number;
  readonly #startedMs: number;
  readonly #left = new Map<string, Left>();
  readonly #ran = new Set<string>();

  /** `now` in ms, of any origin. */
  constructor(ms: number, now: () => number = () => performance.now()) {
    this.ms = ms;
    this.#now = now;
    this.#startedMs = now();
  }

  get elapsedMs(): number {
    return this.#now() - this.#startedMs;
  }

  /** Whether something of this length may still begin. */
  hasFor(ms: number): boolean {
    return this.elapsedMs + ms <= this.ms;
  }

  /** Whether the entry may begin; otherwise it is noted as not run. */
  begins(entry: Entry): boolean {
    const neededMs = this.costs.of(entry);
    if (this.hasFor(neededMs)) return true;
    this.leaveOut(entry, `the budget had no room for its ${Math.ceil(neededMs / 1_000)} s`);
    return false;
  }

  /** Notes that an entry of the cell has come to an end. */
  ran({ cell }: Entry): void {
    this.#ran.add(cell.id);
  }

  /** Notes an entry as not run. The first reason of a cell stands. */
  leaveOut(entry: Entry, why: string): void {
    const left = this.#left.get(entry.cell.id) ?? { entries: 0, why };
    left.entries += 1;
    this.#left.set(entry.cell.id, left);
  }

  /** Whether entries of the cell were left out: later rounds pass it over. */
  isOut(cellId: string): boolean {
    return this.#left.has(cellId);
  }

  /** What was not run, by cell. */
  notRun(): { cell: string; entries: number; elsewhere: boolean; why: string }[] {
    return [...this.#left].map(([cell, { entries, why }]) => {
      return { cell, entries, elsewhere: this.#ran.has(cell), why };
    });
  }
}
