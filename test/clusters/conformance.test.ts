// One body of tests over every kind of cluster: what a cut, a kill and a pause mean, that their proof
// is a proof, and that nothing is left behind. Docker without a daemon is skipped by name, not in CI.
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeBinary } from '../../harness/clusters/bundle.ts';
import { ClusterUnavailable, chooseCluster, clusterDrivers } from '../../harness/clusters/index.ts';
import type { Bed } from './bed.ts';
import { boot, testOptions } from './bench.ts';
import { clientLinkTests } from './client-link-tests.ts';
import { linkTests } from './link-tests.ts';
import { processTests } from './process-tests.ts';
import { remainsTests } from './remains-tests.ts';

const availability = new Map(
  await Promise.all(clusterDrivers.map(async (d) => [d.kind, await d.available()] as const)),
);
const inCi = process.env.CI !== undefined && process.env.CI !== '';

// The simulator boots no single nodes; what its network does is shown by its own conformance tests.
for (const driver of clusterDrivers.filter(({ kind }) => kind !== 'sim')) {
  const found = availability.get(driver.kind);
  const missing = found?.ok === false ? `${found.reason}; ${found.remedy}` : undefined;

  if (missing !== undefined) {
    test.skipIf(!inCi)(`cluster ${driver.kind} is available (${missing})`, () => {
      expect(missing).toBeUndefined();
    });
    continue;
  }

  describe(`cluster ${driver.kind}`, () => {
    const bed = { driver, runId: `conf-${driver.kind}-${process.pid}` } as Bed;

    beforeAll(async () => {
      bed.options = await testOptions(bed.runId, 3);
      bed.cluster = await driver.create(bed.options);
      await boot(bed.cluster);
    });

    afterAll(async () => {
      await bed.cluster?.close();
      if (bed.options !== undefined) rmSync(bed.options.runDir, { recursive: true, force: true });
    });

    linkTests(bed);
    clientLinkTests(bed);
    processTests(bed);
    remainsTests(bed);
  });
}

describe('choice of a cluster', () => {
  test('an explicit choice is kept or refused with reason and remedy', async () => {
    expect((await chooseCluster('local')).driver.kind).toBe('local');
    const docker = availability.get('docker');
    if (docker?.ok === true) {
      expect((await chooseCluster('docker')).driver.kind).toBe('docker');
      expect((await chooseCluster()).driver.kind).toBe('docker');
    } else {
      await expect(chooseCluster('docker')).rejects.toBeInstanceOf(ClusterUnavailable);
      expect(await chooseCluster()).toMatchObject({ line: expect.stringContaining('local') });
    }
  });

  test('a daemon that does not answer is told with a remedy', () => {
    const script = `
      const { chooseCluster } = await import(${JSON.stringify(
        new URL('../../harness/clusters/index.ts', import.meta.url).href,
      )});
      const chosen = await chooseCluster();
      const refused = await chooseCluster('docker').catch((error) => error);
      console.log(JSON.stringify({ kind: chosen.driver.kind, line: chosen.line,
        name: refused.name, reason: refused.reason, remedy: refused.remedy }));`;
    const output = execFileSync(nodeBinary(), ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      env: { ...process.env, DOCKER_HOST: 'unix:///nonexistent/docker.sock' },
    });
    expect(JSON.parse(output)).toMatchObject({
      kind: 'local',
      line: expect.stringContaining('no Docker daemon answers'),
      name: 'ClusterUnavailable',
      remedy: expect.stringContaining('--cluster local'),
    });
  });
});
