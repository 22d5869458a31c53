// What can be asked of the tree without changing it, and the watches that some questions set in the same
// call, so that no change falls in between. Source: FinalRequestProcessor and DataTree of ZooKeeper 3.8.
import type { Identity } from '../contract.ts';
import { ErrorCode, EventType, Perm } from '../protocol/codes.ts';
import type {
  Acl,
  SetWatches2Request,
  SetWatchesRequest,
  Stat,
  WatcherEvent,
} from '../protocol/records.ts';
import { allows, NOBODY, withoutDigests } from './acls.ts';
import { ttlOf } from './lifetimes.ts';
import { CONFIG_PATH } from './paths.ts';
import { limitsPath, type Quota, QuotaValues, statsPath } from './quotas.ts';
import type { TreeState } from './tree-state.ts';
import { type Watcher, Watches, watcherEvent } from './watches.ts';
import type { NodeView, ZNode } from './znode.ts';

/** A read's outcome: what was asked for, or a number of ErrorCode. */
export type Read<T> = ({ ok: true } & T) | { ok: false; err: number };

function refused(err: number): { ok: false; err: number } {
  return { ok: false, err };
}

/** A node and all below it, parents first. */
export function* descendants(
  nodes: ReadonlyMap<string, ZNode>,
  path: string,
): IterableIterator<ZNode> {
  const open = [path];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const node = nodes.get(at);
    if (node === undefined) continue;
    yield node;
    const prefix = at === '/' ? '/' : `${at}/`;
    for (const name of node.children) open.push(prefix + name);
  }
}

/** The reading half of the tree. `identities` say who asks. */
export abstract class TreeReads {
  /** Watches of this server's clients. They outlive a load: who loads closes its clients first. */
  readonly watches = new Watches();

  protected abstract current(): TreeState;

  /** What a request on a path depends on; undefined: no such node. */
  view(path: string): NodeView | undefined {
    return this.current().nodes.get(path);
  }

  /** Paths of a session's ephemeral nodes. */
  ephemerals(session: number): ReadonlySet<string> {
    return this.current().ephemerals(session);
  }

  /**
   * Containers whose last child went, or that never had one for `unusedMsMax` (0: those stay), and nodes
   * nobody changed for their time to live. `nowMs` is a leader's wall clock. Source: ContainerManager.
   */
  overdue(nowMs: number, unusedMsMax: number): string[] {
    const { nodes, mortals } = this.current();
    const found: string[] = [];
    for (const path of mortals) {
      const node = nodes.get(path);
      if (node === undefined || node.numChildren > 0) continue;
      const ageMs = nowMs - node.mtime;
      const ttlMs = ttlOf(node.ephemeralOwner);
      const unused = unusedMsMax > 0 && ageMs > unusedMsMax;
      const isOver = ttlMs === undefined ? node.created > 0 || unused : ageMs > ttlMs;
      if (isOver) found.push(path);
    }
    return found;
  }

  /** What `/zookeeper/config` says. */
  configuration(): string {
    return this.current().nodes.get(CONFIG_PATH)?.data?.toString() ?? '';
  }

  /** The quota that a change of the path counts for, as applied so far. */
  quotaOf(path: string): Quota | undefined {
    const { quotas, nodes } = this.current();
    const subtree = quotas.of(path);
    if (subtree === undefined) return undefined;
    const limits = nodes.get(limitsPath(subtree));
    const stats = nodes.get(statsPath(subtree));
    if (limits === undefined || stats === undefined) return undefined;
    const [limit, used] = [limits, stats].map(({ data }) => QuotaValues.parse(data));
    return { subtree, limits: limit as QuotaValues, used: used as QuotaValues };
  }

  /** Data and Stat of a node; a watcher is set only if there is one. */
  getData(
    path: string,
    watcher?: Watcher,
    identities: readonly Identity[] = NOBODY,
  ): Read<{ data: Buffer | null; stat: Stat }> {
    const node = this.#readable(path, identities);
    if (typeof node === 'number') return refused(node);
    if (watcher !== undefined) this.watches.add('data', path, watcher);
    return { ok: true, data: node.data, stat: node.stat() };
  }

