// `chaos shrink`: looks for the fewest faults and the least load with which a simulated run still fails,
// keeps them as a scenario, and tells what happens in it.
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { EXIT } from '../../history/verdict.ts';
import { BadArguments } from '../names.ts';
import type { Registry } from '../registry-types.ts';
import { keep } from '../swarm/keep.ts';
import { judgeOnce } from '../swarm/replay.ts';
import { roundsOf, SCENARIOS, writeScenario } from '../swarm/scenario.ts';
import { shrink } from '../swarm/shrink.ts';
import { tellStory } from '../swarm/story.ts';
import { Trials } from '../swarm/trials.ts';
import { loadReplayable } from './replay-command.ts';
import { Output, type Terminal } from './terminal.ts';

export interface ShrinkRequest {
  /** Runs or scenarios that fail in one way; the one that shortens best is shrunk. */
  given: readonly string[];
  name?: string;
  jobs?: number;
}

/** Shrinks failing runs into one scenario file. Exit 0: it still fails; 1: nothing failed to begin with. */
export async function shrinkCommand(
  request: ShrinkRequest,
  json: boolean,
  terminal: Terminal,
  registry: Registry,
): Promise<number> {
  const output = new Output(terminal, json);
  const say = (line: string) => output.line(line);
  const loaded = request.given.map((given) => loadReplayable(given, terminal.storeDir));
  const configs = loaded.map(({ config }) => config);
  if (new Set(configs.map(({ mutant }) => mutant)).size > 1) {
    throw new BadArguments('expected runs of one server, got runs with different planted bugs');
  }
  const before = await judgeOnce(configs[0] as (typeof configs)[number]);
  const { verdicts, exit } = before.results;
  if (exit === EXIT.valid || exit === EXIT.unknown) {
    output.problem(`${request.given[0]} does not fail: there is nothing to shrink`);
    output.object({ shrunk: false });
    return EXIT.invalid;
  }
  const invalid = verdicts.filter((v) => v.outcome === 'invalid').map((v) => v.checker);
  const mutant = registry.mutants.find(({ id }) => id === configs[0]?.mutant);
  const named = invalid.filter((checker) => mutant?.seenBy.includes(checker) ?? true);
  const checkers = named.length > 0 ? named : invalid;
  const count = roundsOf(configs[0] as (typeof configs)[number]).length;
  say(`${count} faults, broken: ${invalid.join(', ') || 'the run itself'}`);
  const trials = new Trials(request.jobs ?? availableParallelism(), terminal.signal);
  try {
    const shrunk = await shrink(configs, { trials, checkers, say });
    if (terminal.signal.aborted) return EXIT.interrupted;
    const name = request.name ?? loaded[0]?.name ?? 'shrunk';
    const options = mutant === undefined ? {} : { guarantee: mutant.guarantee };
    const { scenario, judged } = await keep(shrunk, { name, checkers, trials, ...options });
    const path = join(SCENARIOS, `${name}.json`);
    writeScenario(path, scenario);
    for (const line of tellStory(judged, checkers)) say(line);
    const { foundBy, seeds, rounds } = scenario;
    say(`${rounds.length} faults, shown by ${foundBy.length} of ${seeds.length} seeds`);
    say(`scenario: ${path}`);
    say(`reproduce: npx chaos replay ${path}`);
    output.object({ shrunk: true, scenario: path, faults: rounds.length, checkers });
    return EXIT.valid;
  } finally {
    trials.close();
  }
}
