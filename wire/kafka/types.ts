// Kafka's primitive types, each with its encoder and decoder in one place. They come in two encodings, the
// older with fixed-width lengths and the flexible (KIP-482) with varint ones, and every schema is made of them.
import type { ByteReader, ByteWriter } from '../bytes.ts';
import type { Members } from './struct.ts';
import { KafkaWireError, mismatch, rethrowWithin } from './wire-error.ts';

/** Most elements that one array of a message may have: objects cost more memory than their bytes. */
export const ELEMENTS_MAX = 1_000_000;
/** Most bytes in one string, in both encodings, as in Kafka. */
export const STRING_BYTES_MAX = 0x7fff;
/** The topic id that stands for none. */
export const NO_UUID = '00000000-0000-0000-0000-000000000000';

/** What decides how a type is laid out in one message. */
export interface Encoding {
  readonly version: number;
  readonly flexible: boolean;
}

/** A type's two halves in one encoding. `minBytes` bounds how many of it a message can hold. */
export interface Codec<out Out, in In> {
  readonly minBytes: number;
  readonly read: (reader: ByteReader) => Out;
  readonly write: (writer: ByteWriter, value: In) => void;
}

/** What a type is, as data: from it tests draw values and errors are told. */
export type Shape =
  | { readonly kind: 'bool' | 'int8' | 'int16' | 'int32' | 'int64' | 'uuid' | 'string' | 'bytes' }
  | { readonly kind: 'array'; readonly of: Type<unknown, never> }
  | { readonly kind: 'nullable'; readonly of: Type<unknown, never>; readonly since: number }
  | { readonly kind: 'struct'; readonly members: Members };

/** A type of the protocol: what decoding yields (`Out`) and what encoding takes (`In`). */
export interface Type<out Out, in In = Out> {
  readonly shape: Shape;
  readonly codec: (encoding: Encoding) => Codec<Out, In>;
}

/** A type with a length before it, where a length of -1 can stand for null. */
export interface SizedType<out Out, in In = Out> extends Type<Out, In> {
  readonly nullableCodec: (encoding: Encoding) => Codec<Out | null, In | null>;
}

function fixed<T>(
  kind: Exclude<Shape['kind'], 'array' | 'nullable' | 'struct'>,
  codec: Codec<T, T>,
): Type<T> {
  return { shape: { kind }, codec: () => codec };
}

/** A signed integer of up to 32 bits; the encoder refuses what does not fit. */
function integer(
  kind: 'int8' | 'int16' | 'int32',
  bytes: 1 | 2 | 4,
  read: (reader: ByteReader) => number,
  write: (writer: ByteWriter, value: number) => unknown,
): Type<number> {
  const unused = 32 - bytes * 8;
  return fixed(kind, {
    minBytes: bytes,
    read,
    write: (writer, value) => {
      if ((value << unused) >> unused !== value) throw mismatch(`an ${kind}`, value);
      write(writer, value);
    },
  });
}

export const int8 = integer(
  'int8',
  1,
  (reader) => reader.i8(),
  (writer, value) => writer.i8(value),
);
export const int16 = integer(
  'int16',
  2,
  (reader) => reader.i16(),
  (writer, value) => writer.i16(value),
);
export const int32 = integer(
  'int32',
  4,
  (reader) => reader.i32(),
  (writer, value) => writer.i32(value),
);

/**
 * A signed 64-bit integer as a number: offsets, timestamps (ms), producer ids and broker epochs never
 * reach 2^53, and bigints would cost an allocation each on the produce and fetch paths. What lies past
 * 2^53 is refused in both directions, never rounded.
 */
export const int64 = fixed<number>('int64', {
  minBytes: 8,
  read: (reader) => {
    const value = reader.i64();
    if (!Number.isSafeInteger(value)) throw mismatch('an int64 within 2^53', value);
    return value;
  },
  write: (writer, value) => {
    if (!Number.isSafeInteger(value)) throw mismatch('an int64 within 2^53', value);
    writer.i64(value);
  },
});

export const bool = fixed<boolean>('bool', {
  minBytes: 1,
  read: (reader) => reader.bool(),
  write: (writer, value) => {
    if (typeof value !== 'boolean') throw mismatch('a boolean', value);
    writer.bool(value);
  },
});

/** A UUID as lower-case text with dashes, so that it serves as a map's key. */
export const uuid = fixed<string>('uuid', {
  minBytes: 16,
  read: (reader) => {
    const hex = reader.bytes(16).toString('hex');
    const tail = `${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${tail}`;
  },
  write: (writer, value) => {
    const bytes = Buffer.from(String(value).replaceAll('-', ''), 'hex');
    if (bytes.length !== 16) throw mismatch('a UUID', value);
    writer.bytes(bytes);
  },
});

