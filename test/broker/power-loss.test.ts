// Brokers in the simulator that lose their power, one, several or all at once, between two events and inside system
// calls, or stand still for longer than their session: what was acknowledged is there, for it was synced before.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { simulateRun } from '../../harness/clusters/sim/run.ts';
import { swarmResolved } from '../../harness/config.ts';
import { TIMING } from '../../harness/interpreter.ts';
import { judge } from '../../harness/judge.ts';
import { registry } from '../../harness/registry.ts';
import { benchesOf } from '../../harness/registry-types.ts';
import { loadRecord } from '../../harness/store.ts';
import type { BrokerNodeEvent } from '../../history/broker-event.ts';
import type { RunConfig, RunInfo } from '../../history/run-record.ts';
import type { Verdict } from '../../history/verdict.ts';
import type { Round } from '../../nemesis/swarm.ts';

const TEST_MS = 180_000;
const FAULTS_MS = 12_000;

const folder = mkdtempSync(join(tmpdir(), 'chaos-power-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Played {
  events: readonly BrokerNodeEvent[];
  faults: number;
  errors: string[];
  verdicts: readonly Verdict[];
  /** Kinds of what was found wrong. */
  kinds: string[];
}

interface Settings {
  workload?: string;
  options?: Record<string, number | string>;
}

/** Plays rounds on three brokers and judges what they and their clients recorded. */
async function play(
  seed: number,
  rounds: readonly Round[],
  settings: Settings = {},
): Promise<Played> {
  const { workload = 'log', options = {} } = settings;
  const dir = mkdtempSync(join(folder, 'run-'));
  mkdirSync(join(dir, 'nodes'));
  const system = registry.systems.find(({ name }) => name === 'broker');
  const plan = registry.workloads.find(({ name }) => name === workload);
  const config: RunConfig = {
    name: 'power-loss',
    system: 'broker',
    workload,
    nemesis: 'swarm',
    cluster: 'sim',
    nodes: ['n1', 'n2', 'n3'],
    timeLimitMs: FAULTS_MS,
    ratePerSecond: 120,
    concurrency: 8,
    seed,
    systemOptions: { ...system?.defaultOptions, ...options },
    workloadOptions: { ...plan?.defaultOptions },
    nemesisOptions: { rounds: JSON.stringify(rounds) },
    clusterOptions: { latencyMinMs: 0.1, latencyMaxMs: 1 },
    recoveryMsMax: 15_000,
    eventLevel: 'all',
  };
  const timing = { ...TIMING, faultsMs: FAULTS_MS, recoveryMsMax: config.recoveryMsMax };
  const run = await simulateRun(swarmResolved(config, registry), timing, dir);
  const record = loadRecord(dir, { config } as unknown as RunInfo);
  const benches = benchesOf(registry, record);
  const judged = await judge(record, benches, { errors: run.errors, interrupted: false });
  const { verdicts } = judged.results;
  return {
    events: record.brokerEvents ?? [],
    faults: record.faults.length,
    errors: [...judged.runErrors, ...judged.checkerErrors],
    verdicts,
    kinds: [
      ...new Set(verdicts.flatMap(({ anomalies }) => anomalies.map(({ kind }) => kind))),
    ].sort(),
  };
}

/** Rounds of one kind, each healed before the next. */
function rounds(count: number, round: Partial<Round>): Round[] {
  const each: Round = { waitMs: 900, holdMs: 1_200, kind: 'disk', victims: 'all', draw: 0 };
  return Array.from({ length: count }, (_, i) => ({ ...each, ...round, draw: i * 2 }));
}

function outcomes({ verdicts }: Played): Record<string, string> {
  return Object.fromEntries(verdicts.map(({ checker, outcome }) => [checker, outcome]));
}

const starts = ({ events }: Played) =>
  events.flatMap((event) => (event.ev === 'brokerStart' && event.inc > 0 ? [event] : []));

describe('brokers that sync before they count lose nothing', () => {
  it.each<[string, Round[]]>([
    ['when the power of all goes', rounds(4, { holdMs: 700 })],
    [
      'when it goes inside a system call',
      [
        ...rounds(2, { kind: 'crash', power: true, match: 'fs.fdatasync', amount: 3 }),
        ...rounds(2, { kind: 'crash', power: true, match: 'fs.write', amount: 5 }),
      ],
    ],
    ['when one after the other loses it', rounds(4, { victims: 'leader', holdMs: 1_800 })],
  ])('%s', { timeout: TEST_MS }, async (_, faults) => {
    const played = await play(5, faults);
    expect([played.errors, played.kinds]).toEqual([[], []]);
    expect(outcomes(played)).toMatchObject({ messages: 'valid', replication: 'valid' });
    expect(played.faults).toBeGreaterThan(2);
    expect(starts(played).length).toBeGreaterThan(3);
    expect(starts(played).every(({ clean, lossy }) => !clean && !lossy)).toBe(true);
  });
});

describe('brokers that leave syncing to their replicas', () => {
  const options = { 'log.flush.interval.messages': 100_000 };

  it('lose nothing while others have it: who lost its power catches up before it counts', {
    timeout: TEST_MS,
  }, async () => {
    const played = await play(6, rounds(3, { victims: 'leader', holdMs: 2_500 }), { options });
    expect([played.errors, played.kinds]).toEqual([[], []]);
    expect(outcomes(played)).toMatchObject({ messages: 'valid', replication: 'valid' });
    expect(starts(played).filter(({ lossy }) => lossy).length).toBeGreaterThan(1);
  });

  it('lose acknowledged messages when the power of all goes, which the judge sees', {
    timeout: TEST_MS,
  }, async () => {
    const { kinds } = await play(7, rounds(6, { waitMs: 900, holdMs: 500 }), { options });
    expect(kinds).toContain('lost-write');
  });
});

describe('a leader that stands still for longer than its session', () => {
  it('acknowledges nothing when it goes on that others do not have', {
    timeout: TEST_MS,
  }, async () => {
    const faults = rounds(3, { kind: 'pause', victims: 'leader', holdMs: 3_000 });
    const played = await play(8, faults, { workload: 'idempotent' });
    expect([played.errors, played.kinds]).toEqual([[], []]);
    expect(outcomes(played)).toMatchObject({
      messages: 'valid',
      replication: 'valid',
      producers: 'valid',
      'exactly-once': 'valid',
    });
    expect(played.events.filter(({ ev }) => ev === 'sessionLost').length).toBeGreaterThan(1);
  });
});
