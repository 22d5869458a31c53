// Durable file operations: each returns when a power cut can no longer undo it, except where it says
// otherwise. Kept together so that no server leaves a rename or an unlink to the kernel's leisure.
import fs from 'node:fs';
import { open, rename } from 'node:fs/promises';
import path from 'node:path';

/** Suffix of files that are being written; any that a start finds are removed. */
export const TMP_SUFFIX = '.tmp';

// Windows cannot open a directory as a file, and its renames are journaled.
const DIRECTORIES_SYNC = process.platform !== 'win32';

/** Opens a directory so that it can be fsynced; null where the system does not offer that. */
export function openDirectory(dir: string): number | null {
  return DIRECTORIES_SYNC ? fs.openSync(dir, 'r') : null;
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

/** The same without keeping the event loop. */
export async function syncDirectoryLater(dir: string): Promise<void> {
  if (!DIRECTORIES_SYNC) return;
  await using handle = await open(dir, 'r');
  await handle.sync();
}

/** What mkdir answers, depending on the system, where there is something of that name. */
const THERE_ALREADY: readonly unknown[] = ['EEXIST', 'EISDIR', 'EROFS'];

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code;

const isDirectory = (dir: string) =>
  fs.statSync(dir, { throwIfNoEntry: false })?.isDirectory() === true;

/**
 * Makes a directory with its parents, into the kernel's cache only. Node's own recursive mkdir takes ENOENT for a
 * missing parent however often it has made that parent, and never returns where the parent is there and takes no
 * directory (/proc).
 */
export function makeWithParents(dir: string): void {
  try {
    fs.mkdirSync(dir);
    return;
  } catch (error) {
    if (THERE_ALREADY.includes(codeOf(error)) && isDirectory(dir)) return;
    const parent = path.dirname(dir);
    if (codeOf(error) !== 'ENOENT' || parent === dir) throw error;
    makeWithParents(parent);
  }
  try {
    fs.mkdirSync(dir);
  } catch (error) {
    // Another process that wants it too may have been faster.
    if (codeOf(error) !== 'EEXIST' || !isDirectory(dir)) throw error;
  }
}

/**
 * Makes a directory with its parents so that a power loss cannot take them back: every name on the way is
 * synced, also those that exist, because an earlier life may have died before it synced them.
 */
export function makeDirectory(dir: string): void {
  makeWithParents(dir);
  for (let at = path.resolve(dir); path.dirname(at) !== at; at = path.dirname(at)) {
    try {
      syncDirectory(path.dirname(at));
    } catch (error) {
      // Who may not even look into a directory did not make anything in it.
      if (codeOf(error) === 'EACCES') return;
      throw error;
    }
  }
}

/** The same in a parent that is there durably: only the new name is synced. */
export function makeDirectoryIn(parent: string, name: string): void {
  makeWithParents(path.join(parent, name));
  syncDirectory(parent);
}

/** Makes the directory that a setting names, as `makeDirectory` does. Throws an error that names the setting too. */
export function makeDirectoryOf(setting: string, dir: string): void {
  try {
    makeDirectory(dir);
  } catch (cause) {
    throw new Error(
      `cannot make the directory of ${setting}: expected ${dir} to be a directory, or a place on a disk ` +
        `where this user may make one, got ${(cause as Error).message}; give ${setting} another ` +
        'directory, or mend that one',
      { cause },
    );
  }
}

/** Writes all of `data` at `position`, into the kernel's cache only; short writes are continued. */
export function writeFullySync(fd: number, data: Uint8Array, position: number): void {
  let done = 0;
  while (done < data.length) {
    done += fs.writeSync(fd, data, done, data.length - done, position + done);
  }
}

/** Removes files one by one, each durably before the next: a crash leaves a prefix of the removals. */
export function removeInOrder(dir: string, names: readonly string[]): void {
  for (const name of names) {
    fs.unlinkSync(path.join(dir, name));
    syncDirectory(dir);
  }
}

/** Removes files, those that are there, in any order and durably in the end. */
export function removeAll(dir: string, names: readonly string[]): void {
  if (names.length === 0) return;
  for (const name of names) fs.rmSync(path.join(dir, name), { force: true });
  syncDirectory(dir);
}

/**
 * Replaces a file's content so that a crash leaves the old content or the new one, whole.
 * `write` is given the descriptor of the temporary file.
 */
export function replaceFileBy(file: string, write: (fd: number) => void): void {
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

/** The same for content that is at hand. */
export function replaceFile(file: string, data: Uint8Array): void {
  replaceFileBy(file, (fd) => writeFullySync(fd, data, 0));
}

/** The same again without keeping the event loop. Two at once on one file must not be. */
export async function replaceFileLater(file: string, data: Uint8Array): Promise<void> {
  const tmp = file + TMP_SUFFIX;
  {
    await using handle = await open(tmp, 'w');
    await handle.writeFile(data);
    await handle.sync();
  }
  await rename(tmp, file);
  await syncDirectoryLater(path.dirname(file));
}

/** Makes a file end at `sizeBytes`, durably, also if an earlier life believes to have done so. */
export function shorten(file: string, sizeBytes: number): void {
  const fd = fs.openSync(file, 'r+');
  try {
    // Where the sync of an earlier cut failed, the kernel shows a length that the disk does not have, and
    // has nothing to write any more: only a change makes it write again.
    fs.ftruncateSync(fd, sizeBytes + 1);
    fs.ftruncateSync(fd, sizeBytes);
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
  syncDirectory(path.dirname(file));
}

/** The names of temporary files that a crash left behind. */
export function temporaryFiles(dir: string): string[] {
  return fs.readdirSync(dir).filter((name) => name.endsWith(TMP_SUFFIX));
}
