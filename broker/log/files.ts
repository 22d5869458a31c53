// Durable file operations of the broker's log: each returns when a power cut can no longer undo it, except
// where it says otherwise. Kept together so that no rename or unlink is left to the kernel's leisure.
import fs from 'node:fs';
import { open, rename } from 'node:fs/promises';
import path from 'node:path';

/** Suffix of files that are being written; any that a start finds are removed. */
export const TMP_SUFFIX = '.tmp';

// Windows cannot open a directory as a file, and its renames are journaled.
const DIRECTORIES_SYNC = process.platform !== 'win32';

/** Makes creations, renames and removals in a directory durable. */
export function syncDirectory(dir: string): void {
  if (!DIRECTORIES_SYNC) return;
  const fd = fs.openSync(dir, 'r');
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

/**
 * Makes a directory with its parents so that a power loss cannot take them back: every name on the way is
 * synced, also those that exist, because an earlier life may have died before it synced them.
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

/** Writes all of `data` at `position`, into the kernel's cache only; short writes are continued. */
export function writeFullySync(fd: number, data: Uint8Array, position: number): void {
  let done = 0;
  while (done < data.length) {
    done += fs.writeSync(fd, data, done, data.length - done, position + done);
  }
}

/** Reads up to `bytes` at `position`; fewer only at the file's end. */
export function readUpToSync(fd: number, bytes: number, position: number): Buffer {
  const buffer = Buffer.allocUnsafe(bytes);
  let done = 0;
  while (done < bytes) {
    const count = fs.readSync(fd, buffer, done, bytes - done, position + done);
    if (count === 0) break;
    done += count;
  }
  return buffer.subarray(0, done);
}

/** Reads up to `bytes` at `position` without keeping the event loop; fewer only at the file's end. */
export async function readUpTo(fd: number, bytes: number, position: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(bytes);
  let done = 0;
  while (done < bytes) {
    const count = await readOnce(fd, buffer, done, position + done);
    if (count === 0) break;
    done += count;
  }
  return buffer.subarray(0, done);
}

function readOnce(fd: number, buffer: Buffer, done: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(fd, buffer, done, buffer.length - done, position, (error, count) => {
      if (error === null) resolve(count);
      else reject(error);
    });
  });
}

/** fdatasync without keeping the event loop. */
export function syncData(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.fdatasync(fd, (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
}

/** Removes files, those that are there, one durably before the next: a crash leaves a prefix. */
export function removeInOrder(dir: string, names: readonly string[]): void {
  for (const name of names) {
    fs.rmSync(path.join(dir, name), { force: true });
    syncDirectory(dir);
  }
}

/** Removes files in any order, durably in the end. */
export function removeAll(dir: string, names: readonly string[]): void {
  if (names.length === 0) return;
  for (const name of names) fs.rmSync(path.join(dir, name), { force: true });
  syncDirectory(dir);
}

/** Replaces a file's content so that a crash leaves the old content or the new one, whole. */
export function replaceFile(file: string, data: Uint8Array): void {
  const tmp = file + TMP_SUFFIX;
  const fd = fs.openSync(tmp, 'w');
  try {
    writeFullySync(fd, data, 0);
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
  fs.renameSync(tmp, file);
  syncDirectory(path.dirname(file));
}

/** The same without keeping the event loop. Two at once on one file must not be. */
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
