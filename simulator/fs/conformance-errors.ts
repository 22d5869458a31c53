// Conformance of failures: the code, the number, the call and the sentence of every one. Each is
// provoked in the sync form, and in the callback and promise forms where they word it alike.
import type fs from 'node:fs';
import { expect } from 'vitest';
import { type FsCase, type FsUnderTest, failureOf, thrown } from './conformance.ts';

type Fs = typeof fs;

/** Names what is called and how it fails; `<dir>` stands for the folder of the test. */
interface Row {
  readonly call: string;
  /** The arguments; `@x` is a path in the folder, `#r #w #d #9` descriptors of the setting. */
  readonly args: readonly unknown[];
  readonly fails: string;
  /** Only the sync form: the others differ in Node itself. */
  readonly syncOnly?: true;
}

const bytes = Buffer.alloc(3);
const row = (call: string, args: readonly unknown[], fails: string): Row => ({ call, args, fails });
const syncRow = (call: string, args: readonly unknown[], fails: string): Row => {
  return { call, args, fails, syncOnly: true };
};

const ENOENT = 'ENOENT: no such file or directory';
const ENOTDIR = 'ENOTDIR: not a directory';
const EEXIST = 'EEXIST: file already exists';
const EISDIR = 'EISDIR: illegal operation on a directory';
const EBADF = 'EBADF: bad file descriptor';
const EINVAL = 'EINVAL: invalid argument';

