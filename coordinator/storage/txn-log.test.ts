// The log's promises, one by one, on real files. Crashes and damage in random combination are in
// txn-log.fuzz.test.ts.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeZxid } from '../zxid.ts';
import { decodeSegmentHeader, FileReader, peekZxid, readBatch } from './log-format.ts';
import { CorruptLogError } from './log-inspection.ts';
import { contents, readLog, records, setData, temporaryDirectory } from './testing.ts';
import { TxnLog } from './txn-log.ts';

const SMALL = { segmentBytes: 4096, growBytes: 1024, batchBytesMax: 512 };

let dir: string;
beforeEach(() => {
  dir = temporaryDirectory();
});
afterEach(() => {
  fs.rmSync(dir, { recursive: true, force: true });
});

/** Offsets of the batches of a segment. */
function batchOffsets(file: string): number[] {
  const reader = new FileReader(file);
  const header = decodeSegmentHeader(reader.bytes(0, 40));
  if ('what' in header) throw new Error(header.what);
  const offsets: number[] = [];
  const at = { offset: 40, previous: header.previousZxid, chain: header.crc };
  for (;;) {
    const batch = readBatch(reader, header, at);
    if (batch === null || 'what' in batch) break;
    offsets.push(at.offset);
    at.offset += batch.length;
    at.previous = batch.lastZxid;
    at.chain = batch.crc;
  }
  reader.close();
  return offsets;
}

/** Appends each list as a batch of its own. */
async function writeBatches(log: TxnLog, batches: ReturnType<typeof records>[]): Promise<void> {
  for (const batch of batches) {
    log.append(batch, 0);
    await log.drained();
  }
}

function flip(file: string, offset: number): void {
  const data = fs.readFileSync(file);
  data[offset] = (data[offset] as number) ^ 0x10;
  fs.writeFileSync(file, data);
}

