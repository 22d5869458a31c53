// Everything that a program can name in this version of Node — globals, modules, `process` — is simulated,
// refused by name, or passed through for a reason that stands here. A name that is in no list fails.
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { loadProgram, simulate } from './index.ts';

/** Passed through: computing only, from nothing but what the program gives. */
const PURE_GLOBALS: Record<string, string[]> = {
  'values and structures of the language': [
    ...['Object', 'Array', 'Number', 'Boolean', 'String', 'Symbol', 'BigInt', 'RegExp', 'JSON'],
    ...['Infinity', 'NaN', 'undefined', 'Map', 'Set', 'WeakMap', 'WeakSet', 'Proxy', 'Reflect'],
    ...['ArrayBuffer', 'SharedArrayBuffer', 'DataView', 'Iterator', 'Promise', 'Float16Array'],
    ...['Uint8Array', 'Int8Array', 'Uint16Array', 'Int16Array', 'Uint32Array', 'Int32Array'],
    ...['BigUint64Array', 'BigInt64Array', 'Uint8ClampedArray', 'Float32Array', 'Float64Array'],
    ...['DisposableStack', 'AsyncDisposableStack'],
  ],
  'errors; their stacks are bent where they are formatted': [
    ...['Error', 'AggregateError', 'EvalError', 'RangeError', 'ReferenceError', 'SyntaxError'],
    ...['TypeError', 'URIError', 'SuppressedError', 'DOMException'],
  ],
  'languages, whose defaults are bent in place': ['Intl'],
  'text and numbers': [
    ...['parseFloat', 'parseInt', 'isFinite', 'isNaN', 'escape', 'unescape', 'atob', 'btoa'],
    ...['decodeURI', 'decodeURIComponent', 'encodeURI', 'encodeURIComponent'],
    ...['URL', 'URLSearchParams', 'URLPattern', 'TextEncoder', 'TextDecoder', 'structuredClone'],
  ],
  'bytes; memory that nobody wrote is zero': ['Buffer'],
  'events of the process itself; their time is bent in place': [
    ...['Event', 'EventTarget', 'CustomEvent', 'MessageEvent', 'CloseEvent', 'AbortController'],
  ],
  'streams that run on promises alone': [
    ...['TransformStream', 'TransformStreamDefaultController', 'WritableStream'],
    ...['WritableStreamDefaultController', 'WritableStreamDefaultWriter', 'ReadableStream'],
    ...['ReadableStreamDefaultReader', 'ReadableStreamBYOBReader', 'ReadableStreamBYOBRequest'],
    ...['ReadableByteStreamController', 'ReadableStreamDefaultController'],
    ...['ByteLengthQueuingStrategy', 'CountQueuingStrategy', 'TextEncoderStream'],
    'TextDecoderStream',
  ],
  'containers of headers and fields': ['FormData', 'Headers'],
  'classes without a constructor, whose instances the simulation has none of': [
    ...['Crypto', 'CryptoKey', 'SubtleCrypto'],
  ],
};

const REFUSED_GLOBALS = [
  ...['fetch', 'Request', 'Response', 'WebSocket', 'BroadcastChannel', 'Blob', 'File', 'eval'],
  ...['CompressionStream', 'DecompressionStream', 'Navigator', 'Performance', 'PerformanceEntry'],
  ...['PerformanceMark', 'PerformanceMeasure', 'PerformanceObserver'],
  ...['PerformanceObserverEntryList', 'PerformanceResourceTiming'],
];

const SIMULATED_GLOBALS = [
  ...['Function', 'Date', 'Math', 'Atomics', 'WebAssembly', 'FinalizationRegistry', 'WeakRef'],
  ...['globalThis', 'global', 'console', 'process', 'performance', 'crypto', 'navigator'],
  ...['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate'],
  ...['clearImmediate', 'queueMicrotask', 'AbortSignal', 'MessageChannel', 'MessagePort'],
];

/** Modules of which everything is Node's own. */
const PURE_MODULES = [
  ...['assert', 'assert/strict', 'constants', 'events', 'punycode', 'querystring', 'stream'],
  ...['stream/consumers', 'stream/promises', 'string_decoder', 'util/types'],
];

/** Of the others, the functions that are Node's own. */
const PURE_FUNCTIONS: Record<string, RegExp> = {
  async_hooks: /^AsyncLocalStorage$/,
  buffer: /^(Buffer|SlowBuffer|transcode|isUtf8|isAscii|btoa|atob)$/,
  crypto:
    /^(create(Cipheriv|Decipheriv|Hash|Hmac|PrivateKey|PublicKey|SecretKey|Verify)|get\w+|hash|\w+Sync|private\w+|publicDecrypt|decapsulate|timingSafeEqual|Certificate|Cipheriv|Decipheriv|Hash|Hmac|KeyObject|Verify|X509Certificate)$/,
  diagnostics_channel: /^(Channel|BoundedChannel|boundedChannel)$/,
  http: /^(_connectionListener|IncomingMessage|OutgoingMessage|CloseEvent|MessageEvent|validateHeader(Name|Value))$/,
  module: /^isBuiltin$/,
  net: /^(isIP|isIPv4|isIPv6|BlockList|SocketAddress)$/,
  path: /^(?!resolve|relative)/,
  'path/posix': /^(?!resolve|relative)/,
  'path/win32': /^(?!resolve|relative)/,
  perf_hooks: /^createHistogram$/,
  process: /^nextTick$/,
  readline: /^(clearLine|clearScreenDown|cursorTo|moveCursor)$/,
  'readline/promises': /^Readline$/,
  'stream/web': /^(?!CompressionStream|DecompressionStream)/,
  sys: /^(?!debug|styleText|deprecate|getCallSites|setTraceSigInt)/,
  url: /^(?!pathToFileURL)/,
  util: /^(?!debug|styleText|deprecate|getCallSites|setTraceSigInt)/,
  v8: /^(serialize|deserialize|\w*Serializer|\w*Deserializer|isStringOneByteRepresentation)$/,
  zlib: /^(\w+Sync|crc32)$/,
};

