// Node's modules as one life of a simulated process finds them: simulated, the host's own where they
// touch neither time nor chance nor the machine, or refused by name when they are used.
import { isBuiltin } from 'node:module';
import process from 'node:process';
import zlib from 'node:zlib';
import { ADAPTED, adapted } from './adapted.ts';
import { type Addons, NO_ADDONS } from './addons.ts';
import { createSimulatedCrypto } from './crypto.ts';
import { nodeError, notFound, refused } from './errors.ts';
import type { SimulatedDisk } from './fs/disk.ts';
import { createFs } from './fs/fs.ts';
import type { Globals } from './globals.ts';
import { createHttp } from './http.ts';
import type { Life } from './life.ts';
import { createNet } from './net/index.ts';
import { createOs } from './os.ts';
import type { SimulatedTimers } from './timers.ts';

/** Pure: computing only, or events of the process itself. */
const NATIVE = [
  'assert',
  'assert/strict',
  'constants',
  'events',
  'punycode',
  'querystring',
  'stream',
  'stream/consumers',
  'stream/promises',
  'string_decoder',
  'util/types',
] as const;

const SIMULATED = [
  'console',
  'crypto',
  'dns',
  'dns/promises',
  'fs',
  'fs/promises',
  'http',
  'module',
  'net',
  'os',
  'perf_hooks',
  'process',
  'timers',
  'timers/promises',
  'tty',
  'worker_threads',
  'zlib',
] as const;

const LOOKUP_NS = 50_000;

type Callback = (...args: unknown[]) => void;
type Module = Record<string, unknown>;

export interface BuiltinParts {
  life: Life;
  disk: SimulatedDisk;
  timers: SimulatedTimers;
  globals: Globals;
  addons?: Addons;
}

/** The modules of one life, made when first required. */
export class Builtins {
  readonly #parts: BuiltinParts;
  readonly #made = new Map<string, unknown>();
  #fs: { fs: unknown; promises: unknown } | undefined;

  constructor(parts: BuiltinParts) {
    this.#parts = parts;
  }

  /** The `require` of the program. */
  readonly require = Object.assign((specifier: string) => this.get(specifier), {
    resolve: (specifier: string) => specifier,
    cache: {},
  });

  /** @throws MODULE_NOT_FOUND for what neither Node nor the bundle has. */
  get(specifier: string): unknown {
    const name = specifier.startsWith('node:') ? specifier.slice(5) : specifier;
    let module = this.#made.get(name);
    if (module === undefined) this.#made.set(name, (module = this.#make(name, specifier)));
    return module;
  }

  #make(name: string, specifier: string): unknown {
    if ((NATIVE as readonly string[]).includes(name)) return process.getBuiltinModule(name);
    if ((ADAPTED as readonly string[]).includes(name)) {
      if (name === 'async_hooks') this.#parts.life.carriesContext = true;
      return adapted(name as (typeof ADAPTED)[number], {
        life: this.#parts.life,
        globals: this.#parts.globals,
        get: (module) => this.get(module),
      });
    }
    if ((SIMULATED as readonly string[]).includes(name)) {
      return this.#simulated(name as (typeof SIMULATED)[number]);
    }
    if (isBuiltin(specifier)) return refusedModule(name, specifier);
    const addon = (this.#parts.addons ?? NO_ADDONS).load(specifier);
    if (addon !== undefined) return addon;
    throw nodeError(
      'MODULE_NOT_FOUND',
      `Cannot find module '${specifier}': a simulated program is bundled whole, and of Node's own ` +
        `modules there are ${[...NATIVE, ...ADAPTED, ...SIMULATED].sort().join(', ')}`,
    );
  }

  #simulated(name: (typeof SIMULATED)[number]): unknown {
    const { life, timers, globals } = this.#parts;
    switch (name) {
      case 'console':
        return globals.console;
      case 'crypto':
        return createSimulatedCrypto(life);
      case 'dns':
        return { ...createDns(life), promises: this.get('dns/promises') };
      case 'dns/promises':
        return createDnsPromises(life);
      case 'fs':
        return this.#fileSystem().fs;
      case 'fs/promises':
        return this.#fileSystem().promises;
      case 'http':
        return createHttp(life, this.get('net'));
      case 'module':
        return this.#moduleModule();
      case 'net':
        return createNet(life);
      case 'os':
        return createOs(life);
      case 'perf_hooks':
        return perfHooks(globals.performance);
      case 'process':
        return globals.process;
      case 'timers':
        return timers.callbacks;
      case 'timers/promises':
        return timers.promises;
      case 'tty':
        return { ...refusedModule('tty'), isatty: () => false };
      case 'worker_threads':
        return workerThreads(globals);
      case 'zlib':
        return createZlib(life);
    }
  }

  #fileSystem(): { fs: unknown; promises: unknown } {
    const { life, disk, globals } = this.#parts;
    this.#fs ??= createFs(life, disk, {
      cwd: () => (globals.process as NodeJS.Process).cwd(),
      writeOutput: (fd, bytes) => {
        life.output(fd === 1 ? 'stdout' : 'stderr', Buffer.from(bytes).toString());
      },
    });
    return this.#fs;
  }

  #moduleModule(): Module {
    const createRequire = () => this.require;
    const builtinModules = [...NATIVE, ...ADAPTED, ...SIMULATED].sort();
    return { ...refusedModule('module'), createRequire, builtinModules, isBuiltin };
  }
}

