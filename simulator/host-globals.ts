// What a simulation changes in its own Node process while it runs: the time zone, and all that simulated
// code reaches through shared prototypes or a plain `this` instead of its scope. The host's own code and
// whatever runs between two runs finds everything as it was.
import hostProcess from 'node:process';
import { currentLife, globalsOf } from './current-life.ts';
import { refused } from './errors.ts';
import { type Globals, type ScopeName, SHARED_NAMES } from './globals.ts';
import type { Life } from './life.ts';
import { localeReplacements } from './locale.ts';
import { stackReplacements } from './stack.ts';
import { SharedDate, sharedFunctions } from './stand-ins.ts';

/** A property of the host's, and what stands in its place. */
export type Replacement = [object: object, key: string, descriptor: PropertyDescriptor];

const ZONE = 'UTC';

/** A global that is the life's own in simulated code and the host's everywhere else. */
function dispatching(name: ScopeName): Replacement {
  const descriptor = Object.getOwnPropertyDescriptor(globalThis, name);
  const native = () =>
    descriptor?.get === undefined
      ? (descriptor?.value as unknown)
      : (Reflect.apply(descriptor.get, globalThis, []) as unknown);
  const simulated = (): Globals | undefined => {
    const life = currentLife();
    return life === undefined ? undefined : globalsOf(life);
  };
  const get = () => {
    const globals = simulated();
    return globals !== undefined && name in globals ? globals[name] : native();
  };
  const set = (value: unknown) => {
    const globals = simulated();
    if (globals !== undefined) Reflect.set(globals.globalThis as object, name, value);
    else if (descriptor !== undefined) descriptor.value = value;
  };
  return [globalThis, name, { get, set, configurable: true, enumerable: false }];
}

function method(
  object: object,
  key: string,
  simulated: (life: Life, native: (...args: unknown[]) => unknown, args: unknown[]) => unknown,
): Replacement {
  const native = Reflect.get(object, key) as (...args: unknown[]) => unknown;
  const value = function replaced(this: unknown, ...args: unknown[]) {
    const life = currentLife();
    const call = (...given: unknown[]) => Reflect.apply(native, this, given) as unknown;
    return life === undefined ? call(...args) : simulated(life, call, args);
  };
  return [object, key, { value }];
}

/** Memory that nobody has written holds what the real machine left there. */
function zeroed(_life: Life, native: (...args: unknown[]) => unknown, args: unknown[]): unknown {
  return (native(...args) as Buffer).fill(0);
}

function refusing(name: string) {
  return () => {
    throw refused(name);
  };
}

/** An event's time, by the process's clock when it is first asked for. */
function eventTime(): Replacement {
  const native = Object.getOwnPropertyDescriptor(Event.prototype, 'timeStamp')!.get!;
  const times = new WeakMap<object, unknown>();
  const get = function timeStamp(this: object) {
    const life = currentLife();
    if (life === undefined) return Reflect.apply(native, this, []) as unknown;
    const performance = globalsOf(life)?.performance as { now(): number } | undefined;
    if (!times.has(this)) times.set(this, performance?.now() ?? 0);
    return times.get(this);
  };
  return [Event.prototype, 'timeStamp', { get, configurable: true, enumerable: true }];
}

function globalMethod(object: 'Math' | 'AbortSignal', key: string): Replacement {
  return method(globalThis[object], key, (life, native, args) => {
    const own = globalsOf(life)?.[object] as Record<string, (...given: unknown[]) => unknown>;
    return own?.[key] === undefined ? native(...args) : own[key](...args);
  });
}

let made: readonly Replacement[] | undefined;

/** Made once: each keeps the host's own of the time before the first run. */
function replacements(): readonly Replacement[] {
  made ??= [
    ...SHARED_NAMES.map(dispatching),
    ...sharedFunctions.map(([owner, value]): Replacement => [owner, 'constructor', { value }]),
    [Date.prototype, 'constructor', { value: SharedDate }],
    ...localeReplacements(),
    ...stackReplacements(),
    method(Buffer, 'allocUnsafe', zeroed),
    method(Buffer, 'allocUnsafeSlow', zeroed),
    method(URL, 'createObjectURL', refusing('URL.createObjectURL')),
    globalMethod('Math', 'random'),
    globalMethod('AbortSignal', 'timeout'),
    eventTime(),
  ];
  return made;
}

/** Puts the stand-ins in place; what it returns puts everything back. */
export function takeHostGlobals(): () => void {
  const before = replacements().map(
    ([object, key]) => [object, key, Object.getOwnPropertyDescriptor(object, key)] as const,
  );
  const zone = hostProcess.env.TZ;
  if (zone !== ZONE) hostProcess.env.TZ = ZONE;
  if (new Date(0).getTimezoneOffset() !== 0) {
    throw new Error(
      `expected to set the time zone to ${ZONE}, but a worker thread cannot: start Node with TZ=UTC`,
    );
  }
  for (const [object, key, descriptor] of replacements()) {
    Object.defineProperty(object, key, { ...descriptor, configurable: true });
  }
  return () => {
    for (const [object, key, descriptor] of before) {
      if (descriptor === undefined) Reflect.deleteProperty(object, key);
      else Object.defineProperty(object, key, descriptor);
    }
    if (zone === undefined) delete hostProcess.env.TZ;
    else if (zone !== ZONE) hostProcess.env.TZ = zone;
  };
}
