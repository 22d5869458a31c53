// The functions of node:fs that work on descriptors and on the content of files, each written once
// as a sequence of system calls.
import {
  bytesOf,
  checkSignal,
  dataArgument,
  encoded,
  fdArgument,
  flagsArgument,
  modeArgument,
  type Options,
  optionsArgument,
  pathArgument,
  readArguments,
  vectorArguments,
  writeArguments,
} from './arguments.ts';
import { FS_CONSTANTS as C } from './constants.ts';
import { argumentType, outOfRange } from './errors.ts';
import {
  discarding,
  keep,
  mapping,
  type Operation,
  perform,
  setMode,
  setTimes,
} from './operation.ts';
import { statsOf } from './stats.ts';
import type { SystemCalls } from './system-calls.ts';

const READ_CHUNK_BYTES = 8 * 1024;
const WRITE_CHUNK_BYTES = 512 * 1024;

/** What is done with a descriptor. */
export function descriptorOperations(calls: SystemCalls) {
  return {
    open: (path: unknown, flags?: unknown, mode?: unknown) =>
      perform(calls.open(pathArgument(path), flagsArgument(flags), modeArgument(mode, 0o666))),
    close: (fd: unknown) => perform(calls.close(fdArgument(fd))),
    read: (fd: unknown, ...args: unknown[]) => {
      const { bytes, position } = readArguments(args);
      return perform(calls.read(fdArgument(fd), [bytes], position));
    },
    write: (fd: unknown, ...args: unknown[]) => {
      const { bytes, position } = writeArguments(args);
      return perform(calls.write(fdArgument(fd), [bytes], position));
    },
    readv: (fd: unknown, ...args: unknown[]) => vector(calls, fd, args, 'read'),
    writev: (fd: unknown, ...args: unknown[]) => vector(calls, fd, args, 'write'),
    fsync: (fd: unknown) => discarding(calls.fsync(fdArgument(fd), 'fsync')),
    fdatasync: (fd: unknown) => discarding(calls.fsync(fdArgument(fd), 'fdatasync')),
    ftruncate: (fd: unknown, size: unknown = 0) => {
      return perform(calls.ftruncate(fdArgument(fd), sizeArgument(size)));
    },
    fstat: (fd: unknown, options?: unknown) => {
      const { bigint } = optionsArgument(options);
      return mapping(calls.fstat(fdArgument(fd)), (inode) => statsOf(inode, bigint === true));
    },
    futimes: (fd: unknown, atime: unknown, mtime: unknown) =>
      perform(calls.falter(fdArgument(fd), 'futime', setTimes(atime, mtime))),
    fchmod: (fd: unknown, mode: unknown) =>
      perform(calls.falter(fdArgument(fd), 'fchmod', setMode(mode))),
    fchown: (fd: unknown) => perform(calls.falter(fdArgument(fd), 'fchown', keep)),
  };
}

/** What is done with the content of a file as a whole. */
export function contentOperations(calls: SystemCalls) {
  return {
    truncate: (path: unknown, size: unknown = 0) => {
      const bytes = sizeArgument(size);
      return withFile(calls, pathArgument(path), C.O_RDWR, 0o666, (fd) =>
        perform(calls.ftruncate(fd, bytes)),
      );
    },
    readFile: (file: unknown, rawOptions?: unknown) => {
      const target = fileArgument(file);
      const options = optionsArgument(rawOptions);
      const flags = flagsArgument(options.flag);
      return (function* () {
        checkSignal(options);
        return yield* withFile(calls, target, flags, 0o666, (fd) => readAll(calls, fd, options));
      })();
    },
    writeFile: (file: unknown, data: unknown, options?: unknown) =>
      writeWhole(calls, file, data, options, 'w'),
    appendFile: (file: unknown, data: unknown, options?: unknown) =>
      writeWhole(calls, file, data, options, 'a'),
    copyFile: (from: unknown, to: unknown, mode: unknown = 0) => {
      const exclusive = (Number(mode) & C.COPYFILE_EXCL) !== 0;
      return perform(
        calls.copyfile(pathArgument(from, 'src'), pathArgument(to, 'dest'), exclusive),
      );
    },
  };
}

/** Opens a path, or takes a descriptor as it is; closes only what it opened. */
function* withFile<T>(
  calls: SystemCalls,
  file: string | number,
  flags: number,
  mode: number,
  use: (fd: number) => Operation<T>,
): Operation<T> {
  if (typeof file === 'number') return yield* use(file);
  const fd = yield* perform(calls.open(file, flags, mode));
  let result: T;
  try {
    result = yield* use(fd);
  } catch (error) {
    yield* perform(calls.close(fd));
    throw error;
  }
  yield* perform(calls.close(fd));
  return result;
}

function fileArgument(file: unknown): string | number {
  return typeof file === 'number' ? fdArgument(file) : pathArgument(file);
}

function* writeAll(
  calls: SystemCalls,
  fd: number,
  bytes: Uint8Array,
  options: Options,
): Operation<void> {
  for (let done = 0; done < bytes.length; ) {
    checkSignal(options);
    const piece = bytes.subarray(done, done + WRITE_CHUNK_BYTES);
    done += yield* perform(calls.write(fd, [piece], null));
  }
}

function* readAll(calls: SystemCalls, fd: number, options: Options): Operation<Buffer | string> {
  const inode = yield* perform(calls.fstat(fd));
  const size = inode.kind === 'file' ? inode.content.size : 0;
  const chunks: Buffer[] = [];
  for (;;) {
    checkSignal(options);
    // One byte more than there is, so that the end shows in the same call.
    const chunk = Buffer.alloc(Math.max(size + 1, READ_CHUNK_BYTES));
    const count = yield* perform(calls.read(fd, [chunk], null));
    chunks.push(chunk.subarray(0, count));
    if (count < chunk.length) break;
  }
  return encoded(Buffer.concat(chunks), options);
}

function writeWhole(
  calls: SystemCalls,
  file: unknown,
  data: unknown,
  rawOptions: unknown,
  flag: string,
): Operation<void> {
  const target = fileArgument(file);
  const options = optionsArgument(rawOptions);
  const bytes = dataArgument(data, options.encoding);
  const flags = flagsArgument(options.flag ?? flag);
  return (function* () {
    checkSignal(options);
    yield* withFile(calls, target, flags, modeArgument(options.mode, 0o666), function* (fd) {
      yield* writeAll(calls, fd, bytes, options);
      if (options.flush === true) yield* perform(calls.fsync(fd, 'fsync'));
    });
  })();
}

function vector(
  calls: SystemCalls,
  fd: unknown,
  args: readonly unknown[],
  syscall: 'read' | 'write',
) {
  const { buffers, position } = vectorArguments(args);
  return perform(calls[syscall](fdArgument(fd), buffers.map(bytesOf), position));
}

function sizeArgument(value: unknown): number {
  if (value === null) return 0;
  if (typeof value !== 'number') throw argumentType('len', 'of type number', value);
  // Node takes a negative size for 0.
  if (Number.isSafeInteger(value)) return Math.max(0, value);
  throw outOfRange('len', 'an integer', value);
}
