// Turns requests into transactions on the leader: decides each against everything already proposed,
// so that what is applied later cannot fail. Source: PrepRequestProcessor of ZooKeeper 3.8.
import { ByteReader, WireError } from '../../wire/bytes.ts';
import type { ClientRequest, Preparer } from '../contract.ts';
import { CreateFlag, ErrorCode, FRAME_BYTES_MAX, Op } from '../protocol/codes.ts';
import { buffer, int, record, text } from '../protocol/jute.ts';
import { type MultiOp, MultiRequest } from '../protocol/multi.ts';
import {
  CheckVersionRequest,
  CreateRequest,
  CreateTtlRequest,
  DeleteRequest,
  SetAclRequest,
  SetDataRequest,
} from '../protocol/records.ts';
import type { TxnBody } from '../txn.ts';
import { type Zxid, zxidHex } from '../zxid.ts';
import { NOBODY } from './acls.ts';
import type { DataTree } from './data-tree.ts';
import { type Asker, type Decision, hasTtl, NodeChanges } from './node-changes.ts';
import { Overlay } from './overlay.ts';
import { parentOf } from './paths.ts';
import { QuotaWatch } from './quota-watch.ts';
import { GrowthBound, NO_TREE_LIMITS, type TreeLimits } from './size-limits.ts';
import { StateError } from './tree-state.ts';

/** Body of a createSession request, as the client's server sends it. */
export const CreateSessionRequest = record({ timeoutMs: int, password: buffer });

/**
 * What the leader itself may ask, of no session: to end a node (its body is the path), and to write down
 * the ensemble (its body is the text; a client's wish has become that before it comes here).
 */
const LEADERS_OWN: ReadonlySet<number> = new Set([Op.deleteContainer, Op.reconfig]);

/** The largest session password accepted, in bytes; ours have 16. */
const PASSWORD_BYTES_MAX = 64;

export interface PreparerOptions {
  /** Whether nodes may have a time to live (extendedTypesEnabled). Default true. */
  extendedTypes?: boolean;
  /** Whether a hard limit of a quota refuses what would pass it (enforceQuota). Default false. */
  enforceQuota?: boolean;
  /** Told of limits of quotas that are passed; at most once a minute for each subtree. */
  warn?: (message: string) => void;
  /** How large the tree may grow. Default: without bound. */
  limits?: TreeLimits;
  /** Largest request, bytes (jute.maxbuffer). Default 1 MB. */
  frameBytesMax?: number;
}

/** The leader's foresight over a tree. */
export class TxnPreparer implements Preparer {
  readonly #tree: DataTree;
  readonly #overlay: Overlay;
  readonly #quotas: QuotaWatch;
  readonly #growth: GrowthBound;
  readonly #nodes: NodeChanges;
  readonly #frameBytesMax: number;
  #last: Zxid;

