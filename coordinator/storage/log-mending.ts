// Brings a log directory that a crash left into the state the log goes on from: cuts the unsynced
// tail, drops what a snapshot replaced, and makes the rest durable. All of it happens before
// anything is served, since a vote already relies on it.
import path from 'node:path';
import { removeInOrder, shorten, syncDirectory, temporaryFiles } from '../../wire/durable-files.ts';
import type { TxnRecord } from '../txn.ts';
import { type Zxid, zxidHex } from '../zxid.ts';
import type { DurableMark } from './durable-mark.ts';
import { CorruptLogError, type Cut, inspectLog, type LogInspection } from './log-inspection.ts';
import { rewriteAfter } from './log-reading.ts';

export interface TxnLogOptions {
  /** zxid of the snapshot recovered: what an empty log follows. 0: none. */
  after?: Zxid;
  /** That snapshot was installed by a synchronisation: a log from before it is not its past. */
  installed?: boolean;
  /** A segment takes no further batch beyond this. */
  segmentBytes?: number;
  /** Step in which a segment is filled with zeros ahead of what is written. */
  growBytes?: number;
  /** A batch takes no further record beyond this. */
  batchBytesMax?: number;
  /** Bytes that may wait to be written; `append` throws beyond. */
  queueBytesMax?: number;
  /** The server's currentEpoch, noted with every batch as evidence for recovery. */
  currentEpoch?: () => number;
  /** How far the log had been durable; without it every bad tail counts as one never synced. */
  mark?: DurableMark;
  /** Called once the log is closed. */
  onClosed?: () => void;
}

/** What a log held when it was opened. */
export interface RecoveredLog {
  /** Records above `after`, in order. */
  records(after: Zxid): Generator<TxnRecord>;
  lastLogged: Zxid;
  /** Highest zxid that the log says was committed; 0 if none. */
  committed: Zxid;
  /** Highest currentEpoch that was in force when something was logged. */
  currentEpoch: number;
  /** The unsynced tail that was removed. */
  cut: Cut | null;
}

/**
 * Inspects the log in `dir` and mends it durably. `after` is the zxid of the snapshot recovered,
 * `installed` whether a synchronisation put that there, `mark` how far the log had been durable. Throws
 * CorruptLogError for damage.
 */
export function mendLog(
  dir: string,
  after: Zxid,
  installed: boolean,
  mark?: DurableMark,
): LogInspection {
  const stale = temporaryFiles(dir).filter((name) => name.startsWith('log.'));
  removeInOrder(dir, stale);
  const found = inspectLog(dir);
  if (mark !== undefined) refuseLoss(dir, found, after, mark.zxid);
  const last = found.segments.at(-1);
  if (found.cutsFile !== null) removeInOrder(dir, [found.cutsFile]);
  else if (found.cut !== null && last !== undefined) last.size = found.cut.offset;
  // A killed process leaves bytes that only the kernel has: they must be durable before they count.
  if (last !== undefined) shorten(path.join(dir, last.name), last.size);
  syncDirectory(dir);
  if (mark !== undefined) {
    const unsure = found.segments.filter((segment) => segment.end.previous > mark.zxid);
    for (const segment of unsure) rewriteAfter(dir, segment, mark.zxid);
  }
  dropWhatSnapshotReplaces(dir, found, after, installed, mark);
  mark?.settle(found.segments.length === 0 ? after : found.lastLogged);
  return found;
}

/** What had been durable cannot be an unsynced tail: the disk has lost it, or reads it wrong. */
function refuseLoss(dir: string, found: LogInspection, after: Zxid, durable: Zxid): void {
  if (Math.max(found.lastLogged, after) >= durable) return;
  const { file, offset, what } = found.cut ?? { file: dir, offset: 0, what: 'nothing follows' };
  throw new CorruptLogError(
    file,
    offset,
    `${what}: this is damage, as the log ends with ${zxidHex(found.lastLogged)} but had been fsynced ` +
      `up to ${zxidHex(durable)}`,
  );
}

/**
 * A log that ends before the snapshot, or was replaced by it, is gone: the snapshot says it all.
 */
function dropWhatSnapshotReplaces(
  dir: string,
  found: LogInspection,
  after: Zxid,
  installed: boolean,
  mark: DurableMark | undefined,
): void {
  const first = found.segments[0];
  if (first === undefined) return;
  const unfinishedReset = installed && first.header.previousZxid < after;
  if (found.lastLogged >= after && !unfinishedReset) return;
  const names = found.segments.map((segment) => segment.name).reverse();
  mark?.lower(after);
  removeInOrder(dir, names);
  found.segments = [];
  found.lastLogged = after;
  found.committed = after;
}

/** The snapshot must be a point of the log's own history. */
export function checkHistory(
  log: { dir: string; startsAfter: Zxid; floor(zxid: Zxid): Zxid | undefined },
  after: Zxid,
): void {
  const floor = log.floor(after);
  if (floor === after) return;
  const found =
    floor === undefined
      ? `the log begins after ${zxidHex(log.startsAfter)}: what is between is missing`
      : `the log has ${zxidHex(floor)} there and goes on without it`;
  throw new CorruptLogError(
    log.dir,
    0,
    `the state recovered ends at ${zxidHex(after)}, but ${found}`,
  );
}
