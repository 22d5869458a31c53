// A running fingerprint of the whole state: a sum of one 64-bit hash per znode and per session, so that
// a change costs the hash of what changed, and the order in which a map happens to list never shows.
// Equal state at equal zxid is what the cluster promises; this is how it is checked at every zxid.
import { hashHex } from '../txn.ts';

const TWO_32 = 0x1_0000_0000;
const SEED_A = 0x2545f491;
const SEED_B = 0x1e3779b9;

/** Something with its two 32-bit hashes kept beside it. */
export interface Hashed {
  hashA: number;
  hashB: number;
}

/** The sum over all hashes, each lane modulo 2^32. */
export class StateDigest {
  #a = 0;
  #b = 0;

  add(item: Hashed): void {
    this.#a = (this.#a + item.hashA) | 0;
    this.#b = (this.#b + item.hashB) | 0;
  }

  subtract(item: Hashed): void {
    this.#a = (this.#a - item.hashA) | 0;
    this.#b = (this.#b - item.hashB) | 0;
  }

  /** Sixteen hexadecimal digits. */
  hex(): string {
    return hashHex(this.#a) + hashHex(this.#b);
  }
}

/** Absorbs words into two lanes with different constants (MurmurHash3's steps), then finishes them. */
class LaneHasher implements Hashed {
  hashA = 0;
  hashB = 0;
  #words = 0;

  begin(): this {
    this.hashA = SEED_A;
    this.hashB = SEED_B;
    this.#words = 0;
    return this;
  }

  word(w: number): this {
    let k = Math.imul(w, 0xcc9e2d51);
    k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
    let h = this.hashA ^ k;
    this.hashA = (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
    k = Math.imul(w, 0x239b961b);
    k = Math.imul((k << 16) | (k >>> 16), 0xab0e9789);
    h = this.hashB ^ k;
    this.hashB = (Math.imul((h << 17) | (h >>> 15), 5) + 0x561ccd1b) | 0;
    this.#words++;
    return this;
  }

  /** An integer of magnitude below 2^53. */
  long(value: number): this {
    return this.word(value | 0).word(Math.floor(value / TWO_32) | 0);
  }

  text(value: string): this {
    this.word(value.length);
    for (let i = 0; i < value.length; i++) this.word(value.charCodeAt(i));
    return this;
  }

  /** Absorbs bytes; null and empty differ. */
  bytes(data: Uint8Array | null): this {
    if (data === null) return this.word(-1);
    const size = data.length;
    this.word(size);
    let at = 0;
    for (; at + 4 <= size; at += 4) {
      this.word(
        (data[at] as number) |
          ((data[at + 1] as number) << 8) |
          ((data[at + 2] as number) << 16) |
          ((data[at + 3] as number) << 24),
      );
    }
    for (; at < size; at++) this.word(data[at] as number);
    return this;
  }

  end(): this {
    this.hashA = finish(this.hashA ^ this.#words);
    this.hashB = finish(this.hashB ^ Math.imul(this.#words, 0x85ebca6b));
    return this;
  }
}

function finish(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/**
 * The one hasher: `begin`, absorb, `end`, read both lanes before anything else is hashed. Shared,
 * because allocating one per change would cost more than the hash.
 */
export const hasher = new LaneHasher();
