// ZooKeeper's data model written as plainly as possible, for the tests to compare the tree with. It
// does everything at once and slowly: no transactions, no foresight, no counters kept on the way.
import type { ApplyResult } from '../contract.ts';
import { ErrorCode, Op } from '../protocol/codes.ts';
import type { MultiOp, MultiResult } from '../protocol/multi.ts';
import type { CreateRequest, Stat } from '../protocol/records.ts';

interface ModelNode {
  data: Buffer | null;
  stat: Stat;
  creations: number;
}

/** A request as the model takes it. */
export type ModelAsk =
  | { kind: 'open' }
  | { kind: 'close' }
  | { kind: 'one'; op: MultiOp }
  | { kind: 'multi'; ops: MultiOp[] };

const SYSTEM = ['/', '/zookeeper', '/zookeeper/config', '/zookeeper/quota'];

class Refusal extends Error {
  readonly code: number;
  constructor(code: number) {
    super(`refused with ${code}`);
    this.code = code;
  }
}

function parentPath(path: string): string {
  return path.split('/').slice(0, -1).join('/') || '/';
}

/** The model; a request takes effect in `run`. */
export class ModelTree {
  nodes = new Map<string, ModelNode>();
  sessions = new Set<number>();

  constructor() {
    for (const path of SYSTEM) {
      this.nodes.set(path, { data: Buffer.alloc(0), stat: this.#stat(0, 0, 0), creations: 0 });
    }
    this.#node('/').stat.cversion = -1;
    this.#node('/zookeeper').stat.cversion = -2;
    this.#node('/zookeeper/config').stat.aversion = -1;
  }

  #stat(zxid: number, timeMs: number, owner: number): Stat {
    const ids = { czxid: zxid, mzxid: zxid, pzxid: zxid, ctime: timeMs, mtime: timeMs };
    const rest = { version: 0, cversion: 0, aversion: 0, dataLength: 0, numChildren: 0 };
    return { ...ids, ...rest, ephemeralOwner: BigInt(owner) };
  }

  #node(path: string): ModelNode {
    const node = this.nodes.get(path);
    if (node === undefined) throw new Refusal(ErrorCode.NoNode);
    return node;
  }

  #children(path: string): string[] {
    return [...this.nodes.keys()].filter((each) => each !== '/' && parentPath(each) === path);
  }

  /** The Stat as a client sees it. */
  statOf(path: string): Stat {
    const { data, stat } = this.#node(path);
    const numChildren = this.#children(path).length;
    return { ...stat, dataLength: data?.length ?? 0, numChildren };
  }

  run(ask: ModelAsk, session: number, zxid: number, timeMs: number): ApplyResult {
    if (ask.kind === 'open') {
      this.sessions.add(zxid);
      return { err: 0 };
    }
    if (!this.sessions.has(session)) return { err: ErrorCode.SessionExpired };
    const before = new Map<string, ModelNode>();
    for (const [path, node] of this.nodes) before.set(path, { ...node, stat: { ...node.stat } });
    try {
      if (ask.kind === 'close') return this.#close(session, zxid);
      if (ask.kind === 'one') return this.#one(ask.op, session, zxid, timeMs);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return { err: error.code };
    }
    const multi: MultiResult[] = [];
    for (const [i, op] of ask.ops.entries()) {
      try {
        const { path, stat } = this.#one(op, session, zxid, timeMs);
        if (op.type === Op.create) multi.push({ type: Op.create, path: path as string });
        else if (op.type === Op.createContainer || op.type === Op.createTTL) {
          multi.push({ type: Op.create2, path: path as string, stat: stat as Stat });
        } else if (op.type === Op.setData) multi.push({ type: Op.setData, stat: stat as Stat });
        else multi.push({ type: op.type === Op.delete ? Op.delete : Op.check });
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        this.nodes = before;
        const { code } = error;
        const err = (j: number) => (j < i ? 0 : j === i ? code : ErrorCode.RuntimeInconsistency);
        return { err: 0, multi: ask.ops.map((_, j) => ({ type: Op.error, err: err(j) })) };
      }
    }
    return { err: 0, multi };
  }

  #one(op: MultiOp, session: number, zxid: number, timeMs: number): ApplyResult {
    switch (op.type) {
      case Op.create:
      case Op.create2:
      case Op.createContainer:
      case Op.createTTL:
        return this.#create(op, session, zxid, timeMs);
      case Op.delete:
        if (SYSTEM.includes(op.path)) throw new Refusal(ErrorCode.BadArguments);
        this.#node(parentPath(op.path));
        this.#checkVersion(op.path, op.version);
        if (this.#children(op.path).length > 0) throw new Refusal(ErrorCode.NotEmpty);
        this.#remove(op.path, zxid);
        return { err: 0 };
      case Op.check:
        this.#checkVersion(op.path, op.version);
        return { err: 0 };
      case Op.setData: {
        const node = this.#checkVersion(op.path, op.version);
        node.data = op.data;
        node.stat.version++;
        node.stat.mzxid = zxid;
        node.stat.mtime = timeMs;
        return { err: 0, stat: this.statOf(op.path) };
      }
    }
  }

  #create(op: CreateRequest, session: number, zxid: number, timeMs: number): ApplyResult {
    const parent = this.#node(parentPath(op.path));
    const suffix = [2, 3, 6].includes(op.flags) ? String(parent.creations).padStart(10, '0') : '';
    const path = op.path + suffix;
    if (this.nodes.has(path)) throw new Refusal(ErrorCode.NodeExists);
    if (parent.stat.ephemeralOwner > 0n) throw new Refusal(ErrorCode.NoChildrenForEphemerals);
    const owner = op.flags === 1 || op.flags === 3 ? session : 0;
    const stat = this.#stat(zxid, timeMs, owner);
    this.nodes.set(path, { data: op.data, stat, creations: 0 });
    parent.creations++;
    parent.stat.cversion++;
    parent.stat.pzxid = zxid;
    return { err: 0, path, stat: this.statOf(path) };
  }

  #checkVersion(path: string, version: number): ModelNode {
    const node = this.#node(path);
    if (version !== -1 && version !== node.stat.version) throw new Refusal(ErrorCode.BadVersion);
    return node;
  }

  #remove(path: string, zxid: number): void {
    this.nodes.delete(path);
    const parent = this.#node(parentPath(path));
    parent.stat.cversion++;
    parent.stat.pzxid = zxid;
  }

  #close(session: number, zxid: number): ApplyResult {
    for (const [path, { stat }] of [...this.nodes]) {
      if (stat.ephemeralOwner === BigInt(session)) this.#remove(path, zxid);
    }
    this.sessions.delete(session);
    return { err: 0 };
  }
}
