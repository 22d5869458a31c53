// What keeps one request from costing without bound: its parts are worked off a few at a time, and what it names
// twice is answered once or refused. Without this a small frame could ask for gigabytes, or for the coordinator's
// whole attention.

/** Parts of one request that are under way at once. */
const WIDTH = 32;

/** Does the work for every item, a few at a time; results in the order of the items. Rejects as the work does. */
export async function inTurns<T, R>(
  items: readonly T[],
  work: (item: T) => R | Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const at = next++;
      results[at] = await work(items[at] as T);
    }
  };
  await Promise.all(Array.from({ length: Math.min(WIDTH, items.length) }, worker));
  return results;
}

/** The items without those whose key came before. */
export function distinct<T>(items: readonly T[], keyOf: (item: T) => string): T[] {
  const seen = new Set<string>();
  return items.filter((item) => {
    const key = keyOf(item);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

/** Keys that come more than once: which of them counts cannot be told. */
export function repeated(keys: readonly string[]): ReadonlySet<string> {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const key of keys) {
    if (seen.has(key)) twice.add(key);
    seen.add(key);
  }
  return twice;
}
