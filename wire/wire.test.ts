import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteReader, ByteWriter, WireError } from './bytes.ts';
import { crc32c } from './crc32c.ts';
import { FrameSplitter, frame } from './frames.ts';

function crcBitwise(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

describe('crc32c', () => {
  it('gives the published check value', () => {
    expect(crc32c(Buffer.from('123456789')).toString(16)).toBe('e3069283');
  });
  it('gives the vectors of RFC 3720 B.4', () => {
    const ascending = Uint8Array.from({ length: 32 }, (_, i) => i);
    expect(crc32c(new Uint8Array(32)).toString(16)).toBe('8a9136aa');
    expect(crc32c(new Uint8Array(32).fill(0xff)).toString(16)).toBe('62a8ab43');
    expect(crc32c(ascending).toString(16)).toBe('46dd794e');
    expect(crc32c(ascending.toReversed()).toString(16)).toBe('113fdb5c');
  });
  it('agrees with the bitwise definition and continues from a seed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), (data, cut) => {
        const at = Math.min(cut, data.length);
        expect(crc32c(data)).toBe(crcBitwise(data));
        expect(crc32c(data.subarray(at), crc32c(data.subarray(0, at)))).toBe(crcBitwise(data));
      }),
    );
  });
});

describe('bytes', () => {
  it('reads back what was written', () => {
    fc.assert(
      fc.property(
        fc.maxSafeInteger(),
        fc.integer(),
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        fc.string({ unit: 'grapheme' }),
        (long, int, big, text) => {
          const writer = new ByteWriter(1);
          writer.i64(long).i32(int).big64(big).bool(true);
          const size = writer.utf8(text);
          const reader = new ByteReader(writer.toBuffer());
          expect(reader.i64()).toBe(long);
          expect(reader.i32()).toBe(int);
          expect(reader.big64()).toBe(big);
          expect(reader.bool()).toBe(true);
          expect(reader.utf8(size)).toBe(text);
          expect(reader.remaining).toBe(0);
          expect(() => reader.u8()).toThrow(WireError);
        },
      ),
    );
  });
});

describe('varints', () => {
  const bytesOf = (write: (writer: ByteWriter) => void): string => {
    const writer = new ByteWriter(1);
    write(writer);
    return writer.toBuffer().toString('hex');
  };
  it('takes the published examples of protocol buffers', () => {
    expect(bytesOf((w) => w.uvarint(300))).toBe('ac02');
    expect(bytesOf((w) => w.uvarint(0xffff_ffff))).toBe('ffffffff0f');
    expect(bytesOf((w) => w.varint(-1).varint(1).varint(-2))).toBe('010203');
    expect(bytesOf((w) => w.varint(2 ** 31 - 1).varint(-(2 ** 31)))).toBe('feffffff0fffffffff0f');
    expect(bytesOf((w) => w.varlong(2 ** 31))).toBe('8080808010');
  });
  it('reads back what was written', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.integer(), fc.nat(0xffff_ffff), (long, int, natural) => {
        const writer = new ByteWriter(1);
        writer.varlong(long).varlong(int).varint(int).uvarint(natural).i16(int).i8(int);
        const reader = new ByteReader(writer.toBuffer());
        expect(reader.varlong()).toBe(long);
        expect(reader.varlong()).toBe(int);
        expect(reader.varint()).toBe(int);
        expect(reader.uvarint()).toBe(natural);
        expect(reader.i16()).toBe((int << 16) >> 16);
        expect(reader.i8()).toBe((int << 24) >> 24);
        expect(reader.remaining).toBe(0);
      }),
    );
  });
  it('refuses what is longer than the type', () => {
    const reading = (hex: string) => new ByteReader(Buffer.from(hex, 'hex'));
    expect(() => reading('ffffffff10').uvarint()).toThrow(/32-bit varint/);
    expect(() => reading('ffffffffffffffffff01').varlong()).toThrow(/within 2\^53/);
    expect(() => reading('80808080808080808080').varlong()).toThrow(/at most 10 bytes/);
    expect(() => reading('ffff').varlong()).toThrow(WireError);
    expect(() => new ByteWriter().varlong(2 ** 53)).toThrow(RangeError);
  });
});

describe('FrameSplitter', () => {
  it('finds the same frames however the stream is cut', () => {
    const bodies = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 });
    fc.assert(
      fc.property(
        bodies,
        fc.array(fc.integer({ min: 1, max: 13 }), { minLength: 1 }),
        (all, cuts) => {
          const stream = Buffer.concat(all.map((b) => frame(b)));
          const splitter = new FrameSplitter(64);
          const got: string[] = [];
          for (let at = 0, i = 0; at < stream.length; i++) {
            const size = cuts[i % cuts.length] as number;
            splitter.feed(stream.subarray(at, at + size), (body) => {
              got.push(body.toString('hex'));
              return true;
            });
            at += size;
          }
          expect(got).toEqual(all.map((b) => Buffer.from(b).toString('hex')));
          expect(splitter.pendingBytes).toBe(0);
        },
      ),
    );
  });
  it('refuses an oversized and a negative length', () => {
    const splitter = new FrameSplitter(8);
    expect(() => splitter.feed(frame(Buffer.alloc(9)), () => true)).toThrow(/0 to 8 bytes, got 9/);
    expect(() => new FrameSplitter(8).feed(Buffer.from([255, 0, 0, 0]), () => true)).toThrow(
      WireError,
    );
  });
});
