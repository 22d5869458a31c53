// The life whose code runs now, for stand-ins that belong to the whole Node process and therefore to all
// lives: prototypes and constructors are shared, and each call asks whose it is.
import type { Globals } from './globals.ts';
import { currentOwner } from './kernel.ts';
import type { Life } from './life.ts';

const globalsByLife = new WeakMap<object, Globals>();

/** Undefined outside of simulated code: then everything is the host's own. */
export function currentLife(): Life | undefined {
  return currentOwner() as Life | undefined;
}

export function setGlobals(life: Life, globals: Globals): void {
  globalsByLife.set(life, globals);
}

/** The globals of a life; undefined when it has none yet. */
export function globalsOf(life: Life): Globals | undefined {
  return globalsByLife.get(life);
}
