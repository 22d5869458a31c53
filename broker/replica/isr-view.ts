// What a leader knows of its ISR while a change of it is under way: the stored one, and the one that may have
// replaced it. Counting on either alone loses records (K08), so what is asked here is asked of both.
import type { PartitionState } from '../contract.ts';

export class IsrView {
  #stored: PartitionState;
  /** An ISR that was written or not, against the version before it. */
  #pending: { readonly isr: readonly number[]; readonly expected: number } | undefined;

  constructor(stored: PartitionState) {
    this.#stored = stored;
  }

  /** The newest state that is known to have been stored. */
  get stored(): PartitionState {
    return this.#stored;
  }

  /** Whether a change is under way or its outcome unknown. */
  get isOpen(): boolean {
    return this.#pending !== undefined;
  }

  /** Everybody who may be in the ISR: any of them may be elected. */
  get maximal(): readonly number[] {
    return [...new Set([...this.#stored.isr, ...(this.#pending?.isr ?? [])])];
  }

  /** How many the ISR has at least, whichever of the two is stored. */
  get smallestSize(): number {
    return Math.min(this.#stored.isr.length, this.#pending?.isr.length ?? Number.POSITIVE_INFINITY);
  }

  /** From here on `isr` may be stored as well. */
  propose(isr: readonly number[]): void {
    if (this.#pending !== undefined) throw new Error('a change of the ISR is under way already');
    this.#pending = { isr, expected: this.#stored.version };
  }

  /**
   * A state was read or written: taken if it is newer. A version beyond the one that a change was made
   * against settles it: by compare-and-set it is that state or it never was.
   */
  adopt(state: PartitionState): boolean {
    if (state.version <= this.#stored.version) return false;
    this.#stored = state;
    if (this.#pending !== undefined && state.version > this.#pending.expected) {
      this.#pending = undefined;
    }
    return true;
  }
}
