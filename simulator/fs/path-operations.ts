// The functions of node:fs that work on paths: directories, names, links and attributes, each
// written once as a sequence of system calls.
import type { RandomStream } from '../host.ts';
import { modeArgument, namedAs, type Options, optionsArgument, pathArgument } from './arguments.ts';
import { rmOfDirectory } from './errors.ts';
import type { Inode } from './inode.ts';
import { hasCode, keep, mapping, type Operation, perform, setMode, setTimes } from './operation.ts';
import { type BigIntStats, Dirent, type Stats, statsOf } from './stats.ts';
import type { SystemCalls } from './system-calls.ts';

const NAME_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** Directories and the names in them. */
export function directoryOperations(calls: SystemCalls, random: RandomStream) {
  return {
    mkdir: (path: unknown, rawOptions?: unknown): Operation<string | undefined> => {
      const options =
        typeof rawOptions === 'number' || typeof rawOptions === 'string'
          ? { mode: rawOptions }
          : optionsArgument(rawOptions);
      const mode = modeArgument(options.mode, 0o777);
      const wanted = pathArgument(path);
      if ('recursive' in options && options.recursive === true)
        return makeParents(calls, wanted, mode);
      return mapping(calls.mkdir(wanted, mode), () => undefined);
    },
    mkdtemp: (prefix: unknown, options?: unknown): Operation<string | Buffer> => {
      const stem = pathArgument(prefix, 'prefix');
      const form = optionsArgument(options);
      const letters = Array.from(
        { length: 6 },
        () => NAME_ALPHABET[random.int(NAME_ALPHABET.length)],
      );
      const made = `${stem}${letters.join('')}`;
      return (function* () {
        try {
          yield* perform(calls.mkdir(made, 0o700));
        } catch (error) {
          throw renamed(error, 'mkdir', made, 'mkdtemp', `${stem}XXXXXX`);
        }
        return namedAs(made, form);
      })();
    },
    readdir: (path: unknown, rawOptions?: unknown) => {
      const options = optionsArgument(rawOptions);
      const wanted = pathArgument(path);
      return (function* (): Operation<(string | Buffer | Dirent)[]> {
        const found = yield* entriesOf(calls, wanted, options);
        if (options.withFileTypes === true) return found.map(({ entry }) => entry);
        return found.map(({ at }) => namedAs(at, options));
      })();
    },
    /** All entries of a directory at once, for a Dir to hand out one by one. */
    opendir: (path: unknown): Operation<Dirent[]> => {
      const wanted = pathArgument(path);
      return mapping(calls.scandir(wanted, 'opendir'), (entries) =>
        entries.map(({ name, kind }) => new Dirent(name, wanted, kind)),
      );
    },
    rename: (from: unknown, to: unknown) =>
      perform(calls.rename(pathArgument(from, 'oldPath'), pathArgument(to, 'newPath'))),
    unlink: (path: unknown) => perform(calls.unlink(pathArgument(path))),
    rm: (path: unknown, rawOptions?: unknown): Operation<void> => {
      const { force, recursive } = optionsArgument(rawOptions);
      const wanted = pathArgument(path);
      if (recursive === true) return removeTree(calls, wanted, force === true);
      return (function* () {
        try {
          const inode = yield* perform(calls.stat(wanted, 'lstat'));
          if (inode.kind === 'directory') throw rmOfDirectory(wanted);
          yield* perform(calls.unlink(wanted));
        } catch (error) {
          if (!(force === true && hasCode(error, 'ENOENT'))) throw error;
        }
      })();
    },
    rmdir: (path: unknown) => perform(calls.rmdir(pathArgument(path))),
  };
}

/** What is asked about a path, and links. */
export function pathOperations(calls: SystemCalls) {
  return {
    stat: (path: unknown, options?: unknown) => statOf(calls, path, options, 'stat'),
    lstat: (path: unknown, options?: unknown) => statOf(calls, path, options, 'lstat'),
    access: (path: unknown, _mode?: unknown) => perform(calls.access(pathArgument(path))),
    exists: (path: unknown): Operation<boolean> =>
      (function* () {
        try {
          yield* perform(calls.access(pathArgument(path)));
          return true;
        } catch (error) {
          // Whatever keeps one from getting there: Node answers no, for a wrong argument too.
          if (hasCode(error, 'ERR_INVALID_ARG_TYPE', 'ERR_INVALID_ARG_VALUE')) return false;
          if ((error as NodeJS.ErrnoException).errno !== undefined) return false;
          throw error;
        }
      })(),
    /** As the kernel finds it; Node's own form of `fs.realpath` tells of failures differently. */
    nativeRealpath: (path: unknown, options?: unknown) => {
      const form = optionsArgument(options);
      return mapping(calls.realpath(pathArgument(path)), (real) => namedAs(real, form));
    },
    realpath: (path: unknown, options?: unknown) => {
      const form = optionsArgument(options);
      const wanted = pathArgument(path);
      return (function* () {
        try {
          return namedAs(yield* perform(calls.realpath(wanted)), form);
        } catch (error) {
          const names = calls.absolute(wanted).split('/').slice(1);
          for (let count = 1; count <= names.length; count++) {
            yield* perform(calls.stat(`/${names.slice(0, count).join('/')}`, 'lstat'));
          }
          throw error;
        }
      })();
    },
    link: (from: unknown, to: unknown) =>
      perform(calls.link(pathArgument(from, 'existingPath'), pathArgument(to, 'newPath'))),
    symlink: (target: unknown, path: unknown, _type?: unknown) =>
      perform(calls.symlink(pathArgument(target, 'target'), pathArgument(path))),
    readlink: (path: unknown, options?: unknown) => {
      const form = optionsArgument(options);
      return mapping(calls.readlink(pathArgument(path)), (target) => namedAs(target, form));
    },
    utimes: (path: unknown, atime: unknown, mtime: unknown) =>
      perform(calls.alter(pathArgument(path), 'utime', true, setTimes(atime, mtime))),
    lutimes: (path: unknown, atime: unknown, mtime: unknown) =>
      perform(calls.alter(pathArgument(path), 'lutime', false, setTimes(atime, mtime))),
    chmod: (path: unknown, mode: unknown) =>
      perform(calls.alter(pathArgument(path), 'chmod', true, setMode(mode))),
    chown: (path: unknown) => perform(calls.alter(pathArgument(path), 'chown', true, keep)),
    lchown: (path: unknown) => perform(calls.alter(pathArgument(path), 'lchown', false, keep)),
  };
}

