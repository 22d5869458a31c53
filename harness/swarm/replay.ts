// Runs a stored configuration again and proves that it was the same run, event for event; if it was not,
// finds the first event at which two runs part.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunConfig } from '../../history/run-record.ts';
import { firstDifference, type TraceOptions } from '../../simulator/index.ts';
import { type SimulatedRun, simulateRun } from '../clusters/sim/run.ts';
import { TIMING } from '../interpreter.ts';
import { registry } from '../registry.ts';
import { firstDifferingLine } from './difference.ts';

/** Simulates a configuration in a folder that is gone afterwards. */
export async function simulateOnce(
  config: RunConfig,
  trace: TraceOptions = {},
): Promise<SimulatedRun> {
  const dir = mkdtempSync(join(tmpdir(), 'chaos-replay-'));
  try {
    const mutant = registry.mutants.find(({ id }) => id === config.mutant);
    const { timeLimitMs: faultsMs, recoveryMsMax } = config;
    return await simulateRun(config, { ...TIMING, faultsMs, recoveryMsMax }, mutant, dir, {
      trace,
    });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** The first event at which two runs of one configuration differ, as each tells it; undefined: none. */
export async function firstDifferingEvent(
  config: RunConfig,
  a: SimulatedRun,
  b: SimulatedRun,
): Promise<{ event: number; first: string; second: string } | undefined> {
  const window = firstDifference(a.trace, b.trace);
  if (window === undefined) return undefined;
  const record = { from: window.from, to: window.to };
  const first = (await simulateOnce(config, { record })).lines.recorded;
  const second = (await simulateOnce(config, { record })).lines.recorded;
  const found = firstDifferingLine(first, second);
  if (found === undefined) {
    return { event: window.from, first: 'differed before', second: 'not again' };
  }
  return { event: window.from + found.at, first: found.first, second: found.second };
}