  /** A node's Stat; a watcher is set whether it exists or not. Needs no permission. */
  exists(path: string, watcher?: Watcher): Read<{ stat: Stat }> {
    if (path.includes('\0')) return refused(ErrorCode.BadArguments);
    if (watcher !== undefined) this.watches.add('exists', path, watcher);
    const node = this.#find(path);
    if (node === undefined) return refused(ErrorCode.NoNode);
    return { ok: true, stat: node.stat() };
  }

  /** Names of a node's children in the order of their creation, the same on every server. */
  getChildren(
    path: string,
    watcher?: Watcher,
    identities: readonly Identity[] = NOBODY,
  ): Read<{ children: string[]; stat: Stat }> {
    const node = this.#readable(path, identities);
    if (typeof node === 'number') return refused(node);
    if (watcher !== undefined) this.watches.add('children', path, watcher);
    return { ok: true, children: [...node.children], stat: node.stat() };
  }

  /** How many nodes are below a node. */
  getAllChildrenNumber(
    path: string,
    identities: readonly Identity[] = NOBODY,
  ): Read<{ totalNumber: number }> {
    const node = this.#readable(path, identities);
    if (typeof node === 'number') return refused(node);
    const { nodes } = this.current();
    if (node.path === '/') return { ok: true, totalNumber: nodes.size - 1 };
    let totalNumber = -1;
    for (const _ of descendants(nodes, path)) totalNumber++;
    return { ok: true, totalNumber };
  }

  /** A node's access control list, without digests for who may not change it, and its Stat. */
  getAcl(path: string, identities: readonly Identity[] = NOBODY): Read<{ acl: Acl[]; stat: Stat }> {
    const node = this.#find(path);
    if (node === undefined) return refused(ErrorCode.NoNode);
    if (!allows(node.acl, Perm.read | Perm.admin, identities)) return refused(ErrorCode.NoAuth);
    const { acl } = node.acl;
    const mayChange = allows(node.acl, Perm.admin, identities);
    return { ok: true, acl: mayChange ? [...acl] : withoutDigests(acl), stat: node.stat() };
  }

  /** As in ZooKeeper, the root is also the node without a name. */
  #find(path: string): ZNode | undefined {
    return this.current().nodes.get(path === '' ? '/' : path);
  }

  #readable(path: string, identities: readonly Identity[]): ZNode | number {
    const node = this.#find(path);
    if (node === undefined) return ErrorCode.NoNode;
    return allows(node.acl, Perm.read, identities) ? node : ErrorCode.NoAuth;
  }

  /**
   * Sets again the watches of a client that saw everything up to `relativeZxid`. Returns the events
   * it missed, whose watches are not set again; lasting ones tell of nothing missed. Source:
   * DataTree.setWatches.
   */
  setWatches(request: SetWatchesRequest | SetWatches2Request, watcher: Watcher): WatcherEvent[] {
    const { relativeZxid, dataWatches, existWatches, childWatches } = request;
    const missed: WatcherEvent[] = [];
    const miss = (type: number, path: string) => missed.push(watcherEvent(type, path));
    for (const path of dataWatches) {
      const node = this.#find(path);
      if (node === undefined) miss(EventType.deleted, path);
      else if (node.mzxid > relativeZxid) miss(EventType.dataChanged, path);
      else this.watches.add('data', path, watcher);
    }
    for (const path of existWatches) {
      if (this.#find(path) !== undefined) miss(EventType.created, path);
      else this.watches.add('exists', path, watcher);
    }
    for (const path of childWatches) {
      const node = this.#find(path);
      if (node === undefined) miss(EventType.deleted, path);
      else if (node.pzxid > relativeZxid) miss(EventType.childrenChanged, path);
      else this.watches.add('children', path, watcher);
    }
    if (!('persistentWatches' in request)) return missed;
    const { persistentWatches, persistentRecursiveWatches } = request;
    for (const path of persistentWatches) this.watches.addLasting('persistent', path, watcher);
    for (const path of persistentRecursiveWatches) {
      this.watches.addLasting('recursive', path, watcher);
    }
    return missed;
  }
}
