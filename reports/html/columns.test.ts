// What is packed is what is unpacked, for every integer a history can hold.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeTable, encodeTable } from './columns.ts';

describe('columns', () => {
  const number = fc.oneof(
    fc.constant(Number.NaN),
    fc.integer(),
    // A zxid of epoch 2^19 doubled is still a safe integer.
    fc.integer({ min: 0, max: 2 ** 51 }),
  );
  const text = fc.string().map((s) => JSON.stringify(s));

  it('read back what was written', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(number, text)), (rows) => {
        const values = rows.map(([value]) => value);
        const texts = rows.map(([, t]) => t);
        const table = decodeTable<{ a: number }>(
          encodeTable({ a: 1 }, [
            { name: 'plain', kind: 'number', values },
            { name: 'text', kind: 'text', values: texts },
            { name: 'delta', kind: 'delta', values },
          ]),
        );
        expect(table.meta).toEqual({ a: 1 });
        expect([...table.numbers.plain!]).toEqual(values);
        expect([...table.numbers.delta!]).toEqual(values);
        expect(table.texts.text).toEqual(texts);
      }),
    );
  });

  it('are small for times and zxids', () => {
    const values = Array.from({ length: 1_000 }, (_, i) => 3 * 2 ** 32 + i);
    const bytes = encodeTable(null, [{ name: 'zxid', kind: 'delta', values }]);
    expect(bytes.length).toBeLessThan(1_200);
  });

  it('refuse what they cannot hold', () => {
    const encode = (value: number) => () =>
      encodeTable(null, [{ name: 'x', kind: 'number', values: [value] }]);
    expect(encode(0.5)).toThrow(/expected an integer/);
    expect(encode(2 ** 53)).toThrow(/expected an integer/);
    const whole = encodeTable(null, [{ name: 'x', kind: 'number', values: [1, 2, 3] }]);
    expect(() => decodeTable(whole.subarray(0, whole.length - 1))).toThrow(/expected 3 bytes/);
  });
});