/** The module's own names, each refused when it is called: many programs import what they never use. */
export function refusedModule(name: string, specifier = name): Module {
  const native = process.getBuiltinModule(specifier) as unknown as Module;
  const module: Module = {};
  for (const key of Object.keys(native)) {
    const what = `${name}.${key}`;
    const value = native[key];
    if (typeof value === 'function') {
      module[key] = function refusedFunction() {
        throw refused(what);
      };
    } else if (typeof value !== 'object' || Array.isArray(value)) {
      module[key] = value;
    }
  }
  return module;
}

function perfHooks(performance: unknown): Module {
  const native = process.getBuiltinModule('perf_hooks');
  const { eventLoopUtilization, timerify } = performance as Module;
  const { constants, createHistogram } = native;
  const own = { performance, constants, createHistogram, eventLoopUtilization, timerify };
  return { ...refusedModule('perf_hooks'), ...own };
}

function workerThreads({ MessageChannel, MessagePort }: Globals): Module {
  return {
    ...refusedModule('worker_threads'),
    MessageChannel,
    MessagePort,
    isInternalThread: false,
    threadName: '',
    isMainThread: true,
    parentPort: null,
    workerData: null,
    threadId: 0,
    resourceLimits: {},
  };
}

interface Found {
  address: string;
  family: 4;
}

function lookupOptions(given: unknown): { all?: boolean; family?: number } {
  return typeof given === 'object' && given !== null ? given : {};
}

function resolveName(life: Life, name: string, done: (error: Error | null, found?: Found) => void) {
  life.syscall('dns.lookup', name);
  const literal = /^[\d.]+$/.test(name) || name.includes(':');
  life.schedule(
    LOOKUP_NS,
    () => {
      const address = literal ? name : life.machine.network.resolve(name);
      if (address === undefined) done(notFound(name));
      else done(null, { address, family: 4 });
    },
    'dns.lookup',
  );
}

function createDns(life: Life): Module {
  const lookup = (name: string, ...rest: unknown[]) => {
    const callback = rest.at(-1) as Callback;
    const { all } = lookupOptions(rest[0]);
    resolveName(life, name, (error, found) => {
      if (error !== null) callback(error);
      else if (all === true) callback(null, [found]);
      else callback(null, found!.address, 4);
    });
  };
  const resolve4 = (name: string, ...rest: unknown[]) => {
    const callback = rest.at(-1) as Callback;
    resolveName(life, name, (error, found) => {
      if (error !== null) callback(error);
      else callback(null, [found!.address]);
    });
  };
  const dns = process.getBuiltinModule('dns') as unknown as Module;
  const constants = Object.entries(dns).filter(([, value]) => typeof value !== 'function');
  return {
    ...refusedModule('dns'),
    ...Object.fromEntries(constants),
    lookup,
    resolve: resolve4,
    resolve4,
    getDefaultResultOrder: () => 'verbatim',
    setDefaultResultOrder: () => {},
    getServers: () => [],
  };
}

function createDnsPromises(life: Life): Module {
  const find = (name: string) =>
    new Promise<Found>((resolve, reject) => {
      resolveName(life, name, (error, found) => (error === null ? resolve(found!) : reject(error)));
    });
  const lookup = async (name: string, options?: unknown) => {
    const found = await find(name);
    return lookupOptions(options).all === true ? [found] : found;
  };
  const resolve4 = async (name: string) => [(await find(name)).address];
  return { ...refusedModule('dns/promises'), lookup, resolve: resolve4, resolve4 };
}

/** Asynchronous forms run at once and are delivered as events; streams would use the thread pool. */
function createZlib(life: Life): Module {
  const native = zlib as unknown as Record<string, unknown>;
  const module: Module = { ...native };
  for (const [name, value] of Object.entries(native)) {
    if (/^create[A-Z]/.test(name) || /^[A-Z][a-z]/.test(name)) {
      if (typeof value !== 'function') continue;
      module[name] = function refusedFunction() {
        throw refused(`zlib.${name}`, 'use the synchronous or the callback form');
      };
    }
    const sync = native[`${name}Sync`] as ((...args: unknown[]) => unknown) | undefined;
    if (sync === undefined) continue;
    module[name] = (...args: unknown[]) => {
      const callback = args.pop() as Callback;
      let result: unknown;
      let failure: unknown = null;
      try {
        result = sync(...args);
      } catch (error) {
        failure = error;
      }
      life.schedule(0, () => callback(failure, result), 'zlib');
    };
  }
  return module;
}
