// A server's transaction log, rebuilt from its own events across restarts, with what is known to be
// durable and what is not known at all. The election and log checkers and the rollback checker read it.
import type { NodeEvent } from '../history/node-event.ts';
import { formatZxid, zxidCounter, zxidEpoch } from '../history/node-event.ts';
import { upperBound } from './evidence.ts';

/** Told of every contradiction inside one server's own events. */
export type ProblemListener = (kind: string, why: string, event: NodeEvent) => void;

export type SyncStartEvent = Extract<NodeEvent, { ev: 'syncStart' }>;

/** Unseen records are listed one by one up to this many; beyond, they stay a range. */
const UNSEEN_LISTED_MAX = 100_000;

/** Whether zxid `next` may directly follow `last` in a log (0 = the empty log). */
export function follows(last: number, next: number): boolean {
  if (zxidCounter(next) === 0) return false;
  if (zxidEpoch(next) === zxidEpoch(last)) return next === last + 1;
  return zxidEpoch(next) > zxidEpoch(last) && zxidCounter(next) === 1;
}

/**
 * The records of one server's log. Where contents are not known (what lay on disk before the run,
 * behind a snapshot, or written by a killed process whose last events never reached its log), there
 * is a `hidden` range instead of records.
 */
export class NodeLog {
  readonly zxids: number[] = [];
  /** Undefined: the record is there, its content was never seen. */
  readonly hashes: (string | undefined)[] = [];
  /** Ranges (from, to] with unknown records. */
  hidden: { from: number; to: number }[] = [];
  /** Every zxid of this server's log that no event of its own ever showed, even if gone since. */
  readonly unseen: { from: number; to: number }[] = [];
  /** Records from the start that are durable now. */
  #durableCount = 0;
  #durableBase = 0;
  /** zxid → when the record first was durable here, ns. */
  readonly #durableSince = new Map<number, number>();
  /** Times, ascending, with the highest zxid that a snapshot or the disk found covered by then. */
  readonly #coveredTimes: number[] = [];
  readonly #coveredZxids: number[] = [];

  get last(): number {
    return Math.max(this.zxids.at(-1) ?? 0, this.hidden.at(-1)?.to ?? 0);
  }

