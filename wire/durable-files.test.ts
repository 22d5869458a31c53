// Tests of the making of directories, the first thing that a server does on a disk. What the system refuses must
// end in an error, for a server that hangs at its start says nothing.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeDirectory, makeDirectoryOf } from './durable-files.ts';

const SOURCE = fileURLToPath(new URL('./durable-files.ts', import.meta.url));
const HANG_MS = 20_000;

let dir: string;

beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'chaos-durable-'));
});

afterEach(() => fs.rmSync(dir, { recursive: true }));

describe('a directory', () => {
  it('is made with its parents, once and again', () => {
    const deep = path.join(dir, 'a', 'b', 'c');
    makeDirectory(deep);
    makeDirectory(deep);
    expect(fs.statSync(deep).isDirectory()).toBe(true);
  });

  it('is not made where a file or a link to nowhere is in its way', () => {
    fs.writeFileSync(path.join(dir, 'file'), '');
    fs.symlinkSync(path.join(dir, 'nowhere'), path.join(dir, 'link'));
    expect(() => makeDirectory(path.join(dir, 'file'))).toThrow(/EEXIST/);
    expect(() => makeDirectory(path.join(dir, 'file', 'a', 'b'))).toThrow(/ENOTDIR/);
    expect(() => makeDirectory(path.join(dir, 'link', 'a', 'b'))).toThrow(/EEXIST/);
  });

  it('of a setting is told with the setting where it cannot be made', () => {
    fs.writeFileSync(path.join(dir, 'file'), '');
    const wanted = path.join(dir, 'file', 'a');
    expect(() => makeDirectoryOf('log.dirs', wanted)).toThrow(
      `cannot make the directory of log.dirs: expected ${wanted} to be a directory`,
    );
  });
});

describe.runIf(process.platform === 'linux')('a file system that takes no directories', () => {
  it.each(['/proc/x', '/proc/x/y/z', '/proc/self/x/y'])('is told, not tried for ever: %s', (at) => {
    const program = `import { makeDirectory } from ${JSON.stringify(SOURCE)}; makeDirectory('${at}');`;
    // In a process of its own, since one that tries for ever cannot be interrupted from within.
    const { error, status, stderr } = spawnSync(
      process.execPath,
      ['--input-type=module', '-e', program],
      { encoding: 'utf8', timeout: HANG_MS },
    );
    expect(error).toBeUndefined();
    expect(stderr).toMatch(/ENOENT: no such file or directory, mkdir '\/proc\//);
    expect(status).toBe(1);
  });
});
