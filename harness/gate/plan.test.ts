// Rounds, seeds, slices and the budget, with time that is counted and not waited for.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Budget } from './budget.ts';
import type { Cell } from './cells.ts';
import { type Entry, entriesOf, expectedMs, isSimulated, roundOf, slicesOf } from './plan.ts';

const cells: fc.Arbitrary<Cell[]> = fc
  .uniqueArray(
    fc.record({
      system: fc.constantFrom('coordinator', 'broker', 'stack'),
      workload: fc.constantFrom('register', 'log', 'group'),
      nemesis: fc.constantFrom('kill-all', 'none', 'pause-leader'),
      cluster: fc.constantFrom('docker' as const, 'local' as const, 'sim' as const),
      nodes: fc.constantFrom(3, 5),
      seeds: fc.integer({ min: 1, max: 4 }),
    }),
    {
      minLength: 1,
      maxLength: 12,
      selector: ({ seeds: _, ...rest }) => JSON.stringify(rest),
    },
  )
  .map((all) =>
    all.map((each) => ({
      ...each,
      id: `${each.cluster} ${each.system} ${each.workload} ${each.nemesis} ${each.nodes} nodes`,
      swarm: false,
      timeLimitMs: 10_000,
      ratePerSecond: 200,
      concurrency: 10,
    })),
  );
const baseSeed = fc.integer({ min: 0, max: 2 ** 32 });
const keyOf = ({ cell, seed }: Entry) => `${cell.id} ${seed}`;

describe('rounds', () => {
  it('never give a cell one seed twice, and give the same for the same base seed', () => {
    fc.assert(
      fc.property(cells, baseSeed, (all, base) => {
        const rounds = [0, 1, 2].flatMap((round) => entriesOf(all, base, round));
        expect(new Set(rounds.map(keyOf)).size).toBe(rounds.length);
        expect([0, 1, 2].flatMap((round) => entriesOf(all, base, round))).toEqual(rounds);
        for (const { seed } of rounds) expect(Number.isSafeInteger(seed) && seed > 0).toBe(true);
      }),
    );
  });

  it('are other ones for another base seed', () => {
    fc.assert(
      fc.property(cells, baseSeed, (all, base) => {
        const seeds = (seed: number) => entriesOf(all, seed, 0).map(keyOf);
        expect(seeds(base)).not.toEqual(seeds(base + 1));
      }),
    );
  });

  it('are split into shards that together are the round, each entry once', () => {
    fc.assert(
      fc.property(cells, baseSeed, fc.integer({ min: 1, max: 8 }), (all, base, count) => {
        const whole = roundOf(all, base, 2).map(keyOf).sort();
        const shards = Array.from({ length: count }, (_, i) =>
          roundOf(all, base, 2, { index: i + 1, count }),
        );
        expect(shards.flat().map(keyOf).sort()).toEqual(whole);
        const dearest = Math.max(...all.map(expectedMs));
        const loads = shards.map((own) => own.reduce((sum, { cell }) => sum + expectedMs(cell), 0));
        expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(dearest);
      }),
    );
  });
});

describe('slices', () => {
  it('hold every entry once, real clusters alone', () => {
    fc.assert(
      fc.property(cells, baseSeed, fc.integer({ min: 1, max: 8 }), (all, base, jobs) => {
        const entries = roundOf(all, base, 0);
        const slices = slicesOf(entries, jobs, ({ cell }) => expectedMs(cell));
        const inSlices = slices.flatMap((slice) => slice.entries);
        expect(inSlices.map(keyOf).sort()).toEqual(entries.map(keyOf).sort());
        for (const { simulated, entries: own } of slices) {
          expect(own.length).toBeGreaterThan(0);
          expect(own.every(({ cell }) => isSimulated(cell) === simulated)).toBe(true);
          if (!simulated) expect(own).toHaveLength(1);
        }
      }),
    );
  });
});

describe('the budget', () => {
  /** Runs entries on `jobs` at once in counted time; gives when the last ended and the longest taken. */
  function spend(
    entries: readonly Entry[],
    budgetMs: number,
    jobs: number,
    tookMs: (n: number) => number,
  ) {
    let nowMs = 5_000;
    const budget = new Budget(budgetMs, () => nowMs);
    const freeAtMs = Array.from({ length: jobs }, () => nowMs);
    let endMs = nowMs;
    let longestMs = 0;
    let begun = 0;
    for (const [n, entry] of entries.entries()) {
      const slot = freeAtMs.indexOf(Math.min(...freeAtMs));
      nowMs = freeAtMs[slot] as number;
      if (!budget.begins(entry)) continue;
      begun += 1;
      const ms = tookMs(n);
      longestMs = Math.max(longestMs, ms);
      freeAtMs[slot] = nowMs + ms;
      endMs = Math.max(endMs, nowMs + ms);
      budget.costs.note(entry, ms);
      budget.ran(entry);
    }
    return { elapsedMs: endMs - 5_000, longestMs, begun, budget };
  }

  it('is never exceeded by more than one entry, however long entries take; the rest is named', () => {
    const took = fc.infiniteStream(fc.integer({ min: 1, max: 200_000 }));
    const budgets = fc.integer({ min: 1_000, max: 600_000 });
    const jobs = fc.integer({ min: 1, max: 4 });
    fc.assert(
      fc.property(cells, baseSeed, took, budgets, jobs, (all, base, stream, budgetMs, workers) => {
        const entries = [0, 1, 2, 3].flatMap((round) => roundOf(all, base, round));
        const lengths = [...stream.take(entries.length)];
        const spent = spend(entries, budgetMs, workers, (n) => lengths[n] as number);
        expect(spent.elapsedMs).toBeLessThanOrEqual(budgetMs + spent.longestMs);
        const left = spent.budget.notRun().reduce((sum, each) => sum + each.entries, 0);
        expect(spent.begun + left).toBe(entries.length);
      }),
    );
  });

  it('is used: what is expected to fit is begun', () => {
    fc.assert(
      fc.property(cells, baseSeed, (all, base) => {
        const entries = roundOf(all, base, 0);
        const wholeMs = entries.reduce((sum, { cell }) => sum + expectedMs(cell), 0);
        const spent = spend(entries, wholeMs, 1, (n) => expectedMs((entries[n] as Entry).cell));
        expect(spent.begun).toBe(entries.length);
        expect(spent.budget.notRun()).toEqual([]);
      }),
    );
  });

  it('says of a cell whether any of it was run, and the first reason', () => {
    const cell = { id: 'one', swarm: true, cluster: 'sim' } as Cell;
    const entry: Entry = { cell, round: 0, seed: 1 };
    const budget = new Budget(60_000, () => 0);
    budget.leaveOut(entry, 'first');
    budget.leaveOut(entry, 'second');
    expect(budget.notRun()).toEqual([{ cell: 'one', entries: 2, elsewhere: false, why: 'first' }]);
    budget.ran(entry);
    expect(budget.notRun()).toMatchObject([{ elsewhere: true }]);
    expect(budget.isOut('one')).toBe(true);
  });
});
