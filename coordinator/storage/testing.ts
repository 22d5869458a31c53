// What the storage tests share: throw-away directories, small transactions and the content of a
// log. Real files only, since what a rename or a truncation leaves behind is the thing under test.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { sealTxn, type TxnRecord } from '../txn.ts';
import type { Zxid } from '../zxid.ts';
import { TxnLog, type TxnLogOptions } from './txn-log.ts';

/** A directory under the system's temporary one; the caller removes it. */
export function temporaryDirectory(): string {
  return fs.mkdtempSync(path.join(os.tmpdir(), 'chaos-storage-'));
}

/** A record that writes `data` to a path. `mark` tells apart two lives of one zxid. */
export function setData(zxid: Zxid, dataBytes = 20, mark = 0): TxnRecord {
  return sealTxn({
    zxid,
    session: 1,
    cxid: mark,
    origin: 1,
    request: zxid,
    op: 5,
    timeMs: 1_700_000_000_000,
    body: { type: 'setData', path: '/a', data: Buffer.alloc(dataBytes, mark), version: 1 },
  });
}

/** Records of one epoch, counters `from` … `to`. */
export function records(epoch: number, from: number, to: number, dataBytes = 20): TxnRecord[] {
  const made: TxnRecord[] = [];
  for (let i = from; i <= to; i++) made.push(setData(epoch * 2 ** 32 + i, dataBytes));
  return made;
}

/** zxid and hash of every record, to compare logs with. */
export function contents(found: Iterable<TxnRecord>): string[] {
  return [...found].map((record) => `${record.txn.zxid}/${record.hash}`);
}

/** Opens a log, reads everything and closes it again. */
export async function readLog(dir: string, options: TxnLogOptions = {}): Promise<string[]> {
  const { log } = TxnLog.open(dir, options);
  const all = contents(log.readAfter(options.after ?? 0));
  await log.close();
  return all;
}

/** Every file of a directory with its bytes. */
export function snapshotFiles(dir: string): Map<string, Buffer> {
  const names = fs.readdirSync(dir).filter((name) => fs.statSync(path.join(dir, name)).isFile());
  return new Map(names.map((name) => [name, fs.readFileSync(path.join(dir, name))]));
}

/** Makes a directory hold exactly these files. */
export function restoreFiles(dir: string, files: ReadonlyMap<string, Buffer>): void {
  fs.rmSync(dir, { recursive: true, force: true });
  fs.mkdirSync(dir, { recursive: true });
  for (const [name, data] of files) fs.writeFileSync(path.join(dir, name), data);
}
