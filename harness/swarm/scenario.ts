// A scenario: a configuration worth keeping, with what it showed. Plain JSON, so that a person can read
// it and any driver that can do its faults can run it.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { RunConfig, RunInfo } from '../../history/run-record.ts';
import type { Outcome } from '../../history/verdict.ts';
import type { Round } from '../../nemesis/swarm.ts';
import { makeWithParents } from '../../wire/durable-files.ts';
import { ROOT } from '../bundle.ts';
import { BadArguments } from '../names.ts';

/** Real bugs lie here, a planted bug's scenario in the folder below. */
export const SCENARIOS = join(ROOT, 'scenarios');
export const MUTANT_SCENARIOS = join(SCENARIOS, 'mutants');

export interface Scenario {
  name: string;
  /** What it shows: the first anomaly, or what was wrong and is mended. */
  shows: string;
  /** What a run of it must come to; with a planted bug, what it comes to when that is planted. */
  expects: Exclude<Outcome, 'unknown'>;
  /** Checkers of which one says so; for `valid`: those that said invalid before it was mended. */
  checkers: string[];
  /** A planted bug's: the promise that it breaks. */
  guarantee?: string;
  /**
   * Seeds for the chances of network and disk, the configuration's own first. Code that is changed for
   * another reason shifts those chances, so one of them that shows it is enough.
   */
  seeds: number[];
  /** Those of them that showed it when it was stored. */
  foundBy: number[];
  /** The schedule of faults. */
  rounds: Round[];
  /** All the rest of the run. */
  config: RunConfig;
  /** Rolling hash of the trace of a run with the configuration's own seed when it was stored. */
  trace: string;
  /** SHA-256 of the code of that run: with other code the trace is another one. */
  programs: NonNullable<RunInfo['simulation']>['programs'];
}

/** The rounds of a configuration; a configuration without any gives none. */
export function roundsOf(config: RunConfig): Round[] {
  const rounds = config.nemesisOptions?.rounds;
  return typeof rounds === 'string' ? (JSON.parse(rounds) as Round[]) : [];
}

/** The configuration with another schedule. */
export function withRounds(config: RunConfig, rounds: readonly Round[]): RunConfig {
  const nemesisOptions = { ...config.nemesisOptions, rounds: JSON.stringify(rounds) };
  return { ...config, nemesisOptions };
}

/** Writes it with each round on a line of its own. */
export function writeScenario(path: string, scenario: Scenario): void {
  const { rounds: _asList, ...nemesisOptions } = scenario.config.nemesisOptions ?? {};
  const { rounds, ...rest } = { ...scenario, config: { ...scenario.config, nemesisOptions } };
  const lines = rounds.map((round) => `    ${JSON.stringify(round)}`).join(',\n');
  const list = rounds.length === 0 ? '[]' : `[\n${lines}\n  ]`;
  const text = JSON.stringify({ ...rest, rounds: [] }, null, 2);
  makeWithParents(dirname(path));
  writeFileSync(path, `${text.replace(/"rounds": \[\]\n\}$/, () => `"rounds": ${list}\n}`)}\n`);
}

/** Reads a scenario. Throws BadArguments when the file is none. */
export function readScenario(path: string): Scenario {
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new BadArguments(`${path} is no scenario: ${(error as Error).message}`);
  }
  const scenario = parsed as Partial<Scenario> | null;
  const { config, rounds, seeds, checkers } = scenario ?? {};
  const lists = [rounds, seeds, checkers].every((each) => Array.isArray(each));
  if (config === undefined || !lists) {
    throw new BadArguments(
      `${path} is no scenario: expected an object with config, rounds, seeds and checkers`,
    );
  }
  return { ...(scenario as Scenario), config: withRounds(config, rounds as Round[]) };
}

/** The scenario files of a folder, by name; none if there is no such folder. */
export function scenarioFiles(folder: string): string[] {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
  const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
  return names.sort().map((name) => join(folder, name));
}
