// Finds the first record that is not older than a timestamp: by the time index to a batch, then inside that
// batch where its records can be read without decompressing them.
import { type FoundBatch, walkBatches } from './batch-walk.ts';
import { CorruptLogError } from './errors.ts';
import type { Segment } from './segment.ts';

export interface TimestampedOffset {
  readonly offset: number;
  readonly timestamp: number;
  readonly leaderEpoch: number;
}

/**
 * Looks into a batch that holds a record with `timestamp` or later, from `fromOffset` on: the first such
 * record; undefined when there is none after all.
 */
export type RecordSearch = (
  batch: Buffer,
  timestamp: number,
  fromOffset: number,
) => { offset: number; timestamp: number } | undefined;

/** The first record from `fromOffset` on with `timestamp` or later; undefined: none. */
export function findTimestamp(
  segments: readonly Segment[],
  timestamp: number,
  range: { fromOffset: number; limitOffset: number },
  search: RecordSearch,
): TimestampedOffset | undefined {
  for (const segment of segments) {
    if (segment.endOffset <= range.fromOffset || segment.maxTimestamp < timestamp) continue;
    const found = inSegment(segment, timestamp, range.fromOffset, search);
    if (found !== undefined) return found.offset < range.limitOffset ? found : undefined;
  }
  return undefined;
}

function inSegment(
  segment: Segment,
  timestamp: number,
  fromOffset: number,
  search: RecordSearch,
): TimestampedOffset | undefined {
  const from = segment.index.beforeTime(timestamp);
  const fd = segment.use();
  try {
    const walk = walkBatches(fd, { from, endPosition: segment.sizeBytes, verify: true });
    for (;;) {
      const { done, value } = walk.next();
      if (done) {
        if (value.what === null) return undefined;
        throw new CorruptLogError(segment.logFile, value.position, value.what);
      }
      const found = inBatch(value, timestamp, fromOffset, search);
      if (found !== undefined) return found;
    }
  } finally {
    segment.endUse();
  }
}

function inBatch(
  { header, bytes }: FoundBatch,
  timestamp: number,
  fromOffset: number,
  search: RecordSearch,
): TimestampedOffset | undefined {
  if (header.nextOffset <= fromOffset || header.maxTimestamp < timestamp) return undefined;
  const found = search(bytes, timestamp, fromOffset);
  return found === undefined ? undefined : { ...found, leaderEpoch: header.leaderEpoch };
}
