// Turns requests into transactions on the leader: decides each against everything already proposed,
// so that what is applied later cannot fail. Source: PrepRequestProcessor of ZooKeeper 3.8.
import { ByteReader, WireError } from '../../wire/bytes.ts';
import type { ClientRequest, Preparer } from '../contract.ts';
import { CreateFlag, ErrorCode, FRAME_BYTES_MAX, Op, Perm } from '../protocol/codes.ts';
import { buffer, int, record } from '../protocol/jute.ts';
import {
  CheckVersionRequest,
  CreateRequest,
  DeleteRequest,
  type MultiOp,
  MultiRequest,
  SetDataRequest,
} from '../protocol/records.ts';
import type { TxnBody } from '../txn.ts';
import { type Zxid, zxidHex } from '../zxid.ts';
import { fixAcl, worldPerms } from './acls.ts';
import type { DataTree } from './data-tree.ts';
import { Overlay, type PendingNode } from './overlay.ts';
import { isValidPath, parentOf, SPECIAL_PATHS, sequenceSuffix } from './paths.ts';
import { StateError } from './tree-state.ts';
import type { NodeView } from './znode.ts';

/** Body of a createSession request, as the client's server sends it. */
export const CreateSessionRequest = record({ timeoutMs: int, password: buffer });

/** The largest session password accepted, in bytes; ours have 16. */
const PASSWORD_BYTES_MAX = 64;

/** A transaction, or a number of ErrorCode (which is never positive). */
type Decision = TxnBody | number;

/** The version after a change: it wraps, and skips −1, which means "any" (ZOOKEEPER-4743). */
export function nextVersion(version: number): number {
  const next = (version + 1) | 0;
  return next === -1 ? 0 : next;
}

function after(node: NodeView, path: string, zxid: Zxid): PendingNode {
  const { version, created, numChildren, ephemeralOwner, worldPerms: perms } = node;
  const values = { version, created, numChildren, ephemeralOwner, worldPerms: perms };
  return { zxid, path, present: true, ...values };
}

function absent(path: string, zxid: Zxid): PendingNode {
  const values = { version: 0, created: 0, numChildren: 0, ephemeralOwner: 0, worldPerms: 0 };
  return { zxid, path, present: false, ...values };
}

/**
 * The leader's foresight over a tree. Clients cannot authenticate yet, so a permission is there if
 * the ACL gives it to world:anyone.
 */
export class TxnPreparer implements Preparer {
  readonly #overlay: Overlay;
  #last: Zxid;

  constructor(tree: DataTree) {
    this.#overlay = new Overlay(tree);
    this.#last = tree.lastApplied;
  }

  /** Paths with a change under way, for metrics. */
  get outstanding(): number {
    return this.#overlay.size;
  }

  /** Throws StateError only for a zxid that does not ascend: a fault of the caller. */
  prepare(request: ClientRequest, zxid: Zxid, _timeMs: number): TxnBody {
    if (zxid <= this.#last) {
      throw new StateError(`expected a zxid above ${zxidHex(this.#last)}, got ${zxidHex(zxid)}`);
    }
    this.#last = zxid;
    const decision = this.#decide(request, zxid);
    return typeof decision === 'number' ? { type: 'error', error: decision } : decision;
  }

  applied(zxid: Zxid): void {
    this.#overlay.applied(zxid);
  }

  closing(session: number): boolean {
    return this.#overlay.isClosing(session);
  }

  #decide(request: ClientRequest, zxid: Zxid): Decision {
    const { op, session, body } = request;
    if (op !== Op.createSession && !this.#overlay.isOpen(session)) return ErrorCode.SessionExpired;
    if (body.length > FRAME_BYTES_MAX) return ErrorCode.BadArguments;
    const reader = new ByteReader(body);
    try {
      switch (op) {
        case Op.create:
        case Op.create2:
          return this.#create(CreateRequest.read(reader), session, zxid);
        case Op.delete:
          return this.#delete(DeleteRequest.read(reader), zxid);
        case Op.setData:
          return this.#setData(SetDataRequest.read(reader), zxid);
        case Op.check:
          return this.#check(CheckVersionRequest.read(reader));
        case Op.multi:
          return this.#multi(MultiRequest.read(reader), session, zxid);
        case Op.createSession:
          return this.#createSession(reader, zxid);
        case Op.closeSession:
          return this.#closeSession(session, zxid);
        default:
          return ErrorCode.Unimplemented;
      }
    } catch (error) {
      // Only decoding throws this, and it comes before any change of the overlay.
      if (error instanceof WireError) return ErrorCode.MarshallingError;
      throw error;
    }
  }

