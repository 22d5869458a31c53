// What was known of the producers at an offset, written when a segment is finished, so that a start has to look
// at the batches of the last one alone. A snapshot that is missing or damaged costs only a longer look back.
import fs from 'node:fs';
import path from 'node:path';
import { removeAll, TMP_SUFFIX } from '../../wire/durable-files.ts';
import { encodeCheckpoint, readCheckpoint } from './checkpoint.ts';
import { CorruptLogError } from './errors.ts';
import type { ProducerBatch, ProducerEntry, ProducerStates } from './producers.ts';

const NAME = /^(\d{20})\.snapshot$/;

export interface ProducerSnapshot {
  /** It holds what every batch below this offset has done. */
  readonly offset: number;
  readonly entries: readonly ProducerEntry[];
}

function fileName(offset: number): string {
  return `${String(offset).padStart(20, '0')}.snapshot`;
}

/** Offsets of the snapshots in `dir`, ascending. */
export function snapshotOffsets(dir: string): number[] {
  return fs
    .readdirSync(dir)
    .flatMap((name) => NAME.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

/** Writes the snapshot at `offset`; not durable, since losing it loses nothing. */
export function writeSnapshot(dir: string, offset: number, producers: ProducerStates): void {
  const rows = [...producers.entries()].map(({ producerId, epoch, seenAtMs, batches }) => [
    producerId,
    epoch,
    seenAtMs,
    ...batches.flatMap((each) => [
      each.baseSequence,
      each.lastSequence,
      each.baseOffset,
      each.lastOffset,
      each.maxTimestamp,
    ]),
  ]);
  const file = path.join(dir, fileName(offset));
  fs.writeFileSync(file + TMP_SUFFIX, encodeCheckpoint(rows));
  fs.renameSync(file + TMP_SUFFIX, file);
}

function parse(row: readonly number[]): ProducerEntry {
  const [producerId = -1, epoch = -1, seenAtMs = 0, ...rest] = row;
  const batches: ProducerBatch[] = [];
  for (let at = 0; at + 5 <= rest.length; at += 5) {
    const [baseSequence = 0, lastSequence = 0, baseOffset = 0, lastOffset = 0, maxTimestamp = 0] =
      rest.slice(at, at + 5);
    batches.push({ baseSequence, lastSequence, baseOffset, lastOffset, maxTimestamp });
  }
  return { producerId, epoch, seenAtMs, batches };
}

/** The newest whole snapshot at or below `endOffset`; undefined: there is none. */
export function latestSnapshot(dir: string, endOffset: number): ProducerSnapshot | undefined {
  for (const offset of snapshotOffsets(dir).reverse()) {
    if (offset > endOffset) continue;
    try {
      const rows = readCheckpoint(path.join(dir, fileName(offset)));
      if (rows !== undefined) return { offset, entries: rows.map(parse) };
    } catch (error) {
      // Not synced when it was written: after a power loss it may be torn. An older one does as well.
      if (!(error instanceof CorruptLogError)) throw error;
    }
  }
  return undefined;
}

/** Removes the snapshots above `endOffset`, durably: other records may come to stand there. */
export function removeSnapshotsAbove(dir: string, endOffset: number): void {
  const above = snapshotOffsets(dir).filter((offset) => offset > endOffset);
  removeAll(dir, above.map(fileName));
}

/** Removes snapshots below `startOffset` but the newest of them, durably. */
export function removeOldSnapshots(dir: string, startOffset: number): void {
  const old = snapshotOffsets(dir).filter((offset) => offset <= startOffset);
  removeAll(dir, old.slice(0, -1).map(fileName));
}
