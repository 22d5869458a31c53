// The broker inside the simulator: valid under faults, the same trace in two processes, and a planted bug of the
// coordinator beneath it is planted there, in the program that has its sources.
import { describe, expect, it } from 'vitest';
import { systemPrograms } from '../harness/clusters/sim/programs.ts';
import { resolveRun } from '../harness/config.ts';
import { registry } from '../harness/registry.ts';
import { type PoolResult, runPool } from '../harness/swarm/pool.ts';
import type { RunConfig } from '../history/run-record.ts';

const LIMIT_MS = 240_000;

async function simulated(workload: string, nemesis: string, seed: number): Promise<RunConfig> {
  const load = { timeLimitMs: 12_000, ratePerSecond: 100, concurrency: 6 };
  const names = { system: 'broker', workload, nemesis, cluster: 'sim' };
  return (await resolveRun({ ...names, ...load, nodes: 3, seed }, registry, () => {})).config;
}

describe('the broker in the simulator', () => {
  it('is valid under faults, and leaves one trace in two processes', {
    timeout: LIMIT_MS,
  }, async () => {
    const configs = [
      await simulated('log', 'kill-leader', 1),
      await simulated('group', 'pause-leader', 2),
      await simulated('idempotent', 'kill-all', 3),
    ];
    const results: PoolResult[] = [];
    await runPool(configs, { jobs: 2, twice: 1, onResult: (result) => results.push(result) });
    for (const each of results) {
      expect(each).toMatchObject({ kind: 'done', result: { exit: 0, findings: [], errors: [] } });
      expect(each.kind === 'done' && Object.keys(each.result.programs)).toEqual(
        expect.arrayContaining(['broker', 'coordinator', 'harness', 'machinery']),
      );
    }
    expect(results).toHaveLength(configs.length);
  });

  it('plants a bug in the program that has its sources', { timeout: LIMIT_MS }, async () => {
    const broker = registry.systems.find(({ name }) => name === 'broker');
    const mutant = registry.mutants.find(({ id }) => id === 'Z56');
    const clean = await systemPrograms(broker?.programs ?? {}, undefined);
    const planted = await systemPrograms(broker?.programs ?? {}, mutant);
    expect(planted.get('coordinator')?.hash).not.toBe(clean.get('coordinator')?.hash);
    expect(planted.get('broker')?.hash).toBe(clean.get('broker')?.hash);
    const brokerAlone = { broker: broker?.programs.broker ?? '' };
    await expect(systemPrograms(brokerAlone, mutant)).rejects.toThrow(/Z56: .* is not part of/);
  });
});
