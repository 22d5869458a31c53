// One node of the tree with everything its Stat is made of, and its share of the digest. Kept flat
// and mutable, since a busy server changes one of these for every transaction.
import type { Stat } from '../protocol/records.ts';
import type { AccessList, SharedAcl } from './acls.ts';
import { type Hashed, hasher } from './digest.ts';
import { ownerOnWire } from './lifetimes.ts';

const NO_CHILDREN: ReadonlySet<string> = new Set();

/** What decides whether a request on a node is possible; the leader's foresight offers the same. */
export interface NodeView {
  readonly version: number;
  /**
   * How many children were ever created here (ZooKeeper's stored cversion): the next sequential
   * suffix. The cversion a client sees also counts deletions: 2·created − numChildren.
   */
  readonly created: number;
  readonly numChildren: number;
  /** A session, 0, or below 0 what ends the node instead (lifetimes.ts). */
  readonly ephemeralOwner: number;
  readonly acl: AccessList;
  readonly aversion: number;
  readonly dataLength: number;
}

/** What a snapshot holds of a node. */
export interface NodeImage {
  readonly path: string;
  readonly data: Buffer | null;
  readonly acl: SharedAcl;
  readonly ephemeralOwner: number;
  readonly czxid: number;
  readonly mzxid: number;
  readonly pzxid: number;
  readonly ctime: number;
  readonly mtime: number;
  readonly version: number;
  readonly created: number;
  readonly aversion: number;
}

/** A znode. Times in ms since 1970, by the clock of the leader that made the change. */
export class ZNode implements NodeView, NodeImage, Hashed {
  readonly path: string;
  /** Replaced by setACL; `rehash` is then to be called. */
  acl: SharedAcl;
  readonly ephemeralOwner: number;
  readonly czxid: number;
  readonly ctime: number;
  mzxid: number;
  mtime: number;
  pzxid: number;
  version = 0;
  created = 0;
  aversion = 0;
  hashA = 0;
  hashB = 0;
  #data: Buffer | null;
  #children: Set<string> | null = null;
  // Hashes of what rarely changes, so that a new Stat alone costs little.
  #pathA = 0;
  #pathB = 0;
  #dataA = 0;
  #dataB = 0;

  constructor(
    path: string,
    data: Buffer | null,
    acl: SharedAcl,
    owner: number,
    zxid: number,
    timeMs: number,
  ) {
    this.path = path;
    this.acl = acl;
    this.ephemeralOwner = owner;
    this.czxid = zxid;
    this.mzxid = zxid;
    this.pzxid = zxid;
    this.ctime = timeMs;
    this.mtime = timeMs;
    this.#data = data;
    this.rehashAll();
  }

  get data(): Buffer | null {
    return this.#data;
  }

  /** Replaces the data and hashes it; `rehash` is still to be called. */
  setData(data: Buffer | null): void {
    this.#data = data;
    const { hashA, hashB } = hasher.begin().bytes(data).end();
    this.#dataA = hashA;
    this.#dataB = hashB;
  }

  get children(): ReadonlySet<string> {
    return this.#children ?? NO_CHILDREN;
  }

  get numChildren(): number {
    return this.#children === null ? 0 : this.#children.size;
  }

  get dataLength(): number {
    return this.#data === null ? 0 : this.#data.length;
  }

  addChild(name: string): void {
    this.#children ??= new Set();
    this.#children.add(name);
  }

  removeChild(name: string): void {
    this.#children?.delete(name);
    if (this.#children?.size === 0) this.#children = null;
  }

  /** Child version as clients see it: creations and deletions together. */
  get cversion(): number {
    return (this.created * 2 - this.numChildren) | 0;
  }

  /** The node as it is now, whatever becomes of it. */
  image(): NodeImage {
    return {
      path: this.path,
      data: this.#data,
      acl: this.acl,
      ephemeralOwner: this.ephemeralOwner,
      czxid: this.czxid,
      mzxid: this.mzxid,
      pzxid: this.pzxid,
      ctime: this.ctime,
      mtime: this.mtime,
      version: this.version,
      created: this.created,
      aversion: this.aversion,
    };
  }

  stat(): Stat {
    return {
      czxid: this.czxid,
      mzxid: this.mzxid,
      ctime: this.ctime,
      mtime: this.mtime,
      version: this.version,
      cversion: this.cversion,
      aversion: this.aversion,
      ephemeralOwner: ownerOnWire(this.ephemeralOwner),
      dataLength: this.dataLength,
      numChildren: this.numChildren,
      pzxid: this.pzxid,
    };
  }

  /** Takes the node's hash again, from the kept hashes of path, data and ACL. */
  rehash(): void {
    this.#rehash(this.acl);
  }

  /** The node's hash from scratch; `acl` may be a freshly hashed copy of its list. */
  rehashAll(acl: Hashed = this.acl): void {
    const path = hasher.begin().text(this.path).end();
    this.#pathA = path.hashA;
    this.#pathB = path.hashB;
    this.setData(this.#data);
    this.#rehash(acl);
  }

  #rehash(acl: Hashed): void {
    hasher
      .begin()
      .word(this.#pathA)
      .word(this.#pathB)
      .word(this.#dataA)
      .word(this.#dataB)
      .word(acl.hashA)
      .word(acl.hashB)
      .long(this.czxid)
      .long(this.mzxid)
      .long(this.pzxid)
      .long(this.ctime)
      .long(this.mtime)
      .long(this.ephemeralOwner)
      .word(this.version)
      .word(this.created)
      .word(this.aversion)
      .word(this.numChildren)
      .end();
    this.hashA = hasher.hashA;
    this.hashB = hasher.hashB;
  }

  /** A detached copy that shares nothing but data and ACL, for taking hashes afresh. */
  copy(): ZNode {
    const copy = new ZNode(
      this.path,
      this.#data,
      this.acl,
      this.ephemeralOwner,
      this.czxid,
      this.ctime,
    );
    copy.mzxid = this.mzxid;
    copy.mtime = this.mtime;
    copy.pzxid = this.pzxid;
    copy.version = this.version;
    copy.created = this.created;
    copy.aversion = this.aversion;
    copy.#children = this.#children;
    return copy;
  }
}
