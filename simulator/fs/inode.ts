// What a path leads to: files, directories and symbolic links, each as the page cache has it and as
// the platter has it. The difference between the two is what a power loss can take.
import type { RandomStream } from '../host.ts';
import { PagedContent } from './pages.ts';

/** Unsynced changes of one file after which the older half is written back, as the kernel does. */
const PENDING_CHANGES_MAX = 8192;
const PENDING_BYTES_MAX = 32 * 1024 * 1024;

type Change =
  | { readonly kind: 'write'; readonly position: number; readonly data: Uint8Array }
  | { readonly kind: 'resize'; readonly size: number };

interface Attributes {
  readonly ino: number;
  /** Permission bits; nobody is refused anything by them, as root is not. */
  mode: number;
  links: number;
  atimeMs: number;
  mtimeMs: number;
  ctimeMs: number;
  readonly birthtimeMs: number;
}

export interface DirectoryInode extends Attributes {
  readonly kind: 'directory';
  /** As every process sees it, in the order of creation. */
  readonly entries: Map<string, Inode>;
  /** As it is after a power loss if nothing more is synced. */
  readonly durableEntries: Map<string, Inode>;
  parent: DirectoryInode;
}

export interface SymlinkInode extends Attributes {
  readonly kind: 'symlink';
  readonly target: string;
}

export type Inode = FileInode | DirectoryInode | SymlinkInode;

/** How unsynced changes survive: all, none, a prefix in order, or each sector by itself. */
type Survival = 'all' | 'none' | 'prefix' | 'scattered';

export class FileInode implements Attributes {
  readonly kind = 'file' as const;
  readonly ino: number;
  mode: number;
  links = 1;
  atimeMs: number;
  mtimeMs: number;
  ctimeMs: number;
  readonly birthtimeMs: number;
  readonly content = new PagedContent();
  readonly durable = new PagedContent();
  /** Nothing of it is ever lost, as of an observer's file: there is nothing to be synced. */
  kept = false;
  #pending: Change[] = [];
  #pendingBytes = 0;
  /** Number of changes ever made durable, so that a mark stays valid while others sync. */
  #settled = 0;

  constructor(ino: number, mode: number, nowMs: number) {
    this.ino = ino;
    this.mode = mode;
    this.atimeMs = this.mtimeMs = this.ctimeMs = this.birthtimeMs = nowMs;
  }

  /** Everything up to now: what an fsync that starts here will cover. */
  mark(): number {
    return this.#settled + this.#pending.length;
  }

  get unsyncedChanges(): number {
    return this.#pending.length;
  }

  write(data: Uint8Array, position: number): void {
    if (data.length === 0) return;
    this.content.write(data, position, this.durable);
    if (this.kept) return;
    // The caller may use its buffer again before the sync.
    this.#push({ kind: 'write', position, data: Buffer.from(data) }, data.length);
  }

  resize(size: number): void {
    if (size === this.content.size) return;
    this.content.resize(size, this.durable);
    if (!this.kept) this.#push({ kind: 'resize', size }, 0);
  }

