// `chaos replay`: repeats a simulated run or a scenario and proves by the trace that it was the same one, and
// that it comes to the same verdict. A scenario also runs on real servers, as far as its faults exist there.
import { statSync } from 'node:fs';
import type { RunConfig, RunInfo } from '../../history/run-record.ts';
import { EXIT, type Outcome } from '../../history/verdict.ts';
import { needsOf, type Round } from '../../nemesis/swarm.ts';
import { pickCluster, swarmResolved } from '../config.ts';
import { BadArguments } from '../names.ts';
import type { Registry } from '../registry-types.ts';
import { loadRun, readResults, resolveRun } from '../store.ts';
import { seenBy } from '../swarm/check-scenario.ts';
import { firstDifferingEvent, type JudgedRun, judgeOnce } from '../swarm/replay.ts';
import { readScenario, roundsOf, type Scenario, withRounds } from '../swarm/scenario.ts';
import { cleanOf } from '../swarm/shrink.ts';
import { tellStory } from '../swarm/story.ts';
import { runJson, runLive, showEnd } from './run-command.ts';
import { Output, type Terminal } from './terminal.ts';

/** What can be replayed, with what is known of how it went. */
export interface Replayable {
  config: RunConfig;
  name: string;
  /** Trace it had, and the code it had it with, if known. */
  trace?: string;
  programs?: NonNullable<RunInfo['simulation']>['programs'];
  /** What it came to. */
  outcome?: Outcome;
  scenario?: Scenario;
}

export interface ReplayRequest {
  given: string;
  /** Run a scenario there instead: `local` or `docker`. */
  cluster?: string;
}

/** A run of the store or a scenario file. Throws BadArguments on what is neither. */
export function loadReplayable(given: string, storeDir: string): Replayable {
  if (statSync(given, { throwIfNoEntry: false })?.isFile() === true) {
    const scenario = readScenario(given);
    const { config, trace, programs, name, expects: outcome } = scenario;
    return { config, trace, programs, name, outcome, scenario };
  }
  const dir = resolveRun(storeDir, given);
  const { config, simulation } = loadRun(dir).info;
  if (config.cluster !== 'sim' || simulation === undefined) {
    throw new BadArguments(
      `${given} ran on ${config.cluster}: only a run of the sim cluster can be replayed exactly`,
    );
  }
  const { trace, programs } = simulation;
  const outcome = readResults(dir)?.outcome;
  const name = `${config.name}-${config.seed}`;
  return { config, trace, programs, name, ...(outcome === undefined ? {} : { outcome }) };
}

/** Replays. Exit 0: the same run with the same verdict, or there, what the run on real servers came to. */
export async function replayCommand(
  request: ReplayRequest,
  json: boolean,
  terminal: Terminal,
  registry: Registry,
): Promise<number> {
  const output = new Output(terminal, json);
  const loaded = loadReplayable(request.given, terminal.storeDir);
  if (request.cluster !== undefined && request.cluster !== 'sim') {
    return replayLive(loaded, request.cluster, output, terminal, registry);
  }
  return replaySimulated(loaded, output, registry);
}

/** Runs it twice: against the stored trace, against itself, and against the stored verdict. */
async function replaySimulated(
  loaded: Replayable,
  output: Output,
  registry: Registry,
): Promise<number> {
  const { config, trace, programs } = loaded;
  const first = await judgeOnce(config);
  const second = await judgeOnce(config);
  const difference = await firstDifferingEvent(config, first.simulated, second.simulated);
  if (difference !== undefined) {
    output.problem(
      `two runs of one seed differ first at event ${difference.event}:\n  ${difference.first}\n  ` +
        `${difference.second}`,
    );
  }
  const { simulated } = first;
  const { hash, events } = simulated.trace;
  const parts = changedParts(programs, simulated.programs);
  const otherCode = parts.length > 0;
  const seconds = (simulated.virtualMs / 1000).toFixed(1);
  output.line(`trace ${hash}, ${events} events, ${seconds} s simulated, twice`);
  if (otherCode) {
    output.line(
      `the code is not the one that it was stored with (${parts.join(' and ')} changed), so its ` +
        `trace cannot be compared`,
    );
  } else if (trace !== undefined && trace !== hash) {
    output.problem(`the same code left trace ${trace} when it was stored, and ${hash} now`);
  } else if (trace !== undefined) output.line('identical to the stored run, twice');
  const identical =
    difference === undefined && (otherCode || trace === undefined || trace === hash);
  for (const line of tellStory(first, checkersOf(loaded, registry))) output.line(line);
  const repeated = await verdictRepeated(loaded, first, output, registry);
  output.object({
    identical,
    trace: hash,
    stored: trace ?? null,
    events,
    otherCode,
    verdict: first.results.outcome,
    expected: loaded.outcome ?? null,
    repeated,
  });
  if (!identical) return EXIT.infrastructure;
  return repeated ? EXIT.valid : EXIT.invalid;
}

