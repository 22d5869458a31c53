// Turns requests into transactions on the leader: decides each against everything already proposed,
// so that what is applied later cannot fail. Source: PrepRequestProcessor of ZooKeeper 3.8, whose order
// of checks this keeps, since it decides which of several errors a client is told.
import { ByteReader, WireError } from '../../wire/bytes.ts';
import type { ClientRequest, Identity, Preparer } from '../contract.ts';
import { CreateFlag, ErrorCode, FRAME_BYTES_MAX, Op, Perm } from '../protocol/codes.ts';
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
import { accessList, allows, fixAcl, NOBODY } from './acls.ts';
import type { DataTree } from './data-tree.ts';
import { CONTAINER, isTtl, ownerOfTtl } from './lifetimes.ts';
import { Overlay, type PendingNode } from './overlay.ts';
import { CONFIG_PATH, isValidPath, parentOf, SPECIAL_PATHS, sequenceSuffix } from './paths.ts';
import { QuotaWatch } from './quota-watch.ts';
import { GrowthBound, NO_TREE_LIMITS, type TreeLimits } from './size-limits.ts';
import { StateError } from './tree-state.ts';
import type { NodeView } from './znode.ts';

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

/** A transaction, or a number of ErrorCode (which is never positive). */
type Decision = TxnBody | number;

/** Who asks, and the place in the order that the answer takes. */
interface Asker {
  session: number;
  identities: readonly Identity[];
  zxid: Zxid;
}

/** A create of any kind. */
interface Creation extends CreateRequest {
  /** ms; −1: none was asked for. */
  ttl: number;
  container: boolean;
}

/** The version after a change: it wraps, and skips −1, which means "any" (ZOOKEEPER-4743). */
export function nextVersion(version: number): number {
  const next = (version + 1) | 0;
  return next === -1 ? 0 : next;
}

/** A pending node until it is put. Filled in by assignment: a spread of it costs more than the rest. */
type Draft = { -readonly [K in keyof PendingNode]: PendingNode[K] };

/** The node as the transaction finds it, to be changed. */
function after(node: NodeView, path: string, zxid: Zxid): Draft {
  return {
    zxid,
    path,
    present: true,
    version: node.version,
    created: node.created,
    numChildren: node.numChildren,
    ephemeralOwner: node.ephemeralOwner,
    acl: node.acl,
    aversion: node.aversion,
    dataLength: node.dataLength,
  };
}

const NO_NODE: NodeView = {
  version: 0,
  created: 0,
  numChildren: 0,
  ephemeralOwner: 0,
  acl: accessList([]),
  aversion: 0,
  dataLength: 0,
};

function isSequential(flags: number): boolean {
  return (
    flags === CreateFlag.persistentSequential ||
    flags === CreateFlag.ephemeralSequential ||
    flags === CreateFlag.persistentSequentialWithTtl
  );
}

function isEphemeral(flags: number): boolean {
  return flags === CreateFlag.ephemeral || flags === CreateFlag.ephemeralSequential;
}

function hasTtl(flags: number): boolean {
  return flags === CreateFlag.persistentWithTtl || flags === CreateFlag.persistentSequentialWithTtl;
}

/** What a path must at least be to have a parent to look for; most is checked only after that. */
function hasParent(path: string): boolean {
  return path.includes('/') && !path.includes('\0');
}

/** The leader's foresight over a tree. */
export class TxnPreparer implements Preparer {
  readonly #tree: DataTree;
  readonly #overlay: Overlay;
  readonly #quotas: QuotaWatch;
  readonly #growth: GrowthBound;
  readonly #extendedTypes: boolean;
  readonly #frameBytesMax: number;
  #last: Zxid;

