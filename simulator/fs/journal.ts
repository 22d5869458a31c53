// Changes of directories that are not durable yet, in their order. Who may survive a power loss
// without whom is decided here, in one place.
import type { RandomStream } from '../host.ts';
import type { DirectoryInode, Inode } from './inode.ts';

/** Changes kept volatile; the older half is written back when there are more. */
const PENDING_MAX = 65_536;

/**
 * How directory entries become durable.
 *
 * `strict`: by an fsync of their directory and by nothing else, which is all that POSIX promises.
 * Changes of one directory survive as a prefix of their order; unrelated directories are
 * independent. `journal`: in one order for the whole disk, and any fsync makes all of it durable,
 * as ext4 and XFS do in fact.
 */
export type NamespaceModel = 'strict' | 'journal';

/** One atomic change: entries that go and an entry that comes, in one or two directories. */
export interface NamespaceChange {
  readonly remove?: { readonly directory: DirectoryInode; readonly name: string };
  readonly add?: {
    readonly directory: DirectoryInode;
    readonly name: string;
    readonly inode: Inode;
  };
}

interface Pending {
  readonly sequence: number;
  readonly change: NamespaceChange;
}

function directoriesOf({ remove, add }: NamespaceChange): DirectoryInode[] {
  const both = [remove?.directory, add?.directory];
  return both.filter((each) => each !== undefined);
}

/** A directory that moves is ordered after everything before: it could else become its own child. */
function isBarrier({ remove, add }: NamespaceChange): boolean {
  return remove !== undefined && add?.inode.kind === 'directory';
}

function apply({ remove, add }: NamespaceChange): void {
  remove?.directory.durableEntries.delete(remove.name);
  add?.directory.durableEntries.set(add.name, add.inode);
}

export class NamespaceJournal {
  readonly #model: NamespaceModel;
  #pending: Pending[] = [];
  #sequence = 0;

  constructor(model: NamespaceModel) {
    this.#model = model;
  }

  get unsyncedChanges(): number {
    return this.#pending.length;
  }

  push(change: NamespaceChange): void {
    this.#pending.push({ sequence: ++this.#sequence, change });
    if (this.#pending.length > PENDING_MAX)
      this.#commitWhere((_, index) => index < PENDING_MAX / 2);
  }

  /** Everything up to now: what an fsync that starts here will cover. */
  mark(): number {
    return this.#sequence;
  }

  /** An fsync of `inode` that started at `mark` is done. */
  commit(inode: Inode, mark: number): void {
    if (this.#pending.length === 0) return;
    if (this.#model === 'journal') this.#commitWhere(({ sequence }) => sequence <= mark);
    else if (inode.kind === 'directory') this.#commitDirectory(inode, mark);
  }

  /** Draws which changes survive, applies them, and forgets the rest. */
  powerLoss(random: RandomStream): void {
    const pending = this.#pending;
    this.#pending = [];
    if (pending.length === 0) return;
    if (this.#model === 'journal') {
      for (const { change } of pending.slice(0, random.int(pending.length + 1))) apply(change);
      return;
    }
    const survivalOfEach = [0, 1, 0.5, 0.9][random.int(4)] as number;
    const behind = new Set<DirectoryInode>();
    for (const { change } of pending) {
      const directories = directoriesOf(change);
      const blocked =
        directories.some((each) => behind.has(each)) || (isBarrier(change) && behind.size > 0);
      if (!blocked && random.float() < survivalOfEach) apply(change);
      else for (const directory of directories) behind.add(directory);
    }
  }

  /** With a directory's changes go those that they build on, in other directories too. */
  #commitDirectory(directory: DirectoryInode, mark: number): void {
    const needed = new Set([directory]);
    const chosen = new Set<NamespaceChange>();
    let everything = false;
    for (const { sequence, change } of this.#pending.toReversed()) {
      if (sequence > mark) continue;
      const directories = directoriesOf(change);
      if (!everything && !directories.some((each) => needed.has(each))) continue;
      chosen.add(change);
      for (const each of directories) needed.add(each);
      everything ||= isBarrier(change);
    }
    this.#commitWhere(({ change }) => chosen.has(change));
  }

  #commitWhere(chosen: (entry: Pending, index: number) => boolean): void {
    const left: Pending[] = [];
    for (const [index, entry] of this.#pending.entries()) {
      if (chosen(entry, index)) apply(entry.change);
      else left.push(entry);
    }
    this.#pending = left;
  }
}
