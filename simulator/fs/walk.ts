// From a path to what it names, as the kernel walks it: component by component, through symbolic
// links, with the kernel's limits and refusals.
import { DiskRefusal } from './errors.ts';
import type { DirectoryInode, Inode } from './inode.ts';

const NAME_BYTES_MAX = 255;
const PATH_BYTES_MAX = 4095;
const LINKS_MAX = 40;

/** Where a path ends. */
export interface Place {
  readonly directory: DirectoryInode;
  /** The last component; empty when the path ends in `.`, `..` or is `/`. */
  readonly name: string;
  readonly inode: Inode | null;
  /** The path ended in a slash: only a directory will do. */
  readonly slash: boolean;
}

/**
 * Walks `path` from `root` (when absolute) or `cwd`. Of the last component a symbolic link is
 * followed when `follow` says so; it need not exist. Throws ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG.
 */
export function walk(
  root: DirectoryInode,
  cwd: DirectoryInode,
  path: string,
  follow: boolean,
): Place {
  if (path === '') throw new DiskRefusal('ENOENT');
  if (Buffer.byteLength(path) > PATH_BYTES_MAX) throw new DiskRefusal('ENAMETOOLONG');
  const slash = path.endsWith('/');
  const rest = path.split('/').filter((name) => name !== '');
  let at = path.startsWith('/') ? root : cwd;
  let links = 0;
  while (rest.length > 0) {
    const name = rest.shift() as string;
    if (name === '.') continue;
    if (name === '..') {
      at = at.parent;
      continue;
    }
    if (Buffer.byteLength(name) > NAME_BYTES_MAX) throw new DiskRefusal('ENAMETOOLONG');
    const inode = at.entries.get(name) ?? null;
    const last = rest.length === 0;
    if (inode?.kind === 'symlink' && (!last || follow || slash)) {
      if (++links > LINKS_MAX) throw new DiskRefusal('ELOOP');
      if (inode.target.startsWith('/')) at = root;
      rest.unshift(...inode.target.split('/').filter((each) => each !== ''));
      continue;
    }
    if (last) {
      if (slash && inode !== null && inode.kind !== 'directory') throw new DiskRefusal('ENOTDIR');
      return { directory: at, name, inode, slash };
    }
    if (inode === null) throw new DiskRefusal('ENOENT');
    if (inode.kind !== 'directory') throw new DiskRefusal('ENOTDIR');
    at = inode;
  }
  return { directory: at.parent, name: '', inode: at, slash };
}

/** The absolute path of a directory. */
export function pathOf(directory: DirectoryInode): string {
  const names: string[] = [];
  for (let at = directory; at.parent !== at; at = at.parent) {
    for (const [name, inode] of at.parent.entries) if (inode === at) names.unshift(name);
  }
  return `/${names.join('/')}`;
}
