// Words for numbers, dates and order as every machine of a simulation says them: English of the United
// States unless the program names another language, and "now" by the process's own clock.
import { currentLife } from './current-life.ts';
import type { Replacement } from './host-globals.ts';

const LOCALE = 'en-US';
const ZONE_NAME = ' (Coordinated Universal Time)';

type Method = (this: unknown, ...args: unknown[]) => unknown;

/** Methods whose first argument, at this place, is the language. */
const LOCALIZED: readonly (readonly [object, string, number])[] = [
  [Date.prototype, 'toLocaleString', 0],
  [Date.prototype, 'toLocaleDateString', 0],
  [Date.prototype, 'toLocaleTimeString', 0],
  [Number.prototype, 'toLocaleString', 0],
  [BigInt.prototype, 'toLocaleString', 0],
  [Array.prototype, 'toLocaleString', 0],
  [Object.getPrototypeOf(Uint8Array.prototype), 'toLocaleString', 0],
  [String.prototype, 'toLocaleLowerCase', 0],
  [String.prototype, 'toLocaleUpperCase', 0],
  [String.prototype, 'localeCompare', 1],
];

function localized(native: Method, at: number): Method {
  return {
    method(this: unknown, ...args: unknown[]) {
      if (currentLife() !== undefined && args[at] === undefined) {
        while (args.length < at) args.push(undefined);
        args[at] = LOCALE;
      }
      return Reflect.apply(native, this, args);
    },
  }.method;
}

function withLocale(args: unknown[]): unknown[] {
  return currentLife() !== undefined && args[0] === undefined ? [LOCALE, ...args.slice(1)] : args;
}

/** `format` and `formatToParts` without a date mean now. */
function clocked(): Replacement[] {
  const { prototype } = Intl.DateTimeFormat;
  const now = (given: unknown) => given ?? currentLife()?.wallMs();
  const getFormat = Object.getOwnPropertyDescriptor(prototype, 'format')!.get!;
  const formats = new WeakMap<object, Method>();
  const format = {
    configurable: true,
    get(this: object) {
      let bound = formats.get(this);
      if (bound === undefined) {
        const native = Reflect.apply(getFormat, this, []) as Method;
        bound = (date?: unknown) => native(now(date));
        formats.set(this, bound);
      }
      return bound;
    },
  };
  const nativeParts = prototype.formatToParts as Method;
  const parts = {
    formatToParts(this: unknown, date?: unknown) {
      return Reflect.apply(nativeParts, this, [now(date)]);
    },
  };
  return [
    [prototype, 'format', format],
    [prototype, 'formatToParts', { value: parts.formatToParts }],
  ];
}

/** The zone's name in brackets is said in the real machine's language. */
function zoned(key: 'toString' | 'toTimeString'): Replacement {
  const native = Date.prototype[key] as unknown as Method;
  const value = function zonedString(this: unknown) {
    const text = Reflect.apply(native, this, []) as string;
    return currentLife() === undefined ? text : text.replace(/ \(.*\)$/, ZONE_NAME);
  };
  return [Date.prototype, key, { value }];
}

/** What stands in for the host's own while a simulation runs. */
export function localeReplacements(): Replacement[] {
  const methods = LOCALIZED.map(([object, name, at]): Replacement => {
    const native = Reflect.get(object, name) as Method;
    return [object, name, { value: localized(native, at) }];
  });
  const constructors = Object.getOwnPropertyNames(Intl).flatMap((name): Replacement[] => {
    const native = Reflect.get(Intl, name) as unknown;
    if (typeof native !== 'function' || !/^[A-Z]/.test(name) || name === 'Locale') return [];
    const value = new Proxy(native, {
      apply: (target, self, args) => Reflect.apply(target, self, withLocale(args)) as object,
      construct: (target, args, newTarget) =>
        Reflect.construct(target, withLocale(args), newTarget) as object,
    });
    return [
      [Intl, name, { value }],
      [native.prototype as object, 'constructor', { value }],
    ];
  });
  return [...methods, ...constructors, ...clocked(), zoned('toString'), zoned('toTimeString')];
}
