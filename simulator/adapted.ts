// Node's own modules that are pure but for a few names: those are bent to the simulated process (its folder,
// its clock, its output) or refused, the rest passes through.
import asyncHooks from 'node:async_hooks';
import buffer from 'node:buffer';
import diagnostics from 'node:diagnostics_channel';
import path from 'node:path';
import readline from 'node:readline';
import readlinePromises from 'node:readline/promises';
import streamWeb from 'node:stream/web';
import url from 'node:url';
import util from 'node:util';
import v8 from 'node:v8';
import { refused } from './errors.ts';
import type { Globals } from './globals.ts';
import type { Life } from './life.ts';

type Module = Record<string, unknown>;

export const ADAPTED = [
  'async_hooks',
  'buffer',
  'diagnostics_channel',
  'path',
  'path/posix',
  'path/win32',
  'readline',
  'readline/promises',
  'stream/web',
  'sys',
  'url',
  'util',
  'v8',
] as const;

export interface AdaptedParts {
  life: Life;
  globals: Globals;
  /** Another module of the same life. */
  get(name: string): unknown;
}

/** The module's functions of these names, each refused when it is called. */
function refusing(name: string, keys: readonly string[], instead = ''): Module {
  return Object.fromEntries(
    keys.map((key) => [
      key,
      function refusedFunction() {
        throw refused(`${name}.${key}`, instead);
      },
    ]),
  );
}

/** All functions of a module but these. */
function refusingAllBut(name: string, native: object, kept: readonly string[]): Module {
  const values = native as Module;
  const others = Object.keys(values).filter((key) => typeof values[key] === 'function');
  const passed = kept.map((key) => [key, values[key]]);
  return { ...refusing(name, others), ...Object.fromEntries(passed) };
}

/** Makes the module for one life. */
export function adapted(name: (typeof ADAPTED)[number], parts: AdaptedParts): unknown {
  const { life, globals } = parts;
  const cwd = () => (globals.process as NodeJS.Process).cwd();
  switch (name) {
    case 'async_hooks':
      return createAsyncHooks(life);
    case 'buffer':
      return {
        ...buffer,
        ...refusing('buffer', ['Blob', 'File', 'resolveObjectURL'], 'use a Buffer'),
      };
    case 'diagnostics_channel':
      return createDiagnostics(life);
    case 'path':
    case 'path/posix':
      return createPath(cwd).posix;
    case 'path/win32':
      return createPath(cwd).win32;
    case 'readline':
      return { ...createReadline(readline), promises: parts.get('readline/promises') };
    case 'readline/promises':
      return createReadline(readlinePromises);
    case 'stream/web': {
      const { CompressionStream, DecompressionStream } = globals as Module;
      return { ...streamWeb, CompressionStream, DecompressionStream };
    }
    case 'url': {
      const { resolve } = createPath(cwd).posix;
      const pathToFileURL = (given: string, options?: { windows?: boolean }) => {
        const slash = given.endsWith('/') ? '/' : '';
        return url.pathToFileURL(resolve(given) + slash, options);
      };
      return { ...url, pathToFileURL };
    }
    case 'sys':
    case 'util':
      return createUtil(globals);
    case 'v8':
      return {
        ...refusingAllBut('v8', v8, ['serialize', 'deserialize', 'isStringOneByteRepresentation']),
        ...{ Serializer: v8.Serializer, Deserializer: v8.Deserializer },
        DefaultSerializer: v8.DefaultSerializer,
        DefaultDeserializer: v8.DefaultDeserializer,
      };
  }
}

/** Relative paths begin in the process's folder, not in the one where Node was started. */
function createPath(cwd: () => string): { posix: path.PlatformPath; win32: path.PlatformPath } {
  const flavour = (native: path.PlatformPath): path.PlatformPath => {
    const resolve = (...given: string[]) => native.resolve(cwd(), ...given);
    const relative = (from: string, to: string) => native.relative(resolve(from), resolve(to));
    return { ...native, resolve, relative };
  };
  const posix = flavour(path.posix);
  const win32 = flavour(path.win32);
  for (const each of [posix, win32]) Object.assign(each, { posix, win32 });
  return { posix, win32 };
}

