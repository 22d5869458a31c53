// One simulated run, judged: what a worker does with a seed, and what a shrinker does with every
// candidate. The run's folder is kept only when there is something to look at.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Capability, capabilityOf } from '../../history/fault.ts';
import type { RunConfig, RunInfo } from '../../history/run-record.ts';
import type { Outcome } from '../../history/verdict.ts';
import type { TraceOptions } from '../../simulator/index.ts';
import { type SimulatedRun, simulateRun } from '../clusters/sim/run.ts';
import { swarmResolved } from '../config.ts';
import { TIMING } from '../interpreter.ts';
import { judge } from '../judge.ts';
import { registry } from '../registry.ts';
import { benchesOf } from '../registry-types.ts';
import { loadRecord } from '../store.ts';
import { machineryHash } from './machinery.ts';

/** What a run came to, small enough to be passed between processes. */
export interface SeedResult {
  seed: number;
  outcome: Outcome;
  exit: number;
  /** Checkers that did not say valid, with the first anomaly or the reason. */
  findings: { checker: string; outcome: Outcome; kinds: string[]; why: string }[];
  errors: string[];
  ops: { ok: number; fail: number; info: number };
  faults: { injected: number; verified: number };
  /** Injected faults by kind, of the disk's by effect. */
  faultKinds: Partial<Record<Capability, number>>;
  /** Synchronisations by mode: a check of what never happened is vacuous. */
  syncs: { diff: number; trunc: number; snap: number };
  trace: string;
  /** SHA-256 of the code that ran: two runs are comparable only if it is the same. */
  programs: Record<string, string>;
  events: number;
  virtualMs: number;
  wallMs: number;
}

/** Least evidence for a seed to count. */
const COUNTS = { virtualMs: 60_000, verifiedFaults: 3, acknowledged: 1_000 };

/** Whether a seed did enough to count as one. */
export function counts(result: SeedResult): boolean {
  return (
    result.virtualMs >= COUNTS.virtualMs &&
    result.faults.verified >= COUNTS.verifiedFaults &&
    result.ops.ok >= COUNTS.acknowledged
  );
}

/** Runs and judges a configuration in the simulator, leaving nothing behind. */
export async function runSeed(config: RunConfig): Promise<SeedResult> {
  return (await runTraced(config)).result;
}

/** As `runSeed`, with the run's trace as it was asked for. */
export async function runTraced(
  config: RunConfig,
  trace: TraceOptions = {},
): Promise<{ result: SeedResult; run: SimulatedRun }> {
  const startedMs = performance.now();
  const dir = mkdtempSync(join(tmpdir(), 'chaos-seed-'));
  try {
    mkdirSync(join(dir, 'nodes'));
    const { timeLimitMs: faultsMs, recoveryMsMax } = config;
    const timing = { ...TIMING, faultsMs, recoveryMsMax };
    const run = await simulateRun(swarmResolved(config, registry), timing, dir, { trace });
    const record = loadRecord(dir, { config } as RunInfo);
    const circumstances = { errors: run.errors, interrupted: false };
    const { results, runErrors, checkerErrors } = await judge(
      record,
      benchesOf(registry, record),
      circumstances,
    );
    const findings = results.verdicts
      .filter(({ outcome }) => outcome !== 'valid')
      .map(({ checker, outcome, anomalies, reason }) => {
        const kinds = [...new Set(anomalies.map(({ kind }) => kind))];
        return { checker, outcome, kinds, why: anomalies[0]?.why ?? reason ?? '' };
      });
    const syncs = { diff: 0, trunc: 0, snap: 0 };
    for (const event of record.nodeEvents) if (event.ev === 'syncStart') syncs[event.mode] += 1;
    const faultKinds: SeedResult['faultKinds'] = {};
    for (const { fault } of record.faults) {
      const name = capabilityOf(fault);
      faultKinds[name] = (faultKinds[name] ?? 0) + 1;
    }
    const result: SeedResult = {
      seed: config.seed,
      outcome: results.outcome,
      exit: results.exit,
      findings,
      errors: [...runErrors, ...checkerErrors],
      ops: results.ops,
      faults: results.faults,
      faultKinds,
      syncs,
      trace: run.trace.hash,
      programs: { ...run.programs, machinery: machineryHash() },
      events: run.trace.events,
      virtualMs: run.virtualMs,
      wallMs: performance.now() - startedMs,
    };
    return { result, run };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
