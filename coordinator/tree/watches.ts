// Who waits for which change of which path. A watch fires once, and everything a transaction fires is
// handed over before its reply exists, so no client can see new data before it hears of the change.
import { EventType, KeeperState } from '../protocol/codes.ts';
import type { WatcherEvent } from '../protocol/records.ts';
import type { Zxid } from '../zxid.ts';
import type { AccessList } from './acls.ts';
import { parentOf } from './paths.ts';

/** Someone who waits: a client's connection. */
export interface Watcher {
  /**
   * Called while a transaction is applied, after all of it is in the tree. Must not throw. `acl` is
   * that of the node concerned: who may not read it is not to hear of it (CVE-2024-23944).
   */
  notify(event: WatcherEvent, zxid: Zxid, acl?: AccessList): void;
}

/**
 * What is waited for: `data` a change of a node that is there, `exists` any change of a path,
 * `children` a change of a node's list of children. Data and exists are one table, as in ZooKeeper.
 */
export type WatchKind = 'data' | 'exists' | 'children';

/** The event that tells a client what happened to a path. */
export function watcherEvent(type: number, path: string): WatcherEvent {
  return { type, state: KeeperState.syncConnected, path };
}

const NO_PATHS: ReadonlySet<string> = new Set();

/** How long a watch lasts: until it fires, or until it is taken back, then also for all below. */
export type WatchMode = 'standard' | 'persistent' | 'recursive';

const MODE_BITS: Record<WatchMode, number> = { standard: 1, persistent: 2, recursive: 4 };
const { standard: STANDARD, recursive: RECURSIVE } = MODE_BITS;

// A watcher may watch one path in several ways at once (ZOOKEEPER-4466); it hears of a change once.
class WatchTable {
  /** The modes of each watcher, as bits. */
  readonly #byPath = new Map<string, Map<Watcher, number>>();
  readonly #byWatcher = new Map<Watcher, Set<string>>();
  /** Pairs of a path and a watcher with a recursive watch. */
  #recursive = 0;
  size = 0;

  get paths(): number {
    return this.#byPath.size;
  }

  watchers(): IterableIterator<Watcher> {
    return this.#byWatcher.keys();
  }

  has(path: string, watcher: Watcher): boolean {
    return this.#byPath.get(path)?.has(watcher) ?? false;
  }

