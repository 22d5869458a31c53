// A server's log through appends, fsyncs, truncations, snapshots and kills, step by step.
// What may and may not be on disk after a kill decides whether a loss is a crime.
import { expect, test } from 'vitest';
import { follows, NodeLog, recover } from './node-log.ts';

const z = (epoch: number, counter: number) => epoch * 0x1_0000_0000 + counter;

function logOf(...zxids: number[]): NodeLog {
  const log = new NodeLog();
  for (const zxid of zxids) log.append(zxid, `h${zxid}`);
  return log;
}

test('a zxid follows its predecessor, or opens a later epoch at 1', () => {
  expect(follows(0, z(1, 1))).toBe(true);
  expect(follows(z(1, 1), z(1, 2))).toBe(true);
  expect(follows(z(1, 7), z(3, 1))).toBe(true);
  expect(follows(0, z(1, 2))).toBe(false);
  expect(follows(z(1, 1), z(1, 3))).toBe(false);
  expect(follows(z(1, 1), z(2, 2))).toBe(false);
  expect(follows(z(1, 1), z(2, 0))).toBe(false);
  expect(follows(z(2, 1), z(1, 1))).toBe(false);
});

test('durability is remembered by time, also of records that were truncated later', () => {
  const log = logOf(z(1, 1), z(1, 2));
  log.fsync(z(1, 1), 100);
  expect(log.durableBy(z(1, 1), 99)).toBe(false);
  expect(log.durableBy(z(1, 1), 100)).toBe(true);
  expect(log.durableBy(z(1, 2), 1000)).toBe(false);
  expect(log.durable).toBe(z(1, 1));
  log.truncate(0);
  expect(log.durable).toBe(0);
  expect(log.durableBy(z(1, 1), 200)).toBe(true);
});

test('after a kill, records that were not fsynced may be there or not', () => {
  for (const last of [z(1, 1), z(1, 2), z(1, 3)]) {
    const log = logOf(z(1, 1), z(1, 2), z(1, 3));
    log.fsync(z(1, 1), 10);
    expect(recover(log, last, 50, undefined)).toBeUndefined();
    expect(log.last).toBe(last);
    expect(log.durable).toBe(last);
    expect(log.durableBy(last, 49)).toBe(last === z(1, 1));
  }
});

test('after a kill, an fsynced record must be there', () => {
  const log = logOf(z(1, 1), z(1, 2));
  log.fsync(z(1, 2), 10);
  expect(recover(log, z(1, 1), 50, undefined)?.kind).toBe('durable-record-lost');
});

test('a leader that had just told it to truncate explains a shorter log', () => {
  const log = logOf(z(1, 1), z(1, 2));
  log.fsync(z(1, 2), 10);
  expect(recover(log, z(1, 1), 50, { mode: 'trunc', from: z(1, 1) })).toBeUndefined();
  const further = logOf(z(1, 1), z(1, 2));
  further.fsync(z(1, 2), 10);
  expect(recover(further, 0, 50, { mode: 'trunc', from: z(1, 1) })?.kind).toBe(
    'durable-record-lost',
  );
});

test('a log may end only where it had a record', () => {
  const log = logOf(z(1, 1), z(2, 1));
  expect(recover(log, z(1, 4), 50, undefined)?.kind).toBe('log-end-unexplained');
});

test('records written in the last moment before a kill are known by their zxids alone', () => {
  const log = logOf(z(1, 1));
  expect(recover(log, z(1, 3), 50, undefined)).toBeUndefined();
  expect(log.zxids).toEqual([z(1, 1), z(1, 2), z(1, 3)]);
  expect(log.hashes).toEqual([`h${z(1, 1)}`, undefined, undefined]);
  expect(log.unseen).toEqual([{ from: z(1, 1), to: z(1, 3) }]);
});

test('across epochs what a kill hid stays open', () => {
  const log = logOf(z(1, 1));
  expect(recover(log, z(2, 2), 50, undefined)).toBeUndefined();
  expect(log.after(z(1, 1))).toBe('hidden');
  expect(log.contains(z(1, 9))).toBe(true);
  expect(log.zxids.slice(1)).toEqual([z(2, 1), z(2, 2)]);
  expect(log.after(z(2, 1))).toBe(z(2, 2));
});

test('a snapshot hides what it covers and takes the place of a tail', () => {
  const log = logOf(z(1, 1), z(1, 2));
  log.replaceBySnapshot(z(2, 5));
  log.cover(z(2, 5), 70);
  expect(log.last).toBe(z(2, 5));
  expect(log.durable).toBe(z(2, 5));
  expect(log.after(z(1, 2))).toBe('hidden');
  log.append(z(2, 6), 'h');
  expect(log.after(z(2, 5))).toBe(z(2, 6));
  expect(log.durableBy(z(2, 5), 69)).toBe(false);
  expect(log.durableBy(z(2, 5), 70)).toBe(true);
});
