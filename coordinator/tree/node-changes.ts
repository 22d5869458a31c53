// What a request to change one node becomes, given all that is proposed: a transaction, or the error that its
// client is told. Each is decided and laid over the tree in one go, so that the next sees it. The order of
// checks is that of ZooKeeper 3.8's PrepRequestProcessor: it decides which of several errors is told.
import type { Identity } from '../contract.ts';
import { CreateFlag, ErrorCode, Perm } from '../protocol/codes.ts';
import type {
  CheckVersionRequest,
  CreateRequest,
  DeleteRequest,
  SetAclRequest,
  SetDataRequest,
} from '../protocol/records.ts';
import type { TxnBody } from '../txn.ts';
import type { Zxid } from '../zxid.ts';
import { accessList, allows, fixAcl } from './acls.ts';
import { CONTAINER, isTtl, ownerOfTtl } from './lifetimes.ts';
import type { Overlay, PendingNode } from './overlay.ts';
import { CONFIG_PATH, isValidPath, parentOf, SPECIAL_PATHS, sequenceSuffix } from './paths.ts';
import type { QuotaWatch } from './quota-watch.ts';
import type { GrowthBound } from './size-limits.ts';
import { StateError } from './tree-state.ts';
import type { NodeView } from './znode.ts';

/** A transaction, or a number of ErrorCode (which is never positive). */
export type Decision = TxnBody | number;

/** Who asks, and the place in the order that the answer takes. */
export interface Asker {
  session: number;
  identities: readonly Identity[];
  zxid: Zxid;
}

/** A create of any kind. */
export interface Creation extends CreateRequest {
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

/** Whether a create with these flags brings a time to live. */
export function hasTtl(flags: number): boolean {
  return flags === CreateFlag.persistentWithTtl || flags === CreateFlag.persistentSequentialWithTtl;
}

/** What a path must at least be to have a parent to look for; most is checked only after that. */
function hasParent(path: string): boolean {
  return path.includes('/') && !path.includes('\0');
}

/** What changes of nodes are decided against. */
export interface NodeChangesParts {
  overlay: Overlay;
  quotas: QuotaWatch;
  growth: GrowthBound;
  /** Whether nodes may have a time to live. */
  extendedTypes: boolean;
}

/** The changes of single nodes. Each returns an error before it touches anything. */
export class NodeChanges {
  readonly #overlay: Overlay;
  readonly #quotas: QuotaWatch;
  readonly #growth: GrowthBound;
  readonly #extendedTypes: boolean;

  constructor({ overlay, quotas, growth, extendedTypes }: NodeChangesParts) {
    this.#overlay = overlay;
    this.#quotas = quotas;
    this.#growth = growth;
    this.#extendedTypes = extendedTypes;
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

  /** A create of any kind; its parent's count of creations numbers it where that is asked for. */
  create(request: Creation, { session, identities, zxid }: Asker): Decision {
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

  /** A client's delete, which `version` −1 lets pass at any version. */
  delete({ path, version }: DeleteRequest, { identities, zxid }: Asker): Decision {
    if (!hasParent(path) || SPECIAL_PATHS.includes(path)) return ErrorCode.BadArguments;
    const parent = this.#overlay.node(parentOf(path));
    if (parent === undefined) return ErrorCode.NoNode;
    if (!allows(parent.acl, Perm.delete, identities)) return ErrorCode.NoAuth;
    const node = this.#overlay.node(path);
    if (node === undefined) return ErrorCode.NoNode;
    if (version !== -1 && version !== node.version) return ErrorCode.BadVersion;
    if (node.numChildren > 0) return ErrorCode.NotEmpty;
    return { type: 'delete', path, parentCversion: this.remove(path, node, parent, zxid) };
  }

  /** The leader's own wish: the node's time is over. */
  deleteContainer(path: string, zxid: Zxid): Decision {
    const node = this.#overlay.node(path);
    const parent = this.#overlay.node(parentOf(path));
    if (node === undefined || parent === undefined) return ErrorCode.NoNode;
    if (node.numChildren > 0) return ErrorCode.NotEmpty;
    if (node.ephemeralOwner >= 0) return ErrorCode.BadVersion;
    return { type: 'delete', path, parentCversion: this.remove(path, node, parent, zxid) };
  }

  /** As ZooKeeper has it, the version is always -1: what counts is the one in the text. */
  configure(data: Buffer, { session, identities, zxid }: Asker): Decision {
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
  remove(path: string, node: NodeView, parent: NodeView, zxid: Zxid): number {
    this.#quotas.count(path, -1, -node.dataLength, zxid);
    const above = after(parent, parentOf(path), zxid);
    above.numChildren--;
    this.#overlay.put(above);
    const gone = after(NO_NODE, path, zxid);
    gone.present = false;
    this.#overlay.put(gone);
    return parent.created;
  }

  /** New data, which `version` −1 lets pass at any version; never for the ensemble's node. */
  setData({ path, data, version }: SetDataRequest, { identities, zxid }: Asker): Decision {
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

  /** A new access list, which `version` −1 lets pass at any version of it. */
  setAcl(request: SetAclRequest, { identities, zxid }: Asker): Decision {
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

  /** Changes nothing: whether the node is there and at its version. */
  check({ path, version }: CheckVersionRequest, { identities }: Asker): Decision {
    if (!isValidPath(path)) return ErrorCode.BadArguments;
    const node = this.#overlay.node(path);
    if (node === undefined) return ErrorCode.NoNode;
    if (!allows(node.acl, Perm.read, identities)) return ErrorCode.NoAuth;
    if (version !== -1 && version !== node.version) return ErrorCode.BadVersion;
    return { type: 'check', path, version: node.version };
  }
}
