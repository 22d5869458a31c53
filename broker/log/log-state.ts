// What a log has to know about itself before it looks at its segments: where it begins, from where on it has
// to be verified, and whether it was closed in order. One small file, replaced whole, so that the three agree.
import path from 'node:path';
import { replaceFile, replaceFileLater } from '../../wire/durable-files.ts';
import { encodeCheckpoint, readCheckpoint } from './checkpoint.ts';
import { CorruptLogError } from './errors.ts';

export const STATE_NAME = 'log-checkpoint';

export interface LogState {
  /** First offset that a reader may ask for; what is below may be gone. */
  readonly logStartOffset: number;
  /** Everything below is durable, and whole segments below it need not be verified. */
  readonly recoveryPoint: number;
  /** The log's end when it was closed in order; null: it is open, or was not closed. */
  readonly cleanEndOffset: number | null;
}

const NOT_CLEAN = -1;

function encode(state: LogState): Buffer {
  const clean = state.cleanEndOffset ?? NOT_CLEAN;
  return encodeCheckpoint([[state.logStartOffset, state.recoveryPoint, clean]]);
}

/** The state in `dir`, undefined where there is none. Throws CorruptLogError. */
export function readState(dir: string): LogState | undefined {
  const file = path.join(dir, STATE_NAME);
  const rows = readCheckpoint(file);
  if (rows === undefined) return undefined;
  const [logStartOffset, recoveryPoint, clean] = rows[0] ?? [];
  if (logStartOffset === undefined || recoveryPoint === undefined || clean === undefined) {
    throw new CorruptLogError(file, 0, 'expected log start, recovery point and clean end');
  }
  return { logStartOffset, recoveryPoint, cleanEndOffset: clean === NOT_CLEAN ? null : clean };
}

/** Durable when it returns. */
export function writeState(dir: string, state: LogState): void {
  replaceFile(path.join(dir, STATE_NAME), encode(state));
}

/** Durable when it resolves. */
export function writeStateLater(dir: string, state: LogState): Promise<void> {
  return replaceFileLater(path.join(dir, STATE_NAME), encode(state));
}
