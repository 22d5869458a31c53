// The client of the workload `ephemeral`: one main session a process, opened, closed, given up and carried
// from server to server as told, and one observing session to each server that a step names.
import { CoordinatorError, CreateFlag, type ServerAddress } from '../coordinator/client/index.ts';
import type { OpStep } from '../history/plan.ts';
import type { OpResult, WorkloadClient } from '../history/plugin.ts';
import { type Acknowledged, EphemeralSession } from './ephemeral-session.ts';

/** The node below which every thread has a directory of its own. */
export const ROOT = '/chaos/ephemeral';
const PARENTS = ['/chaos', ROOT];

/** A create lost in setup cannot be tried again, so it is given much longer than others. */
const SETUP_TIMEOUT_MS = 20_000;
/** Observers look on during the whole run and must not expire in a leader change. */
const OBSERVER_TIMEOUT_MS = 6_000;
/** How soon a session that is to be kept looks for a server again, ms. */
const RETURN_MS = 50;

export interface EphemeralClientOptions {
  nodes: readonly string[];
  /** Index of the server that the main session prefers. */
  home: number;
  address(node: string): ServerAddress;
  sessionTimeoutMs: number;
  opTimeoutMs: number;
  /** Whether a lost connection of the main session is made again at once, without an operation. */
  keep: boolean;
}

/** Values of the steps. */
export interface CloseValue {
  /** Nodes whose creation is sent just before and just behind the close, in one write. */
  before?: string;
  after?: string;
}
export interface AbandonValue {
  /** Nodes whose creation is sent just before the connection is dropped. */
  burst: string[];
}

export class EphemeralClient implements WorkloadClient {
  readonly #options: EphemeralClientOptions;
  readonly #observers = new Map<string, EphemeralSession>();
  #main: EphemeralSession | undefined;
  /** Servers tried for the main session. */
  #attempts = 0;
  #parentsMade = false;
  #returning: NodeJS.Timeout | undefined;

  constructor(options: EphemeralClientOptions) {
    this.#options = options;
  }

  async invoke(step: OpStep): Promise<OpResult> {
    switch (step.f) {
      case 'open':
        return await this.#open();
      case 'close':
        return await this.#close((step.value ?? {}) as CloseValue);
      case 'abandon':
        return this.#abandon(step.value as AbandonValue);
      case 'reattach':
        return await this.#reattach((step.value as { node: string }).node);
      default:
        return await this.#operate(step);
    }
  }

  close(): Promise<void> {
    clearTimeout(this.#returning);
    this.#main?.drop();
    this.#main = undefined;
    for (const observer of this.#observers.values()) observer.drop();
    this.#observers.clear();
    return Promise.resolve();
  }

  /** An operation inside a session: the main one, or the observer at the node named. */
  async #operate(step: OpStep): Promise<OpResult> {
    const { f, key, value } = step;
    if (key === undefined) throw new Error(`expected a path as key for ${f}, got none`);
    const observed = step.node ?? (f === 'create' ? this.#home : undefined);
    const session = observed === undefined ? this.#current() : this.#observer(observed);
    try {
      await this.#connect(session);
    } catch (error) {
      return refused(session, error, false);
    }
    switch (f) {
      case 'create':
        return await this.#create(session, key, bytesOf(value));
      case 'write':
        return await shown(session, session.setData(key, bytesOf(value)), true);
      case 'read':
        return await read(session, key);
      case 'exists':
        return await exists(session, key);
      case 'children':
        return await children(session, key);
      case 'create-ephemeral': {
        const { sequential } = value as { sequential: boolean };
        return await made(session, key, sequential);
      }
      default:
        throw new Error(`expected an operation of the workload ephemeral, got ${f}`);
    }
  }

  get #home(): string {
    const { nodes, home } = this.#options;
    return nodes[home % nodes.length] as string;
  }

  #session(node: string, sessionTimeoutMs: number, onLost?: () => void): EphemeralSession {
    const { address, opTimeoutMs } = this.#options;
    const options = { address, node, sessionTimeoutMs, opTimeoutMs };
    return new EphemeralSession(onLost === undefined ? options : { ...options, onLost });
  }

