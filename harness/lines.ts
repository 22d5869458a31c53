// Reads a file line by line in chunks: a node's log of a long run does not fit into one string.
import { closeSync, openSync, readSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';

const CHUNK_BYTES = 1 << 20;

export interface Line {
  /** From 1. */
  number: number;
  text: string;
  /** Whether a newline ended it; false only for the last line of a file that was torn. */
  ended: boolean;
}

/** The lines of a file that are not empty. Throws what the file system throws. */
export function* readLines(path: string): Generator<Line, void, void> {
  const fd = openSync(path, 'r');
  try {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    const decoder = new StringDecoder('utf8');
    let rest = '';
    let number = 0;
    for (;;) {
      const length = readSync(fd, chunk, 0, CHUNK_BYTES, null);
      const parts = (length === 0 ? decoder.end() : decoder.write(chunk.subarray(0, length))).split(
        '\n',
      );
      parts[0] = rest + parts[0];
      rest = parts.pop() ?? '';
      for (const text of parts) {
        number++;
        if (text !== '') yield { number, text, ended: true };
      }
      if (length > 0) continue;
      if (rest !== '') yield { number: number + 1, text: rest, ended: false };
      return;
    }
  } finally {
    closeSync(fd);
  }
}
