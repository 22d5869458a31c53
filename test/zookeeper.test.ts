// The harness against ZooKeeper itself: what it says of faults and guarantees must come out valid here
// too, or a checker asks for what nobody promises. Needs Debian's package zookeeper.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { dockerDriver } from '../harness/clusters/docker/driver.ts';
import { resolveRun } from '../harness/config.ts';
import { registry } from '../harness/registry.ts';
import { runToEnd } from '../harness/run.ts';
import { zookeeper } from '../harness/systems/zookeeper.ts';

const here = zookeeper.available?.() ?? { ok: true };
const containers = here.ok ? await dockerDriver.available() : here;
const storeDir = mkdtempSync(join(tmpdir(), 'chaos-zookeeper-'));
afterAll(() => rmSync(storeDir, { recursive: true }));

const LIMIT_MS = 150_000;

async function run(cluster: string, workload: string, nemesis: string, timeLimitMs: number) {
  const request = { system: 'zookeeper', workload, nemesis, cluster, nodes: 3 };
  const load = { timeLimitMs, ratePerSecond: 150, concurrency: 9, seed: 4 };
  const resolved = await resolveRun({ ...request, ...load }, registry, () => undefined);
  const signal = new AbortController().signal;
  return runToEnd(resolved, { registry, storeDir, signal, log: () => undefined });
}

/** Runs it and asks for a valid run with every fault in effect; what showed that the first one was. */
async function valid(cluster: string, workload: string, nemesis: string, timeLimitMs: number) {
  const { run: finished, errors, dir } = await run(cluster, workload, nemesis, timeLimitMs);
  expect(errors).toEqual([]);
  const { results, record } = finished;
  expect(results.verdicts.flatMap(({ anomalies }) => anomalies)).toEqual([]);
  expect(results.outcome, JSON.stringify(results.verdicts)).toBe('valid');
  expect(results.faults.verified).toBeGreaterThan(0);
  expect(results.faults.verified).toBe(results.faults.injected);
  const log = readFileSync(join(dir, 'nodes', 'n1', 'log'), 'utf8');
  expect(log).toContain('QuorumPeer');
  return record.faults[0]?.injection.evidence;
}

const untested = (what: string, why: typeof containers): string =>
  why.ok ? what : `${what}, not tested: ${why.reason}; ${why.remedy}`;

describe.skipIf(!here.ok)(untested('ZooKeeper', here), () => {
  it.each([
    ['register', 'partition-leader', 8_000],
    ['ephemeral', 'kill-leader', 8_000],
  ])('%s under %s is valid', { timeout: LIMIT_MS }, async (workload, nemesis, timeLimitMs) => {
    await valid('local', workload, nemesis, timeLimitMs);
  });

  it('register under pause-leader is valid', { timeout: LIMIT_MS }, async () => {
    const evidence = await valid('local', 'register', 'pause-leader', 8_000);
    // The relay and Java behind it, both stopped.
    expect(evidence).toMatch(/in state T, pid \d+ in state T/);
  });
});

describe.skipIf(!containers.ok)(untested('ZooKeeper in containers', containers), () => {
  it.each([
    ['watch', 'partition-leader', 12_000],
    ['lock', 'kill-leader', 8_000],
  ])('%s under %s is valid', { timeout: LIMIT_MS }, async (workload, nemesis, timeLimitMs) => {
    await valid('docker', workload, nemesis, timeLimitMs);
  });
});
