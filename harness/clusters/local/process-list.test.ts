// Tests of what `clean` kills and what it must never kill. The processes are real.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isAlive, type ProcessStamp, pidSpace, stampOf } from '../owner.ts';
import { killLeftovers, ProcessList } from './process-list.ts';

let store: string;
let runDir: string;
let child: ReturnType<typeof spawn>;
let node: ProcessStamp;

beforeEach(async () => {
  store = await mkdtemp(join(tmpdir(), 'chaos-store-'));
  runDir = join(store, 'name', 'run');
  await mkdir(runDir, { recursive: true });
  child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  await once(child, 'spawn');
  node = stampOf(Number(child.pid));
});

afterEach(async () => {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  await rm(store, { recursive: true, force: true });
});

async function record(owner: ProcessStamp, stamp: ProcessStamp, space = pidSpace()): Promise<void> {
  const contents = { owner, space, processes: [{ node: 'n1', ...stamp }] };
  await writeFile(join(runDir, 'processes.json'), JSON.stringify(contents));
}

/** This process' pid with another start: a harness that is gone. */
const gone: ProcessStamp = { pid: process.pid, started: 'long ago' };

test('a process of a dead harness is killed', async () => {
  await record(gone, node);
  const ended = once(child, 'exit');
  const lines = await killLeftovers(store);
  expect(lines[0]).toContain(`killed process ${node.pid} (n1)`);
  await ended;
  expect(isAlive(node)).toBe(false);
  expect(existsSync(join(runDir, 'processes.json'))).toBe(false);
});

test('a stranger that got the pid anew is left alone', async () => {
  await record(gone, { ...node, started: 'before' });
  expect(await killLeftovers(store)).toEqual([expect.stringContaining('removed')]);
  expect(isAlive(node)).toBe(true);
});

test('a process of a living harness, or of another host, is left alone', async () => {
  const list = new ProcessList(runDir);
  await list.add('n1', node);
  expect(await killLeftovers(store)).toEqual([]);
  await list.close();
  await record(gone, node, 'another host');
  expect(await killLeftovers(store)).toEqual([]);
  expect(isAlive(node)).toBe(true);
});

test('a list that is torn or missing stops nothing', async () => {
  await writeFile(join(runDir, 'processes.json'), '{"owner":');
  expect(await killLeftovers(store)).toEqual([]);
  expect(await killLeftovers(join(store, 'nowhere'))).toEqual([]);
});