/** Programs whose code is another than it was; none if that is not known. */
export function changedParts(
  stored: Readonly<Record<string, string>> = {},
  now: Readonly<Record<string, string>>,
): string[] {
  // Before a system could have several programs, its only one went by this name.
  const { server, ...rest } = stored;
  const was = server === undefined ? rest : { ...rest, coordinator: server };
  return Object.keys(was).filter((part) => was[part as keyof typeof was] !== now[part]);
}

function checkersOf({ scenario }: Replayable, registry: Registry): readonly string[] {
  return scenario === undefined ? [] : seenBy(scenario, registry.mutants);
}

/** Shows the verdict and whether it is the stored one; other code may need another seed for it. */
async function verdictRepeated(
  loaded: Replayable,
  judged: JudgedRun,
  output: Output,
  registry: Registry,
): Promise<boolean> {
  const { outcome: expected, scenario, config } = loaded;
  const { results, errors } = judged;
  for (const error of errors) output.problem(error);
  for (const { checker, outcome, anomalies } of results.verdicts) {
    if (outcome !== 'valid') output.line(`${checker}: ${outcome}, ${anomalies.length} anomalies`);
  }
  const checkers = checkersOf(loaded, registry);
  const shows = ({ results: { verdicts, outcome } }: JudgedRun) =>
    expected === 'invalid' && checkers.length > 0
      ? verdicts.some((v) => v.outcome === 'invalid' && checkers.includes(v.checker))
      : expected === undefined || outcome === expected;
  let shown = shows(judged);
  output.line(
    `verdict: ${results.outcome}${expected === undefined ? '' : `, stored: ${expected}`}`,
  );
  for (const seed of (scenario?.seeds ?? []).slice(1)) {
    if (shown) break;
    shown = shows(await judgeOnce({ ...config, seed }));
    if (shown) output.line(`seed ${seed} of the scenario shows it with the code as it is now`);
  }
  if (!shown) output.problem(`expected the stored verdict, ${expected}; no seed came to it`);
  if (scenario?.config.mutant === undefined) return shown;
  const clean = await judgeOnce(cleanOf(config));
  output.line(`without ${scenario.config.mutant} the same scenario is ${clean.results.outcome}`);
  return shown && clean.results.outcome === 'valid';
}

/** Runs a scenario on real servers, without the rounds that they do not support. */
async function replayLive(
  { config, scenario, name }: Replayable,
  kind: string,
  output: Output,
  terminal: Terminal,
  registry: Registry,
): Promise<number> {
  const driver = await pickCluster(kind, registry, (line) => output.line(line));
  const can = (round: Round) => needsOf(round).every((each) => driver.supports.has(each));
  const rounds = roundsOf(config);
  const left = rounds.filter((round) => !can(round));
  for (const round of left) {
    output.line(
      `left out: ${needsOf(round).join(' and ')} of ${round.victims}, which ${driver.kind} cannot do`,
    );
  }
  const { clusterOptions: _ofTheSimulator, ...rest } = config;
  const there: RunConfig = { ...withRounds(rest, rounds.filter(can)), cluster: driver.kind, name };
  output.line(`${rounds.length - left.length} of ${rounds.length} faults on ${driver.kind}`);
  const resolved = swarmResolved(there, registry);
  const ended = await runLive(resolved, terminal, output, registry, undefined);
  showEnd(ended, output, registry);
  if (scenario !== undefined) {
    const was = scenario.expects;
    output.line(`verdict: ${ended.run.results.outcome}, in the simulator: ${was}`);
  }
  output.object(runJson(ended));
  return ended.run.results.exit;
}
