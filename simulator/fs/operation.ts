// What every function of node:fs is made of: a sequence of system calls that can run at once or over
// time, and the few forms in which such sequences are put together.
import { modeArgument } from './arguments.ts';
import { argumentType } from './errors.ts';
import type { Inode } from './inode.ts';
import type { Call } from './path-calls.ts';

/** Yields system calls and is given back what they returned. */
export type Operation<T> = Generator<Call<unknown>, T, unknown>;

export function* perform<T>(call: Call<T>): Operation<T> {
  return (yield call as Call<unknown>) as T;
}

export function* discarding(call: Call<unknown>): Operation<void> {
  yield call;
}

export function* mapping<A, B>(call: Call<A>, map: (value: A) => B): Operation<B> {
  return map(yield* perform(call));
}

/** Whether a failure has one of these codes. */
export function hasCode(error: unknown, ...codes: string[]): boolean {
  return codes.includes(String((error as NodeJS.ErrnoException).code));
}

/** A file time, given as a Date or in seconds, in ms since 1970. */
function seconds(time: unknown): number {
  if (time instanceof Date) return time.getTime();
  const value = Number(time) * 1000;
  if (Number.isFinite(value)) return value;
  throw argumentType('time', 'of type number or string or an instance of Date', time);
}

/** Changes an inode's times. */
export function setTimes(atime: unknown, mtime: unknown): (inode: Inode) => void {
  const [atimeMs, mtimeMs] = [seconds(atime), seconds(mtime)];
  return (inode) => Object.assign(inode, { atimeMs, mtimeMs });
}

/** Changes an inode's permission bits. */
export function setMode(mode: unknown): (inode: Inode) => void {
  const bits = modeArgument(mode, 0);
  return (inode) => {
    inode.mode = bits;
  };
}

/** A change of what the simulator does not keep: the owner. */
export const keep = (): void => {};
