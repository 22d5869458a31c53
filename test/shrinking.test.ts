// Shrinking real failing runs: what is left still fails with the planted bug and passes without it, the
// answer does not depend on the number of workers, and a kept scenario shows what it says.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { registry } from '../harness/registry.ts';
import { checkScenario } from '../harness/swarm/check-scenario.ts';
import { drawSwarm } from '../harness/swarm/draw.ts';
import { keep } from '../harness/swarm/keep.ts';
import { readScenario, roundsOf, withRounds, writeScenario } from '../harness/swarm/scenario.ts';
import { breaks, cleanOf, shrink } from '../harness/swarm/shrink.ts';
import { Trials } from '../harness/swarm/trials.ts';
import type { RunConfig } from '../history/run-record.ts';

const LIMIT_MS = 400_000;
const CHECKERS = ['election'];
const never = new AbortController().signal;
const folder = mkdtempSync(join(tmpdir(), 'chaos-shrinking-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Ten seconds of a swarm seed with half as a quorum. */
function failing(): RunConfig {
  const config = drawSwarm(2, { mutant: 'Z03', nodes: 3 });
  return { ...withRounds(config, roundsOf(config).slice(0, 4)), timeLimitMs: 10_000 };
}

describe('shrinking', () => {
  it('leaves what fails with the bug and passes without, and keeps it as a scenario', {
    timeout: LIMIT_MS,
  }, async () => {
    const trials = new Trials(2, never);
    const few = { name: 'Z03', seedCount: 2 };
    try {
      const options = { trials, checkers: CHECKERS, runsMax: 12, say() {} };
      const one = await shrink([failing()], options);
      expect(roundsOf(one).length).toBeLessThan(roundsOf(failing()).length);
      expect(one.timeLimitMs).toBeLessThan(10_000);
      const ends = await trials.all([one, cleanOf(one)]);
      expect(ends.map((end) => breaks(end, CHECKERS))).toEqual([true, false]);
      const { scenario } = await keep(one, { ...few, checkers: CHECKERS, trials });
      const path = join(folder, 'Z03.json');
      writeScenario(path, scenario);
      const kept = readScenario(path);
      const checked = await checkScenario(kept, registry.mutants, trials);
      expect(checked).toMatchObject({ ok: true });
      // A scenario of a bug that is mended, in which it is not.
      const not = { ...kept, config: cleanOf(kept.config) };
      expect(await checkScenario(not, registry.mutants, trials)).toMatchObject({ ok: false });
      const mended = { ...not, expects: 'valid' as const };
      expect(await checkScenario(mended, registry.mutants, trials)).toMatchObject({ ok: true });
    } finally {
      trials.close();
    }
  });
});

describe('trials', () => {
  it('take the first in order that fits, and nothing once they are interrupted', {
    timeout: LIMIT_MS,
  }, async () => {
    const configs = [3, 1, 2].map((seed) => ({ ...failing(), seed, timeLimitMs: 2_000 }));
    const stop = new AbortController();
    const trials = new Trials(2, stop.signal);
    try {
      const hit = await trials.first(configs, ({ config }) => config.seed < 3);
      expect(hit?.config.seed).toBe(1);
      expect(await trials.first(configs, () => false)).toBeUndefined();
      stop.abort();
      expect(await trials.first(configs, () => true)).toBeUndefined();
      expect(await trials.all(configs)).toEqual([]);
    } finally {
      trials.close();
    }
  });
});
