// The order in which a gate runs its entries, and how shards share them. Whatever the budget cuts off,
// what was run must be a fair sample of the whole, and all shards together must be the whole.

interface Kind<T> {
  traits: readonly string[];
  left: T[];
}

/**
 * The items in an order of which every beginning is a fair sample: as long as some trait has not been
 * seen, the next item shows one, and afterwards each trait keeps to its share of the whole. Items of the
 * same traits keep their order.
 */
export function fairOrder<T>(items: readonly T[], traitsOf: (item: T) => readonly string[]): T[] {
  const kinds = new Map<string, Kind<T>>();
  const total = new Map<string, number>();
  for (const item of items) {
    const traits = traitsOf(item);
    const key = JSON.stringify(traits);
    const kind = kinds.get(key) ?? { traits, left: [] };
    kinds.set(key, kind);
    kind.left.push(item);
    for (const trait of traits) total.set(trait, (total.get(trait) ?? 0) + 1);
  }
  const queues = [...kinds.values()].map(({ traits, left }) => ({ traits, left, next: 0 }));
  const used = new Map<string, number>();
  const order: T[] = [];
  while (order.length < items.length) {
    const share = (order.length + 1) / items.length;
    let best: { queue: (typeof queues)[number]; unseen: number; owed: number } | undefined;
    for (const queue of queues) {
      if (queue.next >= queue.left.length) continue;
      let unseen = 0;
      let owed = 0;
      for (const trait of queue.traits) {
        const seen = used.get(trait) ?? 0;
        if (seen === 0) unseen++;
        owed += share * (total.get(trait) ?? 0) - seen;
      }
      const better =
        best === undefined || unseen > best.unseen || (unseen === best.unseen && owed > best.owed);
      if (better) best = { queue, unseen, owed };
    }
    if (best === undefined) throw new Error('expected an item left to order, found none');
    const { queue } = best;
    order.push(queue.left[queue.next++] as T);
    for (const trait of queue.traits) used.set(trait, (used.get(trait) ?? 0) + 1);
  }
  return order;
}

/** One of `count` shards, the first is 1. */
export interface Shard {
  index: number;
  count: number;
}

/**
 * The items of one shard, in their order. The same items and costs give the same split everywhere; each
 * item is in exactly one shard, and no two shards' costs differ by more than the dearest item's.
 */
export function shardOf<T>(
  items: readonly T[],
  { index, count }: Shard,
  costOf: (item: T) => number,
): T[] {
  const loads = Array.from({ length: count }, () => 0);
  const owner = new Map<number, number>();
  const dearestFirst = items
    .map((item, at) => ({ at, cost: costOf(item) }))
    .sort((a, b) => b.cost - a.cost || a.at - b.at);
  for (const { at, cost } of dearestFirst) {
    const least = loads.indexOf(Math.min(...loads));
    loads[least] = (loads[least] ?? 0) + cost;
    owner.set(at, least + 1);
  }
  return items.filter((_, at) => owner.get(at) === index);
}