/** Contexts pass through; numbers of resources are the whole host's and would tell what else it does. */
function createAsyncHooks(life: Life): Module {
  class AsyncResource extends asyncHooks.AsyncResource {
    readonly #id = life.nextTimerId();

    override asyncId(): number {
      return this.#id;
    }

    override triggerAsyncId(): number {
      return 0;
    }
  }
  return {
    ...refusingAllBut('async_hooks', asyncHooks, ['AsyncLocalStorage']),
    AsyncResource,
    asyncWrapProviders: asyncHooks.asyncWrapProviders,
  };
}

/** Channels of a process are its own: Node's are known by name to the whole host process. */
function createDiagnostics(life: Life): Module {
  const own = (name: string | symbol) => `${life.processName}#${life.pid}#${String(name)}`;
  return {
    ...diagnostics,
    channel: (name: string | symbol) => diagnostics.channel(own(name)),
    hasSubscribers: (name: string | symbol) => diagnostics.hasSubscribers(own(name)),
    subscribe: (name: string | symbol, listener: diagnostics.ChannelListener) =>
      diagnostics.subscribe(own(name), listener),
    unsubscribe: (name: string | symbol, listener: diagnostics.ChannelListener) =>
      diagnostics.unsubscribe(own(name), listener),
    tracingChannel: (name: unknown) =>
      diagnostics.tracingChannel(typeof name === 'string' ? own(name) : (name as string)),
  };
}

/** A carriage return and its line feed are one however much real time lies between them. */
function createReadline(native: object): Module {
  const { createInterface, Interface } = native as {
    createInterface(options: object): object;
    Interface: new (options: object) => object;
  };
  const plain = (args: unknown[]): object => {
    const [first] = args as [Record<string, unknown>];
    const given = typeof first?.on === 'function' ? { input: first, output: args[1] } : first;
    return { ...given, crlfDelay: Number.POSITIVE_INFINITY, terminal: false };
  };
  class SimulatedInterface extends Interface {
    constructor(...args: unknown[]) {
      super(plain(args));
    }
  }
  Object.defineProperty(SimulatedInterface, 'name', { value: 'Interface' });
  return {
    ...native,
    ...refusing('readline', ['emitKeypressEvents']),
    createInterface: (...args: unknown[]) => createInterface(plain(args)),
    Interface: SimulatedInterface,
  };
}

/** What of `util` looks at the host's environment, terminal or stack. */
function createUtil(globals: Globals): Module {
  const { env } = globals.process as NodeJS.Process;
  const console = globals.console as Console;
  const debuglog = (section: string) => {
    const sections = (env.NODE_DEBUG ?? '').toLowerCase().split(',');
    const enabled = sections.includes(section.toLowerCase());
    const log = (...args: unknown[]) => {
      if (enabled) console.error(`${section.toUpperCase()}: ${util.format(...args)}`);
    };
    return Object.assign(log, { enabled });
  };
  const styleText = (
    format: Parameters<typeof util.styleText>[0],
    text: string,
    options: { validateStream?: boolean } = {},
  ) => (options.validateStream === false ? util.styleText(format, text, options) : text);
  const deprecate = <T extends (...args: never[]) => unknown>(
    fn: T,
    text: string,
    code?: string,
  ) => {
    let told = false;
    return function deprecated(this: unknown, ...args: never[]) {
      if (!told) (globals.process as NodeJS.Process).emitWarning(text, 'DeprecationWarning', code);
      told = true;
      return new.target === undefined ? fn.apply(this, args) : Reflect.construct(fn, args);
    };
  };
  const getCallSites = (frames = 10) =>
    util
      .getCallSites(Math.min(200, frames + 100))
      .filter(({ scriptName }) => scriptName.startsWith('/app/'))
      .slice(0, frames)
      .map((site) => ({ ...site, scriptId: '0' }));
  const own = { debuglog, debug: debuglog, styleText, deprecate, getCallSites };
  const inherited = refusing('util', ['setTraceSigInt']);
  const spared = ['_errnoException', '_exceptionWithHostPort'];
  const module: Module = { ...util, ...own, ...inherited };
  for (const key of spared) delete module[key];
  return module;
}