  constructor(tree: DataTree, options: PreparerOptions = {}) {
    this.#tree = tree;
    this.#overlay = new Overlay(tree);
    this.#quotas = new QuotaWatch(tree, options.enforceQuota ?? false, options.warn);
    this.#growth = new GrowthBound(options.limits ?? NO_TREE_LIMITS, tree);
    this.#extendedTypes = options.extendedTypes ?? true;
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
          return this.#create({ ...CreateRequest.read(reader), ttl: -1, container }, asker);
        }
        case Op.createTTL:
          return this.#create({ ...CreateTtlRequest.read(reader), container: false }, asker);
        case Op.delete:
          return this.#delete(DeleteRequest.read(reader), asker);
        case Op.setData:
          return this.#setData(SetDataRequest.read(reader), asker);
        case Op.setACL:
          return this.#setAcl(SetAclRequest.read(reader), asker);
        case Op.check:
          return this.#check(CheckVersionRequest.read(reader), asker);
        case Op.multi:
          return this.#multi(MultiRequest.read(reader), asker);
        case Op.createSession:
          return this.#createSession(reader, zxid);
        case Op.closeSession:
          return this.#closeSession(session, zxid);
        case Op.deleteContainer:
          if (!isLeaders) return ErrorCode.Unimplemented;
          return this.#deleteContainer(text.read(reader), zxid);
        case Op.reconfig:
          return this.#configure(Buffer.from(text.read(reader)), asker);
        default:
          return ErrorCode.Unimplemented;
      }
    } catch (error) {
      // Only decoding throws this, and it comes before any change of the overlay.
      if (error instanceof WireError) return ErrorCode.MarshallingError;
      throw error;
    }
  }

  /** The owner of a node to be created, or why it cannot be. */
  #owner({ flags, ttl, container }: Creation, session: number): { owner: number } | number {
    if (flags < CreateFlag.persistent || flags > CreateFlag.persistentSequentialWithTtl) {
      return ErrorCode.BadArguments;
    }
    if (hasTtl(flags)) {
      if (!this.#extendedTypes) return ErrorCode.Unimplemented;
      if (!isTtl(ttl)) return ErrorCode.BadArguments;
      return { owner: ownerOfTtl(ttl) };
    }
    if (ttl >= 0) return ErrorCode.BadArguments;
    if (container) return { owner: CONTAINER };
    return { owner: isEphemeral(flags) ? session : 0 };
  }

  #create(request: Creation, { session, identities, zxid }: Asker): Decision {
    const { flags, data } = request;
    const owned = this.#owner(request, session);
    if (typeof owned === 'number') return owned;
    if (!hasParent(request.path)) return ErrorCode.BadArguments;
    const acl = fixAcl(request.acl, identities);
    if (acl === null) return ErrorCode.InvalidACL;
    const parentPath = parentOf(request.path);
    const parent = this.#overlay.node(parentPath);
    if (parent === undefined) return ErrorCode.NoNode;
    if (!allows(parent.acl, Perm.create, identities)) return ErrorCode.NoAuth;
    const suffix = isSequential(flags) ? sequenceSuffix(parent.created) : '';
    const path = request.path + suffix;
    if (!isValidPath(path)) return ErrorCode.BadArguments;
    if (this.#overlay.node(path) !== undefined) return ErrorCode.NodeExists;
    if (parent.ephemeralOwner > 0) return ErrorCode.NoChildrenForEphemerals;
    const dataLength = data?.length ?? 0;
    if (!this.#quotas.admits(path, 1, dataLength)) return ErrorCode.QuotaExceeded;
    if (!this.#growth.allows(zxid, 1, path.length + dataLength)) return ErrorCode.QuotaExceeded;
    this.#quotas.count(path, 1, dataLength, zxid);
    const created = (parent.created + 1) | 0;
    const ephemeralOwner = owned.owner;
    const above = after(parent, parentPath, zxid);
    above.created = created;
    above.numChildren++;
    this.#overlay.put(above);
    const node = after(NO_NODE, path, zxid);
    node.ephemeralOwner = ephemeralOwner;
    node.acl = accessList(acl);
    node.dataLength = dataLength;
    this.#overlay.put(node);
    return { type: 'create', path, data, acl, ephemeralOwner, parentCversion: created };
  }

  #delete({ path, version }: DeleteRequest, { identities, zxid }: Asker): Decision {
    if (!hasParent(path) || SPECIAL_PATHS.includes(path)) return ErrorCode.BadArguments;
    const parent = this.#overlay.node(parentOf(path));
    if (parent === undefined) return ErrorCode.NoNode;
    if (!allows(parent.acl, Perm.delete, identities)) return ErrorCode.NoAuth;
    const node = this.#overlay.node(path);
    if (node === undefined) return ErrorCode.NoNode;
    if (version !== -1 && version !== node.version) return ErrorCode.BadVersion;
    if (node.numChildren > 0) return ErrorCode.NotEmpty;
    return { type: 'delete', path, parentCversion: this.#remove(path, node, parent, zxid) };
  }

  /** The leader's own wish: the node's time is over. */
  #deleteContainer(path: string, zxid: Zxid): Decision {
    const node = this.#overlay.node(path);
    const parent = this.#overlay.node(parentOf(path));
    if (node === undefined || parent === undefined) return ErrorCode.NoNode;
    if (node.numChildren > 0) return ErrorCode.NotEmpty;
    if (node.ephemeralOwner >= 0) return ErrorCode.BadVersion;
    return { type: 'delete', path, parentCversion: this.#remove(path, node, parent, zxid) };
  }

  /** As ZooKeeper has it, the version is always -1: what counts is the one in the text. */
  #configure(data: Buffer, { session, identities, zxid }: Asker): Decision {
    const node = this.#overlay.node(CONFIG_PATH);
    if (node === undefined) throw new StateError(`expected a node ${CONFIG_PATH}, found none`);
    if (session !== 0 && !allows(node.acl, Perm.write, identities)) return ErrorCode.NoAuth;
    const version = -1;
    const dataLength = data.length;
    const next = after(node, CONFIG_PATH, zxid);
    next.version = version;
    next.dataLength = dataLength;
    this.#overlay.put(next);
    return { type: 'setData', path: CONFIG_PATH, data, version };
  }

  /** Takes a node out of the future tree; returns its parent's count of creations. */
  #remove(path: string, node: NodeView, parent: NodeView, zxid: Zxid): number {
    this.#quotas.count(path, -1, -node.dataLength, zxid);
    const above = after(parent, parentOf(path), zxid);
    above.numChildren--;
    this.#overlay.put(above);
    const gone = after(NO_NODE, path, zxid);
    gone.present = false;
    this.#overlay.put(gone);
    return parent.created;
  }

  #setData({ path, data, version }: SetDataRequest, { identities, zxid }: Asker): Decision {
    if (!isValidPath(path)) return ErrorCode.BadArguments;
    const node = this.#overlay.node(path);
    if (node === undefined) return ErrorCode.NoNode;
    if (!allows(node.acl, Perm.write, identities)) return ErrorCode.NoAuth;
    // Servers take it for the ensemble: reconfig alone may change it, whoever asks.
    if (path === CONFIG_PATH) return ErrorCode.BadArguments;
    const dataLength = data?.length ?? 0;
    const grown = dataLength - node.dataLength;
    if (!this.#quotas.admits(path, 0, grown)) return ErrorCode.QuotaExceeded;
    if (version !== -1 && version !== node.version) return ErrorCode.BadVersion;
    if (!this.#growth.allows(zxid, 0, grown)) return ErrorCode.QuotaExceeded;
    this.#quotas.count(path, 0, grown, zxid);
    const next = after(node, path, zxid);
    next.version = nextVersion(node.version);
    next.dataLength = dataLength;
    this.#overlay.put(next);
    return { type: 'setData', path, data, version: next.version };
  }

  #setAcl(request: SetAclRequest, { identities, zxid }: Asker): Decision {
    const { path, version } = request;
    if (!isValidPath(path)) return ErrorCode.BadArguments;
    const acl = fixAcl(request.acl, identities);
    if (acl === null) return ErrorCode.InvalidACL;
    const node = this.#overlay.node(path);
    if (node === undefined) return ErrorCode.NoNode;
    if (!allows(node.acl, Perm.admin, identities)) return ErrorCode.NoAuth;
    if (version !== -1 && version !== node.aversion) return ErrorCode.BadVersion;
    const next = after(node, path, zxid);
    next.acl = accessList(acl);
    next.aversion = nextVersion(node.aversion);
    this.#overlay.put(next);
    return { type: 'setACL', path, acl, aversion: next.aversion };
  }

  #check({ path, version }: CheckVersionRequest, { identities }: Asker): Decision {
    if (!isValidPath(path)) return ErrorCode.BadArguments;
    const node = this.#overlay.node(path);
    if (node === undefined) return ErrorCode.NoNode;
    if (!allows(node.acl, Perm.read, identities)) return ErrorCode.NoAuth;
    if (version !== -1 && version !== node.version) return ErrorCode.BadVersion;
    return { type: 'check', path, version: node.version };
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
        const decision = this.#create({ ...op, ttl, container }, asker);
        const withStat = container || isTtl || op.type === Op.create2;
        if (typeof decision === 'number' || decision.type !== 'create' || !withStat) {
          return decision;
        }
        return { ...decision, withStat };
      }
      case Op.delete:
        return this.#delete(op, asker);
      case Op.setData:
        return this.#setData(op, asker);
      case Op.check:
        return this.#check(op, asker);
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
      return { path, parentCversion: this.#remove(path, node, parent, zxid) };
    });
    this.#overlay.closeSession(session, zxid);
    return { type: 'closeSession', session, deletes };
  }
}
