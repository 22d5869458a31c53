// `chaos replay` repeats a simulated run or a scenario and proves by the trace that it was the same one;
// `chaos shrink` looks for the shortest schedule and the least load that still fail.
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describeFault } from '../../history/fault.ts';
import { faultRecords } from '../../history/op.ts';
import type { RunConfig, RunInfo } from '../../history/run-record.ts';
import { EXIT } from '../../history/verdict.ts';
import { ROOT } from '../bundle.ts';
import { swarmResolved } from '../config.ts';
import { BadArguments } from '../names.ts';
import type { Registry } from '../registry-types.ts';
import { type EndedRun, runToEnd } from '../run.ts';
import { loadRun, resolveRun } from '../store.ts';
import { firstDifferingEvent, simulateOnce } from '../swarm/replay.ts';
import { readScenario, roundsOf, type Scenario, writeScenario } from '../swarm/scenario.ts';
import { shrink } from '../swarm/shrink.ts';
import { showEnd } from './run-command.ts';
import { Output, type Terminal } from './terminal.ts';

interface Replayable {
  config: RunConfig;
  /** Trace it had, if known. */
  trace: string | undefined;
  programs?: NonNullable<RunInfo['simulation']>['programs'];
  name: string;
}

/** A run of the store or a scenario file. Throws BadArguments on what is neither. */
function load(given: string, storeDir: string): Replayable {
  if (statSync(given, { throwIfNoEntry: false })?.isFile() === true) {
    const { config, trace, name } = readScenario(given);
    return { config, trace, name };
  }
  const { info } = loadRun(resolveRun(storeDir, given));
  const { config, simulation } = info;
  if (config.cluster !== 'sim' || simulation === undefined) {
    throw new BadArguments(
      `${given} ran on ${config.cluster}: only a run of the sim cluster can be replayed exactly`,
    );
  }
  const { trace, programs } = simulation;
  return { config, trace, programs, name: `${config.name}-${config.seed}` };
}

/** Replays twice: against the stored trace, and against itself. Exit 0: identical; 255: not. */
export async function replayCommand(given: string, json: boolean, terminal: Terminal) {
  const output = new Output(terminal, json);
  const { config, trace, programs } = load(given, terminal.storeDir);
  const first = await simulateOnce(config);
  const second = await simulateOnce(config);
  const difference = await firstDifferingEvent(config, first, second);
  if (difference !== undefined) {
    output.problem(
      `two runs of one seed differ first at event ${difference.event}:\n  ${difference.first}\n  ` +
        `${difference.second}`,
    );
  }
  const otherCode =
    programs !== undefined &&
    (programs.server !== first.programs.server || programs.harness !== first.programs.harness);
  if (otherCode) output.line('the code is not the one that the run was made with');
  const { hash, events } = first.trace;
  const same = difference === undefined && (trace === undefined || trace === hash);
  output.line(
    `trace ${hash}, ${events} events, ${(first.virtualMs / 1000).toFixed(1)} s simulated`,
  );
  if (trace === hash) output.line('identical to the stored run, twice');
  else if (trace !== undefined) output.line(`the stored run had trace ${trace}`);
  output.object({ identical: same, trace: hash, stored: trace ?? null, events, otherCode });
  return same ? EXIT.valid : EXIT.infrastructure;
}

/** Runs a configuration as a run of the store, with its report. */
function runStored(
  config: RunConfig,
  terminal: Terminal,
  registry: Registry,
  say: (line: string) => void,
): Promise<EndedRun> {
  const { storeDir, signal } = terminal;
  return runToEnd(swarmResolved(config, registry), { registry, storeDir, signal, log: say });
}

/** Shrinks a failing run into a scenario file. Exit 0 when it still fails, 1 when it does not at all. */
export async function shrinkCommand(
  request: { given: string; name?: string; jobs?: number },
  json: boolean,
  terminal: Terminal,
  registry: Registry,
): Promise<number> {
  const output = new Output(terminal, json);
  const say = (line: string) => output.line(line);
  const { config, name } = load(request.given, terminal.storeDir);
  const before = await runStored(config, terminal, registry, say);
  const checkers = before.run.results.verdicts
    .filter(({ outcome }) => outcome === 'invalid')
    .map(({ checker }) => checker);
  if (before.run.results.exit === EXIT.valid || before.run.results.exit === EXIT.unknown) {
    output.problem(`${request.given} does not fail: there is nothing to shrink`);
    output.object({ shrunk: false });
    return EXIT.invalid;
  }
  say(`${roundsOf(config).length} faults, broken: ${checkers.join(', ') || 'the run itself'}`);
  const { jobs } = request;
  const shrunk = await shrink(config, { checkers, say, ...(jobs === undefined ? {} : { jobs }) });
  const least = { ...shrunk, name: request.name ?? name };
  const after = await runStored(least, terminal, registry, say);
  const scenario: Scenario = {
    name: least.name,
    shows:
      after.run.results.verdicts.flatMap((v) => v.anomalies).at(0)?.why ?? after.errors[0] ?? '',
    brokenThen: checkers,
    config: least,
    rounds: roundsOf(least),
    trace: after.run.info.simulation?.trace ?? '',
  };
  const folder = join(ROOT, 'scenarios');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${scenario.name}.json`);
  writeScenario(path, scenario);
  tellStory(after, say);
  showEnd(after, output, registry);
  say(`scenario: ${path}`);
  say(`reproduce: npx chaos replay ${path}`);
  output.object({ shrunk: true, scenario: path, faults: scenario.rounds.length, checkers });
  return EXIT.valid;
}

/** The steps that matter: the faults, and what the servers did around the first anomaly. */
function tellStory({ run }: EndedRun, say: (line: string) => void): void {
  const { record, results } = run;
  const at = (t: number) => `${(t / 1e9).toFixed(3)} s`;
  const steps: { t: number; text: string }[] = [];
  for (const { fault, injected, healed } of faultRecords(record.history)) {
    steps.push({ t: injected, text: describeFault(fault) });
    if (healed !== undefined) steps.push({ t: healed, text: `healed: ${describeFault(fault)}` });
  }
  const telling = new Set([
    'start',
    'stop',
    'elected',
    'established',
    'left',
    'trunc',
    'syncStart',
  ]);
  for (const event of record.nodeEvents) {
    if (!telling.has(event.ev)) continue;
    const { t, node, inc, seq, ev, ...facts } = event;
    steps.push({ t, text: `${node} ${ev} ${JSON.stringify(facts)}` });
  }
  steps.sort((a, b) => a.t - b.t);
  for (const { t, text } of steps.slice(-60)) say(`  ${at(t).padStart(10)}  ${text}`);
  const why = results.verdicts.flatMap(({ anomalies }) => anomalies).at(0)?.why;
  if (why !== undefined) say(why);
}
