// The state machine of the coordinator: applies transactions in zxid order and answers reads. What it
// holds follows from the transactions alone; no clock and no randomness enters here.
import type { ApplyResult, Session, StateMachine } from '../contract.ts';
import { ErrorCode, EventType, Op, Perm } from '../protocol/codes.ts';
import type {
  Acl,
  MultiResult,
  SetWatchesRequest,
  Stat,
  WatcherEvent,
} from '../protocol/records.ts';
import type { Txn, TxnBody, TxnRecord } from '../txn.ts';
import { follows, type Zxid, zxidHex } from '../zxid.ts';
import { parentOf } from './paths.ts';
import { loadState, serializeState } from './snapshot.ts';
import { StateError, TreeState } from './tree-state.ts';
import { type Watcher, Watches, watcherEvent } from './watches.ts';
import { type NodeView, ZNode } from './znode.ts';

/** A read's outcome: what was asked for, or a number of ErrorCode. */
export type Read<T> = ({ ok: true } & T) | { ok: false; err: number };

const SUCCESS: ApplyResult = Object.freeze({ err: ErrorCode.Ok });

type CreateBody = Extract<TxnBody, { type: 'create' }>;
type DeleteBody = { path: string; parentCversion: number };
type SetDataBody = Extract<TxnBody, { type: 'setData' }>;
type CloseBody = Extract<TxnBody, { type: 'closeSession' }>;
type MultiBody = Extract<TxnBody, { type: 'multi' }>;

/** The tree of znodes with sessions and watches. */
export class DataTree implements StateMachine {
  /** Watches of this server's clients. They outlive `load`: who loads closes its clients first. */
  readonly watches = new Watches();
  #state = TreeState.initial();

  get lastApplied(): Zxid {
    return this.#state.lastApplied;
  }

  digest(): string {
    return this.#state.digest();
  }

  /** The digest from the content alone; costs a pass over all of it. For verification. */
  recomputeDigest(): string {
    return this.#state.recomputeDigest();
  }

  /** Counts for `mntr`; `dataBytes` is approximate. */
  counts(): { nodes: number; ephemerals: number; sessions: number; dataBytes: number } {
    const { nodes, ephemeralCount, sessionCount, dataBytes } = this.#state;
    return { nodes: nodes.size, ephemerals: ephemeralCount, sessions: sessionCount, dataBytes };
  }

  session(id: number): Session | undefined {
    return this.#state.session(id);
  }

  sessions(): Iterable<Session> {
    return this.#state.sessions();
  }

  /** What a request on a path depends on; undefined: no such node. */
  view(path: string): NodeView | undefined {
    return this.#state.nodes.get(path);
  }

  /** Paths of a session's ephemeral nodes. */
  ephemerals(session: number): ReadonlySet<string> {
    return this.#state.ephemerals(session);
  }

  // ---- reads: each sets its watch in the same call, so that no change falls in between ----

  /** Data and Stat of a node; a watcher is set only if there is one. */
  getData(path: string, watcher?: Watcher): Read<{ data: Buffer | null; stat: Stat }> {
    const node = this.#readable(path);
    if (typeof node === 'number') return { ok: false, err: node };
    if (watcher !== undefined) this.watches.add('data', path, watcher);
    return { ok: true, data: node.data, stat: node.stat() };
  }

  /** A node's Stat; a watcher is set whether it exists or not. Needs no permission. */
  exists(path: string, watcher?: Watcher): Read<{ stat: Stat }> {
    if (watcher !== undefined) this.watches.add('exists', path, watcher);
    const node = this.#state.nodes.get(path);
    if (node === undefined) return { ok: false, err: ErrorCode.NoNode };
    return { ok: true, stat: node.stat() };
  }

  /** Names of a node's children in the order of their creation, the same on every server. */
  getChildren(path: string, watcher?: Watcher): Read<{ children: string[]; stat: Stat }> {
    const node = this.#readable(path);
    if (typeof node === 'number') return { ok: false, err: node };
    if (watcher !== undefined) this.watches.add('children', path, watcher);
    return { ok: true, children: [...node.children], stat: node.stat() };
  }

