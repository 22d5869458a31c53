// Reads and syncs through an open descriptor, at a place or without keeping the event loop. They stand here
// because node:fs reads and syncs so only with callbacks, and stops at a short read.
import fs from 'node:fs';

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
