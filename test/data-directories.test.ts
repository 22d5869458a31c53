// Programs given a directory that cannot be made: both servers, and the gate. Whoever started one must read which
// setting is wrong, where a program that tried for ever would say nothing.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { nodeBinary } from '../harness/clusters/bundle.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const HANG_MS = 20_000;

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'chaos-data-directories-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

test.runIf(process.platform === 'linux').each([
  [
    'broker',
    'log.dirs',
    [
      'broker.id=1',
      'zookeeper.connect=127.0.0.1:1',
      'listeners=PLAINTEXT://127.0.0.1:9092',
      'log.dirs=/proc/x/y',
    ],
  ],
  ['coordinator', 'dataDir', ['clientPort=2181', 'dataDir=/proc/x/y']],
])('a %s whose %s cannot be made ends and says so', (server, setting, lines) => {
  const config = join(dir, `${server}.properties`);
  writeFileSync(config, lines.join('\n'));
  const args = [`${server}/server/main.ts`, '--config', config];
  const options = { cwd: ROOT, encoding: 'utf8', timeout: HANG_MS } as const;
  const { error, status, stdout, stderr } = spawnSync(nodeBinary(), args, options);
  expect(error).toBeUndefined();
  expect(stdout + stderr).toMatch(
    new RegExp(
      `cannot make the directory of ${setting}: expected /proc/x/y.* give ${setting} another`,
    ),
  );
  expect(status).toBe(1);
});

test.runIf(process.platform === 'linux')(
  'a gate whose --out cannot be made ends and says so',
  () => {
    const args = ['harness/cli/main.ts', 'gate', '--profile', 'pr', '--out', '/proc/x/y'];
    // The gate ends in order at SIGTERM, if it still can.
    const limits = { timeout: HANG_MS, killSignal: 'SIGKILL' } as const;
    const options = { cwd: ROOT, encoding: 'utf8', ...limits } as const;
    const { error, status, stderr } = spawnSync(nodeBinary(), args, options);
    expect(error).toBeUndefined();
    expect(stderr).toMatch(/expected --out to be a folder, or a place .* got \/proc\/x\/y: /);
    expect(status).toBe(254);
  },
);
