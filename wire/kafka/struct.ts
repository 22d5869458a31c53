// Structures of the protocol: fields in order, each with the versions it exists in, and tagged fields. One
// declaration gives the encoder, the decoder and, inferred by the compiler, the TypeScript types of both.
import { ByteReader, ByteWriter } from '../bytes.ts';
import type { Codec, Encoding, Type } from './types.ts';
import { KafkaWireError, mismatch, rethrowWithin } from './wire-error.ts';

/** Most tagged fields in one structure: it has at most a handful, and unknown ones are read past. */
const TAGS_MAX = 256;
const EVERY_VERSION = Number.MAX_SAFE_INTEGER;

/** A field that may be left out: it exists in some versions only, or has a default, or is tagged. */
export interface Field<out Out, in In> {
  readonly type: Type<unknown, never>;
  readonly since: number;
  readonly until: number;
  readonly tag: number | undefined;
  /** What decoding yields where the field is not there, and what encoding writes if it is left out. */
  readonly fallback: Out;
  /** Carries `In` for the compiler; there is no value. */
  readonly takes?: (value: In) => void;
}

/** The fields of a structure by name; a bare type is a field of every version that must be given. */
export type Members = Readonly<Record<string, Type<unknown, never> | Field<unknown, never>>>;

type OutOf<M> = M extends Field<infer O, never> ? O : M extends Type<infer O, never> ? O : never;
type InOf<M> = M extends Field<unknown, infer I> ? I : M extends Type<unknown, infer I> ? I : never;
type Needed<M extends Members> = {
  [K in keyof M]: M[K] extends Type<unknown, never> ? K : never;
}[keyof M];

/** What decoding a structure yields: every field of every version. */
export type StructOut<M extends Members> = { readonly [K in keyof M]: OutOf<M[K]> };
/** What encoding a structure takes: fields with a fallback may be left out. */
export type StructIn<M extends Members> = { readonly [K in Needed<M>]: InOf<M[K]> } & {
  readonly [K in Exclude<keyof M, Needed<M>>]?: InOf<M[K]>;
};

/** A field of the versions from `since` to `until`, both included. */
export function between<Out, In>(
  since: number,
  until: number,
  type: Type<Out, In>,
  fallback: NoInfer<Out>,
): Field<Out, In> {
  return { type, since, until, tag: undefined, fallback };
}

/** A field of version `since` and later. */
export function since<Out, In>(
  version: number,
  type: Type<Out, In>,
  fallback: NoInfer<Out>,
): Field<Out, In> {
  return between(version, EVERY_VERSION, type, fallback);
}

/** A field of the versions up to `until`, included. */
export function until<Out, In>(
  version: number,
  type: Type<Out, In>,
  fallback: NoInfer<Out>,
): Field<Out, In> {
  return between(0, version, type, fallback);
}

/** A field of every version that may be left out when encoding. */
export function optional<Out, In>(type: Type<Out, In>, fallback: NoInfer<Out>): Field<Out, In> {
  return between(0, EVERY_VERSION, type, fallback);
}

/** A tagged field (KIP-482): null where it is not there, and not written where it is null. */
export function tagged<Out, In>(
  tag: number,
  version: number,
  type: Type<Out, In>,
): Field<Out | null, In | null> {
  return { type, since: version, until: EVERY_VERSION, tag, fallback: null };
}

/** One field as one version sees it; without a codec it is not there and reads as its fallback. */
interface Slot {
  readonly name: string;
  readonly codec: Codec<unknown, unknown> | undefined;
  readonly tag: number | undefined;
  readonly needed: boolean;
  readonly fallback: unknown;
}

/** Declares a structure. Its codec is compiled once per version, by `codec`. */
export function struct<const M extends Members>(members: M): Type<StructOut<M>, StructIn<M>> {
  return {
    shape: { kind: 'struct', members },
    codec: (encoding) =>
      structCodec(slotsOf(members, encoding), encoding.flexible) as Codec<
        StructOut<M>,
        StructIn<M>
      >,
  };
}

