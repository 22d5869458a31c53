// Who waits for which change of which path. A watch fires once, and everything a transaction fires is
// handed over before its reply exists, so no client can see new data before it hears of the change.
import { EventType, KeeperState } from '../protocol/codes.ts';
import type { WatcherEvent } from '../protocol/records.ts';
import type { Zxid } from '../zxid.ts';

/** Someone who waits: a client's connection. */
export interface Watcher {
  /** Called while a transaction is applied, after all of it is in the tree. Must not throw. */
  notify(event: WatcherEvent, zxid: Zxid): void;
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

// Persistent watches will need a mode per registration: the inner set becomes a map to it, and `take`
// leaves those in place.
class WatchTable {
  readonly #byPath = new Map<string, Set<Watcher>>();
  readonly #byWatcher = new Map<Watcher, Set<string>>();
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

  add(path: string, watcher: Watcher): void {
    let watchers = this.#byPath.get(path);
    if (watchers === undefined) this.#byPath.set(path, (watchers = new Set()));
    if (watchers.has(watcher)) return;
    watchers.add(watcher);
    let paths = this.#byWatcher.get(watcher);
    if (paths === undefined) this.#byWatcher.set(watcher, (paths = new Set()));
    paths.add(path);
    this.size++;
  }

  remove(path: string, watcher: Watcher): boolean {
    const watchers = this.#byPath.get(path);
    if (watchers === undefined || !watchers.delete(watcher)) return false;
    if (watchers.size === 0) this.#byPath.delete(path);
    this.#forget(path, watcher);
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
    for (const path of paths) {
      const watchers = this.#byPath.get(path);
      watchers?.delete(watcher);
      if (watchers?.size === 0) this.#byPath.delete(path);
    }
  }

  /** The watchers of a path, whose watches are spent by this. */
  take(path: string): ReadonlySet<Watcher> | undefined {
    const watchers = this.#byPath.get(path);
    if (watchers === undefined) return undefined;
    this.#byPath.delete(path);
    for (const watcher of watchers) this.#forget(path, watcher);
    return watchers;
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
    this.#table(kind).add(path, watcher);
  }

  /** Whether the watch is set. */
  has(kind: WatchKind, path: string, watcher: Watcher): boolean {
    return this.#table(kind).has(path, watcher);
  }

  /** Takes one watch back. Returns whether it was set. */
  remove(kind: WatchKind, path: string, watcher: Watcher): boolean {
    return this.#table(kind).remove(path, watcher);
  }

  /** Takes back all watches of a watcher (its connection is gone); costs as much as it has. */
  removeWatcher(watcher: Watcher): void {
    this.#data.removeAll(watcher);
    this.#children.removeAll(watcher);
  }

  /** A node was created. */
  created(path: string, parent: string, zxid: Zxid): void {
    fire(this.#data, EventType.created, path, zxid);
    fire(this.#children, EventType.childrenChanged, parent, zxid);
  }

  /** A node was deleted; who watched its data and its children hears of it once. */
  deleted(path: string, parent: string, zxid: Zxid): void {
    const told = fire(this.#data, EventType.deleted, path, zxid);
    fire(this.#children, EventType.deleted, path, zxid, told);
    fire(this.#children, EventType.childrenChanged, parent, zxid);
  }

  /** A node's data was set. */
  dataChanged(path: string, zxid: Zxid): void {
    fire(this.#data, EventType.dataChanged, path, zxid);
  }
}

function fire(
  table: WatchTable,
  type: number,
  path: string,
  zxid: Zxid,
  told?: ReadonlySet<Watcher>,
): ReadonlySet<Watcher> | undefined {
  if (table.size === 0) return undefined;
  const watchers = table.take(path);
  if (watchers === undefined) return undefined;
  const event = watcherEvent(type, path);
  for (const watcher of watchers) {
    if (told?.has(watcher) !== true) watcher.notify(event, zxid);
  }
  return watchers;
}
