// The two epochs of Zab on disk: the highest one promised (acceptedEpoch) and the one whose history
// this server holds (currentEpoch). A server that forgot one could vote twice in an epoch (I-Z2,
// I-Z3).
import fs from 'node:fs';
import path from 'node:path';
import { crc32c } from '../../wire/crc32c.ts';
import { replaceFile } from '../../wire/durable-files.ts';
import { EPOCH_MAX } from '../zxid.ts';
import { CorruptLogError } from './log-inspection.ts';

const ACCEPTED = 'acceptedEpoch';
const CURRENT = 'currentEpoch';
/** The number and, since a flipped bit makes another number, its CRC32C; ZooKeeper's have none. */
const CONTENT = /^(\d{1,7})(?: ([0-9a-f]{8}))?\n?$/;

function checksum(digits: string): string {
  return crc32c(Buffer.from(digits)).toString(16).padStart(8, '0');
}

/** Reads an epoch file; undefined when there is none. Throws CorruptLogError when it is damaged. */
function readEpoch(dir: string, name: string): number | undefined {
  const file = path.join(dir, name);
  let content: string;
  try {
    content = fs.readFileSync(file, 'latin1');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const match = CONTENT.exec(content);
  const digits = match?.[1];
  const sum = match?.[2];
  const epoch = Number(digits);
  if (digits === undefined || epoch > EPOCH_MAX || (sum ?? checksum(digits)) !== checksum(digits)) {
    const got = JSON.stringify(content.slice(0, 40));
    throw new CorruptLogError(file, 0, `expected an epoch and its CRC32C, got ${got}`);
  }
  return epoch;
}

export class EpochStore {
  readonly #dir: string;
  #accepted: number;
  #current: number;

  /**
   * Reads both epochs; a server that never had one starts at 0. Throws CorruptLogError when a file
   * is damaged or currentEpoch is above acceptedEpoch.
   */
  static open(dir: string): EpochStore {
    fs.mkdirSync(dir, { recursive: true });
    const accepted = readEpoch(dir, ACCEPTED);
    const current = readEpoch(dir, CURRENT) ?? 0;
    if (current > (accepted ?? 0)) {
      throw new CorruptLogError(
        path.join(dir, CURRENT),
        0,
        `currentEpoch is ${current}, but acceptedEpoch is ${accepted ?? 'missing'}: an epoch is ` +
          'accepted before its history is, so one of the two files was lost or replaced',
      );
    }
    return new EpochStore(dir, accepted ?? 0, current);
  }

  private constructor(dir: string, accepted: number, current: number) {
    this.#dir = dir;
    this.#accepted = accepted;
    this.#current = current;
  }

  get accepted(): number {
    return this.#accepted;
  }

  get current(): number {
    return this.#current;
  }

  /** Durable when it returns. Throws when the epoch would go back or the disk fails. */
  setAccepted(epoch: number): void {
    if (epoch < this.#accepted || epoch > EPOCH_MAX) {
      throw new Error(`acceptedEpoch ${this.#accepted} cannot become ${epoch}`);
    }
    this.#write(ACCEPTED, epoch);
    this.#accepted = epoch;
  }

  /**
   * Durable when it returns. Throws when it would go back or pass acceptedEpoch, or the disk fails.
   */
  setCurrent(epoch: number): void {
    if (epoch < this.#current || epoch > this.#accepted) {
      throw new Error(
        `currentEpoch ${this.#current} cannot become ${epoch} while acceptedEpoch is ${this.#accepted}`,
      );
    }
    this.#write(CURRENT, epoch);
    this.#current = epoch;
  }

  /** Disk before memory: what this process says must outlive it. */
  #write(name: string, epoch: number): void {
    const content = Buffer.from(`${epoch} ${checksum(String(epoch))}\n`);
    replaceFile(path.join(this.#dir, name), content);
  }
}
