// The property all checkers share: runs drawn from a correct ensemble are valid, and whatever the seed,
// one alteration is found by the checker whose guarantee it breaks.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RunRecord } from '../history/run-record.ts';
import { electionChecker } from './election.ts';
import { coordinatorCheckers } from './index.ts';
import { logChecker } from './log.ts';
import { stateDigestChecker } from './state-digest.ts';
import { CRIMES } from './testing-crimes.ts';
import { altered, correctRun, eventsOfKind, kinds } from './testing-run.ts';

const seeds = fc.integer({ min: 1, max: 1_000_000 });
const sizes = fc.constantFrom(3, 5);

test('correct runs are valid under every checker', async () => {
  await fc.assert(
    fc.asyncProperty(seeds, sizes, async (seed, size) => {
      const run = correctRun(seed, size);
      for (const checker of coordinatorCheckers) {
        const verdict = await checker.check(run);
        const said = { checker: checker.name, why: verdict.reason, anomalies: verdict.anomalies };
        expect({ ...said, outcome: verdict.outcome }).toMatchObject({ outcome: 'valid' });
      }
    }),
    { numRuns: 60 },
  );
});

test('no checker changes what it judges', async () => {
  const run = correctRun(7);
  const before = structuredClone(run);
  for (const checker of coordinatorCheckers) await checker.check(run);
  expect(run).toEqual(before);
});

test.each(CRIMES)(
  '$name: $checker.name finds $kinds',
  async ({ checker, kinds: expected, commit }) => {
    await fc.assert(
      fc.asyncProperty(seeds, sizes, fc.nat(), async (seed, size, pick) => {
        const run: RunRecord = altered(correctRun(seed, size), (events, history) =>
          commit(events, history, pick),
        );
        const verdict = await checker.check(run);
        expect(verdict.outcome, verdict.reason).toBe('invalid');
        expect(kinds(verdict).filter((kind) => expected.includes(kind))).not.toEqual([]);
        for (const anomaly of verdict.anomalies) {
          expect(anomaly.why).toMatch(/ .*\.$/);
          expect(anomaly.events.length + (anomaly.nodeEvents?.length ?? 0)).toBeGreaterThan(0);
        }
      }),
      { numRuns: 15 },
    );
  },
);

test('a run whose node logs have a gap is unknown even where what is left contradicts itself', async () => {
  const run = altered(correctRun(3), (events) => {
    for (const event of eventsOfKind(events, 'apply')) event.digest = event.node;
    return undefined;
  });
  run.nodeEvents = run.nodeEvents.filter((e) => e.node !== 'n2' || e.seq !== 5);
  for (const checker of [electionChecker, logChecker, stateDigestChecker]) {
    const verdict = await checker.check(run);
    expect(verdict.outcome).toBe('unknown');
    expect(verdict.reason).toMatch(/event log of n2 has a gap/);
  }
});
