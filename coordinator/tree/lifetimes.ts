// How long a node lives when no session owns it: for ever, until its last child went (a container), or
// until nobody changed it for a time (a time to live). One number says which, so that log and snapshot
// carry it where they carry the owner. Source: EphemeralType of ZooKeeper 3.8.

/** Internal owner of a container. */
export const CONTAINER = Number.MIN_SAFE_INTEGER;

/** The longest time to live, ms: the 40 bits that ZooKeeper has for it. */
export const TTL_MS_MAX = 2 ** 40 - 1;

/** Internal owner of a node with a time to live. Throws RangeError unless it is 1 to TTL_MS_MAX. */
export function ownerOfTtl(ttlMs: number): number {
  if (!isTtl(ttlMs)) throw new RangeError(`expected 1 to ${TTL_MS_MAX} ms, got ${ttlMs}`);
  return -ttlMs;
}

/** Whether a node can have this time to live, ms. */
export function isTtl(ttlMs: number): boolean {
  return Number.isInteger(ttlMs) && ttlMs > 0 && ttlMs <= TTL_MS_MAX;
}

/** The time to live that an owner stands for, ms; undefined: it is no such owner. */
export function ttlOf(owner: number): number | undefined {
  return owner < 0 && owner !== CONTAINER ? -owner : undefined;
}

/** Whether an owner is one at all that this server could have written. */
export function isOwner(owner: number): boolean {
  return owner >= 0 || owner === CONTAINER || isTtl(-owner);
}

/** ephemeralOwner as clients see it in a Stat: a session or 0, whatever else ends the node. */
export function ownerOnWire(owner: number): bigint {
  return owner > 0 ? BigInt(owner) : 0n;
}
