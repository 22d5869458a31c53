// The hash of the code that runs a simulation but is no part of its programs: the simulator itself and the
// driver around it. Together with the programs' hashes it tells other code from another run of the same.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../bundle.ts';

const FOLDERS = ['simulator', 'harness/clusters/sim'];

let hash: string | undefined;

/** SHA-256 of the sources as they were when this process asked first. */
export function machineryHash(): string {
  hash ??= hashOf(FOLDERS.map((folder) => join(ROOT, folder)));
  return hash;
}

function hashOf(folders: readonly string[]): string {
  const sum = createHash('sha256');
  for (const folder of folders) {
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
    for (const name of names) {
      if (!name.endsWith('.ts') || name.includes('test')) continue;
      sum.update(`${name}\0`).update(readFileSync(join(folder, name)));
    }
  }
  return sum.digest('hex');
}

// Read with the code, not after the first run of it: in between somebody may have edited it.
machineryHash();
