// The replicated state itself: znodes, sessions, who owns which ephemeral node, and the digest over
// all of it. It only keeps these four in step; what a transaction means is the tree's business.
import type { Session } from '../contract.ts';
import { type Acl, OPEN_ACL } from '../protocol/records.ts';
import type { Zxid } from '../zxid.ts';
import { AclTable, describeAcl } from './acls.ts';
import { type Hashed, hasher, StateDigest } from './digest.ts';
import { nameOf, parentOf } from './paths.ts';
import { QuotaIndex } from './quotas.ts';
import { type NodeImage, ZNode } from './znode.ts';

/** A replicated state that contradicts itself: this server must stop, it cannot be trusted. */
export class StateError extends Error {
  override name = 'StateError';
}

interface HashedSession extends Hashed {
  readonly session: Session;
}

const NONE: ReadonlySet<string> = new Set();

function hashSession(session: Session): HashedSession {
  const { hashA, hashB } = hasher
    .begin()
    .long(session.id)
    .word(session.timeoutMs)
    .bytes(session.password)
    .end();
  return { session, hashA, hashB };
}

/** The state at one zxid. */
export class TreeState {
  lastApplied: Zxid = 0;
  readonly nodes = new Map<string, ZNode>();
  /** A node takes its list when it is made; `remove` gives it back. */
  readonly acls = new AclTable();
  /** Bytes of all data and paths, for metrics. */
  dataBytes = 0;
  readonly quotas = new QuotaIndex();
  /** Paths of containers and of nodes with a time to live. */
  readonly mortals = new Set<string>();
  readonly #sessions = new Map<number, HashedSession>();
  readonly #ephemerals = new Map<number, Set<string>>();
  readonly #digest = new StateDigest();
  /** Nodes changed since a capture began, as they were then. */
  #before: Map<ZNode, NodeImage> | undefined;

  /** The state before the first transaction: the nodes that ZooKeeper itself begins with. */
  static initial(): TreeState {
    const state = new TreeState();
    const empty = Buffer.alloc(0);
    const root = new ZNode('/', empty, state.acls.take(OPEN_ACL), 0, 0, 0);
    state.adopt(root);
    for (const path of ['/zookeeper', '/zookeeper/config', '/zookeeper/quota']) {
      const isConfig = path === '/zookeeper/config';
      const acl = isConfig ? [{ perms: 1, scheme: 'world', id: 'anyone' }] : OPEN_ACL;
      const node = new ZNode(path, empty, state.acls.take(acl), 0, 0, 0);
      if (isConfig) node.aversion = -1;
      state.adopt(node);
    }
    state.rehashAll();
    return state;
  }

  digest(): string {
    return this.#digest.hex();
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  session(id: number): Session | undefined {
    return this.#sessions.get(id)?.session;
  }

  *sessions(): IterableIterator<Session> {
    for (const { session } of this.#sessions.values()) yield session;
  }

  addSession(session: Session): void {
    if (this.#sessions.has(session.id)) {
      throw new StateError(`expected a new session, got 0x${session.id.toString(16)} again`);
    }
    const hashed = hashSession(session);
    this.#sessions.set(session.id, hashed);
    this.#digest.add(hashed);
  }

  removeSession(id: number): void {
    const hashed = this.#sessions.get(id);
    if (hashed === undefined) {
      throw new StateError(`expected an open session to close, got 0x${id.toString(16)}`);
    }
    this.#sessions.delete(id);
    this.#digest.subtract(hashed);
  }

  /** Paths of a session's ephemeral nodes. */
  ephemerals(session: number): ReadonlySet<string> {
    return this.#ephemerals.get(session) ?? NONE;
  }

  /** How many ephemeral nodes there are. */
  get ephemeralCount(): number {
    let count = 0;
    for (const paths of this.#ephemerals.values()) count += paths.size;
    return count;
  }

  /**
   * From now on keeps every node that is to be changed as it is now, until `forgetBefore`. One at a time:
   * throws StateError.
   */
  keepBefore(): ReadonlyMap<ZNode, NodeImage> {
    if (this.#before !== undefined) {
      throw new StateError('expected no capture of the state under way, one is');
    }
    this.#before = new Map();
    return this.#before;
  }

  forgetBefore(): void {
    this.#before = undefined;
  }

  /** To be called before any change of a node. */
  changing(node: ZNode): void {
    const before = this.#before;
    if (before !== undefined && !before.has(node)) before.set(node, node.image());
  }

  /** Takes a node's old hash out of the digest and its new one in: call after every change of it. */
  changed(node: ZNode): void {
    this.#digest.subtract(node);
    node.rehash();
    this.#digest.add(node);
  }

  /** Gives a node another access list; call `changed` after it. */
  setAcl(node: ZNode, acl: readonly Acl[]): void {
    this.changing(node);
    const before = node.acl;
    node.acl = this.acls.take(acl);
    this.acls.release(before);
  }

  /** Replaces a node's data; call `changed` after it. */
  setData(node: ZNode, data: Buffer | null): void {
    this.changing(node);
    this.dataBytes += (data?.length ?? 0) - node.dataLength;
    node.setData(data);
  }

  /** Puts a new node below its parent, which is changed too but not yet hashed again. */
  insert(node: ZNode): void {
    this.adopt(node);
    this.#digest.add(node);
  }

  /** Takes a childless node out; its parent is changed too but not yet hashed again. */
  remove(node: ZNode): void {
    this.nodes.delete(node.path);
    this.nodes.get(parentOf(node.path))?.removeChild(nameOf(node.path));
    this.#digest.subtract(node);
    this.acls.release(node.acl);
    this.dataBytes -= node.path.length + (node.data?.length ?? 0);
    this.quotas.removed(node.path);
    if (node.ephemeralOwner < 0) this.mortals.delete(node.path);
    else if (node.ephemeralOwner > 0) {
      const owned = this.#ephemerals.get(node.ephemeralOwner);
      owned?.delete(node.path);
      if (owned?.size === 0) this.#ephemerals.delete(node.ephemeralOwner);
    }
  }

  /** Links a node into maps and parent and leaves the digest alone: `rehashAll` must follow. */
  adopt(node: ZNode): void {
    const { path } = node;
    if (this.nodes.has(path)) throw new StateError(`expected no node at ${path}, found one`);
    if (path !== '/') {
      const parent = this.nodes.get(parentOf(path));
      if (parent === undefined) throw new StateError(`expected a parent of ${path}, found none`);
      parent.addChild(nameOf(path));
    }
    this.nodes.set(path, node);
    this.dataBytes += path.length + (node.data?.length ?? 0);
    this.quotas.added(path);
    if (node.ephemeralOwner < 0) this.mortals.add(path);
    if (node.ephemeralOwner <= 0) return;
    const owned = this.#ephemerals.get(node.ephemeralOwner);
    if (owned !== undefined) owned.add(path);
    else this.#ephemerals.set(node.ephemeralOwner, new Set([path]));
  }

  /** Hashes every adopted node again and adds it to the digest; once, after the last `adopt`. */
  rehashAll(): void {
    for (const node of this.nodes.values()) {
      node.rehash();
      this.#digest.add(node);
    }
  }

  /** The digest computed from the content alone, trusting no hash kept on the way. */
  recomputeDigest(): string {
    const digest = new StateDigest();
    for (const node of this.nodes.values()) {
      const copy = node.copy();
      copy.rehashAll(describeAcl(node.acl.acl));
      digest.add(copy);
    }
    for (const { session } of this.#sessions.values()) digest.add(hashSession(session));
    return digest.hex();
  }
}