  /** Makes durable what was there at `mark`; later changes stay volatile. */
  commit(mark: number): void {
    const count = mark - this.#settled;
    if (count <= 0) return;
    if (count === this.#pending.length) this.#commitAll();
    else for (const change of this.#pending.slice(0, count)) this.#apply(change);
    this.#drop(count);
  }

  /**
   * A sync that failed, as Linux has it: some sectors reached the platter, and the rest counts as
   * written from now on, so that the next sync succeeds without them (unless they change again).
   */
  failSync(mark: number, random: RandomStream, sectorBytes: number): void {
    const count = Math.max(0, mark - this.#settled);
    this.#applySurvivors(this.#pending.slice(0, count), random, sectorBytes);
    this.#drop(count);
  }

  /** The power goes: what survives of the unsynced changes becomes the content. */
  powerLoss(random: RandomStream, sectorBytes: number): void {
    if (this.kept) this.durable.share(this.content);
    this.#applySurvivors(this.#pending, random, sectorBytes);
    this.#drop(this.#pending.length);
    this.content.share(this.durable);
  }

  /** Whether some of the bytes are only in the cache: such bytes cannot rot on the platter. */
  isCacheOnly(position: number, bytes = 1): boolean {
    return !this.content.shares(this.durable, position, position + bytes);
  }

  #push(change: Change, bytes: number): void {
    this.#pending.push(change);
    this.#pendingBytes += bytes;
    if (this.#pending.length > PENDING_CHANGES_MAX || this.#pendingBytes > PENDING_BYTES_MAX) {
      this.commit(this.#settled + Math.ceil(this.#pending.length / 2));
    }
  }

  #drop(count: number): void {
    for (const change of this.#pending.splice(0, count)) {
      if (change.kind === 'write') this.#pendingBytes -= change.data.length;
    }
    this.#settled += count;
  }

  #apply(change: Change): void {
    if (change.kind === 'write') this.durable.write(change.data, change.position, this.content);
    else this.durable.resize(change.size, this.content);
  }

  #commitAll(): void {
    const resized = this.#pending.some((change) => change.kind === 'resize');
    if (resized || this.durable.size > this.content.size) {
      this.durable.share(this.content);
      return;
    }
    for (const change of this.#pending) {
      if (change.kind !== 'write') continue;
      this.durable.share(this.content, change.position, change.position + change.data.length);
    }
  }

  /**
   * Every sector is as it was at some moment since its last sync; so is the size. Shrinking is
   * journaled: what came after a shrinking that is lost is lost with it.
   */
  #applySurvivors(changes: readonly Change[], random: RandomStream, sectorBytes: number): void {
    if (changes.length === 0) return;
    const draws: readonly Survival[] = ['all', 'none', 'prefix', 'scattered', 'scattered'];
    const survival = draws[random.int(draws.length)] as Survival;
    const prefix = random.int(changes.length + 1);
    const keep = survival === 'all' ? changes.length : survival === 'none' ? 0 : prefix;
    const thresholds = new Map<number, number>();
    /** Changes before the threshold of a sector had been written back when the power went. */
    const threshold = (sector: number): number => {
      if (survival !== 'scattered') return keep;
      let drawn = thresholds.get(sector);
      if (drawn === undefined) {
        const coin = random.float();
        drawn = coin < 0.3 ? 0 : coin < 0.6 ? changes.length : random.int(changes.length + 1);
        thresholds.set(sector, drawn);
      }
      return drawn;
    };
    const sizeThreshold = threshold(-1);
    let size = this.durable.size;
    for (const [index, change] of changes.entries()) {
      if (change.kind === 'resize') {
        if (index >= sizeThreshold) break;
        this.durable.resize(change.size, this.content);
        size = change.size;
        continue;
      }
      const end = change.position + change.data.length;
      // The one write that the power loss tore: whole sectors from its start.
      const torn = survival === 'prefix' && index === keep ? tear(change, random, sectorBytes) : 0;
      const first = Math.floor(change.position / sectorBytes);
      for (let sector = first; sector * sectorBytes < end; sector++) {
        if (index >= threshold(sector) && sector * sectorBytes >= torn) continue;
        const from = Math.max(change.position, sector * sectorBytes);
        const to = Math.min(end, (sector + 1) * sectorBytes);
        const piece = change.data.subarray(from - change.position, to - change.position);
        this.durable.write(piece, from, this.content);
      }
      if (index < sizeThreshold) size = Math.max(size, end);
      else if (torn > change.position) size = Math.max(size, torn);
    }
    this.durable.resize(size, this.content);
  }
}

/** Where a torn write ends: at a sector's border within it, or 0 when nothing of it survives. */
function tear(
  change: { readonly position: number; readonly data: Uint8Array },
  random: RandomStream,
  sectorBytes: number,
): number {
  const first = Math.floor(change.position / sectorBytes) + 1;
  const last = Math.ceil((change.position + change.data.length) / sectorBytes);
  if (last <= first) return 0;
  const sector = first + random.int(last - first);
  return random.int(4) === 0 ? 0 : sector * sectorBytes;
}
