// The client's side of watches: who wants to hear of which path, once. The server forgets watches with
// the connection, so what is registered here is what gets armed again at the next one.
import { EventType } from '../protocol/codes.ts';
import type { SetWatchesRequest } from '../protocol/records.ts';
import type { Zxid } from '../zxid.ts';

export type WatchEventName = 'created' | 'deleted' | 'dataChanged' | 'childrenChanged';

/** A change of a watched path. */
export interface WatchEvent {
  type: WatchEventName;
  path: string;
}

/** Called at most once for the watch it was given with. */
export type WatchCallback = (event: WatchEvent) => void;

/** `exists` is a watch set on a node that was not there. */
export type WatchKind = 'data' | 'exists' | 'children';

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

export class WatchRegistry {
  readonly #watches: Record<WatchKind, Map<string, Set<WatchCallback>>> = {
    data: new Map(),
    exists: new Map(),
    children: new Map(),
  };

  add(kind: WatchKind, path: string, callback: WatchCallback): void {
    const callbacks = this.#watches[kind].get(path);
    if (callbacks === undefined) this.#watches[kind].set(path, new Set([callback]));
    else callbacks.add(callback);
  }

  /** Spends the watches that an event of this type and path fires, and returns their callbacks. */
  fire(type: number, path: string): { event: WatchEvent; callbacks: Set<WatchCallback> } | null {
    const name = NAMES.get(type);
    if (name === undefined) return null;
    const callbacks = new Set<WatchCallback>();
    for (const kind of KINDS[name]) {
      for (const callback of this.#watches[kind].get(path) ?? []) callbacks.add(callback);
      this.#watches[kind].delete(path);
    }
    return { event: { type: name, path }, callbacks };
  }

  /** The requests that arm everything again for a client that saw all up to `relativeZxid`. */
  rearm(relativeZxid: Zxid): SetWatchesRequest[] {
    const requests: SetWatchesRequest[] = [];
    let bytes = Number.POSITIVE_INFINITY;
    const lists = {
      data: 'dataWatches',
      exists: 'existWatches',
      children: 'childWatches',
    } as const;
    for (const kind of ['data', 'exists', 'children'] as const) {
      for (const path of this.#watches[kind].keys()) {
        if (bytes > PATH_BYTES_MAX) {
          requests.push({ relativeZxid, dataWatches: [], existWatches: [], childWatches: [] });
          bytes = 0;
        }
        requests.at(-1)?.[lists[kind]].push(path);
        bytes += Buffer.byteLength(path) + 4;
      }
    }
    return requests;
  }
}
