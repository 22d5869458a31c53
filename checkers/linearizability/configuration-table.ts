// The set of configurations a search has been in: variable-length integer keys in one typed arena.
// Keys are compared whole, never by hash alone, and live outside the garbage-collected heap.

const SLOTS_MIN = 64;
const ARENA_MIN = 512;

/** A set of integer keys with a limit on its memory. */
export class ConfigurationTable {
  /** Position of a key in the arena, plus 1; 0 is free. */
  #slots = new Int32Array(SLOTS_MIN);
  /** Keys one after another: hash, length, words. */
  #arena = new Int32Array(ARENA_MIN);
  #used = 0;
  #count = 0;
  readonly #bytesMax: number;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get size(): number {
    return this.#count;
  }

  /** Adds the first `length` words of `key`: `full` when the memory limit forbids it. */
  add(key: Int32Array, length: number): 'new' | 'known' | 'full' {
    let hash = length | 0;
    for (let i = 0; i < length; i++) {
      hash = Math.imul(hash ^ (key[i] as number), 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    for (; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      if (this.#equals((this.#slots[slot] as number) - 1, hash, key, length)) return 'known';
    }
    if (!this.#reserve(length + 2)) return 'full';
    const at = this.#used;
    this.#arena[at] = hash;
    this.#arena[at + 1] = length;
    for (let i = 0; i < length; i++) this.#arena[at + 2 + i] = key[i] as number;
    this.#used += length + 2;
    this.#count++;
    this.#slots[slot] = at + 1;
    if (this.#count * 2 > this.#slots.length) return this.#grow() ? 'new' : 'full';
    return 'new';
  }

  #equals(at: number, hash: number, key: Int32Array, length: number): boolean {
    const arena = this.#arena;
    if (arena[at] !== hash || arena[at + 1] !== length) return false;
    for (let i = 0; i < length; i++) if (arena[at + 2 + i] !== key[i]) return false;
    return true;
  }

  #reserve(words: number): boolean {
    if (this.#used + words <= this.#arena.length) return true;
    const wanted = Math.max(this.#arena.length * 2, this.#used + words);
    if ((wanted + this.#slots.length) * 4 > this.#bytesMax) return false;
    const arena = new Int32Array(wanted);
    arena.set(this.#arena);
    this.#arena = arena;
    return true;
  }

  #grow(): boolean {
    const slots = new Int32Array(this.#slots.length * 2);
    if ((this.#arena.length + slots.length) * 4 > this.#bytesMax) return false;
    const mask = slots.length - 1;
    for (let at = 0; at < this.#used; at += (this.#arena[at + 1] as number) + 2) {
      let slot = (this.#arena[at] as number) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = at + 1;
    }
    this.#slots = slots;
    return true;
  }
}