/** What comes after a length: its unit is bytes for strings and bytes, elements for arrays. */
interface Body<out Out, in In> {
  readonly read: (reader: ByteReader, count: number) => Out;
  readonly count: (value: In) => number;
  readonly write: (writer: ByteWriter, value: In, count: number) => void;
}

/** A type whose length stands before it: int16 or int32 in the older encoding, else a varint of n+1. */
function sized<Out, In>(
  shape: Shape,
  prefix: 'int16' | 'int32',
  body: (encoding: Encoding) => Body<Out, In>,
): SizedType<Out, In> {
  const what =
    shape.kind === 'bytes' ? 'bytes' : `a${shape.kind === 'array' ? 'n' : ''} ${shape.kind}`;
  const prefixBytes = prefix === 'int16' ? 2 : 4;
  const build = (encoding: Encoding, nullable: boolean): Codec<Out | null, In | null> => {
    const { flexible } = encoding;
    const { read, count, write } = body(encoding);
    const writeLength = (writer: ByteWriter, length: number): void => {
      if (flexible) writer.uvarint(length + 1);
      else if (prefixBytes === 2) writer.i16(length);
      else writer.i32(length);
    };
    return {
      minBytes: flexible ? 1 : prefixBytes,
      read: (reader) => {
        const length = flexible
          ? reader.uvarint() - 1
          : prefixBytes === 2
            ? reader.i16()
            : reader.i32();
        if (length >= 0) return read(reader, length);
        if (length === -1 && nullable) return null;
        if (length === -1) throw mismatch(what, null);
        throw new KafkaWireError(`expected ${what}, got a length of ${length}`);
      },
      write: (writer, value) => {
        if (value === null) {
          if (!nullable) throw mismatch(what, null);
          writeLength(writer, -1);
          return;
        }
        const length = count(value);
        writeLength(writer, length);
        write(writer, value, length);
      },
    };
  };
  return {
    shape,
    codec: (encoding) => build(encoding, false) as Codec<Out, In>,
    nullableCodec: (encoding) => build(encoding, true),
  };
}

export const string: SizedType<string> = sized({ kind: 'string' }, 'int16', () => ({
  read: (reader, count) => {
    if (count > STRING_BYTES_MAX) throw mismatch(`at most ${STRING_BYTES_MAX} bytes`, count);
    return reader.utf8(count);
  },
  count: (value) => {
    if (typeof value !== 'string') throw mismatch('a string', value);
    const size = Buffer.byteLength(value);
    if (size > STRING_BYTES_MAX) throw mismatch(`at most ${STRING_BYTES_MAX} bytes`, size);
    return size;
  },
  write: (writer, value) => writer.utf8(value),
}));

/** Bytes; decoded as a view of the frame, so copy what must outlive it. */
export const bytes: SizedType<Buffer, Uint8Array> = sized({ kind: 'bytes' }, 'int32', () => ({
  read: (reader, count) => reader.bytes(count),
  count: (value) => {
    if (!(value instanceof Uint8Array)) throw mismatch('bytes', value);
    return value.length;
  },
  write: (writer, value) => writer.bytes(value),
}));

/** Record batches, untouched: on the wire they are bytes, and record-batch.ts reads them. */
export const records = bytes;

/** An array; the length is checked against the bytes that are left before anything is allocated. */
export function array<Out, In>(of: Type<Out, In>): SizedType<readonly Out[], readonly In[]> {
  return sized({ kind: 'array', of }, 'int32', (encoding) => {
    const element = of.codec(encoding);
    return {
      read: (reader, count) => readElements(reader, element, count),
      count: (value) => {
        if (!Array.isArray(value)) throw mismatch('an array', value);
        if (value.length > ELEMENTS_MAX)
          throw mismatch(`at most ${ELEMENTS_MAX} elements`, value.length);
        return value.length;
      },
      write: (writer, value) => {
        let at = 0;
        try {
          for (; at < value.length; at++) element.write(writer, value[at] as In);
        } catch (error) {
          rethrowWithin(error, at);
        }
      },
    };
  });
}

function readElements<Out>(reader: ByteReader, of: Codec<Out, never>, count: number): Out[] {
  const fitting = Math.floor(reader.remaining / of.minBytes);
  const most = Math.min(fitting, ELEMENTS_MAX);
  if (count > most)
    throw mismatch(`at most ${most} elements in the ${reader.remaining} bytes left`, count);
  const elements: Out[] = [];
  try {
    for (let i = 0; i < count; i++) elements.push(of.read(reader));
  } catch (error) {
    rethrowWithin(error, elements.length);
  }
  return elements;
}

/** The type or null; null may be sent from version `since` on. */
export function nullable<Out, In>(of: SizedType<Out, In>, since = 0): Type<Out | null, In | null> {
  return {
    shape: { kind: 'nullable', of, since },
    codec: (encoding) =>
      encoding.version >= since
        ? of.nullableCodec(encoding)
        : (of.codec(encoding) as Codec<Out | null, In | null>),
  };
}
