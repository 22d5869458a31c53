// The simulated `node:fs` and `node:fs/promises` of one life of one process on one machine's disk.
// What Node has and this lacks is refused by name, never silently done otherwise.
import fs from 'node:fs';
import type fsPromises from 'node:fs/promises';
import { promisify } from 'node:util';
import type { HostInterface } from '../host.ts';
import { fdArgument, pathArgument, readArguments, writeArguments } from './arguments.ts';
import { FS_CONSTANTS } from './constants.ts';
import { Dir } from './directory-handle.ts';
import type { SimulatedDisk } from './disk.ts';
import { argumentType, notSimulated } from './errors.ts';
import type { HandleContext } from './file-handle.ts';
import type { Operation } from './operation.ts';
import { type FileOperations, fileOperations } from './operations.ts';
import { promiseFunctions } from './promises.ts';
import { DEFAULT_LATENCY, type DiskLatency, OperationRunner, type Outcome } from './schedule.ts';
import { BigIntStats, Dirent, Stats } from './stats.ts';
import { fileStreams, type StreamFunctions } from './streams.ts';
import { SystemCalls } from './system-calls.ts';

export interface FsOptions {
  /** The process's working directory, absolute; `/` when left out. */
  readonly cwd?: () => string;
  /** Takes what is written to descriptor 1 or 2; thrown away when left out. */
  readonly writeOutput?: (fd: 1 | 2, bytes: Uint8Array) => void;
  readonly latency?: Partial<DiskLatency>;
}

export interface SimulatedFs {
  /** In place of `node:fs`. */
  readonly fs: typeof fs;
  /** In place of `node:fs/promises`. */
  readonly promises: typeof fsPromises;
}

type Anything = Record<string, unknown>;
type Callback = (...args: unknown[]) => void;
type Make = (...args: unknown[]) => Operation<unknown>;

/** Not functions of Node's: parts that others are made of. */
const INTERNAL = [
  'nativeRealpath',
  'opendir',
  'exists',
] as const satisfies (keyof FileOperations)[];

/** What callbacks and `promisify` get beside the count. */
const COUNTED: Readonly<Record<string, { count: string; data: string }>> = {
  read: { count: 'bytesRead', data: 'buffer' },
  write: { count: 'bytesWritten', data: 'buffer' },
  readv: { count: 'bytesRead', data: 'buffers' },
  writev: { count: 'bytesWritten', data: 'buffers' },
};

/** The file system of one life of a process. Its descriptors are closed when the life ends. */
export function createFs(
  host: HostInterface,
  disk: SimulatedDisk,
  options: FsOptions = {},
): SimulatedFs {
  const calls = new SystemCalls(disk, {
    cwd: options.cwd ?? (() => '/'),
    wallMs: () => host.wallMs(),
    writeOutput: options.writeOutput ?? (() => {}),
  });
  host.onDeath(() => calls.closeAll());
  const runner = new OperationRunner(host, calls, { ...DEFAULT_LATENCY, ...options.latency });
  const operations = fileOperations(calls, host.random('mkdtemp'));
  const later = (done: () => void): void => {
    host.schedule(0, done, 'fs.dir');
  };

  const runPromise = <T>(make: () => Operation<T>): Promise<T> => {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    let operation: Operation<T>;
    try {
      operation = make();
    } catch (error) {
      reject(error);
      return promise;
    }
    runner.start(operation, (outcome) => {
      if (outcome.ok) resolve(outcome.value);
      else reject(outcome.error);
    });
    return promise;
  };

  const module: Anything = {};
  const streams = fileStreams(() => module as unknown as StreamFunctions);
  const context: HandleContext = { operations, runPromise, streams };
  const promises: Anything = promiseFunctions(operations, context, later);
  refuseTheRest(promises, fs.promises as unknown as Anything, 'promises.');

  const forms = { runner, runPromise, module };
  for (const [name, make] of Object.entries(operations)) {
    if ((INTERNAL as readonly string[]).includes(name)) continue;
    addForms(forms, name, make as Make);
  }
  addOddForms(forms, operations, later);
  module.writeSync = function writeSync(fd: unknown, ...args: unknown[]): number {
    // Logs are written so, line by line: without what only longer operations need.
    const { bytes, position } = writeArguments(args);
    return runner.runCallSync(calls.write(fdArgument(fd), [bytes], position));
  };
  Object.assign(module, {
    createReadStream: (path: unknown, given?: unknown) => streams.read(path, given),
    createWriteStream: (path: unknown, given?: unknown) => streams.write(path, given),
    ReadStream: streams.ReadStream,
    WriteStream: streams.WriteStream,
    FileReadStream: streams.ReadStream,
    FileWriteStream: streams.WriteStream,
    Stats,
    BigIntStats,
    Dirent,
    Dir,
    constants: FS_CONSTANTS,
    promises,
  });
  for (const name of ['F_OK', 'R_OK', 'W_OK', 'X_OK'] as const) module[name] = FS_CONSTANTS[name];
  refuseTheRest(module, fs as unknown as Anything, '');
  return {
    fs: module as unknown as typeof fs,
    promises: promises as unknown as typeof fsPromises,
  };
}