/** The folder has file `f`, directory `d` with file `d/x`, directory `e/e`, link `loop` to itself. */
const ROWS: readonly Row[] = [
  row('open', ['@no', 'r'], `${ENOENT}, open '<dir>/no'`),
  row('open', ['@no/f', 'w'], `${ENOENT}, open '<dir>/no/f'`),
  row('open', ['@f/x', 'r'], `${ENOTDIR}, open '<dir>/f/x'`),
  row('open', ['@f/', 'r'], `${ENOTDIR}, open '<dir>/f/'`),
  row('open', ['@f', 'wx'], `${EEXIST}, open '<dir>/f'`),
  row('open', ['@f', 'ax+'], `${EEXIST}, open '<dir>/f'`),
  row('open', ['@d', 'wx'], `${EEXIST}, open '<dir>/d'`),
  row('open', ['@d', 'w'], `${EISDIR}, open '<dir>/d'`),
  row('open', ['@d', 'r+'], `${EISDIR}, open '<dir>/d'`),
  row('open', ['@loop', 'r'], `ELOOP: too many symbolic links encountered, open '<dir>/loop'`),
  row('open', ['', 'r'], `${ENOENT}, open ''`),
  row('readFile', ['@no'], `${ENOENT}, open '<dir>/no'`),
  row('readFile', ['@d'], `${EISDIR}, read`),
  row('writeFile', ['@d', 'x'], `${EISDIR}, open '<dir>/d'`),
  row('writeFile', ['@no/f', 'x'], `${ENOENT}, open '<dir>/no/f'`),
  row('appendFile', ['@d', 'x'], `${EISDIR}, open '<dir>/d'`),
  row('mkdir', ['@d'], `${EEXIST}, mkdir '<dir>/d'`),
  row('mkdir', ['@f'], `${EEXIST}, mkdir '<dir>/f'`),
  row('mkdir', ['@no/d'], `${ENOENT}, mkdir '<dir>/no/d'`),
  row('mkdir', ['@f/d'], `${ENOTDIR}, mkdir '<dir>/f/d'`),
  row('mkdir', ['@f', { recursive: true }], `${EEXIST}, mkdir '<dir>/f'`),
  row('mkdir', ['@f/a/b', { recursive: true }], `${ENOTDIR}, mkdir '<dir>/f/a/b'`),
  row('rmdir', ['@d'], `ENOTEMPTY: directory not empty, rmdir '<dir>/d'`),
  row('rmdir', ['@f'], `${ENOTDIR}, rmdir '<dir>/f'`),
  row('rmdir', ['@no'], `${ENOENT}, rmdir '<dir>/no'`),
  row('unlink', ['@d'], `${EISDIR}, unlink '<dir>/d'`),
  row('unlink', ['@no'], `${ENOENT}, unlink '<dir>/no'`),
  row('rm', ['@d'], 'Path is a directory: rm returned EISDIR (is a directory) <dir>/d'),
  row('rm', ['@no'], `${ENOENT}, lstat '<dir>/no'`),
  row('rm', ['@no', { recursive: true }], `${ENOENT}, lstat '<dir>/no'`),
  row('rename', ['@no', '@y'], `${ENOENT}, rename '<dir>/no' -> '<dir>/y'`),
  row('rename', ['@f', '@no/f'], `${ENOENT}, rename '<dir>/f' -> '<dir>/no/f'`),
  row('rename', ['@f', '@d'], `${EISDIR}, rename '<dir>/f' -> '<dir>/d'`),
  row('rename', ['@d', '@f'], `${ENOTDIR}, rename '<dir>/d' -> '<dir>/f'`),
  row('rename', ['@e', '@d'], `ENOTEMPTY: directory not empty, rename '<dir>/e' -> '<dir>/d'`),
  row('rename', ['@e', '@e/e/x'], `${EINVAL}, rename '<dir>/e' -> '<dir>/e/e/x'`),
  row('readdir', ['@f'], `${ENOTDIR}, scandir '<dir>/f'`),
  row('readdir', ['@no'], `${ENOENT}, scandir '<dir>/no'`),
  row('stat', ['@no'], `${ENOENT}, stat '<dir>/no'`),
  row('stat', ['@loop'], `ELOOP: too many symbolic links encountered, stat '<dir>/loop'`),
  row('lstat', ['@f/x'], `${ENOTDIR}, lstat '<dir>/f/x'`),
  row('access', ['@no'], `${ENOENT}, access '<dir>/no'`),
  row('truncate', ['@no', 1], `${ENOENT}, open '<dir>/no'`),
  row('truncate', ['@d', 1], `${EISDIR}, open '<dir>/d'`),
  row('copyFile', ['@no', '@y'], `${ENOENT}, copyfile '<dir>/no' -> '<dir>/y'`),
  row('copyFile', ['@d', '@y'], `${EISDIR}, copyfile '<dir>/d' -> '<dir>/y'`),
  row('copyFile', ['@f', '@d/x', 1], `${EEXIST}, copyfile '<dir>/f' -> '<dir>/d/x'`),
  row('readlink', ['@f'], `${EINVAL}, readlink '<dir>/f'`),
  row('symlink', ['t', '@f'], `${EEXIST}, symlink 't' -> '<dir>/f'`),
  row('link', ['@no', '@y'], `${ENOENT}, link '<dir>/no' -> '<dir>/y'`),
  row('link', ['@f', '@d/x'], `${EEXIST}, link '<dir>/f' -> '<dir>/d/x'`),
  row('utimes', ['@no', 1, 1], `${ENOENT}, utime '<dir>/no'`),
  row('chmod', ['@no', 0o600], `${ENOENT}, chmod '<dir>/no'`),
  syncRow('mkdtemp', ['@no/x-'], `${ENOENT}, mkdtemp '<dir>/no/x-XXXXXX'`),
  syncRow('opendir', ['@no'], `${ENOENT}, opendir`),
  syncRow('realpath', ['@f/../no'], `${ENOENT}, lstat '<dir>/no'`),
  row('close', ['#9'], `${EBADF}, close`),
  row('read', ['#9', bytes], `${EBADF}, read`),
  row('write', ['#9', bytes], `${EBADF}, write`),
  row('fstat', ['#9'], `${EBADF}, fstat`),
  row('fsync', ['#9'], `${EBADF}, fsync`),
  row('fdatasync', ['#9'], `${EBADF}, fdatasync`),
  row('ftruncate', ['#9', 1], `${EBADF}, ftruncate`),
  row('write', ['#r', 'x'], `${EBADF}, write`),
  row('read', ['#w', bytes], `${EBADF}, read`),
  row('ftruncate', ['#r', 1], `${EINVAL}, ftruncate`),
  row('read', ['#d', bytes], `${EISDIR}, read`),
  row('write', ['#d', 'x'], `${EBADF}, write`),
  row('ftruncate', ['#d', 1], `${EINVAL}, ftruncate`),
];

