// The newest ensemble that this server knows to be committed, on disk beside the epochs. The log alone
// could not say it: a change that is logged may never have been committed, and a server that has learnt
// of a committed one must not ask servers of the ensemble before it again.
import fs from 'node:fs';
import path from 'node:path';
import { crc32c } from '../../wire/crc32c.ts';
import { replaceFile } from '../../wire/durable-files.ts';
import { CorruptLogError } from './log-inspection.ts';

const NAME = 'ensemble';
const CHECKSUM = /^([\s\S]*)\n#([0-9a-f]{8})\n$/;

function checksum(text: string): string {
  return crc32c(Buffer.from(text)).toString(16).padStart(8, '0');
}

export class EnsembleStore {
  readonly #file: string;
  #text: string;

  /** Reads what was kept; empty when nothing ever was. Throws CorruptLogError when it is damaged. */
  static open(dir: string): EnsembleStore {
    const file = path.join(dir, NAME);
    let content: string;
    try {
      content = fs.readFileSync(file, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new EnsembleStore(file, '');
      throw error;
    }
    const [, text, sum] = CHECKSUM.exec(content) ?? [];
    if (text === undefined || sum !== checksum(text)) {
      const got = JSON.stringify(content.slice(0, 80));
      throw new CorruptLogError(file, 0, `expected an ensemble and its CRC32C, got ${got}`);
    }
    return new EnsembleStore(file, text);
  }

  private constructor(file: string, text: string) {
    this.#file = file;
    this.#text = text;
  }

  get text(): string {
    return this.#text;
  }

  /** Durable when it returns. Throws when the disk fails. */
  keep(text: string): void {
    const content = Buffer.from(`${text}\n#${checksum(text)}\n`);
    replaceFile(this.#file, content);
    this.#text = text;
  }
}
