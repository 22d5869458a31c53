// The memory of what may have been lost: it outlives restarts of any kind until the broker has caught up, and
// settings that were changed in between.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type LogConfig, logConfig } from './config.ts';
import { LogDirectory } from './log-directory.ts';
import { LOSS_MARK_NAME } from './loss-mark.ts';
import { batch } from './testing.ts';

const OF = { topic: 't', partition: 0 };
const SYNCED = logConfig({});
const RELAXED = logConfig({ 'log.flush.interval.messages': 1000 });

let root: string;
let dir: string;

beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'chaos-loss-'));
  dir = path.join(root, '0');
});
afterEach(() => fs.rmSync(root, { recursive: true, force: true }));

/** Starts, makes sure that there is a log, and stops as told; says whether records may have been lost. */
async function life(config: LogConfig, how: 'stop' | 'kill', act?: (d: LogDirectory) => void) {
  const { directory } = LogDirectory.open(dir, { configFor: () => config });
  const { lossy } = directory.loss;
  const log = directory.log(OF) ?? directory.openLog(OF).log;
  log.appendAsLeader(batch({ values: ['a'] }), 0);
  act?.(directory);
  const left = path.join(root, `${fs.readdirSync(root).length}`);
  if (how === 'kill') fs.cpSync(dir, left, { recursive: true });
  await directory.close(1);
  if (how === 'kill') dir = left;
  return lossy;
}

describe('a broker', () => {
  it('that syncs before it counts has lost nothing, however it stopped', async () => {
    for (const how of ['kill', 'stop', 'kill'] as const)
      expect(await life(SYNCED, how)).toBe(false);
    expect(await life(RELAXED, 'stop')).toBe(false);
  });

  it('that does not, and stops uncleanly, has, until it has caught up', async () => {
    expect(await life(RELAXED, 'kill')).toBe(false);
    expect(await life(RELAXED, 'stop')).toBe(true);
    expect(await life(SYNCED, 'stop')).toBe(true);
    expect(await life(SYNCED, 'stop', ({ loss }) => loss.caughtUp())).toBe(true);
    expect(await life(SYNCED, 'kill')).toBe(false);
    expect(await life(SYNCED, 'stop')).toBe(false);
  });

  it('is judged by what it counted when it stopped, not by the settings of its next start', async () => {
    await life(RELAXED, 'kill');
    expect(await life(SYNCED, 'kill')).toBe(true);
  });

  it('is judged by every topic of it', async () => {
    await life(SYNCED, 'kill', (directory) => {
      const log = directory.log(OF);
      if (log !== undefined) directory.configure(log, RELAXED);
    });
    expect(await life(SYNCED, 'stop')).toBe(true);
  });

  it('that caught up and stops uncleanly again has lost again', async () => {
    await life(RELAXED, 'kill');
    expect(await life(RELAXED, 'kill', ({ loss }) => loss.caughtUp())).toBe(true);
    expect(await life(RELAXED, 'stop')).toBe(true);
  });

  it('whose mark cannot be read is taken for one that has', async () => {
    await life(RELAXED, 'stop');
    fs.writeFileSync(path.join(dir, LOSS_MARK_NAME), 'v1\n0 0\n');
    expect(await life(SYNCED, 'stop')).toBe(true);
  });
});
