// Jute, ZooKeeper's record encoding, as schemas: one definition gives the TypeScript type, the encoder
// and the decoder, so the three cannot drift apart.
import { type ByteReader, ByteWriter, WireError } from '../../wire/bytes.ts';

/** How one type is put on the wire. */
export interface Codec<T> {
  write(writer: ByteWriter, value: T): void;
  read(reader: ByteReader): T;
}

/** The TypeScript type a codec carries. */
export type Infer<C> = C extends Codec<infer T> ? T : never;

export const int: Codec<number> = {
  write: (w, v) => void w.i32(v),
  read: (r) => r.i32(),
};

/** A 64-bit integer that stays below 2^53 on our side: zxids, times. */
export const long: Codec<number> = {
  write: (w, v) => void w.i64(v),
  read(r) {
    const value = r.i64();
    // Taken in, it would change on the way, or fail where it is written out again.
    if (!Number.isSafeInteger(value)) {
      throw new WireError(`expected a number within ±2^53, got about ${value}`);
    }
    return value;
  },
};

/** A 64-bit id whose every bit counts: session ids of servers not ours. */
export const id64: Codec<bigint> = {
  write: (w, v) => void w.big64(v),
  read: (r) => r.big64(),
};

export const bool: Codec<boolean> = {
  write: (w, v) => void w.bool(v),
  read: (r) => r.bool(),
};

/** UTF-8 text; null travels as length −1. */
export const ustring: Codec<string | null> = {
  write(w, v) {
    if (v === null) {
      w.i32(-1);
      return;
    }
    const at = w.length;
    w.i32(0);
    w.patchI32(at, w.utf8(v));
  },
  read(r) {
    const size = r.i32();
    if (size === -1) return null;
    if (size < 0) throw new WireError(`expected a string length of -1 or more, got ${size}`);
    return r.utf8(size);
  },
};

/** UTF-8 text that must be there. */
export const text: Codec<string> = {
  write: (w, v) => ustring.write(w, v),
  read(r) {
    const value = ustring.read(r);
    if (value === null) throw new WireError('expected a string, got null');
    return value;
  },
};

/** Bytes; null travels as length −1. The decoded buffer shares memory with the frame. */
export const buffer: Codec<Buffer | null> = {
  write(w, v) {
    if (v === null) {
      w.i32(-1);
      return;
    }
    w.i32(v.length);
    w.bytes(v);
  },
  read(r) {
    const size = r.i32();
    if (size === -1) return null;
    if (size < 0) throw new WireError(`expected a buffer length of -1 or more, got ${size}`);
    return r.bytes(size);
  },
};

/** A list; a null list (length −1) is read as empty. */
export function vector<T>(item: Codec<T>): Codec<T[]> {
  return {
    write(w, v) {
      w.i32(v.length);
      for (const each of v) item.write(w, each);
    },
    read(r) {
      const count = r.i32();
      if (count === -1) return [];
      // Every item takes at least one byte, so a larger count cannot be honest.
      if (count < 0 || count > r.remaining) {
        throw new WireError(`expected at most ${r.remaining} items, got ${count}`);
      }
      const items: T[] = [];
      for (let i = 0; i < count; i++) items.push(item.read(r));
      return items;
    },
  };
}

// biome-ignore lint/suspicious/noExplicitAny: a field of any codec type, narrowed again by Infer.
type AnyFields = Record<string, Codec<any>>;

/** A record of fields in the order given. */
export function record<F extends AnyFields>(fields: F): Codec<{ [K in keyof F]: Infer<F[K]> }> {
  const entries = Object.entries(fields) as [keyof F & string, Codec<unknown>][];
  return {
    write(w, value) {
      for (const [name, codec] of entries) codec.write(w, value[name]);
    },
    read(r) {
      const value: Partial<Record<keyof F & string, unknown>> = {};
      for (const [name, codec] of entries) value[name] = codec.read(r);
      return value as { [K in keyof F]: Infer<F[K]> };
    },
  };
}

/** The bytes of one value alone: a request's body. */
export function encodeBody<T>(codec: Codec<T>, value: T): Buffer {
  const writer = new ByteWriter(64);
  codec.write(writer, value);
  return writer.toBuffer();
}
