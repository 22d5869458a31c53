import { describe, expect, it } from 'vitest';
import { sealTxn } from '../txn.ts';
import { follows, makeZxid } from '../zxid.ts';
import { RecentLog } from './recent-log.ts';

const record = (epoch: number, counter: number) =>
  sealTxn({
    zxid: makeZxid(epoch, counter),
    session: 0,
    cxid: 0,
    origin: 1,
    request: 1,
    op: 1,
    timeMs: 0,
    body: { type: 'noop' },
  });

/** (1,1) … (1,5), (3,1), (3,2). */
function filled(recordsMax = 100): RecentLog {
  const log = new RecentLog({ recordsMax, bytesMax: 1_000_000 });
  for (let i = 1; i <= 5; i++) log.add(record(1, i));
  log.add(record(3, 1));
  log.add(record(3, 2));
  return log;
}

const zxids = (log: RecentLog, after: number) => log.after(after).map((r) => r.txn.zxid);

describe('RecentLog', () => {
  it('accepts only what may follow', () => {
    expect(follows(0, makeZxid(1, 1))).toBe(true);
    expect(follows(makeZxid(1, 4), makeZxid(1, 5))).toBe(true);
    expect(follows(makeZxid(1, 4), makeZxid(1, 6))).toBe(false);
    expect(follows(makeZxid(1, 4), makeZxid(3, 1))).toBe(true);
    expect(follows(makeZxid(1, 4), makeZxid(3, 2))).toBe(false);
    expect(follows(makeZxid(3, 1), makeZxid(1, 5))).toBe(false);
    expect(() => filled().add(record(3, 4))).toThrow(/cannot follow/);
  });

  it('finds the last common zxid of a learner', () => {
    const log = filled();
    expect(log.atMost(makeZxid(1, 3))).toBe(makeZxid(1, 3));
    expect(log.atMost(makeZxid(1, 9))).toBe(makeZxid(1, 5));
    expect(log.atMost(makeZxid(2, 4))).toBe(makeZxid(1, 5));
    expect(log.atMost(makeZxid(3, 9))).toBe(makeZxid(3, 2));
    expect(log.atMost(0)).toBe(0);
    expect(zxids(log, makeZxid(1, 4))).toEqual([makeZxid(1, 5), makeZxid(3, 1), makeZxid(3, 2)]);
    expect(log.at(makeZxid(2, 1))).toBeUndefined();
    expect(log.at(makeZxid(3, 1))?.txn.zxid).toBe(makeZxid(3, 1));
  });

  it('truncates', () => {
    const log = filled();
    log.truncate(makeZxid(1, 5));
    expect(log.last).toBe(makeZxid(1, 5));
    log.add(record(4, 1));
    expect(log.last).toBe(makeZxid(4, 1));
  });

  it('trims only what is applied, and knows its floor', () => {
    const log = filled(2);
    log.trim(makeZxid(1, 4));
    expect(log.floor).toBe(makeZxid(1, 4));
    expect(log.atMost(makeZxid(1, 3))).toBeUndefined();
    expect(() => log.after(makeZxid(1, 3))).toThrow(/at least/);
    expect(zxids(log, log.floor)).toHaveLength(3);
    log.reset(makeZxid(5, 9));
    expect(log.last).toBe(makeZxid(5, 9));
  });
});
