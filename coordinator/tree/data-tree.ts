// The state machine of the coordinator: applies transactions in zxid order and answers reads. What it
// holds follows from the transactions alone; no clock and no randomness enters here.
import type { ApplyResult, Session, StateMachine } from '../contract.ts';
import { ErrorCode, Op } from '../protocol/codes.ts';
import type { MultiResult } from '../protocol/multi.ts';
import type { Stat } from '../protocol/records.ts';
import type { Txn, TxnBody, TxnRecord } from '../txn.ts';
import { follows, type Zxid, zxidHex } from '../zxid.ts';
import { parentOf } from './paths.ts';
import { QuotaValues, statsPath, subtreeOfStats } from './quotas.ts';
import { descendants, TreeReads } from './reads.ts';
import { captureState, loadState, serializeState } from './snapshot.ts';
import { StateError, TreeState } from './tree-state.ts';
import type { NodeChange } from './watches.ts';
import { ZNode } from './znode.ts';

const SUCCESS: ApplyResult = Object.freeze({ err: ErrorCode.Ok });

type CreateBody = Extract<TxnBody, { type: 'create' }>;
type DeleteBody = { path: string; parentCversion: number };
type SetAclBody = Extract<TxnBody, { type: 'setACL' }>;
type SetDataBody = Extract<TxnBody, { type: 'setData' }>;
type CloseBody = Extract<TxnBody, { type: 'closeSession' }>;
type MultiBody = Extract<TxnBody, { type: 'multi' }>;

/** The tree of znodes with sessions and watches. */
export class DataTree extends TreeReads implements StateMachine {
  #state = TreeState.initial();
  /** What the transaction being applied did, if anybody may want to hear of it. */
  #changes: NodeChange[] = [];

  protected override current(): TreeState {
    return this.#state;
  }

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

  get nodeCount(): number {
    return this.#state.nodes.size;
  }

  /** Bytes of all paths and data. */
  get dataBytes(): number {
    return this.#state.dataBytes;
  }

  session(id: number): Session | undefined {
    return this.#state.session(id);
  }

  sessions(): Iterable<Session> {
    return this.#state.sessions();
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
    if (this.#changes.length > 0) this.#fire(txn.zxid);
    return result;
  }

  /** Notes a change for `#fire`: nobody may hear of one part of a multi before the others are there. */
  #note(type: NodeChange['type'], { path, acl }: ZNode, parent: ZNode): void {
    if (this.watches.size > 0) this.#changes.push({ type, path, acl, parentAcl: parent.acl });
  }

