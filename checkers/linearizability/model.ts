// What a sequential object is to the search: states and operations coded as small integers. A model
// turns recorded operations into calls; the search knows nothing else of them.
import type { Op } from '../../history/op.ts';

/** An operation that takes part in the search. What never happened, or says nothing, has no call. */
export interface Call {
  op: Op;
  /** Must be placed (it has an outcome that counts); otherwise it may take effect or not. */
  required: boolean;
  /** Leaves every state as it is wherever its outcome is possible: a read, a refusal. */
  pure: boolean;
  /** Calls with the same effect code do the same in every state. */
  effect: number;
}

/** A model for one history: the search asks only this. */
export interface CompiledModel {
  calls: readonly Call[];
  initial: number;
  /** The state after call `index` (of `calls`), or −1 if its outcome is impossible in `state`. */
  step(state: number, index: number): number;
  /** A state in words, for a witness. */
  describe(state: number): string;
}

/** A sequential specification. */
export interface Model {
  name: string;
  /** Throws on an operation that the model does not know. */
  compile(ops: readonly Op[]): CompiledModel;
}

/** Gives equal things one small integer, from 0. */
export class Interner<T> {
  #codes = new Map<T, number>();
  readonly items: T[] = [];

  code(item: T): number {
    let code = this.#codes.get(item);
    if (code === undefined) {
      code = this.items.length;
      this.#codes.set(item, code);
      this.items.push(item);
    }
    return code;
  }

  has(item: T): boolean {
    return this.#codes.has(item);
  }
}
