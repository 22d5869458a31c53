// Remembers, apart from the log, how far the log was durable. Without it a last batch that the disk gives
// back wrong looks like one that was never synced, and recovery would cut what was acknowledged.
//
// Raising it is a plain write after the log's fsync: a kill leaves it exact, a power loss at most too
// low, which is safe. Lowering is durable before the log loses anything.
import fs from 'node:fs';
import path from 'node:path';
import { crc32c } from '../../wire/crc32c.ts';
import { replaceFile, writeFullySync } from '../../wire/durable-files.ts';
import { type Zxid, zxidHex } from '../zxid.ts';
import { CorruptLogError } from './log-inspection.ts';

const NAME = 'durableMark';
const MAGIC = 0x435a_4d31; // CZM1
/** Within one sector, so that no write of it is torn. */
const BYTES = 16;
const TWO_32 = 0x1_0000_0000;

function encode(zxid: Zxid): Buffer {
  const data = Buffer.alloc(BYTES);
  data.writeUInt32BE(MAGIC, 0);
  data.writeUInt32BE(Math.floor(zxid / TWO_32), 4);
  data.writeUInt32BE(zxid >>> 0, 8);
  data.writeUInt32BE(crc32c(data, 0, 0, 12), 12);
  return data;
}

function decode(file: string, data: Buffer): Zxid {
  const whole = data.length === BYTES && data.readUInt32BE(0) === MAGIC;
  if (!whole || data.readUInt32BE(12) !== crc32c(data, 0, 0, 12)) {
    const got = data.subarray(0, BYTES).toString('hex');
    throw new CorruptLogError(
      file,
      0,
      `expected a mark of ${BYTES} bytes and its CRC32C, got ${got}`,
    );
  }
  return data.readUInt32BE(4) * TWO_32 + data.readUInt32BE(8);
}

/** The mark in `dir`, undefined where there is none; changes nothing. Throws CorruptLogError. */
export function readDurableMark(dir: string): Zxid | undefined {
  const file = path.join(dir, NAME);
  return fs.existsSync(file) ? decode(file, fs.readFileSync(file)) : undefined;
}

export class DurableMark {
  readonly #fd: number;
  #zxid: Zxid;

  /**
   * Opens the mark in `dir`; where there is none, of a new server or one from before there were marks,
   * one at 0 is made. Throws CorruptLogError when it is damaged, and what the disk throws.
   */
  static open(dir: string): DurableMark {
    const file = path.join(dir, NAME);
    let data: Buffer;
    try {
      data = fs.readFileSync(file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      data = encode(0);
      replaceFile(file, encode(0));
    }
    const zxid = decode(file, data);
    return new DurableMark(fs.openSync(file, 'r+'), zxid);
  }

  private constructor(fd: number, zxid: Zxid) {
    this.#fd = fd;
    this.#zxid = zxid;
  }

  /** Everything in the log up to here had been fsynced. */
  get zxid(): Zxid {
    return this.#zxid;
  }

  /** The log is durable up to `zxid`; not synced. Throws when the disk fails. */
  raise(zxid: Zxid): void {
    if (zxid < this.#zxid) {
      throw new Error(`the mark at ${zxidHex(this.#zxid)} cannot be raised to ${zxidHex(zxid)}`);
    }
    writeFullySync(this.#fd, encode(zxid), 0);
    this.#zxid = zxid;
  }

  /** Everything above `zxid` is about to go; durable when it returns. Throws when the disk fails. */
  lower(zxid: Zxid): void {
    if (zxid < this.#zxid) this.settle(zxid);
  }

  /** Says `zxid` whatever it said before; durable when it returns. Throws when the disk fails. */
  settle(zxid: Zxid): void {
    writeFullySync(this.#fd, encode(zxid), 0);
    fs.fsyncSync(this.#fd);
    this.#zxid = zxid;
  }

  close(): void {
    fs.closeSync(this.#fd);
  }
}
