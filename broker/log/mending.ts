// Brings a partition's directory into the state that an inspection found it to have: removes what is not of the
// log, cuts the unsynced tail, and makes what is left durable before anybody is told of it.
import fs from 'node:fs';
import path from 'node:path';
import {
  makeDirectoryIn,
  removeAll,
  shorten,
  syncDirectory,
  writeFullySync,
} from '../../wire/durable-files.ts';
import { walkBatches } from './batch-walk.ts';
import { CorruptLogError } from './errors.ts';
import { FlushMark } from './flush-mark.ts';
import type { Inspection } from './inspection.ts';
import { type LogState, writeState } from './log-state.ts';
import { removeSnapshotsAbove } from './producer-snapshots.ts';
import { Segment, type SegmentFacts, segmentFile } from './segment.ts';

/** Makes an empty log that begins at `startOffset`, durably, in a directory that is there durably. */
export function createLog(dir: string, startOffset: number): void {
  makeDirectoryIn(path.dirname(dir), path.basename(dir));
  writeState(dir, {
    logStartOffset: startOffset,
    recoveryPoint: startOffset,
    cleanEndOffset: null,
  });
  FlushMark.create(dir, startOffset);
}

function filesOf(baseOffset: number): string[] {
  return (['index', 'timeindex', 'log'] as const).map((kind) => segmentFile(baseOffset, kind));
}

/** Mends the log in `dir` and returns its segments, at least one. Throws what the disk throws. */
export function mendLog(
  dir: string,
  found: Inspection,
  options: { intervalBytes: number; nowMs: number },
): { segments: Segment[]; mark: FlushMark } {
  const { segments: facts, endOffset, epochs } = found;
  removeAll(dir, found.temporary);
  // Newest first, so that a crash leaves a log without a gap.
  for (const name of [...found.gone].reverse().flatMap(filesOf)) removeAll(dir, [name]);
  const mark = new FlushMark(dir, found.durableOffset);
  if (!found.clean) {
    const last = facts.at(-1);
    // A killed process leaves bytes that only the kernel has: they must be durable before they count.
    if (last !== undefined)
      shorten(path.join(dir, segmentFile(last.baseOffset, 'log')), last.sizeBytes);
    for (const each of facts) {
      if (each.endOffset > found.durableOffset) rewriteFrom(dir, each, found.durableOffset);
    }
    syncDirectory(dir);
    removeSnapshotsAbove(dir, endOffset);
  }
  epochs.truncateFromEnd(endOffset);
  epochs.truncateFromStart(found.state.logStartOffset);
  if (epochs.dirty) epochs.save();
  const segments = facts.map((each) => new Segment(dir, each, options.intervalBytes));
  // Built just now by looking at every batch; the last one's is written when that is finished.
  if (!found.clean) for (const each of segments.slice(0, -1)) each.saveIndex();
  if (segments.length === 0) {
    segments.push(Segment.create(dir, endOffset, options.nowMs, options.intervalBytes));
    syncDirectory(dir);
  }
  if (!found.clean) mark.settle(endOffset);
  const { logStartOffset } = found.state;
  const state: LogState = { logStartOffset, recoveryPoint: endOffset, cleanEndOffset: null };
  writeState(dir, state);
  return { segments, mark };
}

/**
 * Writes again what a segment holds from `durableOffset` on, durably. Where an fsync failed, the kernel goes
 * on showing bytes that the disk does not have and counts them as written: syncing again does nothing.
 */
function rewriteFrom(dir: string, facts: SegmentFacts, durableOffset: number): void {
  const file = path.join(dir, segmentFile(facts.baseOffset, 'log'));
  const fd = fs.openSync(file, 'r+');
  try {
    const start = { offset: facts.baseOffset, position: 0 };
    const from = facts.index?.floor(durableOffset) ?? start;
    const walk = walkBatches(fd, { from, endPosition: facts.sizeBytes, verify: true });
    for (;;) {
      const { done, value } = walk.next();
      if (done) {
        // Each checked: a read that went wrong must not be written back as the truth.
        if (value.what !== null) throw new CorruptLogError(file, value.position, value.what);
        break;
      }
      if (value.header.nextOffset > durableOffset) writeFullySync(fd, value.bytes, value.position);
    }
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}