describe('append and recovery', () => {
  it('gives back what was appended, over epochs and segments', async () => {
    const { log } = TxnLog.open(dir, SMALL);
    const all = [...records(1, 1, 40), ...records(3, 1, 30, 300)];
    const durable: number[] = [];
    log.onDurable = (zxid) => durable.push(zxid);
    for (const record of all) log.append([record], makeZxid(1, 5));
    expect(log.lastLogged).toBe(makeZxid(3, 30));
    await log.drained();
    expect(durable.at(-1)).toBe(makeZxid(3, 30));
    expect(durable).toEqual([...durable].sort((a, b) => a - b));
    expect(log.segmentFiles.length).toBeGreaterThan(2);
    expect(contents(log.readAfter(0))).toEqual(contents(all));
    await log.close();

    const { log: again, recovered } = TxnLog.open(dir, SMALL);
    expect(recovered.lastLogged).toBe(makeZxid(3, 30));
    expect(recovered.committed).toBe(makeZxid(1, 5));
    expect(recovered.cut).toBeNull();
    expect(contents(recovered.records(makeZxid(1, 20)))).toEqual(contents(all.slice(20)));
    again.append(records(3, 31, 32), 0);
    await again.close();
    expect(await readLog(dir, SMALL)).toHaveLength(72);
  });

  it('gathers what is appended during an fsync into one batch', async () => {
    const { log } = TxnLog.open(dir);
    let reports = 0;
    log.onDurable = () => {
      reports += 1;
    };
    for (const record of records(1, 1, 100)) log.append([record], 0);
    await log.drained();
    // All in one turn of the loop, so all in one.
    expect(reports).toBe(1);
    expect(batchOffsets(path.join(dir, 'log.100000001'))).toHaveLength(1);
    await log.close();
  });

  it('fills a segment with zeros in steps', async () => {
    const { log } = TxnLog.open(dir, SMALL);
    log.append(records(1, 1, 1), 0);
    await log.drained();
    expect(fs.statSync(path.join(dir, 'log.100000001')).size).toBe(1024);
    await log.close();
  });

  it('takes a transaction larger than a batch, a step and a segment', async () => {
    const { log } = TxnLog.open(dir, SMALL);
    log.append([...records(1, 1, 1), ...records(1, 2, 2, 20_000), ...records(1, 3, 3)], 0);
    await log.close();
    expect(await readLog(dir, SMALL)).toHaveLength(3);
  });

  it('refuses what does not follow, and too much', async () => {
    const { log } = TxnLog.open(dir, { ...SMALL, queueBytesMax: 1000 });
    log.append(records(1, 1, 2), 0);
    expect(() => log.append(records(1, 4, 4), 0)).toThrow('0x100000004 cannot follow 0x100000002');
    expect(() => log.append(records(2, 2, 2), 0)).toThrow('cannot follow');
    expect(() => log.append(records(1, 2, 2), 0)).toThrow('cannot follow');
    expect(() => log.append(records(1, 3, 3, 2000), 0)).toThrow('at most 1000');
    log.append(records(2, 1, 1), 0);
    await log.close();
    expect(() => log.append(records(2, 2, 2), 0)).toThrow('closed');
    expect(await readLog(dir, SMALL)).toHaveLength(3);
  });

  it('finds the highest zxid at or below another', async () => {
    const { log } = TxnLog.open(dir, { ...SMALL, after: makeZxid(1, 4) });
    await writeBatches(log, [records(1, 5, 9), records(3, 1, 4)]);
    expect(log.floor(makeZxid(1, 3))).toBeUndefined();
    expect(log.floor(makeZxid(1, 4))).toBe(makeZxid(1, 4));
    expect(log.floor(makeZxid(1, 7))).toBe(makeZxid(1, 7));
    expect(log.floor(makeZxid(1, 77))).toBe(makeZxid(1, 9));
    expect(log.floor(makeZxid(2, 1))).toBe(makeZxid(1, 9));
    expect(log.floor(makeZxid(3, 9))).toBe(makeZxid(3, 4));
    expect(() => log.readAfter(makeZxid(1, 3))).toThrow(RangeError);
    await log.close();
  });

  it('keeps the zxid first in the bytes of a transaction', () => {
    expect(peekZxid(setData(makeZxid(7, 9)).bytes)).toBe(makeZxid(7, 9));
  });
});

