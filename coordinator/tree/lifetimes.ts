// How long a node lives when no session owns it: for ever, until its last child went (a container), or
// until nobody changed it for a time (a time to live). One number says which, so that log and snapshot
// carry it where they carry the owner. Source: EphemeralType of ZooKeeper 3.8.

/** Internal owner of a container. */
export const CONTAINER = Number.MIN_SAFE_INTEGER;

/** The longest time to live, ms: the 40 bits that a client sees it in. */
export const TTL_MS_MAX = 2 ** 40 - 1;

const CONTAINER_ON_WIRE = -(2n ** 63n);
const TTL_ON_WIRE = 0xff00_0000_0000_0000n;

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

/** ephemeralOwner as clients see it in a Stat: a session, 0, or ZooKeeper's marks of the two kinds. */
export function ownerOnWire(owner: number): bigint {
  if (owner === 0) return 0n;
  if (owner === CONTAINER) return CONTAINER_ON_WIRE;
  return owner > 0 ? BigInt(owner) : BigInt.asIntN(64, TTL_ON_WIRE | BigInt(-owner));
}
