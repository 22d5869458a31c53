// File streams: Node's own classes over the simulated calls, which they take as an option. So flow
// control, `start`, `end`, `autoClose` and the order of events are the real ones.
import fs from 'node:fs';
import type { Options } from './arguments.ts';

type StreamFunction = (...args: never[]) => unknown;

/** What Node's streams call. */
export interface StreamFunctions {
  readonly open: StreamFunction;
  readonly close: StreamFunction;
  readonly read: StreamFunction;
  readonly write: StreamFunction;
  readonly writev: StreamFunction;
  readonly fsync: StreamFunction;
}

export interface FileStreams {
  read(path: unknown, options: unknown, over?: Partial<StreamFunctions>): fs.ReadStream;
  write(path: unknown, options: unknown, over?: Partial<StreamFunctions>): fs.WriteStream;
  /** As `fs.ReadStream`: can be called with and without `new`, and asked by `instanceof`. */
  readonly ReadStream: unknown;
  readonly WriteStream: unknown;
}

function optionsOf(options: unknown): Options {
  if (typeof options === 'string') return { encoding: options };
  return (options ?? {}) as Options;
}

/** Streams over the calls that `functions` gives; asked for late, as the two need each other. */
export function fileStreams(functions: () => StreamFunctions): FileStreams {
  const made = (
    kind: 'ReadStream' | 'WriteStream',
    path: unknown,
    options: unknown,
    over?: Partial<StreamFunctions>,
  ) => {
    const given = optionsOf(options);
    const handle = given.fd as { fd?: number; close?: () => Promise<void> } | number | undefined;
    const open = { ...functions(), ...over };
    const merged = { ...given, fs: { ...open, ...(given.fs as Options | undefined) } };
    // A FileHandle as `fd`: its own method makes the stream, so that it is closed with it.
    if (typeof handle === 'object' && handle !== null) {
      const method = kind === 'ReadStream' ? 'createReadStream' : 'createWriteStream';
      const { fd: _handle, ...rest } = given;
      return (handle as unknown as Record<string, (o: Options) => unknown>)[method]?.(rest);
    }
    const Class = fs[kind] as unknown as new (path: unknown, options: Options) => unknown;
    return new Class(path, merged);
  };
  const classLike = (kind: 'ReadStream' | 'WriteStream') => {
    const create = function (this: unknown, path: unknown, options: unknown) {
      return made(kind, path, options);
    };
    create.prototype = fs[kind].prototype;
    return create;
  };
  return {
    read: (path, options, over) => made('ReadStream', path, options, over) as fs.ReadStream,
    write: (path, options, over) => made('WriteStream', path, options, over) as fs.WriteStream,
    ReadStream: classLike('ReadStream'),
    WriteStream: classLike('WriteStream'),
  };
}
