// The order of a partition's messages, as all replies together tell it: which value stood at which offset,
// and which one came next. Offsets need not be contiguous (control records leave gaps), ranks are.
import type { Message } from '../../history/messages.ts';
import type { Op } from '../../history/op.ts';

/** An offset that some reply told of. */
export interface Place {
  offset: number;
  value: Message;
  /** The operation that told of it first. */
  op: Op;
  /** Position among the partition's known offsets, from 0. */
  rank: number;
  /** Values told of the same offset by others: a contradiction. */
  others?: { value: Message; op: Op }[];
}

/** Where a value stands; more than one place is a duplicate. */
export interface Standing {
  first: Place;
  last: Place;
  places: number;
  /** A poll that returned it, ok. */
  reader?: Op;
}

/** One partition. Everything is placed first, then sealed, then asked. */
export class KeyOrder {
  readonly key: string;
  readonly #byOffset = new Map<number, Place>();
  readonly #byValue = new Map<Message, Standing>();
  #sealed: Place[] = [];

  constructor(key: string) {
    this.key = key;
  }

  /** A reply told that `value` stands at `offset`; `reads`: it came from a poll that ended ok. */
  place(offset: number, value: Message, op: Op, reads: boolean): void {
    let place = this.#byOffset.get(offset);
    if (place === undefined) {
      place = { offset, value, op, rank: -1 };
      this.#byOffset.set(offset, place);
      this.#stand(place, value);
    } else if (place.value !== value) {
      place.others ??= [];
      if (!place.others.some((other) => other.value === value)) {
        place.others.push({ value, op });
        this.#stand(place, value);
      }
    }
    if (!reads) return;
    const standing = this.#byValue.get(value);
    if (standing !== undefined) standing.reader ??= op;
  }

  /** Ranks the offsets; nothing is placed afterwards. */
  seal(): void {
    this.#sealed = [...this.#byOffset.values()].sort((a, b) => a.offset - b.offset);
    for (const [rank, place] of this.#sealed.entries()) place.rank = rank;
  }

  /** All known offsets, ascending. */
  get places(): readonly Place[] {
    return this.#sealed;
  }

  get standings(): IterableIterator<[Message, Standing]> {
    return this.#byValue.entries();
  }

  at(offset: number): Place | undefined {
    return this.#byOffset.get(offset);
  }

  standing(value: Message): Standing | undefined {
    return this.#byValue.get(value);
  }

  /** The highest offset that an ok poll returned, going by the first place of each value. */
  get readUpTo(): Place | undefined {
    let highest: Place | undefined;
    for (const { first, reader } of this.#byValue.values()) {
      if (reader !== undefined && (highest === undefined || first.offset > highest.offset)) {
        highest = first;
      }
    }
    return highest;
  }

  #stand(place: Place, value: Message): void {
    const standing = this.#byValue.get(value);
    if (standing === undefined) {
      this.#byValue.set(value, { first: place, last: place, places: 1 });
      return;
    }
    standing.places++;
    if (place.offset < standing.first.offset) standing.first = place;
    if (place.offset > standing.last.offset) standing.last = place;
  }
}
