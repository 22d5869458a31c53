// Every function of node:fs as an operation. The sync, callback and promise forms all run these, so
// that the three cannot differ.
import type { RandomStream } from '../host.ts';
import { contentOperations, descriptorOperations } from './content-operations.ts';
import { directoryOperations, pathOperations } from './path-operations.ts';
import type { SystemCalls } from './system-calls.ts';

/**
 * The operations of one process. Each checks its arguments at once and throws Node's errors; the
 * generator that it returns then makes the calls.
 */
export function fileOperations(calls: SystemCalls, random: RandomStream) {
  return {
    ...descriptorOperations(calls),
    ...contentOperations(calls),
    ...directoryOperations(calls, random),
    ...pathOperations(calls),
  };
}

export type FileOperations = ReturnType<typeof fileOperations>;
