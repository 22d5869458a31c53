import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { placeReplicas } from './placement.ts';

const wanted = fc
  .record({
    ids: fc.uniqueArray(fc.nat(1000), { minLength: 1, maxLength: 12 }),
    partitions: fc.integer({ min: 1, max: 60 }),
    copies: fc.nat(),
    draws: fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), {
      minLength: 2,
      maxLength: 2,
    }),
  })
  .map(({ ids, partitions, copies, draws }) => ({
    brokers: ids.sort((a, b) => a - b),
    partitions,
    replicationFactor: 1 + (copies % ids.length),
    draws,
  }));

const drawing = (draws: readonly number[]) => {
  const left = [...draws];
  return () => left.shift() ?? 0;
};

const spread = (brokers: readonly number[], placed: readonly number[]) => {
  const counts = brokers.map((id) => placed.filter((each) => each === id).length);
  return Math.max(...counts) - Math.min(...counts);
};

describe('placement of replicas', () => {
  it('puts no two copies of a partition on one broker, and spreads leaders and copies evenly', () => {
    fc.assert(
      fc.property(wanted, ({ draws, ...rest }) => {
        const placed = placeReplicas({ ...rest, random: drawing(draws) });
        expect(placed).toHaveLength(rest.partitions);
        for (const replicas of placed) {
          expect(new Set(replicas).size).toBe(rest.replicationFactor);
          for (const id of replicas) expect(rest.brokers).toContain(id);
        }
        const leaders = placed.map(([first]) => first as number);
        expect(spread(rest.brokers, leaders)).toBeLessThanOrEqual(1);
        // A round that is not full gives each broker at most one more of each rank.
        expect(spread(rest.brokers, placed.flat())).toBeLessThanOrEqual(rest.replicationFactor);
      }),
    );
  });

  it('keeps leaders even when partitions are added', () => {
    fc.assert(
      fc.property(wanted, fc.integer({ min: 1, max: 30 }), ({ draws, ...rest }, more) => {
        const first = placeReplicas({ ...rest, random: drawing(draws) });
        const added = placeReplicas({
          ...rest,
          partitions: more,
          random: drawing(draws.toReversed()),
          after: { partitions: rest.partitions, firstBroker: first[0]?.[0] as number },
        });
        const leaders = [...first, ...added].map(([leader]) => leader as number);
        expect(spread(rest.brokers, leaders)).toBeLessThanOrEqual(1);
        for (const replicas of added) expect(new Set(replicas).size).toBe(rest.replicationFactor);
      }),
    );
  });

  it('begins at every broker, and follows at every distance', () => {
    const brokers = [1, 2, 3, 4];
    const seen = new Set<string>();
    for (const first of [0, 0.25, 0.5, 0.75]) {
      for (const shift of [0, 0.25, 0.5, 0.75]) {
        const random = drawing([first, shift]);
        const [replicas] = placeReplicas({ brokers, partitions: 1, replicationFactor: 2, random });
        seen.add(`${replicas}`);
      }
    }
    expect(seen.size).toBe(12);
  });

  it('refuses more replicas than brokers', () => {
    const wrong = { brokers: [1], partitions: 1, replicationFactor: 2, random: Math.random };
    expect(() => placeReplicas(wrong)).toThrow('expected 1 to 1 replicas, got 2');
  });
});
