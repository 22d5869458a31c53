// The parts of one request: how many are under way at once, and what is named twice.
import { expect, it } from 'vitest';
import { distinct, inTurns, repeated } from './bounded-work.ts';

it('works a few at a time and gives results in the order of the items', async () => {
  const items = Array.from({ length: 500 }, (_, at) => at);
  let underWay = 0;
  let most = 0;
  const doubled = await inTurns(items, async (item) => {
    most = Math.max(most, ++underWay);
    await new Promise(setImmediate);
    underWay--;
    return item * 2;
  });
  expect(doubled).toEqual(items.map((item) => item * 2));
  expect(most).toBe(32);
});

it('fails as its work fails', async () => {
  const work = (item: number): Promise<number> =>
    item === 40 ? Promise.reject(new Error('no 40')) : Promise.resolve(item);
  await expect(inTurns([...Array(50).keys()], work)).rejects.toThrow('no 40');
});

it('knows what comes twice', () => {
  expect([...repeated(['a', 'b', 'a', 'c', 'a'])]).toEqual(['a']);
  expect(distinct(['a', 'b', 'A'], (text) => text.toLowerCase())).toEqual(['a', 'b']);
});