  #fire(zxid: Zxid): void {
    const changes = this.#changes;
    this.#changes = [];
    for (const change of changes) this.watches[change.type](change, zxid);
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
        const stat = this.#create(body, txn);
        if (txn.op === Op.create) return { err: ErrorCode.Ok, path: body.path };
        return { err: ErrorCode.Ok, path: body.path, stat };
      }
      case 'delete':
        this.#delete(body, txn.zxid);
        return SUCCESS;
      case 'setData':
        if (txn.op === Op.reconfig) {
          return { err: ErrorCode.Ok, stat: this.#setData(body, txn), data: body.data };
        }
        return { err: ErrorCode.Ok, stat: this.#setData(body, txn) };
      case 'setACL':
        return { err: ErrorCode.Ok, stat: this.#setAcl(body) };
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

  #create(body: CreateBody, txn: Txn): Stat {
    const state = this.#state;
    const { path, data, ephemeralOwner: owner } = body;
    const parent = this.#node(parentOf(path), 'create', path);
    if (owner > 0 && state.session(owner) === undefined) {
      throw new StateError(
        `expected an open session to own ${path}, got 0x${owner.toString(16)}, which is not`,
      );
    }
    // The transaction's buffer belongs to a frame or a log block far larger than the data.
    const own = data === null ? null : Buffer.from(data);
    const node = new ZNode(path, own, state.acls.take(body.acl), owner, txn.zxid, txn.timeMs);
    state.insert(node);
    state.changing(parent);
    parent.created = body.parentCversion;
    parent.pzxid = txn.zxid;
    state.changed(parent);
    // Before quotas are counted: a new node of statistics answers with the data it was given.
    const stat = node.stat();
    const counted = subtreeOfStats(path);
    if (counted !== undefined) this.#recount(counted, node);
    this.#count(path, 1, own?.length ?? 0);
    this.#note('created', node, parent);
    return stat;
  }

  /** Keeps the statistics of the smallest subtree with a quota that the path is in. */
  #count(path: string, nodes: number, bytes: number): void {
    const state = this.#state;
    const subtree = state.quotas.of(path);
    if (subtree === undefined) return;
    const stats = state.nodes.get(statsPath(subtree));
    if (stats === undefined) return;
    const used = QuotaValues.parse(stats.data);
    used.set('count', used.get('count') + nodes);
    used.set('bytes', used.get('bytes') + bytes);
    this.#putStats(stats, used);
  }

  /** Statistics begin with what is there. */
  #recount(subtree: string, stats: ZNode): void {
    const { nodes } = this.#state;
    let count = 0;
    let bytes = 0;
    for (const node of descendants(nodes, subtree)) {
      count++;
      bytes += node.dataLength;
    }
    const used = new QuotaValues();
    used.set('count', count);
    used.set('bytes', bytes);
    this.#putStats(stats, used);
  }

  /** Neither version nor time of the node changes by this, and no watch fires (as in ZooKeeper). */
  #putStats(stats: ZNode, used: QuotaValues): void {
    this.#state.setData(stats, Buffer.from(used.toString()));
    this.#state.changed(stats);
  }

  #setAcl({ path, acl, aversion }: SetAclBody): Stat {
    const node = this.#node(path, 'set the ACL of', path);
    this.#state.setAcl(node, acl);
    node.aversion = aversion;
    this.#state.changed(node);
    return node.stat();
  }

  #delete(body: DeleteBody, zxid: Zxid): void {
    const { path } = body;
    const node = this.#node(path, 'delete', path);
    if (node.numChildren > 0) {
      throw new StateError(`expected no children to delete ${path}, it has ${node.numChildren}`);
    }
    const parent = this.#node(parentOf(path), 'delete', path);
    this.#state.remove(node);
    this.#state.changing(parent);
    parent.created = body.parentCversion;
    parent.pzxid = zxid;
    this.#state.changed(parent);
    this.#count(path, -1, -node.dataLength);
    this.#note('deleted', node, parent);
  }

  #setData(body: SetDataBody, txn: Txn): Stat {
    const state = this.#state;
    const node = this.#node(body.path, 'setData', body.path);
    const own = body.data === null ? null : Buffer.from(body.data);
    const grown = (own?.length ?? 0) - node.dataLength;
    state.setData(node, own);
    node.version = body.version;
    node.mzxid = txn.zxid;
    node.mtime = txn.timeMs;
    state.changed(node);
    this.#count(body.path, 0, grown);
    this.#note('dataChanged', node, node);
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
          return this.#createPart(part, txn);
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

  #createPart(part: CreateBody, txn: Txn): MultiResult {
    const { path } = part;
    const stat = this.#create(part, txn);
    return part.withStat === true ? { type: Op.create2, path, stat } : { type: Op.create, path };
  }

  #node(path: string, change: string, of: string): ZNode {
    const node = this.#state.nodes.get(path);
    if (node === undefined) throw new StateError(`expected a node ${path} to ${change} ${of}`);
    return node;
  }

  // ---- snapshots ----

  serialize(): Buffer[] {
    return serializeState(this.#state);
  }

  capture(nodesPerTurn?: number): Buffer[] | Promise<Buffer[]> {
    return captureState(this.#state, nodesPerTurn);
  }

  load(chunks: readonly Buffer[]): void {
    this.#state = loadState(chunks);
  }
}
