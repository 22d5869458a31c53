// The list that nearly every node carries is known by its bytes: the short cut must agree with the long way
// for the open list, for all others, and where the bytes end.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ByteReader, WireError } from '../../wire/bytes.ts';
import { encodeBody, vector } from './jute.ts';
import { Acl, AclList, OPEN_ACL } from './records.ts';

const entry = fc.record({
  perms: fc.constantFrom(31, 1, 0),
  scheme: fc.constantFrom('world', 'digest', null),
  id: fc.constantFrom('anyone', 'user:hash', null),
});

test('reads and writes what a plain vector does, and nothing beyond its reader', () => {
  const plain = vector(Acl);
  const lists = fc.oneof(fc.constant([...OPEN_ACL]), fc.array(entry, { maxLength: 3 }));
  fc.assert(
    fc.property(lists, fc.nat({ max: 40 }), (list, rest) => {
      const bytes = encodeBody(AclList, list);
      expect(bytes).toEqual(encodeBody(plain, list));
      const padded = Buffer.concat([bytes, Buffer.alloc(rest)]);
      const reader = new ByteReader(padded);
      expect(AclList.read(reader)).toEqual(list);
      expect(reader.position).toBe(bytes.length);
      const short = new ByteReader(padded, 0, bytes.length - 1);
      expect(() => AclList.read(short)).toThrow(WireError);
    }),
  );
});
