// The errors of the simulated file system: code, number, text and fields just as Node gives them.
// Programs decide by `error.code` and print `error.message`, so both must be the real ones.

/** Linux's number and libuv's sentence of every error that the file system can give. */
const SYSTEM_ERRORS = {
  EBADF: [9, 'bad file descriptor'],
  EBUSY: [16, 'resource busy or locked'],
  EEXIST: [17, 'file already exists'],
  EINVAL: [22, 'invalid argument'],
  EIO: [5, 'i/o error'],
  EISDIR: [21, 'illegal operation on a directory'],
  ELOOP: [40, 'too many symbolic links encountered'],
  EMFILE: [24, 'too many open files'],
  ENAMETOOLONG: [36, 'name too long'],
  ENOENT: [2, 'no such file or directory'],
  ENOSPC: [28, 'no space left on device'],
  ENOTDIR: [20, 'not a directory'],
  ENOTEMPTY: [39, 'directory not empty'],
  EPERM: [1, 'operation not permitted'],
  ESPIPE: [29, 'invalid seek'],
} as const satisfies Record<string, readonly [number, string]>;

export type SystemErrorCode = keyof typeof SYSTEM_ERRORS;

/** A refusal inside the disk, before it is known by which call and for which path. */
export class DiskRefusal extends Error {
  override readonly name = 'DiskRefusal';
  readonly code: SystemErrorCode;
  /** The call that Node names, where it is not the one that was made. */
  readonly syscall: string | undefined;
  readonly path: string | undefined;

  constructor(code: SystemErrorCode, from: { syscall?: string; path?: string } = {}) {
    super(code);
    this.code = code;
    this.syscall = from.syscall;
    this.path = from.path;
  }
}

/** The error that Node throws for a failed system call: `ENOENT: no such file …, open 'x'`. */
export function systemError(
  code: SystemErrorCode,
  syscall: string,
  path?: string,
  dest?: string,
): NodeJS.ErrnoException {
  const [errno, sentence] = SYSTEM_ERRORS[code];
  const from = path === undefined ? '' : ` '${path}'`;
  const to = dest === undefined ? '' : ` -> '${dest}'`;
  const error = new Error(`${code}: ${sentence}, ${syscall}${from}${to}`);
  return Object.assign(error, {
    errno: -errno,
    code,
    syscall,
    ...(path === undefined ? {} : { path }),
    ...(dest === undefined ? {} : { dest }),
  });
}

/** The error of a FileHandle that is used after its close. */
export function closedHandle(syscall: string): NodeJS.ErrnoException {
  return Object.assign(new Error('file closed'), { code: 'EBADF', syscall });
}

/** `rm` of a directory without `recursive`, which Node words differently from all the rest. */
export function rmOfDirectory(path: string): NodeJS.ErrnoException {
  const info = { code: 'EISDIR', message: 'is a directory', path, syscall: 'rm', errno: 21 };
  const text = `Path is a directory: rm returned EISDIR (is a directory) ${path}`;
  const error = new Error(text);
  error.name = 'SystemError';
  return Object.assign(error, {
    code: 'ERR_FS_EISDIR',
    info,
    errno: 21,
    syscall: 'rm',
    path,
  });
}

/** What the program is told when it asks for a part of `node:fs` that the simulator lacks. */
export function notSimulated(name: string): Error {
  const error = new Error(
    `fs.${name} is not simulated: the simulated file system has files, directories, links, streams ` +
      `and FileHandle; do without fs.${name}, or run the program in a local cluster`,
  );
  return Object.assign(error, { code: 'ERR_NOT_SIMULATED' });
}

export function aborted(cause: unknown): Error {
  const error = new Error('The operation was aborted', { cause });
  error.name = 'AbortError';
  return Object.assign(error, { code: 'ABORT_ERR' });
}

export function argumentType(name: string, expected: string, value: unknown): TypeError {
  const text = `The "${name}" argument must be ${expected}. Received ${kindOf(value)}`;
  return Object.assign(new TypeError(text), { code: 'ERR_INVALID_ARG_TYPE' });
}

export function argumentValue(name: string, reason: string, value: unknown): TypeError {
  const text = `The argument '${name}' ${reason}. Received ${quoted(value)}`;
  return Object.assign(new TypeError(text), { code: 'ERR_INVALID_ARG_VALUE' });
}

export function outOfRange(name: string, range: string, value: unknown): RangeError {
  const text = `The value of "${name}" is out of range. It must be ${range}. Received ${String(value)}`;
  return Object.assign(new RangeError(text), { code: 'ERR_OUT_OF_RANGE' });
}

function quoted(value: unknown): string {
  if (typeof value !== 'string') return String(value);
  return `'${value.replaceAll('\0', '\\x00')}'`;
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'function') return `function ${value.name}`;
  if (typeof value === 'object') return `an instance of ${value.constructor?.name ?? 'Object'}`;
  return `type ${typeof value} (${quoted(value)})`;
}
