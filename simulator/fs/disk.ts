// The disk of one simulated machine: it outlives the processes that write to it. A killed process
// loses nothing (the page cache stays); a power loss takes what was not synced, or a part of it.
import type { RandomStream } from '../host.ts';
import { DiskRefusal } from './errors.ts';
import { type DiskFault, DiskFaults, type DiskOperation } from './faults.ts';
import { type DirectoryInode, FileInode, type Inode, type SymlinkInode } from './inode.ts';
import { type NamespaceChange, NamespaceJournal, type NamespaceModel } from './journal.ts';
import { PAGE_BYTES } from './pages.ts';
import { collectFiles, type Facts, listed, newDirectory, restore, timesAt, whole } from './tree.ts';
import { walk } from './walk.ts';

export interface DiskOptions {
  /** The stream of faults and power losses: of the machine, not of one of its processes. */
  readonly random: RandomStream;
  /** Bytes that files and directories may take, in whole pages of 4096; unlimited when left out. */
  readonly capacityBytes?: number;
  /** What the platter writes whole or not at all; 512 when left out. */
  readonly sectorBytes?: number;
  /** How directory entries become durable; `strict` when left out. */
  readonly namespace?: NamespaceModel;
}

/** What an fsync covers: what had been written when it started. */
export interface SyncMark {
  readonly inode: Inode;
  readonly data: number;
  readonly names: number;
}

export class SimulatedDisk {
  readonly root: DirectoryInode;
  readonly #random: RandomStream;
  readonly #sectorBytes: number;
  readonly #namespace: NamespaceModel;
  readonly #faults = new DiskFaults();
  #journal: NamespaceJournal;
  #capacityBytes: number;
  #lastIno = 1;
  #powerLosses = 0;

  readonly #kept = new Set<string>();

  constructor(options: DiskOptions) {
    this.#random = options.random;
    this.#sectorBytes = options.sectorBytes ?? 512;
    if (this.#sectorBytes < 1 || PAGE_BYTES % this.#sectorBytes !== 0) {
      throw new Error(
        `sectorBytes is ${this.#sectorBytes}, expected a divisor of ${PAGE_BYTES} such as 512`,
      );
    }
    this.#capacityBytes = options.capacityBytes ?? Number.POSITIVE_INFINITY;
    this.#namespace = options.namespace ?? 'strict';
    this.#journal = new NamespaceJournal(this.#namespace);
    this.root = newDirectory(1, 0o755, 0);
    // Every machine has these; they were there long before the simulation.
    for (const path of ['/tmp', '/home', '/var']) this.seedDirectory(path);
  }

  // Faults.

  /** Puts a fault in force; returns what heals it. Throws when its data make no sense. */
  setFault(fault: DiskFault): () => void {
    return this.#faults.add(fault);
  }

  clearFaults(): void {
    this.#faults.clear();
  }

  /** Every fault in force with how many operations it could and did strike. */
  faultReport(): { fault: DiskFault; matched: number; struck: number }[] {
    return this.#faults.report();
  }

  /** Changes the capacity; what is stored already stays. Infinity lifts the limit. */
  setCapacity(bytes: number): void {
    this.#capacityBytes = bytes;
  }

