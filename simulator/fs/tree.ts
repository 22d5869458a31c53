// The tree of directories of a disk, walked from outside: listed, searched for files, and put back to
// what the platter has.
import type { DirectoryInode, FileInode, Inode } from './inode.ts';

/** What a new inode starts with. */
export interface Facts {
  /** Permission bits. */
  readonly mode: number;
  readonly nowMs: number;
}

/** The times of an inode that is made now. */
export function timesAt(nowMs: number) {
  return { atimeMs: nowMs, mtimeMs: nowMs, ctimeMs: nowMs, birthtimeMs: nowMs };
}

/** All bytes of one version of a file. */
export function whole(content: FileInode['content']): Buffer {
  const bytes = Buffer.alloc(content.size);
  content.read(bytes, 0);
  return bytes;
}

/** Adds the files that one version of the tree leads to, by number. */
export function collectFiles(
  directory: DirectoryInode,
  entriesOf: (directory: DirectoryInode) => Map<string, Inode>,
  files: Map<number, FileInode>,
): void {
  for (const inode of entriesOf(directory).values()) {
    if (inode.kind === 'file') files.set(inode.ino, inode);
    else if (inode.kind === 'directory') collectFiles(inode, entriesOf, files);
  }
}

/** Everything beneath a directory, parents first, in the order of names. */
export function listed(directory: DirectoryInode, path: string): { path: string; inode: Inode }[] {
  const names = [...directory.entries.keys()].sort();
  return names.flatMap((name) => {
    const inode = directory.entries.get(name) as Inode;
    const own = { path: `${path}/${name}`, inode };
    return inode.kind === 'directory' ? [own, ...listed(inode, own.path)] : [own];
  });
}

/** After a power loss the page cache is empty: what is seen is what the platter has. */
export function restore(root: DirectoryInode): void {
  const links = new Map<Inode, number>();
  const visit = (directory: DirectoryInode): void => {
    directory.entries.clear();
    for (const [name, inode] of directory.durableEntries) {
      directory.entries.set(name, inode);
      links.set(inode, (links.get(inode) ?? 0) + 1);
      inode.links = links.get(inode) as number;
      if (inode.kind !== 'directory') continue;
      inode.parent = directory;
      visit(inode);
    }
  };
  visit(root);
}

/** An empty directory; without a parent it is the root. */
export function newDirectory(
  ino: number,
  mode: number,
  nowMs: number,
  parent?: DirectoryInode,
): DirectoryInode {
  const inode: Omit<DirectoryInode, 'parent'> & { parent?: DirectoryInode } = {
    kind: 'directory',
    ino,
    mode,
    links: 1,
    ...timesAt(nowMs),
    entries: new Map(),
    durableEntries: new Map(),
  };
  inode.parent = parent ?? (inode as DirectoryInode);
  return inode as DirectoryInode;
}
