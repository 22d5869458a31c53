// The globals of one life: everything by which a program could see real time, real chance or the real
// machine is replaced or refused; the rest is the host's own.
import { Console } from 'node:console';
import type { EventEmitter } from 'node:events';
import { createSimulatedCrypto } from './crypto.ts';
import { refused } from './errors.ts';
import { ProcessDeath } from './host.ts';
import type { Life } from './life.ts';
import type { SimulatedTimers } from './timers.ts';

/** Names that a program's code finds in its scope, in the order in which they are handed in. */
export const SCOPE_NAMES = [
  'require',
  'module',
  'exports',
  '__filename',
  '__dirname',
  'process',
  'console',
  'setTimeout',
  'clearTimeout',
  'setInterval',
  'clearInterval',
  'setImmediate',
  'clearImmediate',
  'queueMicrotask',
  'Date',
  'Math',
  'performance',
  'crypto',
  'globalThis',
  'global',
  'AbortSignal',
  'WebAssembly',
  'WeakRef',
  'FinalizationRegistry',
  'Atomics',
  'fetch',
  'WebSocket',
  'EventSource',
  'Worker',
  'MessageChannel',
  'BroadcastChannel',
  'navigator',
  'Function',
  'eval',
  '__simulatedImportMetaUrl',
] as const;

export type ScopeName = (typeof SCOPE_NAMES)[number];
export type Globals = Partial<Record<ScopeName, unknown>>;

const NATIVE_DATE = Date;

/** `Date` by the process's own wall clock; instances are the host's own dates. */
function createDate(life: Life): unknown {
  function SimulatedDate(this: unknown, ...args: unknown[]): unknown {
    if (new.target === undefined) return new NATIVE_DATE(life.wallMs()).toString();
    const given = args.length === 0 ? [life.wallMs()] : args;
    return Reflect.construct(NATIVE_DATE, given, new.target);
  }
  Object.defineProperty(SimulatedDate, 'name', { value: 'Date' });
  Object.defineProperty(SimulatedDate, 'length', { value: 7 });
  SimulatedDate.prototype = NATIVE_DATE.prototype;
  return Object.assign(SimulatedDate, {
    now: () => life.wallMs(),
    parse: NATIVE_DATE.parse,
    UTC: NATIVE_DATE.UTC,
  });
}

function createMath(life: Life): unknown {
  const random = life.random('math');
  const math = Object.defineProperties({}, Object.getOwnPropertyDescriptors(Math));
  return Object.assign(math, { random: () => random.float() });
}

/** `performance` by the monotonic clock, with marks and measures. */
export function createPerformance(life: Life): Record<string, unknown> {
  const marks = new Map<string, number>();
  const originNs = life.monotonicNs();
  const timeOrigin = life.wallMsExact();
  const now = () => (life.monotonicNs() - originNs) / 1e6;
  const at = (mark: string | undefined, otherwise: number) =>
    mark === undefined ? otherwise : (marks.get(mark) ?? otherwise);
  return {
    now,
    timeOrigin,
    toJSON: () => ({ timeOrigin }),
    mark: (name: string, options: { startTime?: number } = {}) => {
      const startTime = options.startTime ?? now();
      marks.set(name, startTime);
      return { name, entryType: 'mark', startTime, duration: 0 };
    },
    measure: (name: string, start?: string, end?: string) => {
      const startTime = at(start, 0);
      return { name, entryType: 'measure', startTime, duration: at(end, now()) - startTime };
    },
    clearMarks: (name?: string) => (name === undefined ? marks.clear() : marks.delete(name)),
    clearMeasures: () => {},
    eventLoopUtilization: () => ({ idle: 0, active: 0, utilization: 0 }),
    timerify: <T>(fn: T) => fn,
  };
}

function createConsole(life: Life, process: EventEmitter): unknown {
  const { stdout, stderr } = process as unknown as {
    stdout: NodeJS.WritableStream;
    stderr: NodeJS.WritableStream;
  };
  const console = new Console({ stdout, stderr, colorMode: false });
  const started = new Map<string, number>();
  const took = (label: string) =>
    `${label}: ${(life.monotonicNs() - (started.get(label) ?? 0)) / 1e6}ms`;
  return Object.assign(console, {
    time: (label = 'default') => void started.set(label, life.monotonicNs()),
    timeLog: (label = 'default', ...rest: unknown[]) => console.log(took(label), ...rest),
    timeEnd: (label = 'default') => {
      console.log(took(label));
      started.delete(label);
    },
  });
}

