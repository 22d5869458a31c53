// Durable file operations: each returns when a power cut can no longer undo it. Everything this
// folder puts on disk goes through these few, so that no rename or unlink is left to the kernel's
// leisure.
import fs from 'node:fs';
import path from 'node:path';

/** Suffix of files that are being written; any that recovery finds are removed. */
export const TMP_SUFFIX = '.tmp';

/** Opens a directory so that it can be fsynced; null where the system does not offer that. */
export function openDirectory(dir: string): number | null {
  // Windows cannot open a directory as a file, and its renames are journaled.
  return process.platform === 'win32' ? null : fs.openSync(dir, 'r');
}

/** Makes creations, renames and removals in a directory durable. */
export function syncDirectory(dir: string): void {
  const fd = openDirectory(dir);
  if (fd === null) return;
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * Makes a directory with its parents so that a power loss cannot take them back: every name on the way
 * is synced, also those that exist, because an earlier life may have died before it synced them.
 */
export function makeDirectory(dir: string): void {
  fs.mkdirSync(dir, { recursive: true });
  for (let at = path.resolve(dir); path.dirname(at) !== at; at = path.dirname(at)) {
    try {
      syncDirectory(path.dirname(at));
    } catch (error) {
      // Who may not even look into a directory did not make anything in it.
      if ((error as NodeJS.ErrnoException).code === 'EACCES') return;
      throw error;
    }
  }
}

/** Writes all of `data` at `position`; short writes are continued. */
export function writeFullySync(fd: number, data: Uint8Array, position: number): void {
  let done = 0;
  while (done < data.length) {
    done += fs.writeSync(fd, data, done, data.length - done, position + done);
  }
}

/**
 * Removes files one by one, each durably before the next: a crash leaves a prefix of the removals.
 */
export function removeInOrder(dir: string, names: readonly string[]): void {
  for (const name of names) {
    fs.unlinkSync(path.join(dir, name));
    syncDirectory(dir);
  }
}

/**
 * Replaces a file's content so that a crash leaves the old content or the new one, whole.
 * `write` is given the descriptor of the temporary file.
 */
export function replaceFile(file: string, write: (fd: number) => void): void {
  const tmp = file + TMP_SUFFIX;
  const fd = fs.openSync(tmp, 'w');
  try {
    write(fd);
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
  fs.renameSync(tmp, file);
  syncDirectory(path.dirname(file));
}

/** The names of temporary files that a crash left behind. */
export function temporaryFiles(dir: string): string[] {
  return fs.readdirSync(dir).filter((name) => name.endsWith(TMP_SUFFIX));
}
