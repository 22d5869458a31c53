// The system calls of one life of one process: those on descriptors here, those on paths inherited.
// The table of open files dies with the process; what it wrote stays in the page cache.
import { FS_CONSTANTS as C } from './constants.ts';
import type { SyncMark } from './disk.ts';
import { DiskRefusal } from './errors.ts';
import { FileInode, type Inode } from './inode.ts';
import { type Call, type OpenFile, PathCalls } from './path-calls.ts';

/** As `ulimit -n` is on a server. */
const OPEN_FILES_MAX = 65_536;
const FIRST_FD = 3;

export class SystemCalls extends PathCalls {
  readonly #files = new Map<number, OpenFile>();

  /** The process is over: the kernel closes what it had open. */
  closeAll(): void {
    this.#files.clear();
  }

  open(path: string, flags: number, mode: number): Call<number> {
    return this.onPath('open', path, () => {
      if (this.#files.size >= OPEN_FILES_MAX) throw new DiskRefusal('EMFILE');
      const inode = this.opened(path, flags, mode);
      const access = flags & 3;
      let fd = FIRST_FD;
      while (this.#files.has(fd)) fd++;
      this.#files.set(fd, {
        inode,
        path: this.absolute(path),
        readable: access !== C.O_WRONLY,
        writable: access !== C.O_RDONLY,
        append: (flags & C.O_APPEND) !== 0,
        sync: (flags & C.O_DSYNC) !== 0,
        position: 0,
        lastEffectNs: 0,
      });
      return fd;
    });
  }

  close(fd: number): Call<void> {
    return this.#onFile('close', fd, 'metadata', () => {
      this.#files.delete(fd);
    });
  }

  /** Fills the buffers one after the other; returns the bytes read. Moves on when position is null. */
  read(fd: number, buffers: readonly Uint8Array[], position: number | null): Call<number> {
    const effect = (file: OpenFile): number => {
      if (!file.readable) throw new DiskRefusal('EBADF');
      if (!(file.inode instanceof FileInode)) throw new DiskRefusal('EISDIR');
      let at = position ?? file.position;
      const start = at;
      for (const buffer of buffers) {
        const count = this.disk.read(file.inode, buffer, at, file.path);
        at += count;
        if (count < buffer.length) break;
      }
      if (position === null) file.position = at;
      return at - start;
    };
    return this.#onFile('read', fd, 'read', effect, total(buffers), position);
  }

  /** Writes the buffers one after the other; returns the bytes written, fewer on a full disk. */
  write(fd: number, buffers: readonly Uint8Array[], position: number | null): Call<number> {
    if (fd === 1 || fd === 2) return this.#toOutput(fd, buffers);
    const effect = (file: OpenFile): number => {
      if (!file.writable || !(file.inode instanceof FileInode)) throw new DiskRefusal('EBADF');
      const { inode } = file;
      const start = file.append ? inode.content.size : (position ?? file.position);
      let at = start;
      for (const buffer of buffers) {
        const count = this.#writePart(file, inode, buffer, at, at > start);
        at += count;
        if (count < buffer.length) break;
      }
      if (position === null) file.position = at;
      this.modified(inode);
      return at - start;
    };
    const settle = (): void => {
      const file = this.#files.get(fd);
      if (file?.sync) this.disk.endSync(this.disk.beginSync(file.inode), file.path);
    };
    const call = this.#onFile('write', fd, 'write', effect, total(buffers), position);
    return { ...call, settle: () => this.refusing('write', settle) };
  }

  fsync(fd: number, syscall: 'fsync' | 'fdatasync'): Call<SyncMark> {
    const call = this.#onFile(syscall, fd, 'fsync', ({ inode }) => this.disk.beginSync(inode));
    const path = this.pathOfFd(fd) ?? '';
    const settle = (mark: SyncMark): void => {
      this.refusing(syscall, () => this.disk.endSync(mark, path));
    };
    return { ...call, settle };
  }

  ftruncate(fd: number, size: number): Call<void> {
    return this.#onFile('ftruncate', fd, 'write', (file) => {
      if (!(file.inode instanceof FileInode) || !file.writable) throw new DiskRefusal('EINVAL');
      this.disk.resize(file.inode, size, file.path);
      this.modified(file.inode);
    });
  }

  fstat(fd: number): Call<Inode> {
    return this.#onFile('fstat', fd, 'metadata', ({ inode }) => inode);
  }

  /** Changes the inode of a descriptor: fchmod, futimes and the like. */
  falter(fd: number, syscall: string, change: (inode: Inode) => void): Call<void> {
    return this.#onFile(syscall, fd, 'metadata', ({ inode }) => this.alterInode(inode, change));
  }

  pathOfFd(fd: number): string | undefined {
    return this.#files.get(fd)?.path;
  }

  #writePart(
    file: OpenFile,
    inode: FileInode,
    buffer: Uint8Array,
    at: number,
    partial: boolean,
  ): number {
    try {
      return this.disk.write(inode, buffer, at, file.path);
    } catch (error) {
      // What went before is written: the call is short, and the next one fails.
      if (partial && error instanceof DiskRefusal) return 0;
      throw error;
    }
  }

  #toOutput(fd: 1 | 2, buffers: readonly Uint8Array[]): Call<number> {
    const bytes = total(buffers);
    const effect = (): number => {
      for (const buffer of buffers) this.facts.writeOutput(fd, buffer);
      return bytes;
    };
    return { syscall: 'write', detail: `fd ${fd} ${bytes}`, kind: 'write', bytes, effect };
  }

  #onFile<T>(
    syscall: string,
    fd: number,
    kind: Call<T>['kind'],
    effect: (file: OpenFile) => T,
    bytes?: number,
    position?: number | null,
  ): Call<T> {
    const file = this.#files.get(fd);
    const range = bytes === undefined ? '' : ` ${bytes}@${position ?? 'next'}`;
    const run = (): T =>
      this.refusing(syscall, () => {
        const now = this.#files.get(fd);
        if (now === undefined) throw new DiskRefusal('EBADF');
        return effect(now);
      });
    const detail = `fd ${fd} ${file?.path ?? '?'}${range}`;
    return { syscall, detail, kind, file, effect: run, ...(bytes === undefined ? {} : { bytes }) };
  }
}

function total(buffers: readonly Uint8Array[]): number {
  return buffers.reduce((sum, { length }) => sum + length, 0);
}
