// Scenario files: what is written is what is read, each round on a line that a person can change; what is
// no scenario is refused by what it lacks.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { mutants } from '../../mutants/index.ts';
import { seenBy } from './check-scenario.ts';
import { drawSwarm } from './draw.ts';
import { readScenario, roundsOf, type Scenario, scenarioFiles, writeScenario } from './scenario.ts';

const folder = mkdtempSync(join(tmpdir(), 'chaos-scenarios-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function scenarioOf(seed: number, mutant?: string): Scenario {
  const config = drawSwarm(seed, mutant === undefined ? {} : { mutant });
  return {
    name: `s${seed}`,
    shows: 'an "anomaly" of $& two\nlines',
    expects: 'invalid',
    checkers: ['log'],
    seeds: [seed, seed + 1],
    foundBy: [seed],
    rounds: roundsOf(config),
    config,
    trace: 'a'.repeat(64),
    programs: { server: 'b'.repeat(64), harness: 'c'.repeat(64) },
  };
}

describe('a scenario file', () => {
  it('is read as it was written', () => {
    for (const seed of [1, 2, 3]) {
      const path = join(folder, 'deeper', `s${seed}.json`);
      writeScenario(path, scenarioOf(seed));
      expect(readScenario(path)).toEqual(scenarioOf(seed));
    }
    expect(scenarioFiles(join(folder, 'deeper'))).toHaveLength(3);
    expect(scenarioFiles(join(folder, 'nowhere'))).toEqual([]);
  });

  it('has a round a line, and a line that is taken out is a round less', () => {
    const path = join(folder, 'edited.json');
    const scenario = scenarioOf(4);
    writeScenario(path, scenario);
    const lines = readFileSync(path, 'utf8').split('\n');
    const at = lines.findIndex((line) => line.includes('"waitMs"'));
    writeFileSync(path, lines.filter((_, i) => i !== at).join('\n'));
    const { rounds, config } = readScenario(path);
    expect(rounds).toEqual(scenario.rounds.slice(1));
    expect(roundsOf(config)).toEqual(rounds);
  });

  it.each([['[]'], ['{}'], ['nothing'], ['{"config":{},"rounds":[]}'], ['null']])(
    'is not %s',
    (text) => {
      const path = join(folder, 'none.json');
      writeFileSync(path, text);
      expect(() => readScenario(path)).toThrow(/none.json is no scenario/);
    },
  );

  it('names the checkers of its planted bug, and an unknown one with those there are', () => {
    expect(seenBy(scenarioOf(1), mutants)).toEqual(['log']);
    expect(seenBy(scenarioOf(1, 'Z03'), mutants)).toEqual(['election']);
    expect(() => seenBy(scenarioOf(1, 'Z99'), mutants)).toThrow(/no mutant Z99.*Z01, Z02, Z03/);
  });
});
