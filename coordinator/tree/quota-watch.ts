// The leader's side of quotas: whether a change would pass a limit, given what is applied and what is
// under way. Otherwise many requests at once could each be admitted and together pass a hard limit.
import type { Zxid } from '../zxid.ts';
import type { DataTree } from './data-tree.ts';
import { excess } from './quotas.ts';

interface Pending {
  zxid: Zxid;
  subtree: string;
  nodes: number;
  bytes: number;
}

const WARNING_MS_MIN = 60_000;
const WARNED_MAX = 1000;

export class QuotaWatch {
  readonly #tree: DataTree;
  readonly #enforce: boolean;
  readonly #warn: ((message: string) => void) | undefined;
  /** Counted and not yet applied, in zxid order. */
  #pending: Pending[] = [];
  /** Per subtree: when its limits were last spoken of. */
  readonly #warned = new Map<string, number>();
  /** The leader's clock at the request being decided. */
  timeMs = 0;

  constructor(tree: DataTree, enforce: boolean, warn?: (message: string) => void) {
    this.#tree = tree;
    this.#enforce = enforce;
    this.#warn = warn;
  }

  /** Whether a change of the path by so many nodes and bytes may be made. */
  admits(path: string, nodes: number, bytes: number): boolean {
    if (!this.#enforce && this.#warn === undefined) return true;
    const quota = this.#tree.quotaOf(path);
    if (quota === undefined) return true;
    const { subtree, used } = quota;
    for (const each of this.#pending) {
      if (each.subtree !== subtree) continue;
      used.set('count', used.get('count') + each.nodes);
      used.set('bytes', used.get('bytes') + each.bytes);
    }
    const found = excess(quota, nodes, bytes);
    if (found === undefined) return true;
    this.#tell(subtree, found.message);
    return !(this.#enforce && found.hard);
  }

  #tell(subtree: string, message: string): void {
    const last = this.#warned.get(subtree);
    if (last !== undefined && Math.abs(this.timeMs - last) < WARNING_MS_MIN) return;
    if (this.#warned.size >= WARNED_MAX) this.#warned.clear();
    this.#warned.set(subtree, this.timeMs);
    this.#warn?.(message);
  }

  /** Such a change was decided on. */
  count(path: string, nodes: number, bytes: number, zxid: Zxid): void {
    if (!this.#enforce) return;
    const subtree = this.#tree.quotaOf(path)?.subtree;
    if (subtree !== undefined) this.#pending.push({ zxid, subtree, nodes, bytes });
  }

  /** Where `back` may return to. */
  mark(): number {
    return this.#pending.length;
  }

  /** Forgets what was counted since `mark`. */
  back(mark: number): void {
    this.#pending.length = mark;
  }

  /** Everything up to `zxid` is in the tree. */
  applied(zxid: Zxid): void {
    if (this.#pending.length === 0) return;
    this.#pending = this.#pending.filter((each) => each.zxid > zxid);
  }
}