  #create(request: CreateRequest, session: number, zxid: Zxid): Decision {
    const { flags, data } = request;
    if (flags < CreateFlag.persistent || flags > CreateFlag.persistentSequentialWithTtl) {
      return ErrorCode.BadArguments;
    }
    if (flags > CreateFlag.ephemeralSequential) return ErrorCode.Unimplemented;
    const isSequential = (flags & CreateFlag.persistentSequential) !== 0;
    if (!isValidPath(isSequential ? `${request.path}0` : request.path)) {
      return ErrorCode.BadArguments;
    }
    const acl = fixAcl(request.acl);
    if (acl === null) return ErrorCode.InvalidACL;
    if (request.path === '/' && !isSequential) return ErrorCode.NodeExists;
    const parentPath = parentOf(request.path);
    const parent = this.#overlay.node(parentPath);
    if (parent === undefined) return ErrorCode.NoNode;
    if ((parent.worldPerms & Perm.create) === 0) return ErrorCode.NoAuth;
    const path = isSequential ? request.path + sequenceSuffix(parent.created) : request.path;
    if (this.#overlay.node(path) !== undefined) return ErrorCode.NodeExists;
    if (parent.ephemeralOwner !== 0) return ErrorCode.NoChildrenForEphemerals;
    const created = (parent.created + 1) | 0;
    const ephemeralOwner = (flags & CreateFlag.ephemeral) !== 0 ? session : 0;
    const numChildren = parent.numChildren + 1;
    this.#overlay.put({ ...after(parent, parentPath, zxid), created, numChildren });
    this.#overlay.put({
      zxid,
      path,
      present: true,
      version: 0,
      created: 0,
      numChildren: 0,
      ephemeralOwner,
      worldPerms: worldPerms(acl),
    });
    return { type: 'create', path, data, acl: [...acl], ephemeralOwner, parentCversion: created };
  }

  #delete({ path, version }: DeleteRequest, zxid: Zxid): Decision {
    if (!isValidPath(path) || SPECIAL_PATHS.includes(path)) return ErrorCode.BadArguments;
    const parent = this.#overlay.node(parentOf(path));
    if (parent === undefined) return ErrorCode.NoNode;
    if ((parent.worldPerms & Perm.delete) === 0) return ErrorCode.NoAuth;
    const node = this.#overlay.node(path);
    if (node === undefined) return ErrorCode.NoNode;
    if (version !== -1 && version !== node.version) return ErrorCode.BadVersion;
    if (node.numChildren > 0) return ErrorCode.NotEmpty;
    return { type: 'delete', path, parentCversion: this.#remove(path, parent, zxid) };
  }

  /** Takes a node out of the future tree; returns its parent's count of creations. */
  #remove(path: string, parent: NodeView, zxid: Zxid): number {
    const numChildren = parent.numChildren - 1;
    this.#overlay.put({ ...after(parent, parentOf(path), zxid), numChildren });
    this.#overlay.put(absent(path, zxid));
    return parent.created;
  }

  #setData({ path, data, version }: SetDataRequest, zxid: Zxid): Decision {
    if (!isValidPath(path)) return ErrorCode.BadArguments;
    const node = this.#overlay.node(path);
    if (node === undefined) return ErrorCode.NoNode;
    if ((node.worldPerms & Perm.write) === 0) return ErrorCode.NoAuth;
    if (version !== -1 && version !== node.version) return ErrorCode.BadVersion;
    const next = nextVersion(node.version);
    this.#overlay.put({ ...after(node, path, zxid), version: next });
    return { type: 'setData', path, data, version: next };
  }

  #check({ path, version }: CheckVersionRequest): Decision {
    if (!isValidPath(path)) return ErrorCode.BadArguments;
    const node = this.#overlay.node(path);
    if (node === undefined) return ErrorCode.NoNode;
    if ((node.worldPerms & Perm.read) === 0) return ErrorCode.NoAuth;
    if (version !== -1 && version !== node.version) return ErrorCode.BadVersion;
    return { type: 'check', path, version: node.version };
  }

  #multi(ops: MultiOp[], session: number, zxid: Zxid): TxnBody {
    const parts: TxnBody[] = [];
    let culprit = -1;
    let error = 0;
    this.#overlay.atomically(() => {
      for (const [i, op] of ops.entries()) {
        const decision = this.#part(op, session, zxid);
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
    const failed = ops.map((_, i): TxnBody => {
      if (i < culprit) return { type: 'error', error: ErrorCode.Ok };
      return { type: 'error', error: i === culprit ? error : ErrorCode.RuntimeInconsistency };
    });
    return { type: 'multi', parts: failed };
  }

  #part(op: MultiOp, session: number, zxid: Zxid): Decision {
    switch (op.type) {
      case Op.create:
      case Op.create2:
        return this.#create(op, session, zxid);
      case Op.delete:
        return this.#delete(op, zxid);
      case Op.setData:
        return this.#setData(op, zxid);
      case Op.check:
        return this.#check(op);
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
      if (parent === undefined) throw new StateError(`expected a parent of ${path}, found none`);
      return { path, parentCversion: this.#remove(path, parent, zxid) };
    });
    this.#overlay.closeSession(session, zxid);
    return { type: 'closeSession', session, deletes };
  }
}
