// The FileHandle of `fs.promises.open`, over the same operations as everything else. It is a class
// of its own because programs hold on to it and use it instead of a descriptor.
import { EventEmitter } from 'node:events';
import { createInterface } from 'node:readline';
import { type Options, readArguments, vectorArguments, writeArguments } from './arguments.ts';
import { argumentType, closedHandle, notSimulated } from './errors.ts';
import type { Operation } from './operation.ts';
import type { Stats } from './stats.ts';
import type { FileStreams, StreamFunctions } from './streams.ts';

/** What a handle needs of the file system that opened it. */
export interface HandleContext {
  readonly operations: {
    readonly [name: string]: (...args: never[]) => Operation<unknown>;
  };
  readonly runPromise: <T>(make: () => Operation<T>) => Promise<T>;
  readonly streams: FileStreams;
}

type AnyOperation = (...args: unknown[]) => Operation<unknown>;

export class FileHandle extends EventEmitter {
  readonly #context: HandleContext;
  #fd: number;
  #closing: Promise<void> | null = null;

  constructor(fd: number, context: HandleContext) {
    super();
    this.#fd = fd;
    this.#context = context;
  }

  /** The descriptor; -1 once closed. */
  get fd(): number {
    return this.#fd;
  }

  getAsyncId(): number {
    return 0;
  }

  /** Answers `{ bytesRead, buffer }`. */
  async read(...args: unknown[]): Promise<{ bytesRead: number; buffer: unknown }> {
    this.#check('read');
    const { buffer, bytes, position } = readArguments(args);
    const bytesRead = (await this.#run('read', bytes, 0, bytes.length, position)) as number;
    return { bytesRead, buffer };
  }

  /** Answers `{ bytesWritten, buffer }`. */
  async write(...args: unknown[]): Promise<{ bytesWritten: number; buffer: unknown }> {
    this.#check('write');
    const { buffer, bytes, position } = writeArguments(args);
    const bytesWritten = (await this.#run('write', bytes, 0, bytes.length, position)) as number;
    return { bytesWritten, buffer };
  }

  async readv(...args: unknown[]): Promise<{ bytesRead: number; buffers: unknown }> {
    const { buffers } = vectorArguments(args);
    const bytesRead = (await this.#run('readv', ...args)) as number;
    return { bytesRead, buffers };
  }

  async writev(...args: unknown[]): Promise<{ bytesWritten: number; buffers: unknown }> {
    const { buffers } = vectorArguments(args);
    const bytesWritten = (await this.#run('writev', ...args)) as number;
    return { bytesWritten, buffers };
  }

  async readFile(options?: unknown): Promise<Buffer | string> {
    return (await this.#run('readFile', options)) as Buffer | string;
  }

  async writeFile(data: unknown, options?: unknown): Promise<void> {
    await this.#run('writeFile', data, options);
  }

  async appendFile(data: unknown, options?: unknown): Promise<void> {
    await this.#run('writeFile', data, options);
  }

  async stat(options?: unknown): Promise<Stats> {
    return (await this.#run('fstat', options)) as Stats;
  }

  async sync(): Promise<void> {
    await this.#run('fsync');
  }

  async datasync(): Promise<void> {
    await this.#run('fdatasync');
  }

  async truncate(size: unknown = 0): Promise<void> {
    await this.#run('ftruncate', size);
  }

  async chmod(mode: unknown): Promise<void> {
    await this.#run('fchmod', mode);
  }

  async chown(): Promise<void> {
    await this.#run('fchown');
  }

  async utimes(atime: unknown, mtime: unknown): Promise<void> {
    await this.#run('futimes', atime, mtime);
  }

  createReadStream(options?: Options) {
    return this.#context.streams.read('', { ...options, fd: this.fd }, this.#streamFunctions());
  }

  createWriteStream(options?: Options) {
    return this.#context.streams.write('', { ...options, fd: this.fd }, this.#streamFunctions());
  }

  readLines(options?: Options) {
    const input = this.createReadStream(options);
    return createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  }

  readableWebStream(): never {
    throw notSimulated('FileHandle.readableWebStream');
  }

  /** Closes once; further calls get the same promise. */
  close(): Promise<void> {
    if (this.#closing !== null) return this.#closing;
    if (this.#fd === -1) return Promise.resolve();
    const fd = this.#fd;
    this.#closing = this.#context
      .runPromise(() => operation(this.#context, 'close')(fd))
      .then(() => {
        this.#fd = -1;
        this.emit('close');
      })
      .finally(() => {
        this.#closing = null;
      });
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #check(name: string): void {
    if (this.#fd === -1) throw closedHandle(SYSCALLS[name] ?? name);
  }

  #run(name: string, ...args: unknown[]): Promise<unknown> {
    return this.#context.runPromise(() => {
      this.#check(name);
      return operation(this.#context, name)(this.#fd, ...args);
    });
  }

  /** A stream over a handle closes the handle, so that the handle knows. */
  #streamFunctions(): Partial<StreamFunctions> {
    const close = (_fd: number, done: (error: unknown) => void): void => {
      this.close().then(
        () => done(null),
        (error: unknown) => done(error),
      );
    };
    return { close };
  }
}

/** How Node names the calls of a handle that is closed. */
const SYSCALLS: Readonly<Record<string, string>> = {
  readv: 'read',
  writev: 'write',
  readFile: 'read',
  writeFile: 'write',
};

function operation(context: HandleContext, name: string): AnyOperation {
  const found = context.operations[name];
  if (found === undefined) throw argumentType('operation', 'a known operation', name);
  return found as AnyOperation;
}
