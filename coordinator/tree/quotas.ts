// Quotas on subtrees: limits that an administrator writes below /zookeeper/quota, and the count of nodes
// and bytes that the tree keeps beside them. Source: Quotas, StatsTrack and PathTrie of ZooKeeper 3.8.
import { parentOf } from './paths.ts';

const QUOTA_ROOT = '/zookeeper/quota';
const LIMITS = '/zookeeper_limits';
const STATS = '/zookeeper_stats';

/** The node that holds the limits of a subtree. */
export function limitsPath(subtree: string): string {
  return QUOTA_ROOT + subtree + LIMITS;
}

/** The node that holds what a subtree uses. */
export function statsPath(subtree: string): string {
  return QUOTA_ROOT + subtree + STATS;
}

function subtreeOf(path: string, suffix: string): string | undefined {
  if (!path.startsWith(`${QUOTA_ROOT}/`) || !path.endsWith(suffix)) return undefined;
  const subtree = path.slice(QUOTA_ROOT.length, -suffix.length);
  // The root has no quota: its nodes would count themselves.
  return subtree === '' ? undefined : subtree;
}

/** The subtree whose use this node is to hold; undefined: it is another node. */
export function subtreeOfStats(path: string): string | undefined {
  return subtreeOf(path, STATS);
}

/** Numbers by name, as in `count=4,bytes=5`; −1 stands for "not set". */
export class QuotaValues {
  readonly #values = new Map<string, number>();

  /** Reads a node's data; what is no number counts as not set. */
  static parse(data: Buffer | null): QuotaValues {
    const found = new QuotaValues();
    for (const pair of (data?.toString() ?? '').split(/[,;]+/)) {
      const [name = '', value = ''] = pair.split('=');
      if (name === '') continue;
      const number = /^-?\d{1,15}$/.test(value) ? Number(value) : -1;
      found.#values.set(name, number);
    }
    return found;
  }

  get(name: 'count' | 'bytes' | 'countHardLimit' | 'byteHardLimit'): number {
    return this.#values.get(name) ?? -1;
  }

  set(name: 'count' | 'bytes', value: number): void {
    this.#values.set(name, value);
  }

  /** As StatsTrack prints it: count and bytes first, the rest behind an extra `=` and sorted. */
  toString(): string {
    const rest = [...this.#values]
      .filter(([name]) => name !== 'count' && name !== 'bytes')
      .sort(([a], [b]) => (a < b ? -1 : 1));
    const more = rest.map(([name, value]) => `;${name}=${value}`).join('');
    const first = `count=${this.get('count')},bytes=${this.get('bytes')}`;
    return more === '' ? first : `${first}=${more}`;
  }
}

/** Which subtrees have limits; follows from the nodes of the tree alone. */
export class QuotaIndex {
  readonly #subtrees = new Set<string>();

  get size(): number {
    return this.#subtrees.size;
  }

  /** A node came into the tree. */
  added(path: string): void {
    const subtree = subtreeOf(path, LIMITS);
    if (subtree !== undefined) this.#subtrees.add(subtree);
  }

  /** A node left the tree. */
  removed(path: string): void {
    if (this.#subtrees.size === 0) return;
    const subtree = subtreeOf(path, LIMITS);
    if (subtree !== undefined) this.#subtrees.delete(subtree);
  }

  /** The smallest subtree with limits that a path is in, itself included. */
  of(path: string): string | undefined {
    if (this.#subtrees.size === 0) return undefined;
    for (let at = path; at !== '/'; at = parentOf(at)) if (this.#subtrees.has(at)) return at;
    return undefined;
  }
}

/** What a subtree may hold and holds. */
export interface Quota {
  subtree: string;
  limits: QuotaValues;
  used: QuotaValues;
}

/** A limit that a change would pass. */
export interface Excess {
  /** Refuse the change; otherwise it is only to be told. */
  hard: boolean;
  message: string;
}

/** The limit that a change by so many nodes and bytes passes, a hard one first. */
export function excess(quota: Quota, nodes: number, bytes: number): Excess | undefined {
  const { subtree, limits, used } = quota;
  const over = (
    what: 'count' | 'bytes',
    hardName: 'countHardLimit' | 'byteHardLimit',
    by: number,
  ) => {
    const hard = limits.get(hardName) > -1;
    const limit = hard ? limits.get(hardName) : limits.get(what);
    const next = used.get(what) + by;
    if (by === 0 || limit < 0 || next <= limit) return undefined;
    const kind = hard ? 'hard' : 'soft';
    const message = `quota exceeded: ${subtree} [${what} ${next}, ${kind} limit ${limit}]`;
    return { hard, message };
  };
  const found = [over('count', 'countHardLimit', nodes), over('bytes', 'byteHardLimit', bytes)];
  return found.find((each) => each?.hard === true) ?? found.find((each) => each !== undefined);
}
