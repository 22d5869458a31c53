// A scenario: a configuration worth keeping, with what it showed. Plain JSON, so that a person can read
// it and any driver that can do its faults can run it.
import { readFileSync, writeFileSync } from 'node:fs';
import type { RunConfig } from '../../history/run-record.ts';
import type { Round } from '../../nemesis/swarm.ts';
import { BadArguments } from '../names.ts';

export interface Scenario {
  name: string;
  /** What it shows, in a sentence. */
  shows: string;
  /** Checkers that said invalid when it was found; empty when the system has been mended. */
  brokenThen: string[];
  config: RunConfig;
  /** The schedule of faults, also in `config.nemesisOptions.rounds`, for people to read. */
  rounds: Round[];
  /** Rolling hash of the run's trace when it was stored. */
  trace: string;
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

export function writeScenario(path: string, scenario: Scenario): void {
  writeFileSync(path, `${JSON.stringify(scenario, null, 2)}\n`);
}

/** Reads a scenario. Throws BadArguments when the file is none. */
export function readScenario(path: string): Scenario {
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new BadArguments(`${path} is no scenario: ${(error as Error).message}`);
  }
  const scenario = parsed as Partial<Scenario>;
  if (scenario.config === undefined || scenario.rounds === undefined) {
    throw new BadArguments(`${path} is no scenario: expected an object with config and rounds`);
  }
  // People edit the readable form; it is the one that counts.
  const config = withRounds(scenario.config, scenario.rounds);
  return { ...(scenario as Scenario), config };
}