  /** Whether a change of the path would be told: by a watch on it, or a recursive one above. */
  covers(path: string, watcher: Watcher): boolean {
    if (this.has(path, watcher)) return true;
    if (this.#recursive === 0) return false;
    for (const above of ancestors(path)) {
      if (((this.#byPath.get(above)?.get(watcher) ?? 0) & RECURSIVE) !== 0) return true;
    }
    return false;
  }

  add(path: string, watcher: Watcher, mode: WatchMode): void {
    let watchers = this.#byPath.get(path);
    if (watchers === undefined) this.#byPath.set(path, (watchers = new Map()));
    const before = watchers.get(watcher) ?? 0;
    const after = before | MODE_BITS[mode];
    if (after === before) return;
    watchers.set(watcher, after);
    if (mode === 'recursive') this.#recursive++;
    if (before !== 0) return;
    let paths = this.#byWatcher.get(watcher);
    if (paths === undefined) this.#byWatcher.set(watcher, (paths = new Set()));
    paths.add(path);
    this.size++;
  }

  remove(path: string, watcher: Watcher): boolean {
    if (!this.#drop(path, watcher)) return false;
    this.#forget(path, watcher);
    return true;
  }

  #drop(path: string, watcher: Watcher): boolean {
    const watchers = this.#byPath.get(path);
    const modes = watchers?.get(watcher);
    if (watchers === undefined || modes === undefined) return false;
    if ((modes & RECURSIVE) !== 0) this.#recursive--;
    watchers.delete(watcher);
    if (watchers.size === 0) this.#byPath.delete(path);
    return true;
  }

  #forget(path: string, watcher: Watcher): void {
    const paths = this.#byWatcher.get(watcher);
    paths?.delete(path);
    if (paths?.size === 0) this.#byWatcher.delete(watcher);
    this.size--;
  }

  pathsOf(watcher: Watcher): ReadonlySet<string> {
    return this.#byWatcher.get(watcher) ?? NO_PATHS;
  }

  removeAll(watcher: Watcher): void {
    const paths = this.#byWatcher.get(watcher);
    if (paths === undefined) return;
    this.#byWatcher.delete(watcher);
    this.size -= paths.size;
    for (const path of paths) this.#drop(path, watcher);
  }

  /** Who is to hear of a change of the path; standard watches on it are spent by this. */
  take(path: string, type: number): ReadonlySet<Watcher> | undefined {
    const watchers = this.#byPath.get(path);
    const deep = type !== EventType.childrenChanged;
    if (watchers === undefined && (this.#recursive === 0 || !deep)) return undefined;
    const told = new Set<Watcher>();
    for (const [watcher, modes] of watchers ?? []) {
      if ((modes & ~RECURSIVE) !== 0 || deep) told.add(watcher);
      if ((modes & STANDARD) === 0) continue;
      if (modes === STANDARD) this.remove(path, watcher);
      else watchers?.set(watcher, modes & ~STANDARD);
    }
    if (this.#recursive === 0 || !deep) return told;
    for (const above of ancestors(path)) {
      for (const [watcher, modes] of this.#byPath.get(above) ?? []) {
        if ((modes & RECURSIVE) !== 0) told.add(watcher);
      }
    }
    return told;
  }
}

function* ancestors(path: string): IterableIterator<string> {
  for (let at = path; at !== '/' && at !== ''; ) {
    at = parentOf(at);
    yield at;
  }
}

/** All watches of one server. Not part of the replicated state. Source: WatchManager, DataTree. */
export class Watches {
  readonly #data = new WatchTable();
  readonly #children = new WatchTable();

  /** How many watches are set. */
  get size(): number {
    return this.#data.size + this.#children.size;
  }

  /** How many paths are watched; one watched for data and children counts twice. */
  get pathCount(): number {
    return this.#data.paths + this.#children.paths;
  }

  /** How many watchers have a watch. */
  get watcherCount(): number {
    return new Set([...this.#data.watchers(), ...this.#children.watchers()]).size;
  }

  /** The paths that a watcher watches in any way. */
  pathsOf(watcher: Watcher): ReadonlySet<string> {
    return new Set([...this.#data.pathsOf(watcher), ...this.#children.pathsOf(watcher)]);
  }

  #table(kind: WatchKind): WatchTable {
    return kind === 'children' ? this.#children : this.#data;
  }

  /** Sets a watch; setting one that is set changes nothing. */
  add(kind: WatchKind, path: string, watcher: Watcher): void {
    this.#table(kind).add(path, watcher, 'standard');
  }

  /** Sets a watch on a path's data and children that stays; a recursive one also on all below. */
  addLasting(mode: 'persistent' | 'recursive', path: string, watcher: Watcher): void {
    this.#data.add(path, watcher, mode);
    this.#children.add(path, watcher, mode);
  }

  /** Whether a change of this kind would be told to the watcher, whatever its watch. */
  covers(kind: WatchKind, path: string, watcher: Watcher): boolean {
    return this.#table(kind).covers(path, watcher);
  }

  /** Whether the watch is set. */
  has(kind: WatchKind, path: string, watcher: Watcher): boolean {
    return this.#table(kind).has(path, watcher);
  }

  /** Takes back all watches of one kind on a path, lasting ones too. Returns whether one was set. */
  remove(kind: WatchKind, path: string, watcher: Watcher): boolean {
    return this.#table(kind).remove(path, watcher);
  }

  /** Takes back all watches of a watcher (its connection is gone); costs as much as it has. */
  removeWatcher(watcher: Watcher): void {
    this.#data.removeAll(watcher);
    this.#children.removeAll(watcher);
  }

  /** A node was created. */
  created({ path, acl, parentAcl }: NodeChange, zxid: Zxid): void {
    fire(this.#data, EventType.created, path, zxid, acl);
    fire(this.#children, EventType.childrenChanged, parentOf(path), zxid, parentAcl);
  }

  /** A node was deleted; who watched its data and its children hears of it once. */
  deleted({ path, acl, parentAcl }: NodeChange, zxid: Zxid): void {
    const told = fire(this.#data, EventType.deleted, path, zxid, acl);
    fire(this.#children, EventType.deleted, path, zxid, acl, told);
    fire(this.#children, EventType.childrenChanged, parentOf(path), zxid, parentAcl);
  }

  /** A node's data was set. */
  dataChanged({ path, acl }: NodeChange, zxid: Zxid): void {
    fire(this.#data, EventType.dataChanged, path, zxid, acl);
  }
}

/** A change of a node, with the access lists that decide who may hear of it. */
export interface NodeChange {
  readonly type: 'created' | 'deleted' | 'dataChanged';
  readonly path: string;
  readonly acl: AccessList;
  readonly parentAcl: AccessList;
}

function fire(
  table: WatchTable,
  type: number,
  path: string,
  zxid: Zxid,
  acl: AccessList,
  told?: ReadonlySet<Watcher>,
): ReadonlySet<Watcher> | undefined {
  if (table.size === 0) return undefined;
  const watchers = table.take(path, type);
  if (watchers === undefined) return undefined;
  const event = watcherEvent(type, path);
  for (const watcher of watchers) {
    if (told?.has(watcher) !== true) watcher.notify(event, zxid, acl);
  }
  return watchers;
}
