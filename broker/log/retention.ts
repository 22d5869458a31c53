// Which whole segments are too many or too old. Pure: it looks at facts of segments and gives the offset at
// which the log may begin.
import type { LogConfig } from './config.ts';

export interface SegmentAge {
  readonly endOffset: number;
  readonly sizeBytes: number;
  /** Newest record, ms since 1970; −1: unknown. */
  readonly maxTimestamp: number;
  readonly begunAtMs: number;
}

/**
 * Where the log may begin by its settings: behind the oldest segments that retention lets go. None goes that
 * holds anything from `limitOffset` on, such as the high watermark.
 */
export function retainedFrom(
  segments: readonly SegmentAge[],
  logStartOffset: number,
  config: LogConfig,
  limits: { limitOffset: number; nowMs: number },
): number {
  let start = logStartOffset;
  let bytes = segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  for (const segment of segments) {
    if (segment.endOffset > limits.limitOffset || segment.sizeBytes === 0) break;
    const newestMs = segment.maxTimestamp < 0 ? segment.begunAtMs : segment.maxTimestamp;
    const tooOld = config.retentionMs >= 0 && limits.nowMs - newestMs > config.retentionMs;
    const tooMuch =
      config.retentionBytes >= 0 && bytes - segment.sizeBytes >= config.retentionBytes;
    if (!tooOld && !tooMuch) break;
    bytes -= segment.sizeBytes;
    start = Math.max(start, segment.endOffset);
  }
  return start;
}
