// What `stat` and `readdir` give: classes with the shape of Node's own, made from an inode.
import { FS_CONSTANTS as C } from './constants.ts';
import type { Inode } from './inode.ts';

const TYPE_BITS = { file: C.S_IFREG, directory: C.S_IFDIR, symlink: C.S_IFLNK } as const;

const BLOCK_BYTES = 512;
/** The device number of every simulated disk. */
const DEVICE = 2049;

interface Numbers<N extends number | bigint> {
  readonly mode: N;
  readonly atimeMs: N;
  readonly mtimeMs: N;
  readonly ctimeMs: N;
  readonly birthtimeMs: N;
}

/** What both forms of Stats can tell. */
class StatsBase<N extends number | bigint> {
  declare readonly mode: N;
  declare readonly atimeMs: N;
  declare readonly mtimeMs: N;
  declare readonly ctimeMs: N;
  declare readonly birthtimeMs: N;

  constructor(numbers: Numbers<N>) {
    Object.assign(this, numbers);
  }

  get atime(): Date {
    return new Date(Number(this.atimeMs));
  }

  get mtime(): Date {
    return new Date(Number(this.mtimeMs));
  }

  get ctime(): Date {
    return new Date(Number(this.ctimeMs));
  }

  get birthtime(): Date {
    return new Date(Number(this.birthtimeMs));
  }

  isFile(): boolean {
    return this.#is(C.S_IFREG);
  }

  isDirectory(): boolean {
    return this.#is(C.S_IFDIR);
  }

  isSymbolicLink(): boolean {
    return this.#is(C.S_IFLNK);
  }

  isBlockDevice(): boolean {
    return this.#is(C.S_IFBLK);
  }

  isCharacterDevice(): boolean {
    return this.#is(C.S_IFCHR);
  }

  isFIFO(): boolean {
    return this.#is(C.S_IFIFO);
  }

  isSocket(): boolean {
    return this.#is(C.S_IFSOCK);
  }

  #is(type: number): boolean {
    return (Number(this.mode) & C.S_IFMT) === type;
  }
}

export class Stats extends StatsBase<number> {}

export class BigIntStats extends StatsBase<bigint> {}

/** The facts of an inode; `bigint` gives the form with integers and `…Ns` fields. */
export function statsOf(inode: Inode, bigint: boolean): Stats | BigIntStats {
  const size = sizeOf(inode);
  const subdirectories =
    inode.kind === 'directory'
      ? [...inode.entries.values()].filter((each) => each.kind === 'directory').length
      : 0;
  const numbers = {
    dev: DEVICE,
    mode: TYPE_BITS[inode.kind] | inode.mode,
    nlink: inode.kind === 'directory' ? 2 + subdirectories : inode.links,
    uid: 0,
    gid: 0,
    rdev: 0,
    blksize: 4096,
    ino: inode.ino,
    size,
    blocks: inode.kind === 'file' ? Math.ceil(inode.content.storedBytes / BLOCK_BYTES) : 8,
    atimeMs: inode.atimeMs,
    mtimeMs: inode.mtimeMs,
    ctimeMs: inode.ctimeMs,
    birthtimeMs: inode.birthtimeMs,
  };
  if (!bigint) return new Stats(numbers);
  const entries = Object.entries(numbers).map(([key, value]) => [key, BigInt(Math.floor(value))]);
  const whole = Object.fromEntries(entries) as { [K in keyof typeof numbers]: bigint };
  const stats = new BigIntStats(whole);
  for (const key of ['atime', 'mtime', 'ctime', 'birthtime'] as const) {
    const ns = BigInt(Math.round(inode[`${key}Ms`] * 1e6));
    Object.assign(stats, { [`${key}Ns`]: ns });
  }
  return stats;
}

function sizeOf(inode: Inode): number {
  if (inode.kind === 'file') return inode.content.size;
  return inode.kind === 'symlink' ? Buffer.byteLength(inode.target) : 4096;
}

export class Dirent {
  readonly name: string | Buffer;
  readonly parentPath: string;
  readonly #kind: Inode['kind'];

  constructor(name: string | Buffer, parentPath: string, kind: Inode['kind']) {
    this.name = name;
    this.parentPath = parentPath;
    this.#kind = kind;
  }

  isFile(): boolean {
    return this.#kind === 'file';
  }

  isDirectory(): boolean {
    return this.#kind === 'directory';
  }

  isSymbolicLink(): boolean {
    return this.#kind === 'symlink';
  }

  isBlockDevice(): boolean {
    return false;
  }

  isCharacterDevice(): boolean {
    return false;
  }

  isFIFO(): boolean {
    return false;
  }

  isSocket(): boolean {
    return false;
  }
}
