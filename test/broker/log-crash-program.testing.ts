// The program of the crash tests: opens a log, tells what it finds, and then appends, waits for flushes, cuts and
// closes at random until it dies. It tells each thing to the test at the moment from which it holds.
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { logConfig } from '../../broker/log/config.ts';
import { CorruptLogError, LogFailedError } from '../../broker/log/errors.ts';
import { PartitionLog } from '../../broker/log/partition-log.ts';
import { batch, contentOf } from '../../broker/log/testing.ts';
import { makeDirectory } from '../../wire/durable-files.ts';

/** What the program tells. Bytes are text in latin1: they cross from one world into another. */
export type Told =
  | {
      kind: 'opened';
      clean: boolean;
      start: number;
      end: number;
      content: string[];
      epochs: { epoch: number; startOffset: number }[];
      producers: { producerId: number; epoch: number; sequences: number[]; offsets: number[] }[];
    }
  | { kind: 'refused'; message: string }
  | { kind: 'appending'; bytes: string; base: number; next: number }
  | { kind: 'appended' | 'flushed' | 'cutting' | 'cut' | 'starting' | 'started'; offset: number }
  | { kind: 'renewing' | 'renewed'; offset: number }
  | { kind: 'failed'; code: string }
  | { kind: 'closing' | 'closed' };

const STEPS_MAX = 250;
const DIR = '/data/t-0';

const tell = (globalThis as unknown as { tell: (told: Told) => void }).tell;
const random = (below: number): number => Math.floor(Math.random() * below);

let serial = 0;
const sequences = new Map<number, number>();

function settings() {
  return logConfig({
    'segment.bytes': 1500,
    'index.interval.bytes': 200,
    'log.flush.interval.messages': Number(process.argv[2] ?? 1),
  });
}

async function opened(): Promise<PartitionLog> {
  makeDirectory(path.dirname(DIR));
  const { log, recovered } = PartitionLog.open(DIR, { config: settings() });
  const content = (await contentOf(log)).map((bytes) => bytes.toString('latin1'));
  const producers = log.producers.map(({ producerId, epoch, batches }) => ({
    producerId,
    epoch,
    sequences: batches.map(({ baseSequence }) => baseSequence),
    offsets: batches.map(({ baseOffset }) => baseOffset),
  }));
  for (const { producerId, sequences: theirs } of producers) {
    sequences.set(producerId, (theirs.at(-1) ?? -1) + 1);
  }
  tell({
    kind: 'opened',
    clean: recovered.clean,
    start: log.logStartOffset,
    end: log.logEndOffset,
    content,
    epochs: log.leaderEpochs.map(({ epoch, startOffset }) => ({ epoch, startOffset })),
    producers,
  });
  return log;
}

function append(log: PartitionLog, epoch: number): void {
  const producerId = random(4) - 1;
  const sequence = log.producer(producerId)?.batches.at(-1)?.lastSequence ?? -1;
  const values = ['x'.repeat(random(600)), ...(random(2) === 0 ? ['second'] : [])];
  values[0] = `${++serial}/${log.logEndOffset}${values[0]}`;
  const bytes = batch({
    values,
    ...(producerId < 0 ? {} : { producerId, producerEpoch: 0, baseSequence: sequence + 1 }),
  });
  const base = log.logEndOffset;
  const next = base + values.length;
  // What it will be is told before: the write may be the last thing that happens.
  const foretold = Buffer.from(bytes);
  foretold.writeBigInt64BE(BigInt(base), 0);
  foretold.writeInt32BE(epoch, 12);
  tell({ kind: 'appending', bytes: foretold.toString('latin1'), base, next });
  const result = log.appendAsLeader(bytes, epoch);
  if (!result.ok) throw new Error(`append refused: ${result.message}`);
  tell({ kind: 'appended', offset: next });
}

/** Runs one random step; false when the log is closed. */
async function step(log: PartitionLog, epoch: number): Promise<boolean> {
  const draw = random(100);
  const { logStartOffset: start, logEndOffset: end } = log;
  if (draw < 70) append(log, epoch);
  else if (draw < 84) await log.flush();
  else if (draw < 88) await sleep(random(3));
  else if (draw < 91) {
    const offset = start + random(end - start + 1);
    tell({ kind: 'cutting', offset });
    tell({ kind: 'cut', offset: await log.truncateTo(offset) });
  } else if (draw < 93) {
    const offset = start + random(log.flushedOffset - start + 1);
    tell({ kind: 'starting', offset });
    await log.advanceLogStart(offset);
    tell({ kind: 'started', offset });
  } else if (draw < 94) {
    const offset = Math.max(0, end + random(20) - 10);
    tell({ kind: 'renewing', offset });
    await log.truncateFullyAndStartAt(offset);
    tell({ kind: 'renewed', offset });
  } else if (draw < 97) await log.checkpoint();
  else if (draw === 99) {
    tell({ kind: 'closing' });
    await log.close();
    tell({ kind: 'closed' });
    return false;
  }
  return true;
}

async function main(): Promise<void> {
  const log = await opened();
  log.onFlushed = (offset) => tell({ kind: 'flushed', offset });
  let epoch = (log.leaderEpochs.at(-1)?.epoch ?? 0) + 1;
  log.becomeLeader(epoch);
  for (let i = 0; i < STEPS_MAX; i++) {
    // Every tenth step or so somebody else led meanwhile.
    if (random(12) === 0) log.becomeLeader((epoch += 1 + random(2)));
    if (!(await step(log, epoch))) return;
  }
}

try {
  await main();
} catch (error) {
  if (error instanceof CorruptLogError) tell({ kind: 'refused', message: error.message });
  else if (error instanceof LogFailedError) tell({ kind: 'failed', code: error.code });
  else if ((error as NodeJS.ErrnoException).code === 'EIO') tell({ kind: 'failed', code: 'EIO' });
  else throw error;
  process.exitCode = 1;
}
