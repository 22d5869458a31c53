// Bytes that arrived and were not read: chunks in order, taken out in pieces of any size. A piece that is
// a whole chunk or a part of one is not copied.

export class ByteQueue {
  #chunks: Buffer[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
  }

  clear(): void {
    this.#chunks = [];
    this.#length = 0;
  }

  /** Takes exactly `size` bytes, from 1 to `length`. */
  take(size: number): Buffer {
    this.#length -= size;
    const first = this.#chunks[0]!;
    if (first.length === size) {
      this.#chunks.shift();
      return first;
    }
    if (first.length > size) {
      this.#chunks[0] = first.subarray(size);
      return first.subarray(0, size);
    }
    const parts: Buffer[] = [];
    for (let left = size; left > 0; ) {
      const part = this.#chunks[0]!;
      if (part.length <= left) this.#chunks.shift();
      else this.#chunks[0] = part.subarray(left);
      parts.push(part.length <= left ? part : part.subarray(0, left));
      left -= Math.min(left, part.length);
    }
    return Buffer.concat(parts, size);
  }
}
