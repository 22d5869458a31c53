// Looks at the directory of a partition that a broker left, in whatever way, and finds out what of it is the
// log. It changes nothing: where the disk contradicts itself it throws, and an operator finds all as it was.
import fs from 'node:fs';
import path from 'node:path';
import { TMP_SUFFIX } from '../../wire/durable-files.ts';
import { type FoundBatch, type WalkEnd, walkFile } from './batch-walk.ts';
import { EpochCache } from './epochs.ts';
import { CorruptLogError } from './errors.ts';
import { readMark } from './flush-mark.ts';
import { type LogState, readState, STATE_NAME } from './log-state.ts';
import { baseOffsetOf, type SegmentFacts, segmentFile } from './segment.ts';
import { SparseIndex } from './sparse-index.ts';

/** What is to be cut off, and why it is no batch. */
export interface Cut {
  readonly file: string;
  readonly position: number;
  readonly what: string;
}

export interface Inspection {
  readonly state: LogState;
  /** The log was closed in order and needs no mending. */
  readonly clean: boolean;
  /** Everything below had been durable. */
  readonly durableOffset: number;
  readonly segments: SegmentFacts[];
  /** Base offsets of segments that are to be removed: below the log's start, or behind the cut. */
  readonly gone: readonly number[];
  readonly endOffset: number;
  readonly epochs: EpochCache;
  readonly cut: Cut | null;
  readonly temporary: readonly string[];
}

interface Looking {
  readonly dir: string;
  readonly intervalBytes: number;
  readonly state: LogState;
  readonly durableOffset: number;
  readonly epochs: EpochCache;
}

/** Looks at the log in `dir`; undefined when there is none yet. Throws CorruptLogError. */
export function inspectLog(dir: string, intervalBytes: number): Inspection | undefined {
  const names = fs.existsSync(dir) ? fs.readdirSync(dir) : [];
  const state = readState(dir);
  const mark = readMark(dir);
  const bases = names.flatMap((name) => baseOffsetOf(name) ?? []).sort((a, b) => a - b);
  if (state === undefined || mark === undefined) {
    if (bases.length === 0) return undefined;
    // Both were durable before the first segment was made.
    throw new CorruptLogError(
      path.join(dir, STATE_NAME),
      0,
      'it is missing, but there are segments',
    );
  }
  const durableOffset = Math.max(mark, state.recoveryPoint);
  const looking: Looking = {
    dir,
    intervalBytes,
    state,
    durableOffset,
    epochs: EpochCache.load(dir),
  };
  const temporary = names.filter((name) => name.endsWith(TMP_SUFFIX));
  // An interrupted deletion leaves any of the segments that it was about to remove.
  const stale = bases.filter(
    (_, i) => (bases[i + 1] ?? 0) > 0 && bases[i + 1]! <= state.logStartOffset,
  );
  const live = bases.slice(stale.length);
  const found = state.cleanEndOffset === null ? scanned(looking, live) : trusted(looking, live);
  return { ...looking, ...found, temporary, gone: [...stale, ...found.gone] };
}

type Found = Pick<Inspection, 'segments' | 'gone' | 'endOffset' | 'cut' | 'clean'>;

/** A log that was closed in order: only the end of its last segment is looked at. */
function trusted(looking: Looking, bases: readonly number[]): Found {
  const { dir, state, intervalBytes } = looking;
  const endOffset = state.cleanEndOffset as number;
  const last = bases.at(-1);
  if (last === undefined || (bases[0] as number) > state.logStartOffset) {
    throw new CorruptLogError(
      dir,
      0,
      `expected a segment with offset ${state.logStartOffset}, the first is ${bases[0] ?? 'missing'}`,
    );
  }
  const segments = bases
    .slice(0, -1)
    .map((base, i) => unscanned(dir, base, bases[i + 1] as number));
  const facts = unscanned(dir, last, endOffset);
  const files = (['index', 'timeindex'] as const).map((kind) => {
    return path.join(dir, segmentFile(last, kind));
  }) as [string, string];
  const index = SparseIndex.load(...files, facts, intervalBytes);
  // Without its index the whole segment is looked at, which builds it.
  const from = index?.floor(endOffset) ?? { offset: last, position: 0 };
  const rebuilt = new SparseIndex(last, intervalBytes);
  const file = path.join(dir, segmentFile(last, 'log'));
  const end = walkChecked(looking, file, from, facts.sizeBytes, ({ header, position }) => {
    if (index === undefined) rebuilt.note(header.baseOffset, position, header.maxTimestampMs);
  });
  if (end.what !== null || end.offset !== endOffset) {
    const what =
      end.what ?? `expected the log to end at offset ${endOffset}, it ends at ${end.offset}`;
    throw new CorruptLogError(file, end.position, what);
  }
  segments.push({ ...facts, index: index ?? rebuilt });
  return { segments, gone: [], endOffset, cut: null, clean: true };
}