  /** A node's access control list and Stat. */
  getAcl(path: string): Read<{ acl: Acl[]; stat: Stat }> {
    const node = this.#state.nodes.get(path);
    if (node === undefined) return { ok: false, err: ErrorCode.NoNode };
    if ((node.worldPerms & (Perm.read | Perm.admin)) === 0) {
      return { ok: false, err: ErrorCode.NoAuth };
    }
    return { ok: true, acl: [...node.acl.acl], stat: node.stat() };
  }

  #readable(path: string): ZNode | number {
    const node = this.#state.nodes.get(path);
    if (node === undefined) return ErrorCode.NoNode;
    return (node.worldPerms & Perm.read) === 0 ? ErrorCode.NoAuth : node;
  }

  /**
   * Sets again the watches of a client that saw everything up to `relativeZxid`. Returns the events
   * it missed, which are not set again. Source: DataTree.setWatches.
   */
  setWatches(request: SetWatchesRequest, watcher: Watcher): WatcherEvent[] {
    const { relativeZxid, dataWatches, existWatches, childWatches } = request;
    const { nodes } = this.#state;
    const missed: WatcherEvent[] = [];
    const miss = (type: number, path: string) => missed.push(watcherEvent(type, path));
    for (const path of dataWatches) {
      const node = nodes.get(path);
      if (node === undefined) miss(EventType.deleted, path);
      else if (node.mzxid > relativeZxid) miss(EventType.dataChanged, path);
      else this.watches.add('data', path, watcher);
    }
    for (const path of existWatches) {
      if (nodes.has(path)) miss(EventType.created, path);
      else this.watches.add('exists', path, watcher);
    }
    for (const path of childWatches) {
      const node = nodes.get(path);
      if (node === undefined) miss(EventType.deleted, path);
      else if (node.pzxid > relativeZxid) miss(EventType.childrenChanged, path);
      else this.watches.add('children', path, watcher);
    }
    return missed;
  }

  // ---- transactions ----

  /**
   * Applies the next transaction. A failed multi gives err 0 and the per-operation errors in `multi`,
   * since its reply's header carries no error. Throws StateError when the transaction is not the next
   * one or contradicts the state; the server must then stop.
   */
  apply(record: TxnRecord): ApplyResult {
    const { txn } = record;
    this.#checkOrder(txn.zxid);
    const result = this.#applyBody(txn);
    // Only now, with all of it applied, does the state count as being at this zxid (ZOOKEEPER-3127).
    this.#state.lastApplied = txn.zxid;
    if (this.watches.size > 0) this.#fire(txn.body, txn.zxid);
    return result;
  }

  #checkOrder(zxid: Zxid): void {
    const last = this.#state.lastApplied;
    if (follows(last, zxid)) return;
    throw new StateError(
      `expected the transaction after ${zxidHex(last)} (the next one, or the first of a later ` +
        `epoch), got ${zxidHex(zxid)}: the log and the state do not belong together`,
    );
  }

  #applyBody(txn: Txn): ApplyResult {
    const { body } = txn;
    switch (body.type) {
      case 'create': {
        const node = this.#create(body, txn);
        if (txn.op !== Op.create2) return { err: ErrorCode.Ok, path: node.path };
        return { err: ErrorCode.Ok, path: node.path, stat: node.stat() };
      }
      case 'delete':
        this.#delete(body, txn.zxid);
        return SUCCESS;
      case 'setData':
        return { err: ErrorCode.Ok, stat: this.#setData(body, txn) };
      case 'check':
        return SUCCESS;
      case 'createSession':
        this.#state.addSession({
          id: txn.zxid,
          timeoutMs: body.timeoutMs,
          password: Buffer.from(body.password ?? []),
        });
        return SUCCESS;
      case 'closeSession':
        this.#closeSession(body, txn.zxid);
        return SUCCESS;
      case 'error':
        return { err: body.error };
      case 'multi':
        return { err: ErrorCode.Ok, multi: this.#multi(body, txn) };
      case 'noop':
        return SUCCESS;
    }
  }

  #create(body: CreateBody, txn: Txn): ZNode {
    const state = this.#state;
    const { path, data, ephemeralOwner: owner } = body;
    const parent = this.#node(parentOf(path), 'create', path);
    if (owner !== 0 && state.session(owner) === undefined) {
      throw new StateError(
        `expected an open session to own ${path}, got 0x${owner.toString(16)}, which is not`,
      );
    }
    // The transaction's buffer belongs to a frame or a log block far larger than the data.
    const own = data === null ? null : Buffer.from(data);
    const node = new ZNode(path, own, state.acls.take(body.acl), owner, txn.zxid, txn.timeMs);
    state.insert(node);
    parent.created = body.parentCversion;
    parent.pzxid = txn.zxid;
    state.changed(parent);
    return node;
  }

  #delete(body: DeleteBody, zxid: Zxid): void {
    const { path } = body;
    const node = this.#node(path, 'delete', path);
    if (node.numChildren > 0) {
      throw new StateError(`expected no children to delete ${path}, it has ${node.numChildren}`);
    }
    const parent = this.#node(parentOf(path), 'delete', path);
    this.#state.remove(node);
    parent.created = body.parentCversion;
    parent.pzxid = zxid;
    this.#state.changed(parent);
  }

  #setData(body: SetDataBody, txn: Txn): Stat {
    const state = this.#state;
    const node = this.#node(body.path, 'setData', body.path);
    const own = body.data === null ? null : Buffer.from(body.data);
    state.dataBytes += (own?.length ?? 0) - (node.data?.length ?? 0);
    node.setData(own);
    node.version = body.version;
    node.mzxid = txn.zxid;
    node.mtime = txn.timeMs;
    state.changed(node);
    return node.stat();
  }

  #closeSession(body: CloseBody, zxid: Zxid): void {
    const state = this.#state;
    for (const each of body.deletes) {
      const owner = state.nodes.get(each.path)?.ephemeralOwner;
      if (owner !== body.session) {
        throw new StateError(
          `expected ${each.path} to belong to the session 0x${body.session.toString(16)} that is ` +
            `closed, its owner is ${owner === undefined ? 'nobody' : `0x${owner.toString(16)}`}`,
        );
      }
      this.#delete(each, zxid);
    }
    const left = state.ephemerals(body.session);
    if (left.size > 0) {
      throw new StateError(
        `expected no ephemeral nodes of 0x${body.session.toString(16)} after its close, ` +
          `${left.size} are left: ${[...left].slice(0, 5).join(' ')}`,
      );
    }
    state.removeSession(body.session);
  }

  #multi(body: MultiBody, txn: Txn): MultiResult[] {
    return body.parts.map((part): MultiResult => {
      switch (part.type) {
        case 'create':
          return { type: Op.create, path: this.#create(part, txn).path };
        case 'delete':
          this.#delete(part, txn.zxid);
          return { type: Op.delete };
        case 'setData':
          return { type: Op.setData, stat: this.#setData(part, txn) };
        case 'check':
          return { type: Op.check };
        case 'error':
          return { type: Op.error, err: part.error };
        default:
          throw new StateError(
            `expected create, delete, setData, check or error in a multi, got ${part.type}`,
          );
      }
    });
  }

  #node(path: string, change: string, of: string): ZNode {
    const node = this.#state.nodes.get(path);
    if (node === undefined) throw new StateError(`expected a node ${path} to ${change} ${of}`);
    return node;
  }

  // A second walk over the change, because nobody may hear of one part of a multi before the other
  // parts are in the tree.
  #fire(body: TxnBody, zxid: Zxid): void {
    switch (body.type) {
      case 'create':
        this.watches.created(body.path, parentOf(body.path), zxid);
        break;
      case 'delete':
        this.watches.deleted(body.path, parentOf(body.path), zxid);
        break;
      case 'setData':
        this.watches.dataChanged(body.path, zxid);
        break;
      case 'closeSession':
        for (const { path } of body.deletes) this.watches.deleted(path, parentOf(path), zxid);
        break;
      case 'multi':
        for (const part of body.parts) this.#fire(part, zxid);
        break;
      default:
        break;
    }
  }

  // ---- snapshots ----

  serialize(): Buffer[] {
    return serializeState(this.#state);
  }

  load(chunks: readonly Buffer[]): void {
    this.#state = loadState(chunks);
  }
}
