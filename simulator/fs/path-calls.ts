// The system calls that work on paths, and what they do to the disk. A call is handed out as an
// object, so that the same one can run at once or spread over time.
import { FS_CONSTANTS as C } from './constants.ts';
import type { SimulatedDisk } from './disk.ts';
import { DiskRefusal, systemError } from './errors.ts';
import { type DirectoryInode, FileInode, type Inode } from './inode.ts';
import { type Place, pathOf, walk } from './walk.ts';

export interface OpenFile {
  readonly inode: FileInode | DirectoryInode;
  /** Absolute, as it was at the opening: what faults aim at. */
  readonly path: string;
  readonly readable: boolean;
  readonly writable: boolean;
  readonly append: boolean;
  /** O_SYNC or O_DSYNC: a write returns when it is durable. */
  readonly sync: boolean;
  position: number;
  /** When the last call on it took effect: calls on one open file keep their order. */
  lastEffectNs: number;
}

/** One system call: what it does when it takes effect, and what when it returns. */
export interface Call<T> {
  /** As Node names it in errors. */
  readonly syscall: string;
  /** For the trace: what it is about. */
  readonly detail: string;
  readonly kind: 'read' | 'write' | 'fsync' | 'metadata';
  /** Bytes to move, which take time. */
  readonly bytes?: number;
  /** The open file whose order it keeps. */
  readonly file?: OpenFile | undefined;
  readonly effect: () => T;
  /** Of an fsync: what was written before its effect is durable from here on. */
  settle?(value: T): void;
}

/** An entry of a directory. */
interface Listed {
  readonly name: string;
  readonly kind: Inode['kind'];
}

export interface ProcessFacts {
  /** The process's working directory, absolute. */
  readonly cwd: () => string;
  /** The process's wall clock, ms since 1970: file times. */
  readonly wallMs: () => number;
  /** Takes what is written to descriptor 1 or 2. */
  readonly writeOutput: (fd: 1 | 2, bytes: Uint8Array) => void;
}

export class PathCalls {
  readonly disk: SimulatedDisk;
  protected readonly facts: ProcessFacts;
  #cwdPath: string | null = null;
  #cwd: DirectoryInode | null = null;

  constructor(disk: SimulatedDisk, facts: ProcessFacts) {
    this.disk = disk;
    this.facts = facts;
  }

