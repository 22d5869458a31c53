// What is proposed but not yet applied, laid over the tree: requests are decided against this, or two
// of them under way at once would be decided from the same past. Source: outstandingChanges of
// ZooKeeper's PrepRequestProcessor.
import type { Zxid } from '../zxid.ts';
import type { DataTree } from './data-tree.ts';
import type { NodeView } from './znode.ts';

/** A node as it will be after the transaction `zxid`. Never changed, only replaced. */
export interface PendingNode extends NodeView {
  readonly zxid: Zxid;
  readonly path: string;
  /** False: deleted by then. */
  readonly present: boolean;
}

/** Freed entries are cut off the queue in bulk, or shifting it would dominate. */
const FREED_MAX = 4096;

const NOTHING: ReadonlySet<string> = new Set();

interface PendingSession {
  readonly zxid: Zxid;
  readonly session: number;
}

interface Replaced {
  readonly path: string;
  readonly previous: PendingNode | undefined;
}

/** The tree as it will be once everything proposed is applied. */
export class Overlay {
  readonly #tree: DataTree;
  readonly #nodes = new Map<string, PendingNode>();
  /** Per session: the paths in `#nodes` that are present and its own. */
  readonly #ephemerals = new Map<number, Set<string>>();
  readonly #opening = new Set<number>();
  readonly #closing = new Set<number>();
  /** In zxid order, those taken back included; what lies before `#freed` is applied. */
  readonly #queue: PendingNode[] = [];
  readonly #sessionQueue: PendingSession[] = [];
  #freed = 0;
  /** While a multi is prepared: what each replaced, to be put back if it fails. */
  #undo: Replaced[] | null = null;

  constructor(tree: DataTree) {
    this.#tree = tree;
  }

  /** Paths with a change under way. */
  get size(): number {
    return this.#nodes.size;
  }

  /** The node as it will be; undefined: it will not be there. */
  node(path: string): NodeView | undefined {
    const pending = this.#nodes.get(path);
    if (pending === undefined) return this.#tree.view(path);
    return pending.present ? pending : undefined;
  }

  /** Whether a change of the node is under way. */
  isPending(path: string): boolean {
    return this.#nodes.has(path);
  }

  put(node: PendingNode): void {
    const previous = this.#nodes.get(node.path);
    this.#undo?.push({ path: node.path, previous });
    this.#replace(node.path, node, previous);
    this.#queue.push(node);
  }

  #replace(path: string, next: PendingNode | undefined, previous: PendingNode | undefined): void {
    if (previous?.present === true && previous.ephemeralOwner > 0) {
      const owned = this.#ephemerals.get(previous.ephemeralOwner);
      owned?.delete(path);
      if (owned?.size === 0) this.#ephemerals.delete(previous.ephemeralOwner);
    }
    if (next === undefined) this.#nodes.delete(path);
    else this.#nodes.set(path, next);
    if (next?.present === true && next.ephemeralOwner > 0) {
      const owned = this.#ephemerals.get(next.ephemeralOwner);
      if (owned !== undefined) owned.add(path);
      else this.#ephemerals.set(next.ephemeralOwner, new Set([path]));
    }
  }

  /**
   * Runs `change`; if it returns false, all it put is taken back, counters of sequential nodes
   * included (ZOOKEEPER-1624).
   */
  atomically(change: () => boolean): void {
    const undo: Replaced[] = [];
    this.#undo = undo;
    const keep = change();
    this.#undo = null;
    if (keep) return;
    for (const { path, previous } of undo.reverse()) {
      this.#replace(path, previous, this.#nodes.get(path));
    }
  }

  /** Whether a session will be open: requests of it may change things. */
  isOpen(session: number): boolean {
    if (this.#closing.has(session)) return false;
    return this.#opening.has(session) || this.#tree.session(session) !== undefined;
  }

  isClosing(session: number): boolean {
    return this.#closing.has(session);
  }

  openSession(session: number, zxid: Zxid): void {
    this.#opening.add(session);
    this.#sessionQueue.push({ zxid, session });
  }

  /** From here on the session can create nothing, long before its close is applied (ZOOKEEPER-1208). */
  closeSession(session: number, zxid: Zxid): void {
    this.#closing.add(session);
    this.#sessionQueue.push({ zxid, session });
  }

  /** Paths of the ephemeral nodes a session will have, sorted. */
  ephemerals(session: number): string[] {
    const applied = this.#tree.ephemerals(session);
    const pending = this.#ephemerals.get(session) ?? NOTHING;
    const paths = [...applied].filter((path) => !this.#nodes.has(path));
    return [...paths, ...pending].sort();
  }

  /** Everything up to `zxid` is in the tree. */
  applied(zxid: Zxid): void {
    for (;;) {
      const node = this.#queue[this.#freed];
      if (node === undefined || node.zxid > zxid) break;
      this.#freed++;
      // A later change of the same path still counts; one that was taken back never did.
      if (this.#nodes.get(node.path) === node) this.#replace(node.path, undefined, node);
    }
    if (this.#freed === this.#queue.length || this.#freed >= FREED_MAX) {
      this.#queue.splice(0, this.#freed);
      this.#freed = 0;
    }
    for (let head = this.#sessionQueue[0]; head !== undefined; head = this.#sessionQueue[0]) {
      if (head.zxid > zxid) break;
      this.#sessionQueue.shift();
      // A session's id is the zxid that opens it.
      if (head.session === head.zxid) this.#opening.delete(head.session);
      else this.#closing.delete(head.session);
    }
  }
}