function unscanned(dir: string, baseOffset: number, endOffset: number): SegmentFacts {
  const stat = fs.statSync(path.join(dir, segmentFile(baseOffset, 'log')));
  return { baseOffset, endOffset, sizeBytes: stat.size, begunAtMs: stat.birthtimeMs };
}

/** A log that was not closed: from the recovery point on every batch is verified. */
function scanned(looking: Looking, bases: readonly number[]): Found {
  const { dir, state, durableOffset } = looking;
  const segments: SegmentFacts[] = [];
  const first = Math.max(
    bases.findLastIndex((base) => base <= state.recoveryPoint),
    0,
  );
  let expected = bases[0] ?? state.logStartOffset;
  let cut: Cut | null = null;
  if (expected > state.logStartOffset) {
    expected = state.logStartOffset;
    cut = { file: dir, position: 0, what: `no segment has offset ${expected}` };
  }
  let count = 0;
  for (const [i, base] of bases.entries()) {
    if (cut !== null) break;
    if (base !== expected) {
      const file = path.join(dir, segmentFile(base, 'log'));
      cut = {
        file,
        position: 0,
        what: `expected a segment at offset ${expected}, the next is ${base}`,
      };
      break;
    }
    count += 1;
    if (i < first) segments.push(unscanned(dir, base, bases[i + 1] as number));
    else {
      const one = scanSegment(looking, base);
      segments.push(one.facts);
      cut = one.cut;
    }
    expected = (segments.at(-1) as SegmentFacts).endOffset;
  }
  const gone = bases.slice(count);
  return judge(looking, { segments, gone: [...gone], endOffset: expected, cut }, durableOffset);
}

/** What had been durable cannot be an unsynced tail: the disk has lost it, or reads it wrong. */
function judge(looking: Looking, found: Omit<Found, 'clean'>, durableOffset: number): Found {
  const { dir, state } = looking;
  const { endOffset, cut } = found;
  if (endOffset < durableOffset && durableOffset > state.logStartOffset) {
    const { file, position, what } = cut ?? { file: dir, position: 0, what: 'nothing follows' };
    throw new CorruptLogError(
      file,
      position,
      `${what}: this is damage, as the log would end at offset ${endOffset} but had been fsynced up ` +
        `to ${durableOffset}`,
    );
  }
  if (endOffset >= state.logStartOffset) return { ...found, clean: false };
  // It was to begin anew beyond its end, and the old segments were still there.
  const gone = [...found.segments.map(({ baseOffset }) => baseOffset), ...found.gone];
  return { segments: [], gone, endOffset: state.logStartOffset, cut, clean: false };
}

function scanSegment(looking: Looking, base: number): { facts: SegmentFacts; cut: Cut | null } {
  const { dir, intervalBytes } = looking;
  const file = path.join(dir, segmentFile(base, 'log'));
  const stat = fs.statSync(file);
  const index = new SparseIndex(base, intervalBytes);
  const from = { offset: base, position: 0 };
  const end = walkChecked(looking, file, from, stat.size, ({ header, position }) => {
    index.note(header.baseOffset, position, header.maxTimestampMs);
  });
  const { offset: endOffset, position: sizeBytes, what } = end;
  const facts = { baseOffset: base, endOffset, sizeBytes, begunAtMs: stat.birthtimeMs, index };
  return { facts, cut: what === null ? null : { file, position: sizeBytes, what } };
}

/** Walks verified batches whose leader epochs agree with the cache, and teaches it those it lacks. */
function walkChecked(
  looking: Looking,
  file: string,
  from: { offset: number; position: number },
  endPosition: number,
  take: (batch: FoundBatch) => void,
): WalkEnd {
  const walk = walkFile(file, { from, endPosition, verify: true });
  for (;;) {
    const { done, value } = walk.next();
    if (done) return value;
    const what = epochFault(looking, value);
    if (what !== null) {
      walk.return({ ...from, what });
      return { offset: value.header.baseOffset, position: value.position, what };
    }
    take(value);
  }
}

/** The leader epoch is not under a batch's checksum; below the flushed mark the cache knows it. */
function epochFault(
  { epochs, state, durableOffset }: Looking,
  { header }: FoundBatch,
): string | null {
  const { baseOffset, nextOffset, leaderEpoch } = header;
  if (nextOffset <= state.logStartOffset) return null;
  // The log may begin inside a batch; the cache knows nothing of what is before.
  const offset = Math.max(baseOffset, state.logStartOffset);
  if (offset < durableOffset) {
    const known = epochs.epochFor(offset);
    if (known === leaderEpoch) return null;
    return `expected leader epoch ${known} at offset ${offset}, got ${leaderEpoch}`;
  }
  try {
    epochs.assign(leaderEpoch, offset);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}
