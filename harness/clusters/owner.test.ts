// Tests of process stamps on real processes. A wrong answer here kills a stranger or spares a leftover.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { formatStamp, isAlive, parseStamp, stampOf, startTime } from './owner.ts';

test('a stamp survives its label, and names one process only', () => {
  const own = stampOf(process.pid);
  expect(parseStamp(formatStamp(own))).toEqual(own);
  expect(isAlive(own)).toBe(true);
  expect(isAlive({ ...own, started: `${own.started}0` })).toBe(false);
});

test('what is no stamp is none', () => {
  for (const text of [undefined, '', '12', ':5', 'x:5']) expect(parseStamp(text)).toBeUndefined();
});

test('a process that ended is gone', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  await once(child, 'spawn');
  const stamp = stampOf(Number(child.pid));
  expect(isAlive(stamp)).toBe(true);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(isAlive(stamp)).toBe(false);
  expect(startTime(stamp.pid)).toBeUndefined();
});
