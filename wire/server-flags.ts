// The flags that both servers are started with: the file of their configuration, who they are, and where they
// say what they do. Read in one place, so that whoever starts a server starts the other in the same way.
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { EventLogOptions } from './event-log.ts';
import { ConfigError, wholeNumber } from './property-file.ts';

const LEVELS = ['off', 'state', 'all'] as const;
const INCARNATION_MAX = 2 ** 31 - 1;

/** Flags that mean nothing without --events. */
const EVENT_FLAGS = ['event-level', 'event-base', 'incarnation', 'node'] as const;
type EventFlags = Partial<Record<'events' | (typeof EVENT_FLAGS)[number], string>>;

/** What was given, by name; `Id` is the flag that says which server this is. */
export type ServerFlags<Id extends string> = EventFlags &
  Partial<Record<Id, string>> & { readonly config: string };

/** The flags among a program's arguments. Throws ConfigError with the usage. */
export function parseServerFlags<Id extends string>(
  argv: readonly string[],
  id: Id,
): ServerFlags<Id> {
  const usage =
    `usage: --config FILE [--${id} N] [--events FILE] [--event-level ${LEVELS.join('|')}] ` +
    '[--event-base NS] [--incarnation N] [--node NAME]';
  const names = ['config', id, 'events', ...EVENT_FLAGS];
  const options = Object.fromEntries(names.map((name) => [name, { type: 'string' } as const]));
  let flags: Partial<ServerFlags<Id>>;
  try {
    flags = parseArgs({ args: [...argv], options }).values as Partial<ServerFlags<Id>>;
  } catch (error) {
    throw new ConfigError(`${(error as Error).message}\n${usage}`);
  }
  const { config } = flags;
  if (config === undefined) throw new ConfigError(`--config is missing\n${usage}`);
  return { ...flags, config } as ServerFlags<Id>;
}

/**
 * How a server reports what it does; undefined: nobody watches. `node` is its name where none is given.
 * Throws ConfigError.
 */
export function eventOptions(flags: EventFlags, node: string): EventLogOptions | undefined {
  if (flags.events === undefined) {
    const stray = EVENT_FLAGS.find((name) => flags[name] !== undefined);
    // A level of off needs no file, so that a launcher may pass it always.
    if (stray === undefined || flags['event-level'] === 'off') return undefined;
    throw new ConfigError(`--${stray} needs --events FILE`);
  }
  const level = LEVELS.find((each) => each === (flags['event-level'] ?? 'state'));
  if (level === undefined) {
    const got = flags['event-level'];
    throw new ConfigError(`--event-level: expected one of ${LEVELS.join(', ')}, got '${got}'`);
  }
  const base = flags['event-base'] ?? '0';
  if (!/^-?\d{1,19}$/.test(base)) {
    throw new ConfigError(`--event-base: expected nanoseconds, got '${base}'`);
  }
  return {
    path: path.resolve(flags.events),
    level,
    node: flags.node ?? node,
    incarnation: wholeNumber('--incarnation', flags.incarnation ?? '1', 0, INCARNATION_MAX),
    baseNs: BigInt(base),
  };
}