  stat(path: string, syscall: 'stat' | 'lstat'): Call<Inode> {
    return this.onPath(syscall, path, () => this.#existing(path, syscall === 'stat').inode);
  }

  access(path: string): Call<void> {
    return this.onPath('access', path, () => {
      this.#existing(path, true);
    });
  }

  /** Names and kinds, sorted by name as libuv does. */
  scandir(path: string, syscall = 'scandir'): Call<Listed[]> {
    const errorPath = syscall === 'opendir' ? undefined : path;
    const effect = (): Listed[] => {
      const { inode } = this.#existing(path, true);
      if (inode.kind !== 'directory') throw new DiskRefusal('ENOTDIR');
      const names = [...inode.entries].map(([name, each]) => ({ name, kind: each.kind }));
      return names.sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
    };
    return this.onPath(syscall, path, effect, { errorPath });
  }

  mkdir(path: string, mode: number): Call<void> {
    return this.onPath('mkdir', path, () => {
      const { directory, name, inode } = this.#walk(path, false);
      if (inode !== null) throw new DiskRefusal('EEXIST');
      const facts = { mode: mode & ~0o22, nowMs: this.facts.wallMs() };
      this.disk.createDirectory(directory, name, this.absolute(path), facts);
    });
  }

  rmdir(path: string): Call<void> {
    return this.onPath('rmdir', path, () => {
      const { directory, name, inode } = this.#existing(path, false);
      if (inode.kind !== 'directory') throw new DiskRefusal('ENOTDIR');
      if (name === '') throw new DiskRefusal(inode.parent === inode ? 'EBUSY' : 'EINVAL');
      if (inode.entries.size > 0) throw new DiskRefusal('ENOTEMPTY');
      this.disk.change({ remove: { directory, name } }, this.facts.wallMs());
    });
  }

  unlink(path: string): Call<void> {
    return this.onPath('unlink', path, () => {
      const { directory, name, inode } = this.#existing(path, false);
      if (inode.kind === 'directory') throw new DiskRefusal('EISDIR');
      inode.links--;
      inode.ctimeMs = this.facts.wallMs();
      this.disk.change({ remove: { directory, name } }, this.facts.wallMs());
    });
  }

  rename(path: string, dest: string): Call<void> {
    const effect = (): void => {
      const from = this.#existing(path, false);
      const to = this.#walk(dest, false);
      if (from.name === '' || to.name === '') throw new DiskRefusal('EBUSY');
      refuseRename(from.inode, to);
      if (to.inode === from.inode) return;
      if (to.inode !== null && to.inode.kind !== 'directory') to.inode.links--;
      this.disk.change(
        { remove: from, add: { directory: to.directory, name: to.name, inode: from.inode } },
        this.facts.wallMs(),
      );
      from.inode.ctimeMs = this.facts.wallMs();
    };
    return this.onPath('rename', path, effect, { dest });
  }

  link(path: string, dest: string): Call<void> {
    const effect = (): void => {
      const { inode } = this.#existing(path, false);
      if (inode.kind === 'directory') throw new DiskRefusal('EPERM');
      const { directory, name, inode: present } = this.#walk(dest, false);
      if (present !== null) throw new DiskRefusal('EEXIST');
      inode.links++;
      this.disk.change({ add: { directory, name, inode } }, this.facts.wallMs());
    };
    return this.onPath('link', path, effect, { dest });
  }

  symlink(target: string, path: string): Call<void> {
    const effect = (): void => {
      const { directory, name, inode } = this.#walk(path, false);
      if (inode !== null) throw new DiskRefusal('EEXIST');
      const facts = { mode: 0o777, nowMs: this.facts.wallMs(), target };
      this.disk.createSymlink(directory, name, this.absolute(path), facts);
    };
    return this.onPath('symlink', target, effect, { dest: path, victim: path });
  }

  readlink(path: string): Call<string> {
    return this.onPath('readlink', path, () => {
      const { inode } = this.#existing(path, false);
      if (inode.kind !== 'symlink') throw new DiskRefusal('EINVAL');
      return inode.target;
    });
  }

  realpath(path: string): Call<string> {
    return this.onPath('realpath', path, () => {
      const { directory, name, inode } = this.#existing(path, true);
      if (inode.kind === 'directory') return pathOf(inode);
      return `${pathOf(directory).replace(/\/$/, '')}/${name}`;
    });
  }

  /** Copies content and mode, as one step. `exclusive`: the destination must not be there. */
  copyfile(path: string, dest: string, exclusive: boolean): Call<void> {
    const effect = (): void => {
      const from = this.#existing(path, true).inode;
      if (!(from instanceof FileInode)) throw new DiskRefusal('EISDIR');
      const bytes = new Uint8Array(from.content.size);
      this.disk.read(from, bytes, 0, this.absolute(path));
      const flags = C.O_CREAT | C.O_WRONLY | C.O_TRUNC | (exclusive ? C.O_EXCL : 0);
      const target = this.opened(dest, flags, from.mode);
      if (!(target instanceof FileInode)) throw new DiskRefusal('EISDIR');
      const count = this.disk.write(target, bytes, 0, this.absolute(dest));
      if (count < bytes.length) throw new DiskRefusal('ENOSPC');
      this.modified(target);
    };
    return this.onPath('copyfile', path, effect, { dest });
  }

  /** Changes the inode of a path: chmod, utimes and the like. */
  alter(path: string, syscall: string, follow: boolean, change: (inode: Inode) => void) {
    return this.onPath(syscall, path, () =>
      this.alterInode(this.#existing(path, follow).inode, change),
    );
  }

  protected alterInode(inode: Inode, change: (inode: Inode) => void): void {
    change(inode);
    inode.ctimeMs = this.facts.wallMs();
  }

  /** What `open` finds or makes. */
  protected opened(path: string, flags: number, mode: number): FileInode | DirectoryInode {
    const creates = (flags & C.O_CREAT) !== 0;
    const exclusive = creates && (flags & C.O_EXCL) !== 0;
    const follow = !exclusive && (flags & C.O_NOFOLLOW) === 0;
    const { directory, name, inode, slash } = this.#walk(path, follow);
    if (inode === null) {
      if (!creates) throw new DiskRefusal('ENOENT');
      if (slash) throw new DiskRefusal('EISDIR');
      const facts = { mode: mode & ~0o22, nowMs: this.facts.wallMs() };
      return this.disk.createFile(directory, name, this.absolute(path), facts);
    }
    if (exclusive) throw new DiskRefusal('EEXIST');
    if (inode.kind === 'symlink') throw new DiskRefusal('ELOOP');
    const writes = (flags & 3) !== C.O_RDONLY;
    if (inode.kind === 'directory') {
      if (writes || creates) throw new DiskRefusal('EISDIR');
      return inode;
    }
    if ((flags & C.O_DIRECTORY) === C.O_DIRECTORY) throw new DiskRefusal('ENOTDIR');
    if ((flags & C.O_TRUNC) !== 0 && inode.content.size > 0) {
      this.disk.resize(inode, 0, this.absolute(path));
      this.modified(inode);
    }
    return inode;
  }

  protected modified(inode: FileInode): void {
    inode.mtimeMs = inode.ctimeMs = this.facts.wallMs();
  }

  #existing(path: string, follow: boolean): Place & { readonly inode: Inode } {
    const place = this.#walk(path, follow);
    if (place.inode === null) throw new DiskRefusal('ENOENT');
    return place as Place & { readonly inode: Inode };
  }

  #walk(path: string, follow: boolean): Place {
    return walk(this.disk.root, this.#cwdInode(), path, follow);
  }

  /** The working directory; kept, so that it stays when it is renamed. */
  #cwdInode(): DirectoryInode {
    const path = this.facts.cwd();
    if (this.#cwd === null || this.#cwdPath !== path) {
      const { inode } = walk(this.disk.root, this.disk.root, path, true);
      if (inode?.kind !== 'directory') throw new DiskRefusal('ENOENT');
      this.#cwdPath = path;
      this.#cwd = inode;
    }
    return this.#cwd;
  }

