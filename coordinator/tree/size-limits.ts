// How large the tree may grow: held by the leader against what is applied and what is under way, so
// that no server runs out of memory because nobody ever deleted anything. Source: the idea of
// ZooKeeper's quotas, over the whole tree.
import type { Zxid } from '../zxid.ts';

/** Bounds on the tree; 0: none. */
export interface TreeLimits {
  /** Znodes, those of `/zookeeper` included. */
  nodesMax: number;
  /** Bytes of paths and data. */
  dataBytesMax: number;
}

export const NO_TREE_LIMITS: TreeLimits = { nodesMax: 0, dataBytesMax: 0 };

/** What is applied. */
interface TreeSize {
  readonly nodeCount: number;
  readonly dataBytes: number;
}

/** Growth that is decided and not applied: an upper bound, since what shrinks the tree is not counted. */
export class GrowthBound {
  readonly #limits: TreeLimits;
  readonly #tree: TreeSize;
  readonly #pending: { zxid: Zxid; nodes: number; bytes: number }[] = [];
  #nodes = 0;
  #bytes = 0;

  constructor(limits: TreeLimits, tree: TreeSize) {
    this.#limits = limits;
    this.#tree = tree;
  }

  /** Whether the tree may grow by this much; if so it is counted until `zxid` is applied. */
  allows(zxid: Zxid, nodes: number, bytes: number): boolean {
    const { nodesMax, dataBytesMax } = this.#limits;
    if (nodesMax === 0 && dataBytesMax === 0) return true;
    if (nodes <= 0 && bytes <= 0) return true;
    if (nodesMax > 0 && nodes > 0 && this.#tree.nodeCount + this.#nodes + nodes > nodesMax) {
      return false;
    }
    if (dataBytesMax > 0 && this.#tree.dataBytes + this.#bytes + bytes > dataBytesMax) return false;
    this.#nodes += nodes;
    this.#bytes += Math.max(0, bytes);
    this.#pending.push({ zxid, nodes, bytes: Math.max(0, bytes) });
    return true;
  }

  /** Everything up to `zxid` is in the tree. */
  applied(zxid: Zxid): void {
    const due = this.#pending.findIndex((each) => each.zxid > zxid);
    const gone = this.#pending.splice(0, due < 0 ? this.#pending.length : due);
    for (const { nodes, bytes } of gone) {
      this.#nodes -= nodes;
      this.#bytes -= bytes;
    }
  }
}
