// Compares two servers' logs record by record, where either may have ranges that no event ever showed.
// Apart from the replay of a learner, because it knows nothing of time or roles.
import { formatZxid } from '../history/node-event.ts';
import type { Findings } from './evidence.ts';
import { upperBound } from './evidence.ts';
import type { NodeLog } from './node-log.ts';

/** What a log holds. */
export type Records = Pick<NodeLog, 'zxids' | 'hashes' | 'hidden'>;

/** Whether the log has records there whose contents no event showed. */
export function isHidden(log: Records, zxid: number): boolean {
  return log.hidden.some((range) => zxid > range.from && zxid <= range.to);
}

/** How a learner's log differs from its leader's up to `to`; both may have ranges never seen. */
export function difference(
  own: Records,
  leaders: Records,
  to: number,
  findings: Findings,
): string | undefined {
  let i = 0;
  let j = 0;
  const ownEnd = upperBound(own.zxids, to);
  const leadersEnd = upperBound(leaders.zxids, to);
  while (i < ownEnd || j < leadersEnd) {
    const mine = i < ownEnd ? (own.zxids[i] as number) : Number.POSITIVE_INFINITY;
    const theirs = j < leadersEnd ? (leaders.zxids[j] as number) : Number.POSITIVE_INFINITY;
    if (mine < theirs) {
      if (!isHidden(leaders, mine)) return `has ${formatZxid(mine)}, which its leader has not`;
      i++;
    } else if (theirs < mine) {
      if (!isHidden(own, theirs)) return `lacks ${formatZxid(theirs)}, which its leader has`;
      j++;
    } else {
      findings.count('recordsCompared');
      const [a, b] = [own.hashes[i], leaders.hashes[j]];
      if (a !== undefined && b !== undefined && a !== b) {
        return `has another transaction than its leader at ${formatZxid(mine)}`;
      }
      i++;
      j++;
    }
  }
  return undefined;
}