  /** A path from the root, without `.` and `..`; symbolic links stay. */
  absolute(path: string): string {
    if (path.startsWith('/') && !path.includes('/.') && !path.includes('//')) return path;
    const names: string[] = [];
    const from = path.startsWith('/') ? path : `${this.facts.cwd()}/${path}`;
    for (const name of from.split('/')) {
      if (name === '..') names.pop();
      else if (name !== '' && name !== '.') names.push(name);
    }
    return `/${names.join('/')}`;
  }

  protected onPath<T>(
    syscall: string,
    path: string,
    effect: () => T,
    more: { dest?: string; victim?: string; errorPath?: string | undefined } = {},
  ): Call<T> {
    const { dest, victim = path } = more;
    const shown = 'errorPath' in more ? more.errorPath : path;
    const detail = dest === undefined ? path : `${path} -> ${dest}`;
    const guarded = (): T => {
      this.disk.touch(this.absolute(victim));
      return effect();
    };
    const run = (): T => this.refusing(syscall, guarded, shown, dest);
    return { syscall, detail, kind: 'metadata', effect: run };
  }

  /** Runs, and turns the disk's refusal into the error that Node would throw. */
  protected refusing<T>(syscall: string, run: () => T, path?: string, dest?: string): T {
    try {
      return run();
    } catch (error) {
      if (!(error instanceof DiskRefusal)) throw error;
      throw systemError(error.code, error.syscall ?? syscall, error.path ?? path, dest);
    }
  }
}

function refuseRename(moved: Inode, { directory, inode: replaced, slash }: Place): void {
  if (moved.kind === 'directory') {
    for (let at = directory; ; at = at.parent) {
      if (at === moved) throw new DiskRefusal('EINVAL');
      if (at.parent === at) break;
    }
    if (replaced !== null && replaced.kind !== 'directory') throw new DiskRefusal('ENOTDIR');
    const full = replaced?.kind === 'directory' && replaced.entries.size > 0;
    if (full && replaced !== moved) throw new DiskRefusal('ENOTEMPTY');
  } else if (replaced?.kind === 'directory') throw new DiskRefusal('EISDIR');
  else if (slash) throw new DiskRefusal('ENOTDIR');
}
