// Draws values of any schema in any version, from the schema's own shape. The round-trip tests stand on it,
// so that a message added later is covered without a line of its own.
import fc from 'fast-check';
import { existsIn, type Members } from './struct.ts';
import type { Encoding, Type } from './types.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 12 });

/** Values as decoding yields them: fields that the version lacks hold their fallbacks. */
export function valuesOf(type: Type<unknown, never>, encoding: Encoding): fc.Arbitrary<unknown> {
  const { shape } = type;
  switch (shape.kind) {
    case 'bool':
      return fc.boolean();
    case 'int8':
      return fc.integer({ min: -0x80, max: 0x7f });
    case 'int16':
      return fc.integer({ min: -0x8000, max: 0x7fff });
    case 'int32':
      return fc.integer();
    case 'int64':
      return fc.maxSafeInteger();
    case 'uuid':
      return fc.uuid({ version: [1, 4, 7] });
    case 'string':
      return text;
    case 'bytes':
      return fc.uint8Array({ maxLength: 24 }).map((bytes) => Buffer.from(bytes));
    case 'array':
      return fc.array(valuesOf(shape.of, encoding), { maxLength: 3 });
    case 'nullable': {
      const value = valuesOf(shape.of, encoding);
      return encoding.version >= shape.since ? fc.option(value, { freq: 3 }) : value;
    }
    case 'struct':
      return fc.record(fieldsOf(shape.members, encoding));
  }
}

function fieldsOf(members: Members, encoding: Encoding): Record<string, fc.Arbitrary<unknown>> {
  return Object.fromEntries(
    Object.entries(members).map(([name, member]) => {
      if ('codec' in member) return [name, valuesOf(member, encoding)];
      if (!existsIn(member, encoding)) return [name, fc.constant(member.fallback)];
      const value = valuesOf(member.type, encoding);
      return [name, member.tag === undefined ? value : fc.option(value)];
    }),
  );
}
