// The judge of the kill tests, judged: a part of the tree that a prefix of the writes explains passes,
// and each way of losing, halving or inventing a write is found.
import { describe, expect, test } from 'vitest';
import { CoordinatorClient } from '../../coordinator/client/index.ts';
import { type Part, partAfter, Writer } from './writer.ts';

const ROOT = '/load/w';
const SENT = 12;
const ACKNOWLEDGED = 9;

/** A writer that sent twelve writes and was told of the first nine. */
function writer(): Writer {
  const client = new CoordinatorClient({ servers: '127.0.0.1:1' });
  const made = new Writer(client, ROOT, 1, () => undefined);
  for (let index = 0; index < SENT; index++) {
    const path = index % 3 === 1 ? { path: `${ROOT}/${sequentialName(index)}` } : {};
    made.writes.push(index < ACKNOWLEDGED ? { acknowledged: { zxid: index + 1, ...path } } : {});
  }
  return made;
}

/** Before each sequential create there were as many of them, and two twins for each. */
function sequentialName(index: number): string {
  return `s-${String(((index - 1) / 3) * 3).padStart(10, '0')}`;
}

function part(length: number): Part {
  const made = partAfter(length);
  if (made === undefined) throw new Error('expected a part of at least one write');
  return made;
}

describe('writer', () => {
  test.each([9, 10, 11, 12])('a prefix of %i writes that holds all nine is right', (length) => {
    expect(writer().problems(partAfter(length))).toEqual([]);
  });

  test.each([0, 1, 5, 8])('a prefix of %i writes lacks acknowledged ones', (length) => {
    expect(writer().problems(partAfter(length)).join()).toMatch(/9 writes were acknowledged/);
  });

  const damages: [string, (found: Part) => unknown, RegExp][] = [
    ['half a multi', (p) => p.children.delete('8-b'), /expected 8-b/],
    ['a hole', (p) => p.children.delete(sequentialName(4)), /expected s-0000000003.*told/s],
    ['an old value', (p) => (p.data = 'value 3'), /expected "value 9" at version 3/],
    ['a write done twice', (p) => p.version++, /at version 3, found "value 9" at 4/],
    ['a stranger', (p) => p.children.set('x', 'value 2'), /nobody made x/],
    ['a mixed up child', (p) => p.children.set('5-a', 'value 2'), /5-a with "value 5"/],
    ['the future', (p) => p.children.set('13-a', 'value 13'), /12 writes were sent/],
  ];
  test.each(damages)('%s is found', (_, damage, message) => {
    const found = part(11);
    damage(found);
    expect(writer().problems(found).join('\n')).toMatch(message);
  });

  test('zxids that do not ascend are found', () => {
    const unordered = writer();
    unordered.writes[5] = { acknowledged: { zxid: 5 } };
    expect(unordered.problems(part(9)).join()).toMatch(/acknowledgement 5 has a zxid/);
  });

  test('an answer that overtook another is found', () => {
    const overtaken = writer();
    delete overtaken.writes[4]?.acknowledged;
    expect(overtaken.problems(part(9)).join()).toMatch(/1 writes overtaken/);
  });
});