describe('tails and damage', () => {
  const file = (): string => path.join(dir, 'log.100000001');

  async function threeBatches(): Promise<number[]> {
    const { log } = TxnLog.open(dir);
    await writeBatches(log, [records(1, 1, 3), records(1, 4, 6), records(1, 7, 9)]);
    await log.close();
    return batchOffsets(file());
  }

  it('cuts a bad last batch and says so', async () => {
    const [, , third] = await threeBatches();
    flip(file(), (third as number) + 80);
    const { log, recovered } = TxnLog.open(dir);
    expect(recovered.lastLogged).toBe(makeZxid(1, 6));
    expect(recovered.cut).toMatchObject({ file: file(), offset: third });
    // The cut is on disk before anything is served.
    expect(fs.statSync(file()).size).toBe(third);
    log.append(records(1, 7, 7), 0);
    await log.close();
    expect(await readLog(dir)).toHaveLength(7);
  });

  it('refuses a bad batch before a later one, and says what to do', async () => {
    const [, second, third] = await threeBatches();
    for (const at of [0, 4, 8, 16, 24, 32, 36, 40, 60, 90]) {
      flip(file(), (second as number) + at);
      let error: unknown;
      try {
        TxnLog.open(dir);
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toBeInstanceOf(CorruptLogError);
      const { message } = error as Error;
      expect(message).toContain(`log.100000001, offset ${second}`);
      expect(message).toContain(`the batch at offset ${third}`);
      expect(message).toContain('What to do');
      flip(file(), (second as number) + at);
    }
    expect(await readLog(dir)).toHaveLength(9);
  });

  it('refuses a bad header of a segment in use, and zeros over a synced batch', async () => {
    const [, second, third] = await threeBatches();
    flip(file(), 10);
    expect(() => TxnLog.open(dir)).toThrow(CorruptLogError);
    flip(file(), 10);
    const data = fs.readFileSync(file());
    data.fill(0, second, third);
    fs.writeFileSync(file(), data);
    expect(() => TxnLog.open(dir)).toThrow(CorruptLogError);
  });

  it('never takes batches of an earlier life of the same place', async () => {
    await threeBatches();
    const old = fs.readFileSync(file());
    const { log } = TxnLog.open(dir);
    log.truncate(makeZxid(1, 3));
    log.append([setData(makeZxid(1, 4), 20, 1), ...records(1, 5, 6)], 0);
    await log.close();
    // As if the truncation had never reached the disk beyond the new batch.
    const now = fs.readFileSync(file());
    const at = batchOffsets(file())[1] as number;
    const end = at + now.readUInt32BE(at + 4);
    fs.writeFileSync(file(), Buffer.concat([now.subarray(0, end), old.subarray(end)]));
    let survived: string[] = [];
    try {
      survived = await readLog(dir);
    } catch (error) {
      expect(error).toBeInstanceOf(CorruptLogError);
      return;
    }
    expect(survived).toHaveLength(6);
  });

  it('does not mistake a log inside a transaction for the log', async () => {
    await threeBatches();
    const inner = fs.readFileSync(file());
    const { log } = TxnLog.open(dir);
    const body = { type: 'setData', path: '/a', data: inner, version: 1 } as const;
    const { txn } = setData(makeZxid(1, 10));
    const { sealTxn } = await import('../txn.ts');
    await writeBatches(log, [[sealTxn({ ...txn, body })]]);
    await log.close();
    const fourth = batchOffsets(file())[3] as number;
    flip(file(), fourth + 60);
    const { log: again, recovered } = TxnLog.open(dir);
    expect(recovered.lastLogged).toBe(makeZxid(1, 9));
    await again.close();
  });

  it('refuses a missing segment, a foreign one, and one cut short', async () => {
    const { log } = TxnLog.open(dir, SMALL);
    await writeBatches(log, [records(1, 1, 3), records(1, 4, 6, 5000), records(1, 7, 9, 5000)]);
    await log.close();
    const files = log.segmentFiles.map((name) => path.join(dir, name));
    const [first, second] = files;
    const last = files.at(-1) as string;
    const name = path.basename(last);
    fs.renameSync(second as string, path.join(dir, 'aside'));
    expect(() => TxnLog.open(dir)).toThrow(/a segment between them/);
    fs.renameSync(path.join(dir, 'aside'), second as string);
    const whole = fs.readFileSync(first as string);
    fs.writeFileSync(first as string, whole.subarray(0, 100));
    expect(() => TxnLog.open(dir)).toThrow(/was begun only after this file was complete/);
    fs.writeFileSync(first as string, whole);
    fs.renameSync(last, path.join(dir, 'log.1000000ff'));
    expect(() => TxnLog.open(dir)).toThrow(`the header is of ${name}`);
    fs.renameSync(path.join(dir, 'log.1000000ff'), path.join(dir, 'log.backup'));
    expect(() => TxnLog.open(dir)).toThrow(/expected a name like log.<first zxid/);
  });

  it('refuses a log that begins after the state recovered', async () => {
    const { log } = TxnLog.open(dir, { after: makeZxid(1, 5) });
    await writeBatches(log, [records(1, 6, 8)]);
    await log.close();
    expect(() => TxnLog.open(dir)).toThrow(/what is between is missing/);
    expect(() => TxnLog.open(dir, { after: makeZxid(1, 4) })).toThrow(CorruptLogError);
    expect(await readLog(dir, { after: makeZxid(1, 6) })).toHaveLength(2);
  });

  it('follows the snapshot when the log ends before it or an installation was interrupted', async () => {
    const { log } = TxnLog.open(dir);
    await writeBatches(log, [records(1, 1, 8)]);
    await log.close();
    const { log: replaced } = TxnLog.open(dir, { after: makeZxid(1, 5), installed: true });
    expect(replaced.lastLogged).toBe(makeZxid(1, 5));
    expect(replaced.segmentFiles).toEqual([]);
    await writeBatches(replaced, [records(1, 6, 8)]);
    await replaced.close();
    const { log: kept } = TxnLog.open(dir, { after: makeZxid(1, 5), installed: true });
    expect(kept.lastLogged).toBe(makeZxid(1, 8));
    await kept.close();
    const { log: behind } = TxnLog.open(dir, { after: makeZxid(2, 5) });
    expect(behind.lastLogged).toBe(makeZxid(2, 5));
    await behind.close();
  });
});

describe('truncate, reset, roll and purge', () => {
  it('truncates in a batch, between batches and over segments, and goes on without a hole', async () => {
    for (const to of [1, 2, 3, 4, 6, 7, 11, 12]) {
      fs.rmSync(dir, { recursive: true });
      const { log } = TxnLog.open(dir, { ...SMALL, segmentBytes: 600 });
      await writeBatches(log, [records(1, 1, 3), records(1, 4, 6), records(1, 7, 9)]);
      await writeBatches(log, [records(1, 10, 12)]);
      expect(log.segmentFiles.length).toBeGreaterThan(1);
      log.truncate(makeZxid(1, to));
      expect(log.lastLogged).toBe(makeZxid(1, to));
      expect(contents(log.readAfter(0))).toEqual(contents(records(1, 1, to)));
      const later = [setData(makeZxid(2, 1), 50, 2), setData(makeZxid(2, 2), 10, 2)];
      await writeBatches(log, [later.slice(0, 1), later.slice(1)]);
      await log.close();
      expect(await readLog(dir)).toEqual(contents([...records(1, 1, to), ...later]));
    }
  });

  it('truncates to a zxid it does not have, and to nothing', async () => {
    const { log } = TxnLog.open(dir);
    await writeBatches(log, [records(1, 1, 3), records(3, 1, 2)]);
    log.truncate(makeZxid(2, 9));
    expect(log.lastLogged).toBe(makeZxid(1, 3));
    log.truncate(0);
    expect(log.lastLogged).toBe(0);
    expect(fs.readdirSync(dir)).toEqual([]);
    await writeBatches(log, [records(4, 1, 2)]);
    await log.close();
    expect(await readLog(dir)).toHaveLength(2);
  });

  it('never truncates what is committed, what is before it, or undrained', async () => {
    const { log } = TxnLog.open(dir, { after: makeZxid(1, 1) });
    log.append(records(1, 2, 9), makeZxid(1, 4));
    expect(() => log.truncate(makeZxid(1, 5))).toThrow('before it is drained');
    expect(() => log.reset(makeZxid(1, 50))).toThrow('before it is drained');
    await log.drained();
    expect(() => log.truncate(makeZxid(1, 3))).toThrow('refusing to lose committed data');
    expect(() => log.truncate(0)).toThrow('refusing to lose committed data');
    log.truncate(makeZxid(1, 4));
    await log.close();
    expect(await readLog(dir, { after: makeZxid(1, 1) })).toHaveLength(3);
  });

  it('a truncation that fails leaves a dead log', async () => {
    const { log } = TxnLog.open(dir);
    await writeBatches(log, [records(1, 1, 3), records(1, 4, 6)]);
    fs.rmSync(path.join(dir, 'log.100000001'));
    expect(() => log.truncate(makeZxid(1, 2))).toThrow('ENOENT');
    await expect(log.drained()).rejects.toThrow('ENOENT');
    await log.close();
  });

  it('notices that it is cut while it is read', async () => {
    const { log } = TxnLog.open(dir);
    await writeBatches(log, [records(1, 1, 6)]);
    const reading = log.readAfter(0);
    reading.next();
    log.truncate(makeZxid(1, 3));
    expect(() => reading.next()).toThrow('cut while it was read');
    await log.close();
  });

  it('resets behind a snapshot', async () => {
    const { log } = TxnLog.open(dir, SMALL);
    await writeBatches(log, [records(1, 1, 9, 900)]);
    log.reset(makeZxid(5, 77));
    expect(fs.readdirSync(dir)).toEqual([]);
    await writeBatches(log, [records(5, 78, 80)]);
    await log.close();
    expect(await readLog(dir, { after: makeZxid(5, 77), installed: true })).toHaveLength(3);
  });

  it('rolls after a snapshot and purges what snapshots cover', async () => {
    const { log } = TxnLog.open(dir);
    for (const part of [records(1, 1, 3), records(1, 4, 6), records(1, 7, 9)]) {
      await writeBatches(log, [part]);
      log.roll();
    }
    expect(log.segmentFiles).toHaveLength(3);
    expect(log.purge(makeZxid(1, 5))).toBe(1);
    expect(log.startsAfter).toBe(makeZxid(1, 3));
    expect(log.purge(makeZxid(1, 9))).toBe(1);
    await log.close();
    expect(await readLog(dir, { after: makeZxid(1, 6) })).toHaveLength(3);
  });
});

describe('a failing disk', () => {
  it('acknowledges nothing from the failure on', async () => {
    const { log } = TxnLog.open(dir);
    const durable: number[] = [];
    const failures: Error[] = [];
    log.onDurable = (zxid) => durable.push(zxid);
    log.onFailure = (error) => failures.push(error);
    await writeBatches(log, [records(1, 1, 3)]);
    fs.mkdirSync(path.join(dir, 'log.100000004'));
    log.roll();
    log.append(records(1, 4, 5), 0);
    const drained = log.drained();
    log.append(records(1, 6, 6), 0);
    await expect(drained).rejects.toThrow('cannot be written (EEXIST');
    log.append(records(1, 7, 7), 0);
    await expect(log.drained()).rejects.toThrow('cannot be written');
    expect(durable).toEqual([makeZxid(1, 3)]);
    expect(failures).toHaveLength(1);
    await log.close();
  });

  it.skipIf(process.platform !== 'linux')('survives a disk that fills up in a batch', async () => {
    // A file size limit gives what a full disk gives: a short write, then an error.
    const root = path.resolve(import.meta.dirname, '../..');
    const program = `
      import { TxnLog } from '${root}/coordinator/storage/txn-log.ts';
      import { records } from '${root}/coordinator/storage/testing.ts';
      const { log } = TxnLog.open(process.argv[1], { growBytes: 1024 });
      let durable = 0;
      log.onDurable = (zxid) => { durable = zxid; };
      log.onFailure = (error) => {
        console.log(JSON.stringify({ durable, code: error.cause.code }));
      };
      let next = 1;
      const step = () => log.drained().then(() => {
        log.append(records(1, next, next + 9, 1000), 0);
        next += 10;
        return step();
      });
      step().catch(() => {});
    `;
    const node = path.join(root, 'node_modules/.bin/node');
    const args = ['-c', 'ulimit -f 200; exec "$0" --input-type=module -e "$1" "$2"', node, program];
    const out = JSON.parse(execFileSync('sh', [...args, dir], { encoding: 'utf8' }));
    expect(out.code).toBe('EFBIG');
    const { log, recovered } = TxnLog.open(dir);
    expect(out.durable).toBeGreaterThan(makeZxid(1, 20));
    expect(recovered.lastLogged).toBeGreaterThanOrEqual(out.durable);
    expect(recovered.cut).not.toBeNull();
    await log.close();
  });
});
