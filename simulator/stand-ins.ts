// `Date` and the four constructors of functions as every simulated program finds them: one of each for all
// lives, so that what a value says of its constructor (`date.constructor`) is no way to the real ones.
import { currentLife, globalsOf } from './current-life.ts';
import type { Life } from './life.ts';

const NATIVE_DATE = Date;
const nows = new WeakMap<Life, unknown>();

function sharedNow(): number {
  return currentLife()?.wallMs() ?? NATIVE_DATE.now();
}

/** `Date` by the clock of the life that asks; instances are the host's own dates. */
export const SharedDate: unknown = createDate();

function createDate(): unknown {
  function SimulatedDate(this: unknown, ...args: unknown[]): unknown {
    const life = currentLife();
    const nowMs = () => life?.wallMs() ?? NATIVE_DATE.now();
    if (new.target === undefined) return new NATIVE_DATE(nowMs()).toString();
    return Reflect.construct(NATIVE_DATE, args.length === 0 ? [nowMs()] : args, new.target);
  }
  Object.defineProperty(SimulatedDate, 'name', { value: 'Date' });
  Object.defineProperty(SimulatedDate, 'length', { value: 7 });
  SimulatedDate.prototype = NATIVE_DATE.prototype;
  Object.assign(SimulatedDate, { parse: NATIVE_DATE.parse, UTC: NATIVE_DATE.UTC });
  // A program that stops its own clock (`Date.now = …`) must not stop those of the others.
  return Object.defineProperty(SimulatedDate, 'now', {
    configurable: true,
    get: () => {
      const life = currentLife();
      return (life === undefined ? undefined : nows.get(life)) ?? sharedNow;
    },
    set: (value: unknown) => {
      const life = currentLife();
      if (life !== undefined) nows.set(life, value);
    },
  });
}

/** The constructors of functions, each with the word that such a function begins with. */
const FUNCTIONS = [
  [Function, 'function'],
  [(async () => {}).constructor, 'async function'],
  [function* () {}.constructor, 'function*'],
  [async function* () {}.constructor, 'async function*'],
] as const;

/** Makes a function out of text that sees the life's globals, in scope and as a plain `this`. */
function compile(native: unknown, word: string, parts: unknown[]): object {
  const life = currentLife();
  const globals = life === undefined ? undefined : globalsOf(life);
  if (globals === undefined) return Reflect.construct(native as typeof Function, parts);
  const body = String(parts.at(-1) ?? '');
  const parameters = parts.slice(0, -1).join(',');
  const inner = `return ${word} anonymous(${parameters}\n) {\n${body}\n}`;
  const names = Object.keys(globals).filter((name) => name !== 'eval');
  const values = names.map((name) => globals[name as keyof typeof globals]);
  const make = Reflect.construct(FUNCTIONS[0][0], [...names, inner]) as () => object;
  return new Proxy(Reflect.apply(make, globals.globalThis, values) as () => unknown, {
    apply: (target, self, args) => Reflect.apply(target, self ?? globals.globalThis, args),
  });
}

/** The prototype of each kind of function, and what its `constructor` says. */
export const sharedFunctions = FUNCTIONS.map(([native, word]) => {
  const standIn = new Proxy(native, {
    apply: (target, _self, parts) => compile(target, word, parts),
    construct: (target, parts) => compile(target, word, parts),
  });
  return [native.prototype as object, standIn] as const;
});

export const SharedFunction: unknown = sharedFunctions[0]?.[1];
