// Witnesses of planted bugs in what a server keeps on disk: logs cut, damaged or failing, and epochs that
// are not made durable.
import fs from 'node:fs';
import { join } from 'node:path';
import { makeZxid } from '../../coordinator/zxid.ts';
import { directory, load, witnesses } from './patched.ts';

type Storage = typeof import('../../coordinator/storage/txn-log.ts') &
  typeof import('../../coordinator/storage/testing.ts');
type Log = ReturnType<Storage['TxnLog']['open']>['log'];

const storage = (id?: string) => load<Storage>(['storage/txn-log', 'storage/testing'], id);
const [FIRST, SECOND, THIRD] = [1, 2, 3].map((counter) => makeZxid(1, counter)) as [
  number,
  number,
  number,
];
const LATER = makeZxid(2, 1);

/** Appends one batch for each zxid, each durable before the next. */
async function write(log: Log, parts: Storage, ...zxids: number[]): Promise<void> {
  for (const zxid of zxids) {
    log.append([parts.setData(zxid)], 0);
    await log.drained();
  }
}

/** zxids that a log has after a restart; or how it refused. */
async function recovered(dir: string, { TxnLog }: Storage): Promise<number[] | string> {
  try {
    const { log } = TxnLog.open(dir);
    const zxids = [...log.readAfter(0)].map(({ txn }) => txn.zxid);
    await log.close();
    return zxids;
  } catch (error) {
    return (error as Error).name;
  }
}

/** A log that is cut while appends wait, then goes on in a later epoch. */
async function cutBeforeDrained(id?: string): Promise<number[] | string> {
  const parts = await storage(id);
  const dir = directory();
  const { log } = parts.TxnLog.open(dir);
  await write(log, parts, FIRST);
  log.append([parts.setData(SECOND)], 0);
  try {
    log.truncate(FIRST);
    log.append([parts.setData(LATER)], 0);
    await log.drained();
  } catch {
    await log.close();
    return 'refused';
  }
  await log.close();
  return recovered(dir, parts);
}

async function cutAndGoOn(id?: string): Promise<number[] | string> {
  const parts = await storage(id);
  const dir = directory();
  const { log } = parts.TxnLog.open(dir);
  await write(log, parts, FIRST, SECOND, THIRD);
  log.truncate(FIRST);
  await write(log, parts, LATER);
  await log.close();
  return recovered(dir, parts);
}

async function damagedInTheMidst(id?: string): Promise<number[] | string> {
  const parts = await storage(id);
  const dir = directory();
  const { log } = parts.TxnLog.open(dir);
  await write(log, parts, FIRST, SECOND, THIRD);
  const file = join(dir, log.segmentFiles[0] as string);
  await log.close();
  const data = fs.readFileSync(file);
  const at = data.indexOf('CZB1', data.indexOf('CZB1') + 4) + 20;
  data[at] = (data[at] as number) ^ 1;
  fs.writeFileSync(file, data);
  return recovered(dir, parts);
}

/** How often writing an epoch syncs. */
async function syncsOfAnEpoch(id?: string): Promise<number> {
  type Epochs = typeof import('../../coordinator/storage/epochs.ts');
  const { EpochStore } = await load<Epochs>(['storage/epochs'], id);
  const epochs = EpochStore.open(directory());
  const { fsyncSync } = fs;
  let syncs = 0;
  fs.fsyncSync = (fd) => {
    syncs++;
    fsyncSync(fd);
  };
  try {
    epochs.setAccepted(3);
  } finally {
    fs.fsyncSync = fsyncSync;
  }
  return syncs;
}

witnesses({
  Z16: { clean: 'refused', planted: [FIRST, SECOND, LATER], ask: cutBeforeDrained },
  Z23: { clean: [FIRST, LATER], planted: [FIRST], ask: cutAndGoOn },
  Z32: { clean: 'CorruptLogError', planted: [FIRST], ask: damagedInTheMidst },
  Z35: { clean: 2, planted: 1, ask: syncsOfAnEpoch },
});
