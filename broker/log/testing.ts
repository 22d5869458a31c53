// What the tests of the log share: record batches as a producer encodes them, throw-away folders, and a log's
// content. Real files and real batches only.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { crc32c } from '../../wire/crc32c.ts';
import { BATCH_HEADER_BYTES, stampBatch } from '../../wire/kafka/record-batch.ts';
import { headerAt } from './batch-header.ts';
import { splitBatches } from './batch-walk.ts';
import { logConfig } from './config.ts';
import { PartitionLog } from './partition-log.ts';

export interface BatchFacts {
  /** Text of each record's value. */
  values: readonly string[];
  /** Of each record, ms since 1970; the last one's goes on. */
  timestamps?: readonly number[];
  producerId?: number;
  producerEpoch?: number;
  baseSequence?: number;
  attributes?: number;
}

function varint(value: number): Buffer {
  let left = BigInt(value) << 1n;
  if (value < 0) left = ~left;
  const bytes: number[] = [];
  while (left > 0x7fn) {
    bytes.push(Number(left & 0x7fn) | 0x80);
    left >>= 7n;
  }
  return Buffer.from([...bytes, Number(left)]);
}

function record(value: string, offsetDelta: number, timestampDelta: number): Buffer {
  const data = Buffer.from(value);
  const body = Buffer.concat([
    Buffer.from([0]),
    varint(timestampDelta),
    varint(offsetDelta),
    varint(-1),
    varint(data.length),
    data,
    varint(0),
  ]);
  return Buffer.concat([varint(body.length), body]);
}

/** A batch as a producer sends it: base offset 0, no leader epoch. */
export function batch(facts: BatchFacts): Buffer {
  const { values, timestamps = [1_700_000_000_000] } = facts;
  const times = values.map((_, i) => timestamps[Math.min(i, timestamps.length - 1)] as number);
  const base = times[0] as number;
  const records = values.map((value, i) => record(value, i, (times[i] as number) - base));
  const header = Buffer.alloc(BATCH_HEADER_BYTES);
  const bytes = Buffer.concat([header, ...records]);
  bytes.writeInt32BE(bytes.length - 12, 8);
  bytes.writeInt32BE(-1, 12);
  bytes.writeInt8(2, 16);
  bytes.writeInt16BE(facts.attributes ?? 0, 21);
  bytes.writeInt32BE(values.length - 1, 23);
  bytes.writeBigInt64BE(BigInt(base), 27);
  bytes.writeBigInt64BE(BigInt(Math.max(...times)), 35);
  bytes.writeBigInt64BE(BigInt(facts.producerId ?? -1), 43);
  bytes.writeInt16BE(facts.producerEpoch ?? -1, 51);
  bytes.writeInt32BE(facts.baseSequence ?? -1, 53);
  bytes.writeInt32BE(values.length, 57);
  bytes.writeUInt32BE(crc32c(bytes, 0, 21), 17);
  return bytes;
}

/** The batch as a leader sends it to a follower. */
export function fetched(facts: BatchFacts, baseOffset: number, leaderEpoch: number): Buffer {
  const bytes = batch(facts);
  stampBatch(bytes, 0, baseOffset, leaderEpoch);
  return bytes;
}

/** A folder under the system's temporary one; the caller removes it. */
export function temporaryDirectory(): string {
  return fs.mkdtempSync(path.join(os.tmpdir(), 'chaos-broker-log-'));
}

/** Opens a log with settings by Kafka's names. */
export function openLog(
  dir: string,
  settings: Readonly<Record<string, number>> = {},
  now: () => number = () => 1_700_000_000_000,
): ReturnType<typeof PartitionLog.open> {
  return PartitionLog.open(dir, { config: logConfig(settings), now });
}

/** Everything in a log from its start, byte for byte, read in steps of at most `maxBytes`. */
export async function contentOf(log: PartitionLog, maxBytes = 1000): Promise<Buffer[]> {
  const batches: Buffer[] = [];
  for (let offset = log.logStartOffset; offset < log.logEndOffset; ) {
    const { records, nextOffset } = await log.read(offset, { maxBytes });
    if (nextOffset <= offset) throw new Error(`reading stopped at ${offset}`);
    batches.push(...split(records));
    offset = nextOffset;
  }
  return batches;
}

/** Whole batches, one by one. */
export function split(bytes: Buffer): Buffer[] {
  const found = splitBatches(bytes);
  if (typeof found === 'string') throw new Error(found);
  return found.map(({ header, at }) => bytes.subarray(at, at + header.sizeBytes));
}

/** Offsets and leader epoch of a batch, for comparisons that a reader can read. */
export function describeBatch(bytes: Buffer): string {
  const header = headerAt(bytes, 0);
  if (typeof header === 'string') return header;
  return `${header.baseOffset}-${header.nextOffset - 1}@${header.leaderEpoch}`;
}
