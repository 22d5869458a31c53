// The id of a change: its leader's epoch and a counter. Kept in one number below 2^53, because zxids
// are compared and counted on every hot path; that leaves 2^21 epochs, checked where they are made.

const TWO_32 = 0x1_0000_0000;

/** A zxid: epoch · 2^32 + counter. */
export type Zxid = number;

/** The largest epoch a zxid can carry here. */
export const EPOCH_MAX = 2 ** 21 - 1;

/** The largest counter; the leader gives up its epoch before passing it (ZOOKEEPER-1277). */
export const COUNTER_MAX = 0xffff_ffff;

export function makeZxid(epoch: number, counter: number): Zxid {
  if (epoch < 0 || epoch > EPOCH_MAX) {
    throw new RangeError(`expected an epoch of 0 to ${EPOCH_MAX}, got ${epoch}`);
  }
  return epoch * TWO_32 + counter;
}

export function epochOf(zxid: Zxid): number {
  return Math.floor(zxid / TWO_32);
}

export function counterOf(zxid: Zxid): number {
  return zxid >>> 0;
}

/**
 * Whether `next` may directly follow `previous` in a log: contiguous within an epoch, from 1 in a new
 * one (I-Z7). 0 stands for the empty log.
 */
export function follows(previous: Zxid, next: Zxid): boolean {
  if (epochOf(next) === epochOf(previous)) return next === previous + 1;
  return next > previous && counterOf(next) === 1;
}

/** As ZooKeeper prints it: `0x100000002`. */
export function zxidHex(zxid: Zxid): string {
  return `0x${zxid.toString(16)}`;
}
