// Remembers, apart from the log, how far the log was durable. Without it a last batch that the disk gives
// back wrong looks like one that was never synced, and recovery would cut what was acknowledged.
//
// Raising it is a plain write after the log's fsync: a kill leaves it exact, a power loss at most too low,
// which is safe. Lowering is durable before the log loses anything.
import fs from 'node:fs';
import path from 'node:path';
import { crc32c } from '../../wire/crc32c.ts';
import { replaceFile, writeFullySync } from '../../wire/durable-files.ts';
import { CorruptLogError } from './errors.ts';

export const MARK_NAME = 'flushed-mark';
const MAGIC = 0x4b46_4d31; // KFM1
/** Within one sector, so that no write of it is torn. */
const BYTES = 16;
const CHECKED_BYTES = 12;

function encode(offset: number): Buffer {
  const data = Buffer.alloc(BYTES);
  data.writeUInt32BE(MAGIC, 0);
  data.writeBigInt64BE(BigInt(offset), 4);
  data.writeUInt32BE(crc32c(data, 0, 0, CHECKED_BYTES), CHECKED_BYTES);
  return data;
}

/** The mark in `dir`, undefined where there is none; changes nothing. Throws CorruptLogError. */
export function readMark(dir: string): number | undefined {
  const file = path.join(dir, MARK_NAME);
  let data: Buffer;
  try {
    data = fs.readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const whole = data.length === BYTES && data.readUInt32BE(0) === MAGIC;
  if (!whole || data.readUInt32BE(CHECKED_BYTES) !== crc32c(data, 0, 0, CHECKED_BYTES)) {
    const got = data.subarray(0, BYTES).toString('hex');
    throw new CorruptLogError(
      file,
      0,
      `expected a mark of ${BYTES} bytes with its CRC, got ${got}`,
    );
  }
  return Number(data.readBigInt64BE(4));
}

export class FlushMark {
  readonly #fd: number;
  #offset: number;

  /** Makes the mark of a new log, durably. */
  static create(dir: string, offset: number): void {
    replaceFile(path.join(dir, MARK_NAME), encode(offset));
  }

  /** Opens the mark that `readMark` found. */
  constructor(dir: string, offset: number) {
    this.#fd = fs.openSync(path.join(dir, MARK_NAME), 'r+');
    this.#offset = offset;
  }

  /** Everything in the log below this offset had been fsynced. */
  get offset(): number {
    return this.#offset;
  }

  /** The log is durable below `offset`; not synced. Throws when the disk fails. */
  raise(offset: number): void {
    if (offset < this.#offset) {
      throw new Error(`the mark at ${this.#offset} cannot be raised to ${offset}`);
    }
    writeFullySync(this.#fd, encode(offset), 0);
    this.#offset = offset;
  }

  /** Everything from `offset` on is about to go; durable when it returns. Throws when the disk fails. */
  lower(offset: number): void {
    if (offset < this.#offset) this.settle(offset);
  }

  /** Says `offset` whatever it said before; durable when it returns. Throws when the disk fails. */
  settle(offset: number): void {
    writeFullySync(this.#fd, encode(offset), 0);
    fs.fsyncSync(this.#fd);
    this.#offset = offset;
  }

  close(): void {
    fs.closeSync(this.#fd);
  }
}