  /** Everything up to here is on disk now. */
  get durable(): number {
    return Math.max(this.zxids[this.#durableCount - 1] ?? 0, this.#durableBase);
  }

  /** True also where the record may be inside a hidden range. */
  contains(zxid: number): boolean {
    return zxid === 0 || this.indexOf(zxid) !== undefined || this.isHidden(zxid);
  }

  isHidden(zxid: number): boolean {
    return this.hidden.some((range) => zxid > range.from && zxid <= range.to);
  }

  indexOf(zxid: number): number | undefined {
    const index = upperBound(this.zxids, zxid) - 1;
    return this.zxids[index] === zxid ? index : undefined;
  }

  /** The record after `zxid`; undefined at the end; `hidden` if it cannot be known. */
  after(zxid: number): number | 'hidden' | undefined {
    if (this.hidden.some((range) => zxid >= range.from && zxid < range.to)) return 'hidden';
    return this.zxids[upperBound(this.zxids, zxid)];
  }

  append(zxid: number, hash: string | undefined): void {
    if (zxid <= this.last) this.truncate(zxid - 1);
    this.zxids.push(zxid);
    this.hashes.push(hash);
  }

  fsync(upto: number, t: number): void {
    const count = upperBound(this.zxids, upto);
    for (; this.#durableCount < count; this.#durableCount++) {
      const zxid = this.zxids[this.#durableCount] as number;
      if (!this.#durableSince.has(zxid)) this.#durableSince.set(zxid, t);
    }
  }

  truncate(to: number): void {
    const kept = upperBound(this.zxids, to);
    this.zxids.length = kept;
    this.hashes.length = kept;
    this.hidden = this.hidden
      .filter((range) => range.from < to)
      .map((range) => ({ from: range.from, to: Math.min(range.to, to) }));
    this.#durableCount = Math.min(this.#durableCount, kept);
    this.#durableBase = Math.min(this.#durableBase, to);
  }

  /** A snapshot that took the log's place: what it covers is known only as a whole. */
  replaceBySnapshot(zxid: number): void {
    this.zxids.length = 0;
    this.hashes.length = 0;
    this.#durableCount = 0;
    this.#durableBase = Math.min(this.#durableBase, zxid);
    this.hidden = zxid === 0 ? [] : [{ from: 0, to: zxid }];
  }

  /** Everything up to `zxid` is on disk from `t`, by a snapshot or because it was found there. */
  cover(zxid: number, t: number): void {
    this.#durableBase = Math.max(this.#durableBase, zxid);
    this.#coveredTimes.push(t);
    this.#coveredZxids.push(Math.max(zxid, this.#coveredZxids.at(-1) ?? 0));
  }

  /** Records (last, to] are on disk though no event showed them being written. */
  addUnseen(to: number): void {
    const from = this.last;
    this.unseen.push({ from, to });
    const sameEpoch = zxidEpoch(from) === zxidEpoch(to);
    const known = sameEpoch ? from : to - zxidCounter(to);
    if (!sameEpoch && from < known) this.hidden.push({ from, to: known });
    if (to - known > UNSEEN_LISTED_MAX) {
      this.hidden.push({ from: known, to });
      return;
    }
    for (let zxid = known + 1; zxid <= to; zxid++) this.append(zxid, undefined);
  }

  /** Whether this server ever had `zxid` on disk by time `t` (ns). */
  durableBy(zxid: number, t: number): boolean {
    const since = this.#durableSince.get(zxid);
    if (since !== undefined && since <= t) return true;
    const covered = this.#coveredZxids[upperBound(this.#coveredTimes, t) - 1];
    return covered !== undefined && covered >= zxid;
  }
}

/** A synchronisation that a leader began and whose traces a kill may have kept out of the events. */
export interface PendingSync {
  mode: SyncStartEvent['mode'];
  from: number;
}

/**
 * Brings a log to what `start` says the disk holds. Appended records that were not fsynced may be
 * there or not; fsynced ones must be, except above the point to which a leader had just told this
 * server to truncate. Returns what contradicts that, or undefined.
 */
export function recover(
  log: NodeLog,
  lastLogged: number,
  t: number,
  pending: PendingSync | undefined,
): { kind: string; why: string } | undefined {
  const before = log.last;
  let problem: { kind: string; why: string } | undefined;
  const excused = pending !== undefined && lastLogged >= pending.from;
  if (excused && lastLogged !== before) {
    if (pending.mode === 'snap') log.replaceBySnapshot(pending.from);
    else log.truncate(Math.min(pending.from, before));
    if (lastLogged > log.last) log.addUnseen(lastLogged);
  } else if (lastLogged < before) {
    if (log.durable > lastLogged) {
      problem = {
        kind: 'durable-record-lost',
        why:
          `its log ends at ${formatZxid(lastLogged)} after the restart, but everything up to ` +
          `${formatZxid(log.durable)} had been fsynced and no leader had it truncated`,
      };
    } else if (!log.contains(lastLogged)) {
      problem = {
        kind: 'log-end-unexplained',
        why:
          `its log ends at ${formatZxid(lastLogged)} after the restart, a record that it never ` +
          `wrote; before, its log ended at ${formatZxid(before)}`,
      };
    }
    log.truncate(lastLogged);
  } else if (lastLogged > before) {
    log.addUnseen(lastLogged);
  }
  // Recovery read it from disk and speaks for it from now on, so it counts as durable from here.
  log.fsync(lastLogged, t);
  const hidden = log.hidden.at(-1);
  if (hidden !== undefined) log.cover(hidden.to, t);
  return problem;
}