  #observer(node: string): EphemeralSession {
    const known = this.#observers.get(node);
    if (known !== undefined && !known.over) return known;
    const observer = this.#session(node, OBSERVER_TIMEOUT_MS);
    this.#observers.set(node, observer);
    return observer;
  }

  /** The main session; a new one if the last is over. */
  #current(): EphemeralSession {
    if (this.#main === undefined || this.#main.over) {
      const { sessionTimeoutMs, keep } = this.#options;
      const onLost = keep ? () => this.#return() : undefined;
      this.#main = this.#session(this.#home, sessionTimeoutMs, onLost);
    }
    return this.#main;
  }

  /** One attempt: at home and elsewhere in turns, so that a cut-off server keeps its clients. */
  async #connect(session: EphemeralSession): Promise<void> {
    if (session.connected) return;
    if (session === this.#main && !session.connecting) session.aim(this.#next());
    await session.connect();
  }

  #next(): string {
    const { nodes, home } = this.#options;
    const attempt = this.#attempts++;
    const away = attempt % 2 === 0 ? 0 : 1 + (attempt >> 1);
    return nodes[(home + away) % nodes.length] as string;
  }

  /** Brings the main session back without being asked, as a client does that lives by its session. */
  #return(): void {
    clearTimeout(this.#returning);
    this.#returning = setTimeout(() => {
      const session = this.#main;
      if (session === undefined || session.over || session.connected) return;
      this.#connect(session).catch(() => this.#return());
    }, RETURN_MS);
  }

  async #open(): Promise<OpResult> {
    this.#main?.drop();
    this.#main = undefined;
    const session = this.#current();
    try {
      await this.#connect(session);
    } catch (error) {
      // A session that the servers opened and told nobody of is nobody's: this client has none.
      session.drop();
      return refused(session, error, false);
    }
    return { type: 'ok', value: { timeoutMs: session.timeoutMs }, ...whereabouts(session) };
  }

  async #close({ before, after }: CloseValue): Promise<OpResult> {
    const session = this.#main;
    if (session === undefined || session.over) return { type: 'fail', error: 'NoSession' };
    try {
      await this.#connect(session);
    } catch (error) {
      return refused(session, error, false);
    }
    const place = whereabouts(session);
    const around = [before, after].filter((path) => path !== undefined);
    const create = (path: string | undefined): Promise<unknown> =>
      path === undefined ? Promise.resolve() : session.createEphemeral(path, false);
    const all = [create(before), session.close(), create(after)] as const;
    const [, closed] = await Promise.allSettled(all);
    if (closed.status === 'rejected') {
      const outcome = refused(session, closed.reason, true);
      if (outcome.type === 'info') session.drop();
      return { ...outcome, value: { around } };
    }
    session.drop();
    return { type: 'ok', value: { around }, zxid: closed.value.zxid, ...place };
  }

  /** Nothing is asked of a server here, so none is named. */
  #abandon({ burst }: AbandonValue): OpResult {
    const session = this.#main;
    const id = session?.id;
    if (session === undefined || session.over || id === undefined) {
      return { type: 'fail', error: 'NoSession' };
    }
    const sent = session.connected ? burst : [];
    for (const path of sent) session.createEphemeral(path, false).catch(() => undefined);
    session.drop();
    return { type: 'ok', value: { burst: sent }, session: id };
  }

  async #reattach(node: string): Promise<OpResult> {
    const session = this.#main;
    if (session?.id === undefined || session.over) return { type: 'fail', error: 'NoSession' };
    await session.lose();
    clearTimeout(this.#returning);
    if (!session.connecting) session.aim(node);
    try {
      await session.connect();
    } catch (error) {
      return refused(session, error, false);
    }
    return { type: 'ok', value: { node }, ...whereabouts(session) };
  }

  async #create(session: EphemeralSession, path: string, data: Buffer): Promise<OpResult> {
    const create = (at: string, bytes: Buffer) =>
      session.create(at, CreateFlag.persistent, bytes, SETUP_TIMEOUT_MS);
    if (!this.#parentsMade) {
      for (const made of await Promise.allSettled(
        PARENTS.map((at) => create(at, Buffer.alloc(0))),
      )) {
        if (made.status === 'fulfilled' || named(made.reason, 'NodeExists')) continue;
        return refused(session, made.reason, false);
      }
      this.#parentsMade = true;
    }
    return await shown(session, create(path, data), true);
  }
}

