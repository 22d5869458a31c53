// What is left behind by a cluster that is closed, and by one whose harness was killed: nothing but
// files. These run last, since they end the cluster under test.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import Docker from 'dockerode';
import { expect, test } from 'vitest';
import { nodeBinary } from '../../harness/clusters/bundle.ts';
import { startTime } from '../../harness/clusters/owner.ts';
import { type Bed, inject } from './bed.ts';
import { answering, until } from './bench.ts';

function filesBelow(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' }).map((name) => join(dir, name));
}

async function readyHarness(harness: ChildProcess): Promise<string> {
  if (harness.stdout === null) throw new Error('the harness has no stdout');
  for await (const line of createInterface({ input: harness.stdout })) {
    return (JSON.parse(line) as { runDir: string }).runDir;
  }
  throw new Error('the harness ended before it was ready');
}

/** Names of containers, networks and processes of a run; `of` asks whether those are still there. */
async function leftovers(
  kind: string,
  runId: string,
  runDir: string,
  of?: readonly string[],
): Promise<string[]> {
  if (kind === 'docker') {
    const docker = new Docker();
    const filters = { label: [`chaos.run=${runId}`] };
    const containers = await docker.listContainers({ all: true, filters });
    const networks = await docker.listNetworks({ filters });
    return [...containers.map(({ Id }) => Id), ...networks.map(({ Id }) => Id)];
  }
  if (of !== undefined) {
    return of.filter((entry) => {
      const [pid, started] = entry.split(':');
      return startTime(Number(pid)) === started;
    });
  }
  const text = readFileSync(join(runDir, 'processes.json'), 'utf8');
  const { processes } = JSON.parse(text) as { processes: { pid: number; started: string }[] };
  return processes.map(({ pid, started }) => `${pid}:${started}`);
}

/**
 * What `clean` removes of these runs. Other tests leave dead harnesses behind at the same time and
 * clean up after them, and the daemon refuses to remove a network that is being emptied.
 */
async function cleaned(bed: Bed, runDir: string, runIds: readonly string[]): Promise<string[]> {
  const lines = await until(
    () => bed.driver.clean(runDir),
    () => true,
  );
  if (bed.driver.kind !== 'docker') return lines;
  return lines.filter((line) => runIds.some((runId) => line.includes(runId)));
}

/** Tests of close and clean. */
export function remainsTests(bed: Bed): void {
  test('clean removes all of a dead harness and nothing of a living one', async () => {
    const dead = `dead-${bed.driver.kind}-${process.pid}`;
    const harness = spawn(
      nodeBinary(),
      [fileURLToPath(new URL('./crash-harness.ts', import.meta.url)), bed.driver.kind, dead],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const runDir = await readyHarness(harness);
    const ended = once(harness, 'exit');
    const ours = [dead, bed.runId];
    expect(await cleaned(bed, runDir, ours)).toEqual([]);
    const left = await leftovers(bed.driver.kind, dead, runDir);
    expect(left.length).toBeGreaterThan(1);
    harness.kill('SIGKILL');
    await ended;
    if (bed.driver.kind === 'local') {
      // Those that can end by themselves do; the paused one cannot.
      await until(
        () => leftovers('local', dead, runDir, left),
        (remaining) => remaining.length === 1,
      );
    }
    expect((await cleaned(bed, runDir, ours)).length).toBeGreaterThan(0);
    await until(
      () => leftovers(bed.driver.kind, dead, runDir, left),
      (remaining) => remaining.length === 0,
    );
    for (const node of bed.cluster.nodes) await answering(bed.cluster, node);
    expect(await cleaned(bed, bed.options.runDir, ours)).toEqual([]);
    rmSync(runDir, { recursive: true, force: true });
  });

  test('close leaves nothing but the files, and those are the user’s', async () => {
    const left = await leftovers(bed.driver.kind, bed.runId, bed.options.runDir);
    expect(left.length).toBeGreaterThan(0);
    const standing = await inject(bed.cluster, { kind: 'pause', nodes: ['n1'] });
    await Promise.all([bed.cluster.close(), bed.cluster.close()]);
    expect(await leftovers(bed.driver.kind, bed.runId, bed.options.runDir, left)).toEqual([]);
    expect(await standing.heal()).toMatchObject({ verified: true });
    await expect(bed.cluster.start('n1')).rejects.toThrow(/closed/);
    const files = filesBelow(bed.options.runDir);
    expect(files).toContain(join(bed.cluster.nodeDir('n2'), 'conf', 'where'));
    for (const file of files) expect(statSync(file).uid).toBe(process.getuid?.());
  });
}