function createAbortSignal(life: Life): unknown {
  const timeout = (ms: number) => {
    life.check();
    const controller = new AbortController();
    const reason = new DOMException('The operation was aborted due to timeout', 'TimeoutError');
    const delayNs = life.clock.trueNs(Math.max(0, ms) * 1e6);
    life.scheduleUnref(delayNs, () => controller.abort(reason), 'abort-timeout');
    return controller.signal;
  };
  return new Proxy(AbortSignal, {
    get: (target, key) => (key === 'timeout' ? timeout : Reflect.get(target, key)),
  });
}

/** Compiles and instantiates at once: the host's own threads would finish at any time. */
function createWebAssembly(): unknown {
  const native = WebAssembly;
  const instantiate = async (source: unknown, imports?: WebAssembly.Imports) => {
    if (source instanceof native.Module) return new native.Instance(source, imports);
    const module = new native.Module(source as BufferSource);
    return { module, instance: new native.Instance(module, imports) };
  };
  return Object.assign(Object.defineProperties({}, Object.getOwnPropertyDescriptors(native)), {
    compile: async (bytes: BufferSource) => new native.Module(bytes),
    instantiate,
  });
}

/** Never lets go: the garbage collector would bring real chance in. The language allows that. */
class StrongRef {
  readonly #target: unknown;

  constructor(target: unknown) {
    this.#target = target;
  }

  deref(): unknown {
    return this.#target;
  }
}

/** Never calls back, for the same reason. */
class SilentRegistry {
  register(): void {}

  unregister(): boolean {
    return false;
  }
}

function refusedGlobal(name: string, instead?: string): unknown {
  return function refusedFunction() {
    throw refused(name, instead);
  };
}

function createMicrotask(life: Life): unknown {
  return (callback: () => void) => {
    queueMicrotask(() => {
      if (!life.alive) return;
      try {
        callback();
      } catch (error) {
        if (!(error instanceof ProcessDeath)) life.failed(error, 'uncaughtException');
      }
    });
  };
}

/** `Function` whose code sees the simulated globals, not the host's. */
function createFunction(scope: () => Globals): unknown {
  const make = (parts: unknown[]) => {
    const body = String(parts.at(-1) ?? '');
    const parameters = parts.slice(0, -1).join(',');
    const inner = `return function anonymous(${parameters}\n) {\n${body}\n}`;
    const names = SCOPE_NAMES.filter((name) => name !== 'eval' && name !== 'require');
    const values = names.map((name) => scope()[name]);
    return new Function(...names, inner).call(undefined, ...values) as unknown;
  };
  return new Proxy(Function, {
    apply: (_target, _self, parts) => make(parts) as object,
    construct: (_target, parts) => make(parts) as object,
  });
}

/** All of a life's globals but the module's own (`require`, `module` …). */
export function createGlobals(
  life: Life,
  process: EventEmitter,
  timers: SimulatedTimers,
  extra: Readonly<Record<string | symbol, unknown>>,
): Globals {
  const { promises: _promises, ...callbacks } = timers.callbacks;
  const globals: Globals = {
    ...callbacks,
    process,
    console: createConsole(life, process),
    queueMicrotask: createMicrotask(life),
    Date: createDate(life),
    Math: createMath(life),
    performance: createPerformance(life),
    crypto: createSimulatedCrypto(life).webcrypto,
    AbortSignal: createAbortSignal(life),
    WebAssembly: createWebAssembly(),
    WeakRef: StrongRef,
    FinalizationRegistry: SilentRegistry,
    Atomics: Object.assign(Object.defineProperties({}, Object.getOwnPropertyDescriptors(Atomics)), {
      wait: refusedGlobal('Atomics.wait', 'it would block the one thread that all processes share'),
      waitAsync: refusedGlobal('Atomics.waitAsync'),
    }),
    fetch: refusedGlobal('fetch', 'use node:net'),
    WebSocket: refusedGlobal('WebSocket', 'use node:net'),
    EventSource: refusedGlobal('EventSource', 'use node:net'),
    Worker: refusedGlobal('Worker'),
    MessageChannel: refusedGlobal('MessageChannel', 'use an EventEmitter'),
    BroadcastChannel: refusedGlobal('BroadcastChannel'),
    navigator: undefined,
    eval: refusedGlobal('eval', 'use a function'),
  };
  globals.Function = createFunction(() => globals);
  // Whatever is not replaced is found on the host's own global object; writes stay in this life.
  const shim = Object.create(globalThis) as object;
  const define = (key: string | symbol, value: unknown) =>
    Object.defineProperty(shim, key, {
      value,
      writable: true,
      configurable: true,
      enumerable: true,
    });
  for (const [name, value] of Object.entries(globals)) define(name, value);
  for (const key of Reflect.ownKeys(extra)) define(key, Reflect.get(extra, key));
  define('globalThis', shim);
  define('global', shim);
  define(Symbol.for('chaos.monotonic'), () => BigInt(life.nowNs()));
  globals.globalThis = shim;
  globals.global = shim;
  return globals;
}
