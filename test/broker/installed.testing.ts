// Programs of the machine that tests need. Where one is missing its tests are skipped and say what to install;
// in CI that is a failure, because there it should have been installed.
import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';

export interface Needed {
  readonly name: string;
  /** Asks for something that only works if it is there. */
  readonly probe: readonly [string, ...string[]];
  readonly install: string;
}

const inCi = process.env.CI !== undefined && process.env.CI !== '';

function missing({ probe: [command, ...args] }: Needed): string | undefined {
  try {
    execFileSync(command, args, { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return (error as Error).message.trim().split('\n').at(-1);
  }
}

/** The tests of a client that is no package of npm. */
export function describeInstalled(needed: Needed, tests: () => void): void {
  const why = missing(needed);
  if (why !== undefined) {
    test.skipIf(!inCi)(`${needed.name} is available (${why}; ${needed.install})`, () => {
      expect(why).toBeUndefined();
    });
  }
  describe.skipIf(why !== undefined)(`${needed.name} (${needed.install})`, tests);
}