function* makeParents(
  calls: SystemCalls,
  path: string,
  mode: number,
): Operation<string | undefined> {
  try {
    yield* perform(calls.mkdir(path, mode));
    return path;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) {
      const inode = yield* perform(calls.stat(path, 'stat'));
      if (inode.kind === 'directory') return undefined;
      throw error;
    }
    const cut = path.replace(/\/+$/, '').lastIndexOf('/');
    if (!hasCode(error, 'ENOENT') || cut <= 0) throw error;
    let first: string | undefined;
    try {
      first = yield* makeParents(calls, path.slice(0, cut), mode);
    } catch (inner) {
      // A file in the way is reported for the path that was asked for.
      if (!hasCode(inner, 'EEXIST', 'ENOTDIR')) throw inner;
      yield* perform(calls.mkdir(path, mode));
    }
    return (yield* makeParents(calls, path, mode)) === undefined ? first : (first ?? path);
  }
}

function* removeTree(calls: SystemCalls, path: string, force: boolean): Operation<void> {
  let inode: Inode;
  try {
    inode = yield* perform(calls.stat(path, 'lstat'));
  } catch (error) {
    if (force && hasCode(error, 'ENOENT')) return;
    throw error;
  }
  if (inode.kind !== 'directory') {
    yield* perform(calls.unlink(path));
    return;
  }
  for (const { name } of yield* perform(calls.scandir(path))) {
    yield* removeTree(calls, `${path.replace(/\/$/, '')}/${name}`, force);
  }
  yield* perform(calls.rmdir(path));
}

/** Breadth first, as Node walks: through links to directories too, unless it makes Dirents. */
function* entriesOf(
  calls: SystemCalls,
  path: string,
  { recursive, withFileTypes }: Options,
): Operation<{ at: string; entry: Dirent }[]> {
  const found: { at: string; entry: Dirent }[] = [];
  const waiting = [''];
  for (let at = waiting.shift(); at !== undefined; at = waiting.shift()) {
    const directory = at === '' ? path : `${path.replace(/\/$/, '')}/${at}`;
    for (const { name, kind } of yield* perform(calls.scandir(directory))) {
      const below = at === '' ? name : `${at}/${name}`;
      found.push({ at: below, entry: new Dirent(name, directory, kind) });
      if (recursive !== true) continue;
      const link = kind === 'symlink' && withFileTypes !== true;
      if (
        kind === 'directory' ||
        (link && (yield* leadsToDirectory(calls, `${directory}/${name}`)))
      ) {
        waiting.push(below);
      }
    }
  }
  return found;
}

function* leadsToDirectory(calls: SystemCalls, path: string): Operation<boolean> {
  try {
    return (yield* perform(calls.stat(path, 'stat'))).kind === 'directory';
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return false;
    throw error;
  }
}

function statOf(calls: SystemCalls, path: unknown, rawOptions: unknown, syscall: 'stat' | 'lstat') {
  const call = calls.stat(pathArgument(path), syscall);
  const options = optionsArgument(rawOptions);
  return (function* (): Operation<Stats | BigIntStats | undefined> {
    try {
      return statsOf(yield* perform(call), options.bigint === true);
    } catch (error) {
      const quiet = options.throwIfNoEntry === false;
      if (quiet && hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
      throw error;
    }
  })();
}

/** The same failure, told of another call: mkdtemp is a mkdir inside. */
function renamed(
  error: unknown,
  syscall: string,
  path: string,
  shownSyscall: string,
  shownPath: string,
): unknown {
  if (!(error instanceof Error) || !('syscall' in error)) return error;
  const from = `${syscall} '${path}'`;
  error.message = error.message.replace(from, () => `${shownSyscall} '${shownPath}'`);
  return Object.assign(error, { syscall: shownSyscall, path: shownPath });
}
