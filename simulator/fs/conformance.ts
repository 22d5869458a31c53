// One body of tests for node:fs, run against Node's own and against the simulated one. What a
// program can see of either is the same, or the simulator would find bugs that are not there.
import type fs from 'node:fs';
import type fsPromises from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { asynchronousCases } from './conformance-async.ts';
import { directoryCases } from './conformance-directories.ts';
import { failureCases } from './conformance-errors.ts';
import { fileCases } from './conformance-files.ts';

/** A file system under test with an empty directory in it. */
export interface FsUnderTest {
  readonly fs: typeof fs;
  readonly promises: typeof fsPromises;
  /** Absolute; removed by `dispose`. */
  readonly dir: string;
  readonly dispose: () => void;
}

export interface FsCase {
  readonly name: string;
  /** Throws when the file system does not do what Node's does. */
  readonly run: (given: FsUnderTest) => void | Promise<void>;
}

/** What a failed call says, without the folder that differs from run to run. */
export interface Failure {
  readonly code: unknown;
  readonly errno: unknown;
  readonly syscall: unknown;
  readonly path: unknown;
  readonly dest: unknown;
  readonly message: string;
}

/** The failure of an error, paths told from `dir`. */
export function failureOf(error: unknown, dir: string): Failure {
  const { code, errno, syscall, path, message } = error as NodeJS.ErrnoException;
  const { dest } = error as { dest?: string };
  const local = (text: string | undefined) => text?.replaceAll(dir, '<dir>');
  return {
    code,
    errno,
    syscall,
    path: local(path),
    dest: local(dest),
    message: local(message) as string,
  };
}

/** What `run` throws; fails when it does not throw. */
export function thrown(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return expect.fail('expected the call to throw, but it returned');
}

/** Every case against a file system that `make` makes anew. */
export function fsConformance(name: string, make: () => FsUnderTest): void {
  describe(name, () => {
    for (const each of [...fileCases, ...directoryCases, ...asynchronousCases, ...failureCases]) {
      test(each.name, async () => {
        const given = make();
        try {
          await each.run(given);
        } finally {
          given.dispose();
        }
      });
    }
  });
}
