// Named streams of random numbers, all forked from one seed. A draw added to one stream never shifts
// another, so a change to the network's model leaves the workload of a seed as it was.
import { createHash } from 'node:crypto';
import type { RandomStream } from './host.ts';

/** xoshiro128** (Blackman and Vigna, 2018), its state taken from SHA-256 of the seed and the name. */
export class SeededStream implements RandomStream {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: string, name: string) {
    const state = createHash('sha256').update(`${seed}\0${name}`).digest();
    this.#a = state.readInt32LE(0) | 1;
    this.#b = state.readInt32LE(4);
    this.#c = state.readInt32LE(8);
    this.#d = state.readInt32LE(12);
  }

  /** An integer in [0, 2^32). */
  uint32(): number {
    const scrambled = Math.imul(this.#b, 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0;
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result;
  }

  float(): number {
    return (this.uint32() * 2097152 + (this.uint32() >>> 11)) / 9007199254740992;
  }

  int(below: number): number {
    if (!(below >= 1 && below <= 4294967296)) {
      throw new RangeError(`expected a bound from 1 to 2^32, got ${below}`);
    }
    return Math.floor((this.uint32() / 4294967296) * below);
  }

  bytes(size: number): Buffer {
    const bytes = Buffer.alloc(size);
    let at = 0;
    for (; at + 4 <= size; at += 4) bytes.writeUInt32LE(this.uint32(), at);
    for (let rest = at < size ? this.uint32() : 0; at < size; at++, rest >>>= 8) bytes[at] = rest;
    return bytes;
  }
}

/** All streams of one simulation, made when first asked for. */
export class Entropy {
  readonly seed: string;
  readonly #streams = new Map<string, SeededStream>();

  constructor(seed: string) {
    this.seed = seed;
  }

  stream(name: string): SeededStream {
    let stream = this.#streams.get(name);
    if (stream === undefined) this.#streams.set(name, (stream = new SeededStream(this.seed, name)));
    return stream;
  }
}
