// The key of a broker's newest session, in a file beside its logs: a broker that was killed ends with it, when it
// starts again, the session that its death left open. Nothing depends on the file: without it that session ends
// by its timeout, as everybody's does.
import fs from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import type { SessionKey } from '../../coordinator/client/index.ts';
import type { SessionMemory } from './session.ts';

export const SESSION_FILE_NAME = '.coordinator-session';
const PASSWORD_BYTES_MAX = 64;
const SESSION_ID = /^[0-9a-f]{1,16}$/;
/** Whoever reads it may end the session. */
const MODE = 0o600;

export interface SessionFileOptions {
  /** The broker's log directory. */
  readonly dir: string;
  readonly brokerId: number;
  /** Told what the disk refused. */
  readonly log: (line: string) => void;
}

export class SessionFile implements SessionMemory {
  readonly #file: string;
  readonly #owner: string;
  readonly #log: (line: string) => void;

  constructor({ dir, brokerId, log }: SessionFileOptions) {
    this.#file = path.join(dir, SESSION_FILE_NAME);
    // A copy of the directory, somewhere else or under another id, must not end the session of a living broker.
    this.#owner = `broker ${brokerId} on ${hostname()} in ${path.resolve(dir)}`;
    this.#log = log;
  }

  recall(): SessionKey | undefined {
    const text = this.#tried('read', () => fs.readFileSync(this.#file, 'utf8'));
    return text === undefined ? undefined : parse(text, this.#owner);
  }

  keep({ id, password }: SessionKey): void {
    const session = BigInt.asUintN(64, id).toString(16);
    const text = JSON.stringify({
      owner: this.#owner,
      session,
      password: password.toString('base64'),
    });
    // Neither synced nor renamed: what a power loss takes or tears is not needed.
    this.#tried('write', () => fs.writeFileSync(this.#file, `${text}\n`, { mode: MODE }));
  }

  forget(): void {
    this.#tried('remove', () => fs.rmSync(this.#file, { force: true }));
  }

  #tried<T>(what: string, operation: () => T): T | undefined {
    try {
      return operation();
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === undefined) throw error;
      if (code !== 'ENOENT') this.#log(`cannot ${what} the key of the session: ${message}`);
      return undefined;
    }
  }
}

/** The key in a file's text; undefined when it is torn, or not this broker's. */
function parse(text: string, owner: string): SessionKey | undefined {
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof said !== 'object' || said === null) return undefined;
  const { owner: whose, session, password: secret } = said as Record<string, unknown>;
  if (whose !== owner || typeof session !== 'string' || typeof secret !== 'string') {
    return undefined;
  }
  const password = Buffer.from(secret, 'base64');
  if (!SESSION_ID.test(session) || password.length > PASSWORD_BYTES_MAX) return undefined;
  const id = BigInt.asIntN(64, BigInt(`0x${session}`));
  return id === 0n ? undefined : { id, password };
}
