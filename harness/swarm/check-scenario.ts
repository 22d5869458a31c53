// Runs a stored scenario and says whether it still shows what it says: a planted bug is found and the clean
// server passes with every seed, a mended bug stays mended.
import type { Mutant } from '../../mutants/mutant.ts';
import { describeEnd } from './hunt.ts';
import type { Scenario } from './scenario.ts';
import { breaks, cleanOf } from './shrink.ts';
import type { Trial, Trials } from './trials.ts';

export interface ScenarioCheck {
  ok: boolean;
  why: string;
}

/** Checkers of which one must speak. Throws on a mutant that is not in the catalogue. */
export function seenBy({ config, checkers }: Scenario, mutants: readonly Mutant[]) {
  if (config.mutant === undefined) return checkers;
  const mutant = mutants.find(({ id }) => id === config.mutant);
  if (mutant !== undefined) return mutant.seenBy;
  const known = mutants.map(({ id }) => id).join(', ');
  throw new Error(`there is no mutant ${config.mutant}; the catalogue has: ${known}`);
}

/** What a scenario comes to now; undefined when it was interrupted. */
export async function checkScenario(
  scenario: Scenario,
  mutants: readonly Mutant[],
  trials: Trials,
): Promise<ScenarioCheck | undefined> {
  const { config, seeds } = scenario;
  const seeded = seeds.map((seed) => ({ ...config, seed }));
  const mustPass = scenario.expects === 'valid' || config.mutant !== undefined;
  const passes = mustPass ? await trials.all(seeded.map(cleanOf)) : [];
  if (mustPass && passes.length < seeds.length) return undefined;
  const failing = passes.find((outcome) => describeEnd(outcome) !== 'valid');
  if (failing !== undefined) {
    const { seed } = failing.config;
    return {
      ok: false,
      why: `the clean server does not pass seed ${seed}: ${describeEnd(failing)}`,
    };
  }
  const passed = mustPass ? `the clean server passes ${seeds.length} seeds` : '';
  if (scenario.expects === 'valid') return { ok: true, why: passed };
  const checkers = seenBy(scenario, mutants);
  const ends: Trial[] = [];
  const hit = await trials.first(seeded, (outcome) => {
    ends.push(outcome);
    return breaks(outcome, checkers);
  });
  if (hit === undefined) {
    if (ends.length < seeds.length) return undefined;
    const came = ends.map((end) => `${end.config.seed} ${describeEnd(end)}`).join('; ');
    return { ok: false, why: `no seed shows it to ${checkers.join(', ')}: ${came}` };
  }
  const what = config.mutant === undefined ? 'fails' : `${config.mutant} is found`;
  const found = `${what} with seed ${hit.config.seed}`;
  return { ok: true, why: passed === '' ? found : `${found}; ${passed}` };
}
