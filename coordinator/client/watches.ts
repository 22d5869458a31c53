// The client's side of watches: who wants to hear of which path, once. The server forgets watches with
// the connection, so what is registered here is what gets armed again at the next one.
import type { ByteWriter } from '../../wire/bytes.ts';
import { EventType, Op } from '../protocol/codes.ts';
import { SetWatches2Request, SetWatchesRequest } from '../protocol/records.ts';
import type { Zxid } from '../zxid.ts';

export type WatchEventName = 'created' | 'deleted' | 'dataChanged' | 'childrenChanged';

/** A change of a watched path. */
export interface WatchEvent {
  type: WatchEventName;
  path: string;
}

/** Called at most once for the watch it was given with; for a lasting one, every time. */
export type WatchCallback = (event: WatchEvent) => void;

/** `exists` is a watch set on a node that was not there. */
export type WatchKind = 'data' | 'exists' | 'children';

/** Watches that stay: on a path, or on it and all below. */
export type LastingKind = 'persistent' | 'persistentRecursive';

const NAMES = new Map<number, WatchEventName>([
  [EventType.created, 'created'],
  [EventType.deleted, 'deleted'],
  [EventType.dataChanged, 'dataChanged'],
  [EventType.childrenChanged, 'childrenChanged'],
]);

const KINDS: Record<WatchEventName, readonly WatchKind[]> = {
  created: ['data', 'exists'],
  dataChanged: ['data', 'exists'],
  deleted: ['data', 'exists', 'children'],
  childrenChanged: ['children'],
};

/** Bytes of paths in one setWatches request, far below the largest frame. Source: ClientCnxn. */
const PATH_BYTES_MAX = 128 * 1024;

/**
 * How to ask for watches again. Servers before ZooKeeper 3.6 know only the older request, which has no
 * place for lasting ones; as ZooKeeper's own client, the newer is sent only when needed.
 */
export function rearming(request: SetWatches2Request): {
  op: number;
  encode: (w: ByteWriter) => void;
} {
  const { persistentWatches, persistentRecursiveWatches } = request;
  if (persistentWatches.length + persistentRecursiveWatches.length > 0) {
    return { op: Op.setWatches2, encode: (w) => SetWatches2Request.write(w, request) };
  }
  return { op: Op.setWatches, encode: (w) => SetWatchesRequest.write(w, request) };
}

type Callbacks = Map<string, Set<WatchCallback>>;

const LISTS = {
  data: 'dataWatches',
  exists: 'existWatches',
  children: 'childWatches',
  persistent: 'persistentWatches',
  persistentRecursive: 'persistentRecursiveWatches',
} as const;

const ALL_KINDS = Object.keys(LISTS) as (keyof typeof LISTS)[];

function* upwards(path: string): IterableIterator<string> {
  for (let at = path; at !== '/' && at !== ''; at = at.slice(0, at.lastIndexOf('/'))) yield at;
  yield '/';
}

export class WatchRegistry {
  readonly #watches: Record<WatchKind | LastingKind, Callbacks> = {
    data: new Map(),
    exists: new Map(),
    children: new Map(),
    persistent: new Map(),
    persistentRecursive: new Map(),
  };

  add(kind: WatchKind | LastingKind, path: string, callback: WatchCallback): void {
    const callbacks = this.#watches[kind].get(path);
    if (callbacks === undefined) this.#watches[kind].set(path, new Set([callback]));
    else callbacks.add(callback);
  }

  /** Forgets the watches of a path that the server was told to forget. */
  remove(type: 'children' | 'data' | 'any', path: string): void {
    if (type !== 'data') this.#watches.children.delete(path);
    if (type !== 'children') {
      this.#watches.data.delete(path);
      this.#watches.exists.delete(path);
    }
    if (type !== 'any') return;
    this.#watches.persistent.delete(path);
    this.#watches.persistentRecursive.delete(path);
  }

  /** Spends the watches that an event of this type and path fires, and returns all who are to hear. */
  fire(type: number, path: string): { event: WatchEvent; callbacks: Set<WatchCallback> } | null {
    const name = NAMES.get(type);
    if (name === undefined) return null;
    const callbacks = new Set<WatchCallback>();
    const hear = (each: ReadonlySet<WatchCallback> | undefined) => {
      for (const callback of each ?? []) callbacks.add(callback);
    };
    for (const kind of KINDS[name]) {
      hear(this.#watches[kind].get(path));
      this.#watches[kind].delete(path);
    }
    hear(this.#watches.persistent.get(path));
    const { persistentRecursive } = this.#watches;
    if (name !== 'childrenChanged' && persistentRecursive.size > 0) {
      for (const above of upwards(path)) hear(persistentRecursive.get(above));
    }
    return { event: { type: name, path }, callbacks };
  }

  /** The requests that arm everything again for a client that saw all up to `relativeZxid`. */
  rearm(relativeZxid: Zxid): SetWatches2Request[] {
    const requests: SetWatches2Request[] = [];
    let bytes = Number.POSITIVE_INFINITY;
    for (const kind of ALL_KINDS) {
      for (const path of this.#watches[kind].keys()) {
        if (bytes > PATH_BYTES_MAX) {
          requests.push({
            relativeZxid,
            dataWatches: [],
            existWatches: [],
            childWatches: [],
            persistentWatches: [],
            persistentRecursiveWatches: [],
          });
          bytes = 0;
        }
        requests.at(-1)?.[LISTS[kind]].push(path);
        bytes += Buffer.byteLength(path) + 4;
      }
    }
    return requests;
  }
}
