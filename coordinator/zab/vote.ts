// Votes and their order: the larger epoch wins, then the larger zxid, then the larger server id. The
// order decides who is asked to lead; safety does not rest on it, discovery checks again.
import type { Zxid } from '../zxid.ts';

/** A vote for `leader`, with the last epoch and zxid that server is believed to have. */
export interface Vote {
  leader: number;
  epoch: number;
  zxid: Zxid;
}

/** Whether vote `a` beats vote `b` (I-Z4: epoch, zxid, sid). */
export function beats(a: Vote, b: Vote): boolean {
  if (a.epoch !== b.epoch) return a.epoch > b.epoch;
  if (a.zxid !== b.zxid) return a.zxid > b.zxid;
  return a.leader > b.leader;
}

export function sameVote(a: Vote, b: Vote): boolean {
  return a.leader === b.leader && a.epoch === b.epoch && a.zxid === b.zxid;
}

/** How many voters make a quorum: more than half. */
export function quorumSize(voters: number): number {
  return Math.floor(voters / 2) + 1;
}
