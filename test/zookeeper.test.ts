// The harness against ZooKeeper itself: what it says of faults and guarantees must come out valid here
// too, or a checker asks for what nobody promises. Needs Debian's package zookeeper.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { resolveRun } from '../harness/config.ts';
import { registry } from '../harness/registry.ts';
import { runToEnd } from '../harness/run.ts';
import { zookeeper } from '../harness/systems/zookeeper.ts';

const here = zookeeper.available?.() ?? { ok: true };
const storeDir = mkdtempSync(join(tmpdir(), 'chaos-zookeeper-'));
afterAll(() => rmSync(storeDir, { recursive: true }));

const LIMIT_MS = 150_000;

async function run(workload: string, nemesis: string, timeLimitMs: number) {
  const request = { system: 'zookeeper', workload, nemesis, cluster: 'local', nodes: 3 };
  const load = { timeLimitMs, ratePerSecond: 150, concurrency: 9, seed: 4 };
  const resolved = await resolveRun({ ...request, ...load }, registry, () => undefined);
  const signal = new AbortController().signal;
  return runToEnd(resolved, { registry, storeDir, signal, log: () => undefined });
}

describe.skipIf(!here.ok)(
  here.ok ? 'ZooKeeper' : `ZooKeeper, not tested: ${here.reason}; ${here.remedy}`,
  () => {
    it.each([
      ['register', 'partition-leader', 8_000],
      ['register', 'pause-leader', 8_000],
      ['ephemeral', 'kill-leader', 8_000],
    ])('%s under %s is valid', { timeout: LIMIT_MS }, async (workload, nemesis, timeLimitMs) => {
      const { run: finished, errors, dir } = await run(workload, nemesis, timeLimitMs);
      expect(errors).toEqual([]);
      const { results, record } = finished;
      expect(results.verdicts.flatMap(({ anomalies }) => anomalies)).toEqual([]);
      expect(results.outcome, JSON.stringify(results.verdicts)).toBe('valid');
      expect(results.faults.verified).toBeGreaterThan(0);
      expect(results.faults.verified).toBe(results.faults.injected);
      const [fault] = record.faults;
      if (nemesis === 'pause-leader') {
        // The relay and Java behind it, both stopped.
        expect(fault?.injection.evidence).toMatch(/in state T, pid \d+ in state T/);
      }
      const log = readFileSync(join(dir, 'nodes', 'n1', 'log'), 'utf8');
      expect(log).toContain('QuorumPeer');
    });
  },
);