interface Forms {
  readonly runner: OperationRunner;
  readonly runPromise: HandleContext['runPromise'];
  readonly module: Anything;
}

/** The callback, the sync and the promisified form of one operation. */
function addForms({ runner, runPromise, module }: Forms, name: string, make: Make): void {
  const counted = COUNTED[name];
  const dataOf = ([, data]: unknown[]): unknown =>
    name === 'read' && !ArrayBuffer.isView(data) ? (data as Anything).buffer : data;
  const withCallback = (...all: unknown[]): void => {
    const { args, callback } = split(all);
    // A buffer that Node makes itself must be the one that is filled and handed out.
    const given = name === 'read' ? withBuffer(args) : args;
    const data = counted === undefined ? undefined : dataOf(given);
    runner.start(make(...given), (outcome) => {
      if (!outcome.ok) callback(outcome.error);
      else if (counted !== undefined) callback(null, outcome.value, data);
      else if (outcome.value === undefined && !ANSWERS.has(name)) callback(null);
      else callback(null, outcome.value);
    });
  };
  Object.defineProperty(withCallback, 'name', { value: name });
  if (counted !== undefined) {
    const promised = async (...args: unknown[]): Promise<Anything> => {
      const given = name === 'read' ? withBuffer(args) : args;
      const count = await runPromise(() => make(...given));
      return { [counted.count]: count, [counted.data]: dataOf(given) };
    };
    Object.defineProperty(withCallback, promisify.custom, { value: promised });
  }
  module[name] = withCallback;
  const sync = (...args: unknown[]): unknown => runner.runSync(make(...args));
  Object.defineProperty(sync, 'name', { value: `${name}Sync` });
  module[`${name}Sync`] = sync;
}

/** Answers that may be undefined, and are handed to the callback all the same. */
const ANSWERS: ReadonlySet<string> = new Set(['stat', 'lstat', 'mkdir']);

/** exists, realpath.native and opendir, which Node shaped each in its own way. */
function addOddForms(
  { runner, runPromise, module }: Forms,
  operations: FileOperations,
  later: (done: () => void) => void,
): void {
  const exists = (path: unknown, callback: unknown): void => {
    if (typeof callback !== 'function') throw argumentType('cb', 'of type function', callback);
    runner.start(operations.exists(path), (outcome) => callback(outcome.ok && outcome.value));
  };
  const existsLater = (path: unknown) => runPromise(() => operations.exists(path));
  Object.defineProperty(exists, promisify.custom, { value: existsLater });
  module.exists = exists;
  module.existsSync = (path: unknown) => runner.runSync(operations.exists(path));

  const native: Forms = { runner, runPromise, module: {} };
  addForms(native, 'native', operations.nativeRealpath as Make);
  Object.assign(module.realpath as object, { native: native.module.native });
  Object.assign(module.realpathSync as object, { native: native.module.nativeSync });

  module.opendirSync = (path: unknown) => {
    const entries = runner.runSync(operations.opendir(path));
    return new Dir(pathArgument(path), entries, later);
  };
  module.opendir = (...all: unknown[]): void => {
    const { args, callback } = split(all);
    runner.start(operations.opendir(args[0]), (outcome: Outcome<Dirent[]>) => {
      if (!outcome.ok) callback(outcome.error);
      else callback(null, new Dir(pathArgument(args[0]), outcome.value, later));
    });
  };
}

function split(all: unknown[]): { args: unknown[]; callback: Callback } {
  const at = all.findLastIndex((each) => typeof each === 'function');
  if (at === -1) throw argumentType('cb', 'of type function', all.at(-1));
  return { args: all.slice(0, at), callback: all[at] as Callback };
}

function withBuffer([fd, ...rest]: unknown[]): unknown[] {
  if (ArrayBuffer.isView(rest[0])) return [fd, ...rest];
  const options = (rest[0] ?? {}) as Anything;
  return ArrayBuffer.isView(options.buffer)
    ? [fd, ...rest]
    : [fd, { ...options, buffer: readArguments(rest).buffer }];
}

/** Everything that Node has and that is missing still throws when it is used, and says its name. */
function refuseTheRest(module: Anything, real: Anything, prefix: string): void {
  for (const name of Object.keys(real)) {
    if (name in module) continue;
    const refuse = (): never => {
      throw notSimulated(prefix + name);
    };
    if (typeof Object.getOwnPropertyDescriptor(real, name)?.value === 'function') {
      module[name] = refuse;
    } else Object.defineProperty(module, name, { get: refuse, enumerable: false });
  }
}
