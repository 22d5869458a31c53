// Order and shards of a gate: every beginning of the order is a fair sample, and the shards together are
// the whole.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fairOrder, shardOf } from './order.ts';

interface Item {
  id: number;
  traits: string[];
}

/** A full product of systems, clusters and nemeses, each combination some times. */
const products = fc
  .tuple(
    fc.integer({ min: 1, max: 4 }),
    fc.integer({ min: 1, max: 3 }),
    fc.integer({ min: 1, max: 5 }),
    fc.integer({ min: 1, max: 3 }),
  )
  .map(([systems, clusters, nemeses, times]) => {
    const items: Item[] = [];
    for (let s = 0; s < systems; s++) {
      for (let c = 0; c < clusters; c++) {
        for (let n = 0; n < nemeses; n++) {
          for (let t = 0; t < times; t++) {
            items.push({ id: items.length, traits: [`s${s}`, `c${c}`, `n${n}`] });
          }
        }
      }
    }
    return { items, widest: Math.max(systems, clusters, nemeses) };
  });

/** Items with whatever traits. */
const anyItems = fc
  .array(fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), { minLength: 1, maxLength: 3 }), {
    maxLength: 60,
  })
  .map((all) => all.map((traits, id): Item => ({ id, traits: [...new Set(traits)] })));

const ordered = (items: readonly Item[]) => fairOrder(items, ({ traits }) => traits);
const traitsIn = (items: readonly Item[]) => new Set(items.flatMap(({ traits }) => traits));

describe('fairOrder', () => {
  it('loses nothing, doubles nothing, and is the same each time', () => {
    fc.assert(
      fc.property(anyItems, (items) => {
        const order = ordered(items);
        expect([...order].sort((a, b) => a.id - b.id)).toEqual(items);
        expect(ordered(items)).toEqual(order);
      }),
    );
  });

  it('shows a trait not seen before as long as there is one', () => {
    fc.assert(
      fc.property(anyItems, (items) => {
        const order = ordered(items);
        const all = traitsIn(items).size;
        let seen = 0;
        for (let i = 1; i <= order.length; i++) {
          const now = traitsIn(order.slice(0, i)).size;
          expect(now > seen || now === all).toBe(true);
          seen = now;
        }
      }),
    );
  });

  it('touches every value of a product within as many items as its widest dimension has', () => {
    fc.assert(
      fc.property(products, ({ items, widest }) => {
        expect(traitsIn(ordered(items).slice(0, widest))).toEqual(traitsIn(items));
      }),
    );
  });

  it('keeps every value of a product near its share at every point', () => {
    fc.assert(
      fc.property(products, ({ items, widest }) => {
        const order = ordered(items);
        for (let i = 1; i <= order.length; i++) {
          const begun = order.slice(0, i);
          for (const trait of traitsIn(items)) {
            const has = ({ traits }: Item) => traits.includes(trait);
            const due = (items.filter(has).length * i) / items.length;
            expect(Math.abs(begun.filter(has).length - due)).toBeLessThanOrEqual(widest);
          }
        }
      }),
      { numRuns: 40 },
    );
  });
});

describe('shardOf', () => {
  const costs = fc.array(fc.integer({ min: 1, max: 100_000 }), { maxLength: 80 });

  it('gives every item to exactly one shard, in order, with loads that differ by an item at most', () => {
    fc.assert(
      fc.property(costs, fc.integer({ min: 1, max: 12 }), (all, count) => {
        const items = all.map((cost, id) => ({ cost, id }));
        const shards = Array.from({ length: count }, (_, i) =>
          shardOf(items, { index: i + 1, count }, ({ cost }) => cost),
        );
        const ids = shards.map((shard) => shard.map(({ id }) => id));
        for (const own of ids) expect(own).toEqual([...own].sort((a, b) => a - b));
        expect(ids.flat().sort((a, b) => a - b)).toEqual(items.map(({ id }) => id));
        const loads = shards.map((shard) => shard.reduce((sum, { cost }) => sum + cost, 0));
        expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(Math.max(0, ...all));
      }),
    );
  });
});
