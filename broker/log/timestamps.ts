// Finds the first record that is not older than a timestamp: by the time index to a batch, then inside
// that batch.
import { type FoundBatch, walkBatches } from './batch-walk.ts';
import { CorruptLogError } from './errors.ts';
import { searchRecords } from './record-search.ts';
import type { Segment } from './segment.ts';

export interface TimestampedOffset {
  readonly offset: number;
  readonly timestamp: number;
  readonly leaderEpoch: number;
}

/** The first record from `fromOffset` on with `timestamp` or later; undefined: none. */
export function findTimestamp(
  segments: readonly Segment[],
  timestamp: number,
  range: { fromOffset: number; limitOffset: number },
): TimestampedOffset | undefined {
  for (const segment of segments) {
    if (segment.endOffset <= range.fromOffset || segment.maxTimestamp < timestamp) continue;
    const found = inSegment(segment, timestamp, range.fromOffset);
    if (found !== undefined) return found.offset < range.limitOffset ? found : undefined;
  }
  return undefined;
}

function inSegment(
  segment: Segment,
  timestamp: number,
  fromOffset: number,
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
      const found = inBatch(value, timestamp, fromOffset);
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
): TimestampedOffset | undefined {
  if (header.nextOffset <= fromOffset || header.maxTimestampMs < timestamp) return undefined;
  const found = searchRecords(bytes, header, timestamp, fromOffset);
  return found === undefined ? undefined : { ...found, leaderEpoch: header.leaderEpoch };
}
