// Brings a server back from its disk: epochs, the newest snapshot that is whole, and the log after
// it, checked against each other. It refuses to start on what no crash can explain, and says what
// it found.
import path from 'node:path';
import { makeDirectoryOf, removeInOrder, temporaryFiles } from '../../wire/durable-files.ts';
import type { TxnRecord } from '../txn.ts';
import { epochOf, type Zxid, zxidHex } from '../zxid.ts';
import { DurableMark } from './durable-mark.ts';
import { EnsembleStore } from './ensemble-store.ts';
import { EpochStore } from './epochs.ts';
import { lockDirectory } from './lock.ts';
import { CorruptLogError, inspectLog } from './log-inspection.ts';
import type { Snapshot } from './snapshot-format.ts';
import { type LoadedSnapshot, SnapshotStore } from './snapshots.ts';
import { type RecoveredLog, TxnLog, type TxnLogOptions } from './txn-log.ts';

/** As ZooKeeper names it, below dataDir. */
const VERSION_DIRECTORY = 'version-2';
const SEGMENT_BYTES = 64 * 1024 * 1024;
const GROW_BYTES = 4 * 1024 * 1024;

export interface RecoveryOptions {
  /** Size of a log segment, filled with zeros ahead in steps of at most 4 MB. */
  preAllocBytes?: number;
  /** Snapshots that `purge` keeps. */
  snapRetainCount?: number;
  /** Keep a second server off the directory; default true. */
  lock?: boolean;
}

/** All that a server has on disk, ready for use. Closing the log gives the directory back. */
export interface RecoveredStorage {
  snapshot: Pick<Snapshot, 'zxid' | 'chunks' | 'digest'> | null;
  log: TxnLog;
  snapshots: SnapshotStore;
  epochs: EpochStore;
  ensemble: EnsembleStore;
  /** Logged records above a zxid not below the snapshot's, in order. */
  records(after: Zxid): Generator<TxnRecord>;
  /** Everything up to here is known to have been committed. */
  committed: Zxid;
  /** What was repaired or done without, for the server's log. */
  warnings: string[];
}

/**
 * Opens what is in `<dataDir>/version-2`. Throws CorruptLogError when durable data is damaged,
 * missing or impossible (I-Z2), DirectoryInUseError when another server has the directory, and what
 * the file system throws.
 */
export function recover(dataDir: string, options: RecoveryOptions = {}): RecoveredStorage {
  const dir = path.join(dataDir, VERSION_DIRECTORY);
  makeDirectoryOf('dataDir', dir);
  const unlock = options.lock === false ? () => {} : lockDirectory(dir);
  try {
    return recoverLocked(dir, options, unlock);
  } catch (error) {
    unlock();
    throw error;
  }
}

function recoverLocked(
  dir: string,
  options: RecoveryOptions,
  unlock: () => void,
): RecoveredStorage {
  const warnings: string[] = [];
  removeInOrder(dir, temporaryFiles(dir));
  const epochs = EpochStore.open(dir);
  const ensemble = EnsembleStore.open(dir);
  const currentEpoch = (): number => epochs.current;
  const keep = options.snapRetainCount;
  const snapshots = new SnapshotStore(
    dir,
    keep === undefined ? { currentEpoch } : { currentEpoch, keep },
  );
  const loaded = snapshots.loadLatest();
  judgeBroken(dir, loaded, warnings);
  const { snapshot } = loaded;
  const segmentBytes = options.preAllocBytes ?? SEGMENT_BYTES;
  const mark = DurableMark.open(dir);
  const { log, recovered } = openLog(dir, mark, {
    after: snapshot?.zxid ?? 0,
    installed: snapshot?.installed ?? false,
    segmentBytes,
    growBytes: Math.min(GROW_BYTES, segmentBytes),
    currentEpoch,
    onClosed: () => {
      mark.close();
      unlock();
    },
  });
  if (recovered.cut !== null) {
    const { file, offset, bytes, what } = recovered.cut;
    warnings.push(`cut ${bytes} bytes of an unsynced tail at ${file}, offset ${offset}: ${what}`);
  }
  try {
    settleEpochs(dir, epochs, recovered, snapshot, warnings);
  } catch (error) {
    // Nothing waits, so this ends at once. Should it fail too, that is worth a line, not the error's place.
    log.close().catch((reason: Error) => console.error(`closing the log: ${reason.message}`));
    throw error;
  }
  return {
    snapshot,
    log,
    snapshots,
    epochs,
    ensemble,
    records: (after) => log.readAfter(after),
    committed: Math.max(recovered.committed, snapshot?.zxid ?? 0),
    warnings,
  };
}

function openLog(
  dir: string,
  mark: DurableMark,
  options: TxnLogOptions,
): ReturnType<typeof TxnLog.open> {
  try {
    return TxnLog.open(dir, { ...options, mark });
  } catch (error) {
    mark.close();
    throw error;
  }
}

/** A damaged snapshot may be done without only when log and an older one make up for it. */
function judgeBroken(dir: string, loaded: LoadedSnapshot, warnings: string[]): void {
  const newest = loaded.broken[0];
  if (newest === undefined) return;
  const log = inspectLog(dir);
  const from = loaded.snapshot?.zxid ?? 0;
  const startsAfter = log.segments[0]?.header.previousZxid ?? log.lastLogged;
  if (startsAfter > from || log.lastLogged < newest.zxid) {
    const has =
      log.segments.length === 0
        ? 'the log is empty'
        : `the log has ${zxidHex(startsAfter)} (without) to ${zxidHex(log.lastLogged)}`;
    const older =
      loaded.snapshot === null ? 'there is no older one' : `the next is ${zxidHex(from)}`;
    throw new CorruptLogError(
      newest.file,
      0,
      `${newest.reason}; ${older} and ${has}, which does not make up for it`,
    );
  }
  for (const { file, reason } of loaded.broken) {
    warnings.push(
      `did without the damaged snapshot ${file} (${reason}): the log from ${zxidHex(from)} on is whole`,
    );
  }
}

/**
 * Checks epoch(lastLogged) ≤ currentEpoch ≤ acceptedEpoch (I-Z2). One breach is no damage: a crash
 * while synchronising with an established leader, after transactions of its epoch were logged and
 * before currentEpoch was. The log says so itself, by the currentEpoch in force when it was
 * written. It then begins with the whole history the leader began its epoch with, so that epoch may
 * be made current.
 */
function settleEpochs(
  dir: string,
  epochs: EpochStore,
  recovered: RecoveredLog,
  snapshot: Snapshot | null,
  warnings: string[],
): void {
  const { accepted, current } = epochs;
  const last = Math.max(recovered.lastLogged, snapshot?.zxid ?? 0);
  const loggedIn = Math.max(recovered.currentEpoch, snapshot?.currentEpoch ?? 0);
  const epoch = epochOf(last);
  if (epoch <= current && loggedIn <= current) return;
  if (loggedIn <= current && epoch <= accepted) {
    epochs.setCurrent(epoch);
    warnings.push(
      `finished an interrupted synchronisation: the log ends with ${zxidHex(last)}, so currentEpoch ` +
        `${current} became ${epoch}`,
    );
    return;
  }
  throw new CorruptLogError(
    dir,
    0,
    `the last transaction is ${zxidHex(last)}, of epoch ${epoch}, and was logged when currentEpoch ` +
      `was at least ${loggedIn}, but the epoch files say currentEpoch ${current} and acceptedEpoch ` +
      `${accepted}: they were lost or replaced by older ones`,
  );
}