function named(error: unknown, name: string): boolean {
  return error instanceof CoordinatorError && error.name === name;
}

async function shown(
  session: EphemeralSession,
  reply: Promise<Acknowledged>,
  effect: boolean,
): Promise<OpResult> {
  try {
    const { zxid, stat } = await reply;
    const { mzxid, version } = stat;
    return { type: 'ok', zxid, mzxid, version, ...whereabouts(session) };
  } catch (error) {
    return refused(session, error, effect);
  }
}

async function made(
  session: EphemeralSession,
  path: string,
  sequential: boolean,
): Promise<OpResult> {
  try {
    const created = await session.createEphemeral(path, sequential);
    const { zxid } = created;
    return { type: 'ok', value: { path: created.path }, zxid, ...whereabouts(session) };
  } catch (error) {
    return refused(session, error, true);
  }
}

async function exists(session: EphemeralSession, path: string): Promise<OpResult> {
  try {
    const { zxid, owner, exists: there } = await session.exists(path);
    const value = owner === undefined ? { exists: there } : { exists: there, owner };
    return { type: 'ok', value, zxid, ...whereabouts(session) };
  } catch (error) {
    return refused(session, error, false);
  }
}

async function children(session: EphemeralSession, path: string): Promise<OpResult> {
  try {
    const { zxid, children: names } = await session.children(path);
    return { type: 'ok', value: [...names].sort(), zxid, ...whereabouts(session) };
  } catch (error) {
    return refused(session, error, false);
  }
}

/** Sync and get leave in one write; together they are one linearizable read. */
async function read(session: EphemeralSession, path: string): Promise<OpResult> {
  const [sync, get] = await Promise.allSettled([session.sync(path), session.getData(path)]);
  if (sync.status === 'rejected') return refused(session, sync.reason, false);
  const syncZxid = sync.value.zxid;
  if (get.status === 'rejected') return { ...refused(session, get.reason, false), syncZxid };
  const { zxid, stat, data, connection } = get.value;
  if (connection !== sync.value.connection) {
    return { type: 'fail', error: 'ConnectionChanged', ...whereabouts(session) };
  }
  const { mzxid, version } = stat;
  const value = Number(data?.toString() ?? Number.NaN);
  return { type: 'ok', value, syncZxid, zxid, mzxid, version, ...whereabouts(session) };
}

/**
 * The outcome of an operation that got no success. It certainly did not happen if the server refused
 * it, if it never left, or if it could have changed nothing.
 */
function refused(session: EphemeralSession, error: unknown, effect: boolean): OpResult {
  if (!(error instanceof CoordinatorError)) throw error;
  const { zxid, sent } = error;
  const name = error.name === 'OperationTimeout' ? 'Timeout' : error.name;
  if (zxid !== undefined) return { type: 'fail', error: name, zxid, ...whereabouts(session) };
  const type = sent && effect ? 'info' : 'fail';
  return { type, error: `${name}: ${error.message}`, ...whereabouts(session) };
}

function whereabouts({ node, id }: EphemeralSession): Partial<OpResult> {
  return id === undefined ? { node } : { node, session: id };
}

function bytesOf(value: unknown): Buffer {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
    throw new Error(`expected an integer to write, got ${JSON.stringify(value)}`);
  }
  return Buffer.from(String(value));
}
