// The globals of one life: everything by which a program could see real time, real chance or the real
// machine is replaced or refused; the rest is the host's own.
import { Console } from 'node:console';
import type { EventEmitter } from 'node:events';
import { createSimulatedCrypto } from './crypto.ts';
import { setGlobals } from './current-life.ts';
import { refused } from './errors.ts';
import { ProcessDeath } from './host.ts';
import type { Life } from './life.ts';
import { createMessaging } from './messaging.ts';
import { SharedDate, SharedFunction } from './stand-ins.ts';
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
  'Request',
  'Response',
  'WebSocket',
  'EventSource',
  'Worker',
  'MessageChannel',
  'MessagePort',
  'BroadcastChannel',
  'CompressionStream',
  'DecompressionStream',
  'Performance',
  'PerformanceEntry',
  'PerformanceMark',
  'PerformanceMeasure',
  'PerformanceObserver',
  'PerformanceObserverEntryList',
  'PerformanceResourceTiming',
  'Blob',
  'File',
  'Navigator',
  'navigator',
  'localStorage',
  'sessionStorage',
  'Storage',
  'Function',
  'eval',
  '__simulatedImportMetaUrl',
] as const;

/**
 * Of a module, or reached otherwise than by the host's global object; what a host's function that a
 * program calls has to say is said to the host.
 */
const NOT_GLOBAL: readonly string[] = [
  ...['require', 'module', 'exports', '__filename', '__dirname', '__simulatedImportMetaUrl'],
  ...['Math', 'AbortSignal', 'Atomics', 'Function', 'eval', 'globalThis', 'console'],
];

export type ScopeName = (typeof SCOPE_NAMES)[number];

/** Names by which the host's global object itself answers for the life that runs. */
export const SHARED_NAMES: readonly ScopeName[] = SCOPE_NAMES.filter(
  (name) => !NOT_GLOBAL.includes(name),
);

/** Refused where they are called, with what to use instead. */
const REFUSED: Partial<Record<ScopeName, string>> = {
  fetch: 'use node:http or node:net',
  Request: 'use node:http',
  Response: 'use node:http',
  WebSocket: 'use node:net',
  BroadcastChannel: '',
  CompressionStream: 'use the synchronous functions of node:zlib',
  DecompressionStream: 'use the synchronous functions of node:zlib',
  Performance: '',
  PerformanceEntry: '',
  PerformanceMark: 'use performance.mark',
  PerformanceMeasure: 'use performance.measure',
  PerformanceObserver: '',
  PerformanceObserverEntryList: '',
  PerformanceResourceTiming: '',
  Blob: 'use a Buffer',
  File: 'use a Buffer',
  Navigator: '',
  eval: 'use a function',
};

/** Absent, as in a Node without them. */
const ABSENT: readonly ScopeName[] = [
  ...(['EventSource', 'Worker'] as const),
  ...(['localStorage', 'sessionStorage', 'Storage'] as const),
];
export type Globals = Partial<Record<ScopeName, unknown>>;

function createMath(life: Life): unknown {
  const random = life.random('math');
  const math = Object.defineProperties({}, Object.getOwnPropertyDescriptors(Math));
  return Object.assign(math, { random: () => random.float() });
}

/** `performance` by the monotonic clock, with marks and measures. */
function createPerformance(life: Life): Record<string, unknown> {
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
    compileStreaming: refusedGlobal('WebAssembly.compileStreaming', 'use compile'),
    instantiateStreaming: refusedGlobal('WebAssembly.instantiateStreaming', 'use instantiate'),
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

const hostQueueMicrotask = queueMicrotask;
const NAVIGATOR = Object.freeze({
  hardwareConcurrency: 2,
  language: 'en-US',
  languages: Object.freeze(['en-US']),
  platform: 'linux',
  userAgent: `Node.js/${process.versions.node.split('.')[0]}`,
});

function createMicrotask(life: Life): unknown {
  return (callback: () => void) => {
    hostQueueMicrotask(() => {
      if (!life.alive) return;
      try {
        callback();
      } catch (error) {
        if (!(error instanceof ProcessDeath)) life.failed(error, 'uncaughtException');
      }
    });
  };
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
    Date: SharedDate,
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
    navigator: NAVIGATOR,
    Function: SharedFunction,
    ...createMessaging(life),
  };
  for (const [name, instead] of Object.entries(REFUSED)) {
    globals[name as ScopeName] = refusedGlobal(name, instead);
  }
  for (const name of ABSENT) globals[name] = undefined;
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
  setGlobals(life, globals);
  return globals;
}
