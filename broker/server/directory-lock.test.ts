import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LOCK_NAME, lockDirectory } from './directory-lock.ts';

const SOURCE = fileURLToPath(new URL('./directory-lock.ts', import.meta.url));

let dir: string;

beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'chaos-lock-'));
});

afterEach(() => fs.rmSync(dir, { recursive: true }));

const said = () => JSON.parse(fs.readFileSync(path.join(dir, LOCK_NAME), 'utf8'));
const say = (text: string) => fs.writeFileSync(path.join(dir, LOCK_NAME), text);

/** A process that has locked the directory and lives until it is killed. */
async function holder() {
  const program =
    `import { lockDirectory } from ${JSON.stringify(SOURCE)};` +
    `lockDirectory(${JSON.stringify(dir)}); console.log('locked'); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program]);
  await once(child.stdout, 'data');
  const end = async () => {
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  return { child, end };
}

describe.runIf(process.platform === 'linux')('the lock of a log directory', () => {
  it('refuses whom comes second, paused or not, until the holder is gone', async () => {
    const { child, end } = await holder();
    try {
      const inUse = `in use by process ${child.pid}`;
      expect(() => lockDirectory(dir)).toThrow(inUse);
      child.kill('SIGSTOP');
      expect(() => lockDirectory(dir)).toThrow(inUse);
    } finally {
      await end();
    }
    lockDirectory(dir);
    expect(said().pid).toBe(process.pid);
  });

  it('is not held by another process of the same number', async () => {
    const { child, end } = await holder();
    try {
      const held = said();
      expect(held.pid).toBe(child.pid);
      for (const other of [
        { startTime: '1' },
        { boot: 'an earlier one' },
        { namespace: 'pid:[1]' },
      ]) {
        say(JSON.stringify({ ...held, ...other }));
        lockDirectory(dir);
        expect(said().pid).toBe(process.pid);
      }
    } finally {
      await end();
    }
  });

  it('takes what a crash tore for nobody’s, and a directory not yet there for its own', () => {
    for (const torn of ['', '{"pid":', 'null', '{"pid":1}', '\0\0\0']) {
      say(torn);
      lockDirectory(dir);
      expect(said().pid).toBe(process.pid);
    }
    dir = path.join(dir, 'a', 'b');
    lockDirectory(dir);
    expect(said().pid).toBe(process.pid);
    dir = path.dirname(path.dirname(dir));
  });
});
