// `node:fs/promises` over the simulated operations. Argument errors reject, as in Node; a death in a
// call throws, because the call does not return.
import { bytesOf, optionsArgument, pathArgument } from './arguments.ts';
import { FS_CONSTANTS } from './constants.ts';
import { Dir } from './directory-handle.ts';
import { FileHandle, type HandleContext } from './file-handle.ts';
import type { Operation } from './operation.ts';
import type { FileOperations } from './operations.ts';
import type { Dirent } from './stats.ts';

type Name = keyof FileOperations;

/** What is the same with a promise and with a callback. */
const PLAIN = [
  'access',
  'chmod',
  'chown',
  'copyFile',
  'lchown',
  'link',
  'lstat',
  'lutimes',
  'mkdir',
  'mkdtemp',
  'readdir',
  'readlink',
  'rename',
  'rm',
  'rmdir',
  'stat',
  'symlink',
  'truncate',
  'unlink',
  'utimes',
] as const satisfies readonly Name[];

type Anything = Record<string, unknown>;

/** Data of a writeFile that comes in pieces: all of it, or null when it is not such data. */
function piecesOf(data: unknown): AsyncIterable<unknown> | Iterable<unknown> | null {
  if (typeof data !== 'object' || data === null || ArrayBuffer.isView(data)) return null;
  if (Symbol.asyncIterator in data) return data as AsyncIterable<unknown>;
  return Symbol.iterator in data ? (data as Iterable<unknown>) : null;
}

/** The functions of `node:fs/promises` that the simulator has. */
export function promiseFunctions(
  operations: FileOperations,
  context: HandleContext,
  later: (done: () => void) => void,
): Anything {
  const { runPromise } = context;
  const plain = Object.fromEntries(
    PLAIN.map((name) => {
      const make = operations[name] as (...args: unknown[]) => Operation<unknown>;
      return [name, (...args: unknown[]) => runPromise(() => make(...args))];
    }),
  );

  const open = async (path: unknown, flags?: unknown, mode?: unknown): Promise<FileHandle> => {
    const fd = await runPromise(() => operations.open(path, flags, mode));
    return new FileHandle(fd, context);
  };

  const write = async (file: unknown, data: unknown, options: unknown, flag: 'a' | 'w') => {
    const pieces = piecesOf(data);
    if (pieces === null) {
      if (file instanceof FileHandle) return file.writeFile(data, options);
      const name = flag === 'a' ? 'appendFile' : 'writeFile';
      return runPromise(() => operations[name](file, data, options));
    }
    const given = optionsArgument(options);
    const own =
      file instanceof FileHandle ? null : await open(file, given.flag ?? flag, given.mode);
    const handle = own ?? (file as FileHandle);
    try {
      for await (const piece of pieces) {
        const bytes = ArrayBuffer.isView(piece) ? bytesOf(piece) : piece;
        await handle.writeFile(bytes, { encoding: given.encoding });
      }
    } finally {
      await own?.close();
    }
  };

  return {
    ...plain,
    open,
    readFile: (file: unknown, options?: unknown) =>
      file instanceof FileHandle
        ? file.readFile(options)
        : runPromise(() => operations.readFile(file, options)),
    writeFile: (file: unknown, data: unknown, options?: unknown) => write(file, data, options, 'w'),
    appendFile: (file: unknown, data: unknown, options?: unknown) =>
      write(file, data, options, 'a'),
    realpath: (path: unknown, options?: unknown) =>
      runPromise(() => operations.nativeRealpath(path, options)),
    opendir: async (path: unknown) => {
      const wanted = pathArgument(path);
      return new Dir(wanted, await runPromise(() => listing(operations, wanted)), later);
    },
    constants: FS_CONSTANTS,
  };
}

/** Node tells of a failed opendir with the path here, and without it in the other forms. */
function* listing(operations: FileOperations, path: string): Operation<Dirent[]> {
  try {
    return yield* operations.opendir(path);
  } catch (error) {
    if (error instanceof Error && 'syscall' in error) {
      error.message += ` '${path}'`;
      Object.assign(error, { path });
    }
    throw error;
  }
}