interface Hosted {
  globals: Record<string, unknown>;
  modules: Record<string, Record<string, unknown>>;
}

/** Asked while Node starts, since with code from the command line it adds all modules as globals. */
function listOf(expression: string): string[] {
  const code = `import { builtinModules } from 'node:module'; console.log(JSON.stringify(${expression}))`;
  const args = ['--import', `data:text/javascript,${encodeURIComponent(code)}`, '/dev/null'];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as string[];
}

const globalNames = listOf('Object.getOwnPropertyNames(globalThis)');
const moduleNames = listOf('builtinModules');

function hosted(): Hosted {
  const modules = moduleNames.map((name) => [name, process.getBuiltinModule(name)] as const);
  return {
    globals: Object.fromEntries(globalNames.map((name) => [name, Reflect.get(globalThis, name)])),
    modules: Object.fromEntries(modules) as Hosted['modules'],
  };
}

/** Says of every name what it is in simulated code: passed, refused, absent or simulated. */
const PROGRAM = `
  const { globals, modules } = globalThis[Symbol.for('hosted')];
  function refuses(fn) {
    for (const call of [() => fn(), () => new fn()]) {
      try { call(); } catch (error) { if (error?.code === 'ERR_SIMULATOR_REFUSED') return true; }
    }
    return false;
  }
  function read(module, key) {
    try { return module[key]; } catch { return 'refused by its getter'; }
  }
  function kind(own, native, tryIt) {
    if (own === undefined) return 'absent';
    if (typeof own === 'function' && own === native) return 'passed';
    if (Object.is(own, native)) return 'same';
    if (tryIt && typeof own === 'function' && refuses(own)) return 'refused';
    return 'simulated';
  }
  const isRefusal = (fn) => typeof fn === 'function' && fn.name === 'refusedFunction';
  export function globalKinds() {
    return Object.entries(globals).map(([name, native]) =>
      [name, kind(globalThis[name], native, isRefusal(globalThis[name]))]);
  }
  export function scopeKind(name) {
    return kind(Function('return typeof ' + name + ' === "undefined" ? undefined : ' + name)(), globals[name], false);
  }
  export function moduleKinds() {
    return Object.entries(modules).flatMap(([name, native]) => {
      const own = require(name);
      return Object.keys(native).map((key) =>
        [name, key, kind(read(own, key), native[key], false)]);
    });
  }
  export function processKinds(names) {
    return names.map((name) => [name, typeof process[name] === 'function' ? kind(process[name], modules.process[name], !(name in { exit: 1, abort: 1, kill: 1, nextTick: 1 })) : typeof process[name]]);
  }
  setInterval(() => {}, 1000);
`;

async function ask<T>(question: (exports: never) => T): Promise<T> {
  const program = await loadProgram({ source: PROGRAM, loader: 'js' });
  const globals = { [Symbol.for('hosted')]: hosted() };
  const sim = simulate({ seed: 1, processes: { p: { program, globals } } });
  sim.start();
  await sim.runFor(10);
  return (await sim.runUntil(sim.process('p').call(question))) as T;
}

type Kinds = [name: string, kind: string][];

describe('every global of this version of Node', () => {
  const pure = Object.values(PURE_GLOBALS).flat();

  it('is in exactly one list', () => {
    const listed = [...pure, ...REFUSED_GLOBALS, ...SIMULATED_GLOBALS];
    expect(new Set(listed).size).toBe(listed.length);
    expect([...globalNames].sort()).toEqual([...listed].sort());
  });

  it('is what its list says', async () => {
    const kinds = new Map(await ask((exports: { globalKinds(): Kinds }) => exports.globalKinds()));
    for (const name of pure)
      expect([name, kinds.get(name)]).toEqual([name, expect.stringMatching(/passed|same|absent/)]);
    for (const name of REFUSED_GLOBALS) expect([name, kinds.get(name)]).toEqual([name, 'refused']);
    for (const name of SIMULATED_GLOBALS)
      expect([name, kinds.get(name)]).toEqual([name, 'simulated']);
  });
});

describe('every module of this version of Node', () => {
  it('passes on no function but those listed', async () => {
    const kinds = await ask((exports: { moduleKinds(): [string, string, string][] }) =>
      exports.moduleKinds(),
    );
    expect(new Set(kinds.map(([name]) => name)).size).toBeGreaterThan(60);
    const unexpected = kinds.filter(([name, key, kind]) => {
      if (kind !== 'passed' || PURE_MODULES.includes(name)) return false;
      return PURE_FUNCTIONS[name]?.test(key) !== true;
    });
    expect(unexpected.map(([name, key]) => `${name}.${key}`)).toEqual([]);
  });

  it('of process, every function is simulated or refused', async () => {
    const names = Object.getOwnPropertyNames(process);
    const kinds = await ask(
      new Function('exports', `return exports.processKinds(${JSON.stringify(names)})`) as (
        exports: never,
      ) => Kinds,
    );
    const passed = kinds.filter(([, kind]) => kind === 'passed').map(([name]) => name);
    expect(passed).toEqual(['nextTick']);
    expect(kinds.find(([name]) => name === 'dlopen')).toEqual(['dlopen', 'refused']);
  });
});
