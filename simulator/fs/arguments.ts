// From the many forms in which Node takes paths, flags, buffers and positions to one. Wrong ones
// are refused with Node's own errors, because programs meet them in their tests.
import { fileURLToPath } from 'node:url';
import { FS_CONSTANTS as C } from './constants.ts';
import { aborted, argumentType, argumentValue, outOfRange } from './errors.ts';

const FD_MAX = 2_147_483_647;
/** What `read` takes when it is given no buffer, as in Node. */
const READ_BUFFER_BYTES = 16_384;

export type Options = Readonly<Record<string, unknown>>;

/** A path as a string. Throws ERR_INVALID_ARG_TYPE or ERR_INVALID_ARG_VALUE. */
export function pathArgument(value: unknown, name = 'path'): string {
  let path: string;
  if (typeof value === 'string') path = value;
  else if (value instanceof Uint8Array) path = Buffer.from(value).toString();
  else if (value instanceof URL) path = fileURLToPath(value);
  else throw argumentType(name, 'of type string or an instance of Buffer or URL', value);
  if (!path.includes('\0')) return path;
  throw argumentValue(name, 'must be a string, Uint8Array, or URL without null bytes', path);
}

export function fdArgument(value: unknown): number {
  if (typeof value !== 'number') throw argumentType('fd', 'of type number', value);
  if (Number.isInteger(value) && value >= 0 && value <= FD_MAX) return value;
  throw outOfRange('fd', `>= 0 && <= ${FD_MAX}`, value);
}

const FLAGS: Readonly<Record<string, number>> = {
  r: C.O_RDONLY,
  rs: C.O_RDONLY | C.O_SYNC,
  'r+': C.O_RDWR,
  'rs+': C.O_RDWR | C.O_SYNC,
  w: C.O_TRUNC | C.O_CREAT | C.O_WRONLY,
  wx: C.O_TRUNC | C.O_CREAT | C.O_WRONLY | C.O_EXCL,
  'w+': C.O_TRUNC | C.O_CREAT | C.O_RDWR,
  'wx+': C.O_TRUNC | C.O_CREAT | C.O_RDWR | C.O_EXCL,
  a: C.O_APPEND | C.O_CREAT | C.O_WRONLY,
  ax: C.O_APPEND | C.O_CREAT | C.O_WRONLY | C.O_EXCL,
  as: C.O_APPEND | C.O_CREAT | C.O_WRONLY | C.O_SYNC,
  'a+': C.O_APPEND | C.O_CREAT | C.O_RDWR,
  'ax+': C.O_APPEND | C.O_CREAT | C.O_RDWR | C.O_EXCL,
  'as+': C.O_APPEND | C.O_CREAT | C.O_RDWR | C.O_SYNC,
};

const FLAG_ALIASES: Readonly<Record<string, string>> = {
  sr: 'rs',
  'sr+': 'rs+',
  xw: 'wx',
  'xw+': 'wx+',
  xa: 'ax',
  sa: 'as',
  'xa+': 'ax+',
  'sa+': 'as+',
};

export function flagsArgument(value: unknown): number {
  if (value === undefined || value === null) return C.O_RDONLY;
  if (typeof value === 'number' && Number.isInteger(value)) return value;
  const known = FLAGS[FLAG_ALIASES[String(value)] ?? String(value)];
  if (known === undefined) throw argumentValue('flags', 'is invalid', value);
  return known;
}

/** Permission bits, also written as an octal string. */
export function modeArgument(value: unknown, fallback: number): number {
  if (value === undefined || value === null) return fallback;
  if (typeof value === 'string' && /^[0-7]+$/.test(value)) return Number.parseInt(value, 8);
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value & 0o7777;
  throw argumentValue('mode', 'must be a 32-bit unsigned integer or an octal string', value);
}

/** Options, or an encoding in their place. Throws for an encoding that Node does not know. */
export function optionsArgument(value: unknown): Options {
  const options = typeof value === 'string' ? { encoding: value } : value;
  if (options === undefined || options === null || typeof options === 'function') return {};
  if (typeof options !== 'object') {
    throw argumentType('options', 'of type string or an instance of Object', value);
  }
  const { encoding } = options as Options;
  const known =
    encoding === undefined ||
    encoding === null ||
    encoding === 'buffer' ||
    Buffer.isEncoding(String(encoding));
  if (!known) throw argumentValue('encoding', 'is invalid encoding', encoding);
  return options as Options;
}