/** Whether a field exists in a version. */
export function existsIn(field: Field<unknown, never>, encoding: Encoding): boolean {
  if (field.tag !== undefined && !encoding.flexible) return false;
  return encoding.version >= field.since && encoding.version <= field.until;
}

function slotsOf(members: Members, encoding: Encoding): Slot[] {
  return Object.entries(members).map(([name, member]): Slot => {
    if ('codec' in member) {
      const codec = member.codec(encoding) as Codec<unknown, unknown>;
      return { name, codec, tag: undefined, needed: true, fallback: undefined };
    }
    const { tag, fallback } = member;
    const codec = existsIn(member, encoding)
      ? (member.type.codec(encoding) as Codec<unknown, unknown>)
      : undefined;
    return { name, codec, tag, needed: false, fallback };
  });
}

type Fields = Record<string, unknown>;

function structCodec(slots: readonly Slot[], flexible: boolean): Codec<unknown, Fields> {
  const plain = slots.filter((slot) => slot.codec !== undefined && slot.tag === undefined);
  const tags = slots
    .filter((slot) => slot.codec !== undefined && slot.tag !== undefined)
    .sort((a, b) => (a.tag as number) - (b.tag as number));
  const minBytes = plain.reduce((sum, slot) => sum + (slot.codec?.minBytes ?? 0), flexible ? 1 : 0);
  return {
    // An empty structure would let an array of any length fit into no bytes.
    minBytes: Math.max(1, minBytes),
    read: (reader) => {
      const fields: Fields = {};
      let at = 0;
      try {
        // In declared order, absent ones too, so that every version yields objects of one hidden class.
        for (; at < slots.length; at++) {
          const { name, codec, tag, fallback } = slots[at] as Slot;
          fields[name] = codec === undefined || tag !== undefined ? fallback : codec.read(reader);
        }
      } catch (error) {
        rethrowWithin(error, (slots[at] as Slot).name);
      }
      if (flexible) readTags(reader, tags, fields);
      return fields;
    },
    write: (writer, value) => {
      if (typeof value !== 'object' || value === null) throw mismatch('an object', value);
      let at = 0;
      try {
        for (; at < plain.length; at++) {
          const { name, codec, needed, fallback } = plain[at] as Slot;
          const given = value[name];
          if (given === undefined && needed) throw mismatch('a value', given);
          codec?.write(writer, given === undefined ? fallback : given);
        }
      } catch (error) {
        rethrowWithin(error, (plain[at] as Slot).name);
      }
      if (flexible) writeTags(writer, tags, value);
    },
  };
}

function readTags(reader: ByteReader, known: readonly Slot[], fields: Fields): void {
  const count = reader.uvarint();
  if (count > TAGS_MAX) throw mismatch(`at most ${TAGS_MAX} tagged fields`, count).within('tags');
  let last = -1;
  for (let i = 0; i < count; i++) {
    const tag = reader.uvarint();
    if (tag <= last) throw mismatch(`a tag above ${last}`, tag).within('tags');
    last = tag;
    const size = reader.uvarint();
    const slot = known.find((candidate) => candidate.tag === tag);
    const body = reader.bytes(size);
    if (slot?.codec === undefined) continue;
    try {
      const inner = new ByteReader(body);
      fields[slot.name] = slot.codec.read(inner);
      if (inner.remaining > 0)
        throw new KafkaWireError(`expected the end of the tag, ${inner.remaining} bytes remain`);
    } catch (error) {
      rethrowWithin(error, slot.name);
    }
  }
}

function writeTags(writer: ByteWriter, known: readonly Slot[], value: Fields): void {
  const given = known.filter((slot) => value[slot.name] !== undefined && value[slot.name] !== null);
  writer.uvarint(given.length);
  for (const slot of given) {
    const body = new ByteWriter();
    try {
      slot.codec?.write(body, value[slot.name]);
    } catch (error) {
      rethrowWithin(error, slot.name);
    }
    writer
      .uvarint(slot.tag as number)
      .uvarint(body.length)
      .bytes(body.view());
  }
}
