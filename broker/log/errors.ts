// The errors of a partition's log, each with what the broker does about it. A refused append is no error but
// a result (see append.ts): it is the client's mistake and concerns nobody else.

/**
 * The disk gives back what the log never wrote, or lacks what had been durable. Nothing was changed: the
 * replica must be fetched again from the others, never cut to what can be read.
 */
export class CorruptLogError extends Error {
  override name = 'CorruptLogError';
  readonly file: string;
  /** Byte position in the file. */
  readonly position: number;

  constructor(file: string, position: number, what: string) {
    super(
      `${file} is corrupt at byte ${position}: ${what}. Nothing was changed; set the partition's ` +
        'directory aside, so that the replica is fetched again from the others',
    );
    this.file = file;
    this.position = position;
  }
}

/**
 * A write or a sync failed. The log is dead and nothing is tried again: after a failed sync the kernel may have
 * dropped what it could not write. The broker has to stop.
 */
export class LogFailedError extends Error {
  override name = 'LogFailedError';
  /** The system's code, such as EIO or ENOSPC. */
  readonly code: string;

  constructor(dir: string, cause: Error) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'error';
    super(
      `the log in ${dir} cannot be written (${code}: ${cause.message}). The broker stops: nothing it ` +
        'counted as flushed is lost. Free space or replace the disk, then start it again',
      { cause },
    );
    this.code = code;
  }
}

/** An offset that the log does not have (Kafka: OFFSET_OUT_OF_RANGE). */
export class OffsetOutOfRangeError extends Error {
  override name = 'OffsetOutOfRangeError';

  constructor(offset: number, startOffset: number, endOffset: number) {
    super(
      `offset ${offset} is not in the log, which has ${startOffset} to ${endOffset} (exclusive)`,
    );
  }
}

/** What a leader sent does not continue this replica's log: it has to truncate, or starts elsewhere. */
export class NotContiguousError extends Error {
  override name = 'NotContiguousError';
}
