// Runs a stored configuration again and proves that it was the same run, event for event; if it was not,
// finds the first event at which two runs part. And judges it, for whoever needs the record as well.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FinishedRun, RunConfig, RunInfo } from '../../history/run-record.ts';
import { firstDifference, type TraceOptions } from '../../simulator/index.ts';
import { type SimulatedRun, simulateRun } from '../clusters/sim/run.ts';
import { swarmResolved } from '../config.ts';
import { TIMING } from '../interpreter.ts';
import { judge } from '../judge.ts';
import { registry } from '../registry.ts';
import { benchesOf } from '../registry-types.ts';
import { loadRecord } from '../store.ts';
import { firstDifferingLine } from './difference.ts';

/** Simulates a configuration into a folder that is gone once `use` has seen it. */
async function simulateInto<T>(
  config: RunConfig,
  trace: TraceOptions,
  use: (run: SimulatedRun, dir: string) => T | Promise<T>,
): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), 'chaos-replay-'));
  try {
    mkdirSync(join(dir, 'nodes'));
    const { timeLimitMs: faultsMs, recoveryMsMax } = config;
    const timing = { ...TIMING, faultsMs, recoveryMsMax };
    return await use(
      await simulateRun(swarmResolved(config, registry), timing, dir, { trace }),
      dir,
    );
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Simulates a configuration, leaving nothing behind. */
export function simulateOnce(config: RunConfig, trace: TraceOptions = {}): Promise<SimulatedRun> {
  return simulateInto(config, trace, (run) => run);
}

/** A simulated run with its record and verdicts. */
export interface JudgedRun {
  simulated: SimulatedRun;
  record: FinishedRun['record'];
  results: FinishedRun['results'];
  errors: string[];
}

/** Simulates and judges a configuration, leaving nothing behind. */
export function judgeOnce(config: RunConfig): Promise<JudgedRun> {
  return simulateInto(config, {}, async (simulated, dir) => {
    const record = loadRecord(dir, { config } as RunInfo);
    const circumstances = { errors: simulated.errors, interrupted: false };
    const judged = await judge(record, benchesOf(registry, record), circumstances);
    const errors = [...judged.runErrors, ...judged.checkerErrors];
    return { simulated, record, results: judged.results, errors };
  });
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