  constructor(tree: DataTree, options: PreparerOptions = {}) {
    this.#tree = tree;
    this.#overlay = new Overlay(tree);
    this.#quotas = new QuotaWatch(tree, options.enforceQuota ?? false, options.warn);
    this.#growth = new GrowthBound(options.limits ?? NO_TREE_LIMITS, tree);
    this.#nodes = new NodeChanges({
      overlay: this.#overlay,
      quotas: this.#quotas,
      growth: this.#growth,
      extendedTypes: options.extendedTypes ?? true,
    });
    this.#frameBytesMax = options.frameBytesMax ?? FRAME_BYTES_MAX;
    this.#last = tree.lastApplied;
  }

  /** Paths with a change under way, for metrics. */
  get outstanding(): number {
    return this.#overlay.size;
  }

  /** Throws StateError only for a zxid that does not ascend: a fault of the caller. */
  prepare(request: ClientRequest, zxid: Zxid, timeMs: number): TxnBody {
    if (zxid <= this.#last) {
      throw new StateError(`expected a zxid above ${zxidHex(this.#last)}, got ${zxidHex(zxid)}`);
    }
    this.#last = zxid;
    this.#quotas.timeMs = timeMs;
    const decision = this.#decide(request, zxid);
    return typeof decision === 'number' ? { type: 'error', error: decision } : decision;
  }

  applied(zxid: Zxid): void {
    this.#overlay.applied(zxid);
    this.#quotas.applied(zxid);
    this.#growth.applied(zxid);
  }

  closing(session: number): boolean {
    return this.#overlay.isClosing(session);
  }

  overdue(nowMs: number, unusedMsMax: number): string[] {
    const paths = this.#tree.overdue(nowMs, unusedMsMax);
    // A change that is under way may give it a child or begin its time anew.
    return paths.filter((path) => !this.#overlay.isPending(path));
  }

  configuration(): string {
    return this.#tree.configuration();
  }

  #decide(request: ClientRequest, zxid: Zxid): Decision {
    const { op, session, body, identities = NOBODY } = request;
    const asker: Asker = { session, identities, zxid };
    const isLeaders = session === 0 && LEADERS_OWN.has(op);
    if (!isLeaders && op !== Op.createSession && !this.#overlay.isOpen(session))
      return ErrorCode.SessionExpired;
    if (body.length > this.#frameBytesMax) return ErrorCode.BadArguments;
    const reader = new ByteReader(body);
    try {
      switch (op) {
        case Op.create:
        case Op.create2:
        case Op.createContainer: {
          const container = op === Op.createContainer;
          return this.#nodes.create({ ...CreateRequest.read(reader), ttl: -1, container }, asker);
        }
        case Op.createTTL:
          return this.#nodes.create({ ...CreateTtlRequest.read(reader), container: false }, asker);
        case Op.delete:
          return this.#nodes.delete(DeleteRequest.read(reader), asker);
        case Op.setData:
          return this.#nodes.setData(SetDataRequest.read(reader), asker);
        case Op.setACL:
          return this.#nodes.setAcl(SetAclRequest.read(reader), asker);
        case Op.check:
          return this.#nodes.check(CheckVersionRequest.read(reader), asker);
        case Op.multi:
          return this.#multi(MultiRequest.read(reader), asker);
        case Op.createSession:
          return this.#createSession(reader, zxid);
        case Op.closeSession:
          return this.#closeSession(session, zxid);
        case Op.deleteContainer:
          if (!isLeaders) return ErrorCode.Unimplemented;
          return this.#nodes.deleteContainer(text.read(reader), zxid);
        case Op.reconfig:
          return this.#nodes.configure(Buffer.from(text.read(reader)), asker);
        default:
          return ErrorCode.Unimplemented;
      }
    } catch (error) {
      // Only decoding throws this, and it comes before any change of the overlay.
      if (error instanceof WireError) return ErrorCode.MarshallingError;
      throw error;
    }
  }

  #multi(ops: MultiOp[], asker: Asker): Decision {
    const parts: TxnBody[] = [];
    let culprit = -1;
    let error = 0;
    const counted = this.#quotas.mark();
    this.#overlay.atomically(() => {
      for (const [i, op] of ops.entries()) {
        const decision = this.#part(op, asker);
        if (typeof decision === 'number') {
          culprit = i;
          error = decision;
          return false;
        }
        parts.push(decision);
      }
      return true;
    });
    if (culprit < 0) return { type: 'multi', parts };
    this.#quotas.back(counted);
    const blamed = ops[culprit] as MultiOp;
    // A time to live is asked for and the request has no place for it: ZooKeeper comes to it and breaks.
    const lacksTtl = 'flags' in blamed && hasTtl(blamed.flags) && !('ttl' in blamed);
    if (lacksTtl) return ErrorCode.MarshallingError;
    const failed = ops.map((_, i): TxnBody => {
      if (i < culprit) return { type: 'error', error: ErrorCode.Ok };
      return { type: 'error', error: i === culprit ? error : ErrorCode.RuntimeInconsistency };
    });
    return { type: 'multi', parts: failed };
  }

  #part(op: MultiOp, asker: Asker): Decision {
    switch (op.type) {
      case Op.create:
      case Op.create2:
      case Op.createContainer:
      case Op.createTTL: {
        // In a multi it is the flags that say what is created (ZooKeeper's class Op).
        const container = op.flags === CreateFlag.container;
        const isTtl = op.type === Op.createTTL && hasTtl(op.flags);
        const ttl = isTtl ? op.ttl : -1;
        const decision = this.#nodes.create({ ...op, ttl, container }, asker);
        const withStat = container || isTtl || op.type === Op.create2;
        if (typeof decision === 'number' || decision.type !== 'create' || !withStat) {
          return decision;
        }
        return { ...decision, withStat };
      }
      case Op.delete:
        return this.#nodes.delete(op, asker);
      case Op.setData:
        return this.#nodes.setData(op, asker);
      case Op.check:
        return this.#nodes.check(op, asker);
    }
  }

  #createSession(reader: ByteReader, zxid: Zxid): Decision {
    const { timeoutMs, password } = CreateSessionRequest.read(reader);
    if (timeoutMs <= 0 || password === null || password.length > PASSWORD_BYTES_MAX) {
      return ErrorCode.BadArguments;
    }
    this.#overlay.openSession(zxid, zxid);
    return { type: 'createSession', timeoutMs, password };
  }

  #closeSession(session: number, zxid: Zxid): Decision {
    const deletes = this.#overlay.ephemerals(session).map((path) => {
      const parent = this.#overlay.node(parentOf(path));
      const node = this.#overlay.node(path);
      if (parent === undefined || node === undefined) {
        throw new StateError(
          `expected ${path} and a parent of it, found ${node ? 'no' : 'only a'} parent`,
        );
      }
      return { path, parentCversion: this.#nodes.remove(path, node, parent, zxid) };
    });
    this.#overlay.closeSession(session, zxid);
    return { type: 'closeSession', session, deletes };
  }
}
