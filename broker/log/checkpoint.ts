// Small text files that must be whole and true: a first line with their version, lines of whole numbers, and
// a checksum as the last line. Kafka's checkpoints look so but for the checksum, without which a flipped bit
// would move a log's beginning.
import fs from 'node:fs';
import { crc32c } from '../../wire/crc32c.ts';
import { CorruptLogError } from './errors.ts';

const VERSION = 'v1';

/** The bytes of a checkpoint. */
export function encodeCheckpoint(rows: readonly (readonly number[])[]): Buffer {
  const body = [VERSION, ...rows.map((row) => row.join(' ')), ''].join('\n');
  return Buffer.from(`${body}crc32c ${crc32c(Buffer.from(body)).toString(16)}\n`);
}

/**
 * The rows of the checkpoint in `file`, undefined where there is none.
 * @throws CorruptLogError when it is not as it was written.
 */
export function readCheckpoint(file: string): number[][] | undefined {
  let text: string;
  try {
    text = fs.readFileSync(file, 'latin1');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const cut = text.lastIndexOf('crc32c ');
  const body = text.slice(0, Math.max(cut, 0));
  const sum = `crc32c ${crc32c(Buffer.from(body, 'latin1')).toString(16)}\n`;
  if (cut < 0 || text.slice(cut) !== sum) {
    throw new CorruptLogError(
      file,
      Math.max(cut, 0),
      'the checksum in its last line does not hold',
    );
  }
  const lines = body.split('\n').slice(0, -1);
  if (lines[0] !== VERSION) {
    throw new CorruptLogError(file, 0, `expected version ${VERSION}, got '${lines[0]}'`);
  }
  return lines.slice(1).map((line) => line.split(' ').map(Number));
}
