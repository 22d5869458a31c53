// Reading a log that serves. What is read wrong once may be the disk's mistake on the way, so it is read again; what
// stays wrong is damage, and a broker that goes on with it would tell one thing and hold another.
import { CorruptLogError, OffsetOutOfRangeError } from '../log/errors.ts';
import type { Replica } from './replica.ts';

const READS_MAX = 3;

/**
 * Whether a read that failed is to be tried again. If not, the broker has been told to stop, unless the log
 * was only closed meanwhile.
 */
export function readAgain(replica: Replica, error: unknown, attempt: number): boolean {
  if (replica.log.closed) return false;
  if (error instanceof CorruptLogError && attempt < READS_MAX) return true;
  replica.context.onFatal(error as Error);
  return false;
}

/**
 * What `read` gives, or undefined when the log cannot be read.
 * @throws OffsetOutOfRangeError
 */
export async function readingOf<T>(
  replica: Replica,
  read: () => Promise<T>,
): Promise<T | undefined> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await read();
    } catch (error) {
      if (error instanceof OffsetOutOfRangeError) throw error;
      if (!readAgain(replica, error, attempt)) return undefined;
    }
  }
}
