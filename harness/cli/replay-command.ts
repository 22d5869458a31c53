// `chaos replay` repeats a simulated run or a scenario and proves by the trace that it was the same one;
// `chaos shrink` looks for the shortest schedule and the least load that still fail.
import { statSync } from 'node:fs';
import type { RunConfig, RunInfo } from '../../history/run-record.ts';
import { EXIT } from '../../history/verdict.ts';
import { BadArguments } from '../names.ts';
import { loadRun, resolveRun } from '../store.ts';
import { firstDifferingEvent, simulateOnce } from '../swarm/replay.ts';
import { readScenario } from '../swarm/scenario.ts';
import { Output, type Terminal } from './terminal.ts';

interface Replayable {
  config: RunConfig;
  /** Trace it had, if known. */
  trace: string | undefined;
  programs?: NonNullable<RunInfo['simulation']>['programs'];
  name: string;
}

/** A run of the store or a scenario file. Throws BadArguments on what is neither. */
export function loadReplayable(given: string, storeDir: string): Replayable {
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
  const { config, trace, programs } = loadReplayable(given, terminal.storeDir);
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