/** Arguments that no call takes: thrown at once, in the callback form too. */
const ARGUMENT_ROWS: readonly (readonly [string, readonly unknown[], string, string])[] = [
  ['open', [undefined], 'ERR_INVALID_ARG_TYPE', 'The "path" argument must be of type string'],
  ['open', ['a\0b'], 'ERR_INVALID_ARG_VALUE', 'without null bytes'],
  ['open', ['@f', 'zz'], 'ERR_INVALID_ARG_VALUE', "The argument 'flags' is invalid"],
  ['close', [-1], 'ERR_OUT_OF_RANGE', 'It must be >= 0 && <= 2147483647. Received -1'],
  ['read', ['x', bytes], 'ERR_INVALID_ARG_TYPE', 'The "fd" argument must be of type number'],
  ['read', ['#r', bytes, 0, 5, 0], 'ERR_OUT_OF_RANGE', '"length" is out of range. It must be <= 3'],
  ['read', ['#r', bytes, 0, 2, -5], 'ERR_OUT_OF_RANGE', '"position" is out of range'],
  ['read', ['#r', bytes, 0, 2, 'x'], 'ERR_INVALID_ARG_TYPE', 'of type bigint or integer'],
  ['write', ['#w', 5], 'ERR_INVALID_ARG_TYPE', 'The "buffer" argument must be of type string'],
  ['write', ['#w', bytes, 2, 5], 'ERR_OUT_OF_RANGE', '"length" is out of range. It must be <= 1'],
  ['writeFile', ['@f', 5], 'ERR_INVALID_ARG_TYPE', 'The "data" argument must be of type string'],
  [
    'readFile',
    ['@f', 'zz'],
    'ERR_INVALID_ARG_VALUE',
    "The argument 'encoding' is invalid encoding",
  ],
];

type AnyFunctions = Record<string, (...args: unknown[]) => unknown>;

/** Makes the setting and gives what turns a row's arguments into real ones. */
function setting({ fs, dir }: FsUnderTest): (args: readonly unknown[]) => unknown[] {
  fs.writeFileSync(`${dir}/f`, 'content');
  fs.mkdirSync(`${dir}/e/e`, { recursive: true });
  fs.mkdirSync(`${dir}/d`);
  fs.writeFileSync(`${dir}/d/x`, '');
  fs.symlinkSync('loop', `${dir}/loop`);
  const fds: Record<string, number> = {
    '#r': fs.openSync(`${dir}/f`, 'r'),
    '#w': fs.openSync(`${dir}/w`, 'w'),
    '#d': fs.openSync(`${dir}/d`, 'r'),
    '#9': 99_999,
  };
  return (args) =>
    args.map((arg) => {
      if (typeof arg !== 'string') return arg;
      return arg.startsWith('@') ? `${dir}/${arg.slice(1)}` : (fds[arg] ?? arg);
    });
}

function callbackForm(fs: Fs, call: string, args: unknown[]): Promise<unknown> {
  return new Promise((resolve) => {
    (fs as unknown as AnyFunctions)[call]?.(...args, (error: unknown) => resolve(error));
  });
}

/** The codes and numbers belong to the sentence, so that a row need not say them again. */
function expectConsistent(error: unknown, dir: string): void {
  const { code, errno, syscall, path, dest, message } = failureOf(error, dir);
  expect(typeof errno).toBe('number');
  if (code === 'ERR_FS_EISDIR') return;
  const shown = [path === undefined ? '' : ` '${path}'`, dest === undefined ? '' : ` -> '${dest}'`];
  expect(message.startsWith(`${code}: `)).toBe(true);
  expect(message.endsWith(`, ${syscall}${shown.join('')}`)).toBe(true);
}

const failing: FsCase[] = ROWS.map(({ call, args, fails, syncOnly }) => ({
  name: `${call}(${args.map((arg) => JSON.stringify(arg)).join(', ')}) fails: ${fails}`,
  run: async (given) => {
    const { fs, promises, dir } = given;
    const real = setting(given)(args);
    const sync = thrown(() => (fs as unknown as AnyFunctions)[`${call}Sync`]?.(...real));
    expect(failureOf(sync, dir).message).toBe(fails);
    expectConsistent(sync, dir);
    if (syncOnly) return;
    const called = await callbackForm(fs, call, real);
    expect(failureOf(called, dir)).toEqual(failureOf(sync, dir));
    const promised = (promises as unknown as AnyFunctions)[call];
    if (promised === undefined) return;
    const rejected = await (promised(...real) as Promise<unknown>).then(
      () => 'resolved',
      (error: unknown) => failureOf(error, dir),
    );
    expect(rejected).toEqual(failureOf(sync, dir));
  },
}));

const refusing: FsCase[] = ARGUMENT_ROWS.map(([call, args, code, text]) => ({
  name: `${call}(${args.map((arg) => JSON.stringify(arg)).join(', ')}) is refused: ${code}`,
  run: (given) => {
    const real = setting(given)(args);
    const functions = given.fs as unknown as AnyFunctions;
    const forms = [
      () => functions[`${call}Sync`]?.(...real),
      () => functions[call]?.(...real, () => {}),
    ];
    for (const form of forms) {
      const error = thrown(form) as NodeJS.ErrnoException;
      expect(error.code).toBe(code);
      expect(error.message).toContain(text);
    }
  },
}));

export const failureCases: FsCase[] = [...failing, ...refusing];
