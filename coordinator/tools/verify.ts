// Checks a data directory as a server does when it starts, and more: every snapshot and not the newest
// alone, and that the log replays from each. Nothing is changed, and all that is wrong is told.

import { readDurableMark } from '../storage/durable-mark.ts';
import { EpochStore } from '../storage/epochs.ts';
import { CorruptLogError, inspectLog, type LogInspection } from '../storage/log-inspection.ts';
import { openRecord, walkSegment } from '../storage/log-reading.ts';
import { decodeSnapshot } from '../storage/snapshot-format.ts';
import { DataTree } from '../tree/data-tree.ts';
import { epochOf, type Zxid, zxidHex } from '../zxid.ts';
import { dataDirectory, filesOf } from './places.ts';

type Print = (line: string) => void;

/** Verifies the directory at a path; false when anything in it is damaged. */
export function verifyDirectory(given: string, print: Print): boolean {
  const dir = dataDirectory(given);
  const problems: string[] = [];
  const attempt = <T>(what: () => T): T | undefined => {
    try {
      return what();
    } catch (error) {
      // Whatever is wrong with one part, the others are looked at too.
      problems.push((error as Error).message);
      return undefined;
    }
  };
  const log = attempt(() => inspectLog(dir));
  if (log !== undefined) tellLog(log, print);
  const mark = attempt(() => readDurableMark(dir));
  if (log !== undefined && mark !== undefined && log.lastLogged < mark) {
    const ends = zxidHex(log.lastLogged);
    const text = `the log ends with ${ends}, but was durable up to ${zxidHex(mark)}: its end is lost`;
    // A snapshot may stand for all of the log.
    if (newestSnapshot(dir) < mark) problems.push(text);
  }
  const epochs = attempt(() => EpochStore.open(dir));
  if (epochs !== undefined) {
    print(`epochs: current ${epochs.current}, accepted ${epochs.accepted}`);
    if (log !== undefined && epochOf(log.lastLogged) > epochs.accepted) {
      const last = zxidHex(log.lastLogged);
      problems.push(
        `the log ends with ${last}, of an epoch above acceptedEpoch ${epochs.accepted}`,
      );
    }
  }
  for (const { file, zxid } of snapshotsOf(dir)) {
    const digest = attempt(() => replay(dir, file, zxid, log, print));
    if (digest !== undefined) print(digest);
  }
  if (snapshotsOf(dir).length === 0 && log !== undefined) {
    const digest = attempt(() => replayLog(dir, new DataTree(), log));
    if (digest !== undefined) print(`no snapshot; the log alone gives ${digest}`);
  }
  for (const problem of problems) print(`DAMAGED: ${problem}`);
  print(problems.length === 0 ? 'whole' : `${problems.length} problems`);
  return problems.length === 0;
}

function snapshotsOf(dir: string): { file: string; zxid: Zxid }[] {
  try {
    return filesOf(dir, 'snapshot');
  } catch {
    // A young server has none, and its log tells all.
    return [];
  }
}

function newestSnapshot(dir: string): Zxid {
  return snapshotsOf(dir).at(-1)?.zxid ?? 0;
}

function tellLog(log: LogInspection, print: Print): void {
  for (const { name, header, end, size } of log.segments) {
    const range = `${zxidHex(header.firstZxid)} to ${zxidHex(end.previous)}`;
    print(`${name}: ${range}, ${end.offset} bytes of ${size}`);
  }
  print(`log: ends with ${zxidHex(log.lastLogged)}, known committed ${zxidHex(log.committed)}`);
  if (log.cut === null) return;
  const { file, offset, bytes, what } = log.cut;
  print(`${file}, offset ${offset}: a tail of ${bytes} bytes that a server would cut: ${what}`);
}

/** Loads a snapshot and applies the log after it. Throws when either does not fit. */
function replay(
  dir: string,
  file: string,
  zxid: Zxid,
  log: LogInspection | undefined,
  print: Print,
): string {
  const snapshot = decodeSnapshot(file, zxid);
  if (typeof snapshot === 'string') throw new CorruptLogError(file, 0, snapshot);
  const tree = new DataTree();
  tree.load(snapshot.chunks);
  const began = tree.digest();
  if (began !== snapshot.digest) {
    throw new CorruptLogError(file, 0, `its digest is ${began}, it says ${snapshot.digest}`);
  }
  print(`${file}: ${zxidHex(zxid)}, digest ${began}, ${tree.nodeCount} znodes`);
  const first = log?.segments[0]?.header.previousZxid;
  if (log === undefined || first === undefined || first > zxid || log.lastLogged <= zxid) {
    return '  the log has nothing to add to it';
  }
  return `  with the log: ${replayLog(dir, tree, log)}`;
}

/** Applies everything logged after the tree's state. */
function replayLog(dir: string, tree: DataTree, log: LogInspection): string {
  for (const segment of log.segments) {
    if (segment.end.previous <= tree.lastApplied) continue;
    for (const { batch } of walkSegment(dir, segment, tree.lastApplied)) {
      for (const bytes of batch.records) {
        const record = openRecord(dir, segment, batch, bytes);
        if (record.txn.zxid > tree.lastApplied) tree.apply(record);
      }
    }
  }
  return `${zxidHex(tree.lastApplied)}, digest ${tree.digest()}, ${tree.nodeCount} znodes`;
}
