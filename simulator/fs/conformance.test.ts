// Runs the conformance body on both file systems: Node's own, and the simulated one.
import realFs from 'node:fs';
import realPromises from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { fsConformance } from './conformance.ts';
import { SimulatedDisk } from './disk.ts';
import { createFs } from './fs.ts';
import { stream, TestHost } from './testing.ts';

// The sentences and numbers are Linux's; elsewhere the real half would fail for being elsewhere.
if (process.platform === 'linux') {
  fsConformance("Node's own fs", () => {
    const dir = realFs.mkdtempSync(path.join(realFs.realpathSync(os.tmpdir()), 'chaos-fs-'));
    const dispose = () => realFs.rmSync(dir, { recursive: true, force: true });
    return { fs: realFs, promises: realPromises, dir, dispose };
  });
}

fsConformance('the simulated fs', () => {
  const { fs, promises } = createFs(new TestHost(), new SimulatedDisk({ random: stream(1) }));
  const dir = fs.mkdtempSync('/tmp/test-');
  return { fs, promises, dir, dispose: () => {} };
});

test('every name that Node exports is there, and what is missing is refused by its name', () => {
  const { fs, promises } = createFs(new TestHost(), new SimulatedDisk({ random: stream(1) }));
  expect(Object.keys(realFs).filter((name) => !(name in fs))).toEqual([]);
  expect(Object.keys(realPromises).filter((name) => !(name in promises))).toEqual([]);
  expect(() => fs.watch('/tmp')).toThrow('fs.watch is not simulated');
  expect(() => promises.cp('/a', '/b')).toThrow('fs.promises.cp is not simulated');
});
