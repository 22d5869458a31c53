// Growing big-endian byte writer and bounds-checked reader. Both servers' codecs stand on these two,
// so a malformed frame surfaces as one kind of error and never as a read past the end.

/** Thrown when bytes do not decode; carries what was expected, what came and where. */
export class WireError extends Error {
  override name = 'WireError';
}

const INITIAL_BYTES = 256;
const TWO_32 = 0x1_0000_0000;

/** Appends big-endian values to a buffer that doubles when full. */
export class ByteWriter {
  #buffer: Buffer;
  #length = 0;

  constructor(initialBytes = INITIAL_BYTES) {
    this.#buffer = Buffer.allocUnsafe(initialBytes);
  }

  get length(): number {
    return this.#length;
  }

  #reserve(bytes: number): number {
    const at = this.#length;
    const needed = at + bytes;
    if (needed > this.#buffer.length) {
      let capacity = this.#buffer.length * 2;
      while (capacity < needed) capacity *= 2;
      const grown = Buffer.allocUnsafe(capacity);
      this.#buffer.copy(grown, 0, 0, at);
      this.#buffer = grown;
    }
    this.#length = needed;
    return at;
  }

  u8(value: number): this {
    const at = this.#reserve(1);
    this.#buffer[at] = value;
    return this;
  }

  bool(value: boolean): this {
    return this.u8(value ? 1 : 0);
  }

  i8(value: number): this {
    return this.u8(value & 0xff);
  }

  i16(value: number): this {
    const at = this.#reserve(2);
    this.#buffer[at] = (value >> 8) & 0xff;
    this.#buffer[at + 1] = value & 0xff;
    return this;
  }

  i32(value: number): this {
    const at = this.#reserve(4);
    this.#buffer.writeInt32BE(value | 0, at);
    return this;
  }

  u32(value: number): this {
    const at = this.#reserve(4);
    this.#buffer.writeUInt32BE(value >>> 0, at);
    return this;
  }

  /** Writes a signed 64-bit integer from a safe integer. Throws RangeError past 2^53. */
  i64(value: number): this {
    if (!Number.isSafeInteger(value))
      throw new RangeError(`i64 expects a safe integer, got ${value}`);
    const at = this.#reserve(8);
    this.#buffer.writeInt32BE(Math.floor(value / TWO_32), at);
    this.#buffer.writeUInt32BE(value >>> 0, at + 4);
    return this;
  }

  /** Writes a signed 64-bit integer from a bigint. */
  big64(value: bigint): this {
    const at = this.#reserve(8);
    if (value === 0n) this.#buffer.fill(0, at, at + 8);
    else this.#buffer.writeBigInt64BE(BigInt.asIntN(64, value), at);
    return this;
  }

  f64(value: number): this {
    const at = this.#reserve(8);
    this.#buffer.writeDoubleBE(value, at);
    return this;
  }

  /** Writes an unsigned 32-bit integer in one to five bytes, seven bits each, low bits first. */
  uvarint(value: number): this {
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.u8((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    return this.u8(rest);
  }

  /** Writes a signed 32-bit integer as a zigzag varint (0, -1, 1, -2 … become 0, 1, 2, 3 …). */
  varint(value: number): this {
    return this.uvarint((value << 1) ^ (value >> 31));
  }

  /** Writes a safe integer as a zigzag varint of up to ten bytes. Throws RangeError past 2^53. */
  varlong(value: number): this {
    if ((value | 0) === value) return this.varint(value);
    if (!Number.isSafeInteger(value))
      throw new RangeError(`varlong expects a safe integer, got ${value}`);
    let rest = BigInt(value) * 2n;
    if (value < 0) rest = -rest - 1n;
    for (; rest > 0x7fn; rest >>= 7n) this.u8(Number(rest & 0x7fn) | 0x80);
    return this.u8(Number(rest));
  }

  bytes(value: Uint8Array): this {
    const at = this.#reserve(value.length);
    this.#buffer.set(value, at);
    return this;
  }

  /** Writes UTF-8 text without a length and returns how many bytes it took. */
  utf8(value: string): number {
    const size = Buffer.byteLength(value);
    const at = this.#reserve(size);
    this.#buffer.write(value, at, size, 'utf8');
    return size;
  }

  /** Overwrites four bytes written earlier, for a length known only at the end. */
  patchI32(at: number, value: number): void {
    this.#buffer.writeInt32BE(value, at);
  }

  /** Overwrites four bytes written earlier with an unsigned value (a checksum). */
  patchU32(at: number, value: number): void {
    this.#buffer.writeUInt32BE(value >>> 0, at);
  }

  /** A view of what was written; valid until the next write. */
  view(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** What was written, in memory of its own. */
  toBuffer(): Buffer {
    return Buffer.from(this.view());
  }

  /** Forgets what was written and keeps the memory. Views handed out before become invalid. */
  reset(): void {
    this.#length = 0;
  }
}

/** Reads big-endian values; every read past the end throws WireError. */
export class ByteReader {
  readonly buffer: Buffer;
  #at: number;
  readonly #end: number;

  constructor(buffer: Buffer, start = 0, end = buffer.length) {
    this.buffer = buffer;
    this.#at = start;
    this.#end = end;
  }

  get position(): number {
    return this.#at;
  }

  get remaining(): number {
    return this.#end - this.#at;
  }

  #take(bytes: number): number {
    const at = this.#at;
    if (bytes < 0 || at + bytes > this.#end) {
      throw new WireError(`expected ${bytes} bytes at offset ${at}, only ${this.#end - at} remain`);
    }
    this.#at = at + bytes;
    return at;
  }

  u8(): number {
    return this.buffer[this.#take(1)] as number;
  }

  bool(): boolean {
    return this.u8() !== 0;
  }

  i8(): number {
    return this.buffer.readInt8(this.#take(1));
  }

  i16(): number {
    return this.buffer.readInt16BE(this.#take(2));
  }

  i32(): number {
    return this.buffer.readInt32BE(this.#take(4));
  }

  u32(): number {
    return this.buffer.readUInt32BE(this.#take(4));
  }

  /** Reads a signed 64-bit integer as a number; imprecise past 2^53, which our own ids never reach. */
  i64(): number {
    const at = this.#take(8);
    return this.buffer.readInt32BE(at) * TWO_32 + this.buffer.readUInt32BE(at + 4);
  }

  big64(): bigint {
    return this.buffer.readBigInt64BE(this.#take(8));
  }

  f64(): number {
    return this.buffer.readDoubleBE(this.#take(8));
  }

  /** Reads an unsigned varint; throws WireError where it is longer than 32 bits. */
  uvarint(): number {
    const start = this.#at;
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.u8();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    const last = this.u8();
    if (last > 0x0f) throw new WireError(`expected a 32-bit varint at offset ${start}, got more`);
    return (value | (last << 28)) >>> 0;
  }

  /** Reads a signed 32-bit zigzag varint. */
  varint(): number {
    const raw = this.uvarint();
    return (raw >>> 1) ^ -(raw & 1);
  }

  /** Reads a zigzag varint of up to 64 bits; throws WireError where the value is past 2^53. */
  varlong(): number {
    const start = this.#at;
    let low = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.u8();
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (low >>> 1) ^ -(low & 1);
    }
    let raw = BigInt(low);
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.u8();
      raw |= BigInt(byte & 0x7f) << shift;
      if (byte >= 0x80) continue;
      const value = Number((raw & 1n) === 0n ? raw >> 1n : -(raw >> 1n) - 1n);
      if (raw < 1n << 64n && Number.isSafeInteger(value)) return value;
      throw new WireError(`expected a varint within 2^53 at offset ${start}, got raw ${raw}`);
    }
    throw new WireError(`expected a varint of at most 10 bytes at offset ${start}, got more`);
  }

  /** Skips the next bytes and says true if they are these; otherwise stays where it is. */
  skips(expected: Buffer): boolean {
    const at = this.#at;
    const end = at + expected.length;
    if (end > this.#end || this.buffer.compare(expected, 0, expected.length, at, end) !== 0)
      return false;
    this.#at = end;
    return true;
  }

  /** A view of the next bytes, sharing memory with the input. */
  bytes(size: number): Buffer {
    const at = this.#take(size);
    return this.buffer.subarray(at, at + size);
  }

  utf8(size: number): string {
    const at = this.#take(size);
    return this.buffer.toString('utf8', at, at + size);
  }
}