  /**
   * The power goes: of everything unsynced a part drawn from `random` survives, and becomes the
   * content of the disk. To be called when every process of the machine is dead.
   */
  powerLoss(random: RandomStream = this.#random): void {
    this.#powerLosses++;
    const kept = [...this.#kept].map((path) => ({ path, content: this.contentOf(path) }));
    // Files in the order of their numbers: the draw must not depend on how they are reached.
    const files = new Map<number, FileInode>();
    collectFiles(this.root, (directory) => directory.entries, files);
    collectFiles(this.root, (directory) => directory.durableEntries, files);
    this.#journal.powerLoss(random);
    // A file that a surviving change leads to may have been reachable in neither of the two.
    collectFiles(this.root, (directory) => directory.durableEntries, files);
    for (const ino of [...files.keys()].sort((a, b) => a - b)) {
      files.get(ino)?.powerLoss(random, this.#sectorBytes);
    }
    this.#journal = new NamespaceJournal(this.#namespace);
    restore(this.root);
    for (const { path, content } of kept) if (content !== null) this.seedFile(path, content);
  }

  /** From now on no power loss takes anything from this file: for the log of an observer. */
  keep(path: string): void {
    this.#kept.add(path);
  }

  get powerLosses(): number {
    return this.#powerLosses;
  }

  /** Changes that a power loss could take now. */
  unsynced(): { names: number; files: { path: string; changes: number }[] } {
    const files = this.list()
      .map(({ path, inode }) => ({
        path,
        changes: inode.kind === 'file' ? inode.unsyncedChanges : 0,
      }))
      .filter(({ changes }) => changes > 0);
    return { names: this.#journal.unsyncedChanges, files };
  }

  // From outside the simulation: how the harness prepares a disk and reads it. No faults, no trace.

  /** Puts a file on the disk, durable, with the directories that lead to it. */
  seedFile(path: string, data: Uint8Array | string): void {
    const cut = path.lastIndexOf('/');
    const directory = this.seedDirectory(path.slice(0, cut));
    const name = path.slice(cut + 1);
    const present = directory.entries.get(name);
    const inode = present?.kind === 'file' ? present : new FileInode(++this.#lastIno, 0o644, 0);
    inode.kept = this.#kept.has(path);
    inode.resize(0);
    inode.write(typeof data === 'string' ? Buffer.from(data) : data, 0);
    inode.commit(inode.mark());
    if (inode.kept) inode.durable.share(inode.content);
    directory.entries.set(name, inode);
    directory.durableEntries.set(name, inode);
  }

  /** Puts a directory on the disk, durable, with those above it. */
  seedDirectory(path: string): DirectoryInode {
    let at = this.root;
    for (const name of path.split('/').filter((each) => each !== '')) {
      let next = at.entries.get(name);
      if (next !== undefined && next.kind !== 'directory') {
        throw new Error(`cannot seed ${path}: '${name}' is a ${next.kind}, expected a directory`);
      }
      next ??= newDirectory(++this.#lastIno, 0o755, 0, at);
      at.entries.set(name, next);
      at.durableEntries.set(name, next);
      at = next;
    }
    return at;
  }

  /** A file's content as its readers see it; null when there is none. `path` is absolute. */
  contentOf(path: string): Buffer | null {
    const inode = this.#find(path);
    return inode?.kind === 'file' ? whole(inode.content) : null;
  }

  /** A file's content as it would be after a power loss that takes everything unsynced. */
  durableContentOf(path: string): Buffer | null {
    let at: Inode | undefined = this.root;
    for (const name of path.split('/').filter((each) => each !== '')) {
      at = at?.kind === 'directory' ? at.durableEntries.get(name) : undefined;
    }
    return at?.kind === 'file' ? whole(at.durable) : null;
  }

  /** Everything on the disk beneath `path`, parents first, in the order of names. */
  list(path = '/'): { path: string; inode: Inode }[] {
    const start = this.#find(path);
    return start?.kind === 'directory' ? listed(start, path.replace(/\/+$/, '')) : [];
  }

  /** Flips bits of one byte on the platter for good; false when that byte is not on it. */
  rot(path: string, position: number, mask = 1): boolean {
    const inode = this.#find(path);
    if (inode?.kind !== 'file' || position >= inode.content.size) return false;
    if (inode.isCacheOnly(position)) return false;
    inode.content.flip(position, mask);
    return true;
  }

  // From inside: what the system calls are made of.

  createFile(directory: DirectoryInode, name: string, path: string, facts: Facts): FileInode {
    this.#room(PAGE_BYTES, path);
    const inode = new FileInode(++this.#lastIno, facts.mode, facts.nowMs);
    inode.kept = this.#kept.has(path);
    this.change({ add: { directory, name, inode } }, facts.nowMs);
    return inode;
  }

  createDirectory(directory: DirectoryInode, name: string, path: string, facts: Facts): void {
    this.#room(PAGE_BYTES, path);
    const inode = newDirectory(++this.#lastIno, facts.mode, facts.nowMs, directory);
    this.change({ add: { directory, name, inode } }, facts.nowMs);
  }

  createSymlink(
    directory: DirectoryInode,
    name: string,
    path: string,
    facts: Facts & { target: string },
  ): void {
    this.#room(PAGE_BYTES, path);
    const times = timesAt(facts.nowMs);
    const { target } = facts;
    const ino = ++this.#lastIno;
    const inode: SymlinkInode = { kind: 'symlink', ino, mode: 0o777, links: 1, target, ...times };
    this.change({ add: { directory, name, inode } }, facts.nowMs);
  }

  /** Makes a change of directories, atomically and volatile. */
  change(change: NamespaceChange, nowMs: number): void {
    const { remove, add } = change;
    for (const side of [remove, add]) {
      if (side !== undefined) side.directory.mtimeMs = side.directory.ctimeMs = nowMs;
    }
    remove?.directory.entries.delete(remove.name);
    if (add !== undefined) {
      // Deleted first: a replaced entry comes last again in the order of creation.
      add.directory.entries.delete(add.name);
      add.directory.entries.set(add.name, add.inode);
      if (add.inode.kind === 'directory') add.inode.parent = add.directory;
    }
    this.#journal.push(change);
  }

  /** Reads, with what the faults make of it. Throws EIO. */
  read(inode: FileInode, target: Uint8Array, position: number, path: string): number {
    this.#strike('read', path);
    if (this.#faults.has('bit-rot')) this.#rotUnder(inode, target.length, position, path);
    let from = position;
    if (
      this.#faults.has('misdirected-read') &&
      this.#faults.strike('misdirected-read', 'read', path, this.#random) !== null
    ) {
      const sectors = Math.ceil(inode.content.size / this.#sectorBytes);
      if (sectors > 0) {
        from = this.#random.int(sectors) * this.#sectorBytes + (position % this.#sectorBytes);
      }
    }
    if (from === position) {
      const count = inode.content.read(target, position);
      if (this.#faults.has('rotten-read')) this.#rotIn(target.subarray(0, count), position, path);
      return count;
    }
    // The length is the right one, of the bytes those of the wrong place.
    const length = Math.max(0, Math.min(target.length, inode.content.size - position));
    const wrong = target.subarray(0, length).fill(0);
    inode.content.read(wrong, from);
    return length;
  }

  /** Writes what there is room for; returns how many bytes that was. Throws ENOSPC, EIO. */
  write(inode: FileInode, data: Uint8Array, position: number, path: string): number {
    this.#strike('write', path);
    const room = this.#roomToGrow(inode, position + data.length);
    if (data.length > 0 && room <= position) throw new DiskRefusal('ENOSPC');
    const count = Math.min(data.length, room - position);
    inode.write(data.subarray(0, count), position);
    return count;
  }

  /** Throws ENOSPC (a growth that there is no room for is refused whole), EIO. */
  resize(inode: FileInode, size: number, path: string): void {
    this.#strike('write', path);
    if (this.#roomToGrow(inode, size) < size) throw new DiskRefusal('ENOSPC');
    inode.resize(size);
  }

  /** An fsync begins: it will cover what has been written up to here. */
  beginSync(inode: Inode): SyncMark {
    const data = inode.kind === 'file' ? inode.mark() : 0;
    return { inode, data, names: this.#journal.mark() };
  }

  /** An fsync ends, and only now its effect is certain. Throws EIO. */
  endSync({ inode, data, names }: SyncMark, path: string): void {
    if (this.#faults.strike('eio', 'fsync', path, this.#random) !== null) {
      if (inode.kind === 'file') inode.failSync(data, this.#random, this.#sectorBytes);
      throw new DiskRefusal('EIO');
    }
    if (inode.kind === 'file') inode.commit(data);
    this.#journal.commit(inode, names);
  }

  /** What a fault adds to the time of an fsync, in ns. */
  extraSyncNs(path: string): number {
    const slow = this.#faults.strike('slow-fsync', 'fsync', path, this.#random);
    return slow === null ? 0 : Math.round(slow.delayMs * 1e6);
  }

  /** A metadata operation on `path`: throws EIO when a fault says so. */
  touch(path: string): void {
    if (this.#faults.strike('eio', 'metadata', path, this.#random) !== null) {
      throw new DiskRefusal('EIO');
    }
  }

  #strike(operation: DiskOperation, path: string): void {
    if (this.#faults.strike('eio', operation, path, this.#random) !== null) {
      throw new DiskRefusal('EIO');
    }
    if (operation !== 'write') return;
    if (this.#faults.strike('enospc', operation, path, this.#random) !== null) {
      throw new DiskRefusal('ENOSPC');
    }
  }

  #rotUnder(inode: FileInode, length: number, position: number, path: string): void {
    const end = Math.min(inode.content.size, position + length);
    const first = position - (position % this.#sectorBytes);
    for (let at = first; at < end; at += this.#sectorBytes) {
      if (inode.isCacheOnly(at, Math.min(at + this.#sectorBytes, end) - at)) continue;
      if (this.#faults.strike('bit-rot', 'read', path, this.#random) === null) continue;
      const from = Math.max(at, position);
      const to = Math.min(at + this.#sectorBytes, end);
      inode.content.flip(from + this.#random.int(to - from), 1 << this.#random.int(8));
    }
  }

  /** Flips a bit of each sector of what was read that a fault strikes. */
  #rotIn(data: Uint8Array, position: number, path: string): void {
    const first = position - (position % this.#sectorBytes);
    for (let at = first; at < position + data.length; at += this.#sectorBytes) {
      if (this.#faults.strike('rotten-read', 'read', path, this.#random) === null) continue;
      const from = Math.max(at, position) - position;
      const to = Math.min(at + this.#sectorBytes - position, data.length);
      const victim = from + this.#random.int(to - from);
      data[victim] = (data[victim] as number) ^ (1 << this.#random.int(8));
    }
  }

  /** Room for something new. */
  #room(bytes: number, path: string): void {
    if (this.#faults.strike('enospc', 'metadata', path, this.#random) !== null) {
      throw new DiskRefusal('ENOSPC');
    }
    if (this.#capacityBytes === Number.POSITIVE_INFINITY) return;
    if (this.usedBytes() + bytes > this.#capacityBytes) throw new DiskRefusal('ENOSPC');
  }

  /** The size up to which a file could be written. */
  #roomToGrow(inode: FileInode, size: number): number {
    if (this.#capacityBytes === Number.POSITIVE_INFINITY || size <= inode.content.size) return size;
    const has = inPages(inode.content.size);
    const more = Math.max(0, this.#capacityBytes - this.usedBytes());
    return Math.min(size, Math.max(inode.content.size, has + more - (more % PAGE_BYTES)));
  }

  /** Bytes taken by everything that has a name; each file and directory takes a page for itself. */
  usedBytes(): number {
    let used = 0;
    for (const { inode } of this.list()) {
      used += PAGE_BYTES + (inode.kind === 'file' ? inPages(inode.content.size) : 0);
    }
    return used;
  }

  #find(path: string): Inode | null {
    try {
      return walk(this.root, this.root, path, true).inode;
    } catch (error) {
      if (error instanceof DiskRefusal) return null;
      throw error;
    }
  }
}

function inPages(bytes: number): number {
  return Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
}