/** Bytes as the program asked for them: a Buffer, or a string when an encoding is given. */
export function encoded(bytes: Buffer, { encoding }: Options): Buffer | string {
  if (encoding === undefined || encoding === null || encoding === 'buffer') return bytes;
  return bytes.toString(encoding as BufferEncoding);
}

/** A name or path as the program asked for it: a string, or a Buffer. */
export function namedAs(name: string, { encoding }: Options): Buffer | string {
  if (encoding === undefined || encoding === null || encoding === 'utf8') return name;
  return encoded(Buffer.from(name), { encoding });
}

export function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** The bytes of data that is written whole. */
export function dataArgument(data: unknown, encoding: unknown, name = 'data'): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data, (encoding ?? 'utf8') as BufferEncoding);
  if (ArrayBuffer.isView(data)) return bytesOf(data);
  const expected = 'of type string or an instance of Buffer, TypedArray, or DataView';
  throw argumentType(name, expected, data);
}

/** null is the descriptor's own position. */
export function positionArgument(value: unknown): number | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'number' && typeof value !== 'bigint') {
    throw argumentType('position', 'of type bigint or integer', value);
  }
  const position = Number(value);
  if (position === -1) return null;
  if (Number.isSafeInteger(position) && position >= 0) return position;
  throw outOfRange('position', `>= -1 && <= ${Number.MAX_SAFE_INTEGER}`, value);
}

function integerArgument(value: unknown, name: string, max: number): number {
  if (typeof value !== 'number') throw argumentType(name, 'of type number', value);
  if (!Number.isInteger(value) || value < 0) throw outOfRange(name, '>= 0', value);
  if (value > max) throw outOfRange(name, `<= ${max}`, value);
  return value;
}

/** A part of a buffer, and where in the file it belongs. */
export interface Transfer {
  /** What the program is given back. */
  readonly buffer: ArrayBufferView | string;
  readonly bytes: Uint8Array;
  readonly position: number | null;
}

/** `buffer, offset, length, position` or `buffer, { offset, length, position }`. */
export function bufferTransfer(buffer: ArrayBufferView, rest: readonly unknown[]): Transfer {
  const named = typeof rest[0] === 'object' && rest[0] !== null ? (rest[0] as Options) : null;
  const [rawOffset, rawLength, rawPosition] = named
    ? [named.offset, named.length, named.position]
    : rest;
  const offset = integerArgument(rawOffset ?? 0, 'offset', Number.MAX_SAFE_INTEGER);
  const room = buffer.byteLength - offset;
  const length = integerArgument(rawLength ?? Math.max(0, room), 'length', room);
  const bytes = bytesOf(buffer).subarray(offset, offset + length);
  return { buffer, bytes, position: positionArgument(rawPosition) };
}

/** The arguments of `read` after the descriptor. */
export function readArguments(args: readonly unknown[]): Transfer {
  const [first, ...rest] = args;
  if (ArrayBuffer.isView(first)) return bufferTransfer(first, rest);
  if (first !== undefined && first !== null && typeof first !== 'object') {
    throw argumentType('buffer', 'an instance of Buffer, TypedArray, or DataView', first);
  }
  const options = (first ?? {}) as Options;
  const buffer = options.buffer ?? Buffer.alloc(READ_BUFFER_BYTES);
  if (ArrayBuffer.isView(buffer)) return bufferTransfer(buffer, [options]);
  throw argumentType('buffer', 'an instance of Buffer, TypedArray, or DataView', buffer);
}

/** The arguments of `write` after the descriptor: of a buffer, or `string, position, encoding`. */
export function writeArguments(args: readonly unknown[]): Transfer {
  const [first, ...rest] = args;
  if (ArrayBuffer.isView(first)) return bufferTransfer(first, rest);
  const bytes = dataArgument(first, rest[1], 'buffer');
  return { buffer: first as string, bytes, position: positionArgument(rest[0]) };
}

/** The arguments of `readv` and `writev` after the descriptor. */
export function vectorArguments(args: readonly unknown[]): {
  buffers: readonly ArrayBufferView[];
  position: number | null;
} {
  const [buffers, position] = args;
  if (!Array.isArray(buffers) || !buffers.every((each) => ArrayBuffer.isView(each))) {
    throw argumentType('buffers', 'an instance of ArrayBufferView[]', buffers);
  }
  return { buffers, position: typeof position === 'number' ? positionArgument(position) : null };
}

/** Throws AbortError when the program gave up what it had asked for. */
export function checkSignal({ signal }: Options): void {
  if (typeof signal !== 'object' || signal === null) return;
  const { aborted: over, reason } = signal as AbortSignal;
  if (over) throw aborted(reason);
}
