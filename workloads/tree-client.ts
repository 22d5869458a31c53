// The client of all workloads on the tree: one main session a process, opened, closed, given up and carried
// from server to server as told, and one observing session to each server that a step names.
import { CoordinatorError, CreateFlag, type ServerAddress } from '../coordinator/client/index.ts';
import type { OpStep } from '../history/plan.ts';
import type { OpResult, WorkloadClient } from '../history/plugin.ts';
import { DirectSession } from './direct-session.ts';
import { change, encode, operate, refused, whereabouts } from './tree-operations.ts';

/** A create lost in setup cannot be tried again, so it is given much longer than others. */
const SETUP_TIMEOUT_MS = 20_000;
/** Observers look on during the whole run and must not expire in a leader change. */
const OBSERVER_TIMEOUT_MS = 6_000;
/** How soon a session that is to be kept looks for a server again, ms. */
const RETURN_MS = 50;

export interface TreeClientOptions {
  nodes: readonly string[];
  /** Index of the server that the main session prefers. */
  home: number;
  address(node: string): ServerAddress;
  sessionTimeoutMs: number;
  opTimeoutMs: number;
  /** Whether a lost connection of the main session is made again at once, without an operation. */
  keep: boolean;
}

/** Values of the steps about a session's life. */
export interface CloseValue {
  /** Nodes whose creation is sent just before and just behind the close, in one write. */
  before?: string;
  after?: string;
}
export interface AbandonValue {
  /** Nodes whose creation is sent just before the connection is dropped. */
  burst: string[];
}

export class TreeClient implements WorkloadClient {
  readonly #options: TreeClientOptions;
  readonly #observers = new Map<string, DirectSession>();
  #main: DirectSession | undefined;
  /** Servers tried for the main session. */
  #attempts = 0;
  readonly #parentsMade = new Set<string>();
  #returning: NodeJS.Timeout | undefined;

  constructor(options: TreeClientOptions) {
    this.#options = options;
  }

  async invoke(step: OpStep): Promise<OpResult> {
    switch (step.f) {
      case 'open':
        return await this.#open();
      case 'close':
        return await this.#close((step.value ?? {}) as CloseValue);
      case 'abandon':
        return this.#abandon((step.value ?? { burst: [] }) as AbandonValue);
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
    const observed = step.node ?? (step.f === 'create' ? this.#home : undefined);
    const session = observed === undefined ? this.#current() : this.#observer(observed);
    try {
      await this.#connect(session);
    } catch (error) {
      return heardBy(session, refused(session, error, false));
    }
    if (step.f !== 'create') return heardBy(session, await operate(session, step));
    return await this.#create(session, step);
  }

  get #home(): string {
    const { nodes, home } = this.#options;
    return nodes[home % nodes.length] as string;
  }

  #session(node: string, sessionTimeoutMs: number, onLost?: () => void): DirectSession {
    const { address, opTimeoutMs } = this.#options;
    const options = { address, node, sessionTimeoutMs, opTimeoutMs };
    return new DirectSession(onLost === undefined ? options : { ...options, onLost });
  }

  #observer(node: string): DirectSession {
    const known = this.#observers.get(node);
    if (known !== undefined && !known.over) return known;
    const observer = this.#session(node, OBSERVER_TIMEOUT_MS);
    this.#observers.set(node, observer);
    return observer;
  }

  /** The main session; a new one if the last is over. */
  #current(): DirectSession {
    if (this.#main === undefined || this.#main.over) {
      const { sessionTimeoutMs, keep } = this.#options;
      const onLost = keep ? () => this.#return() : undefined;
      this.#main = this.#session(this.#home, sessionTimeoutMs, onLost);
    }
    return this.#main;
  }

  /** One attempt: at home and elsewhere in turns, so that a cut-off server keeps its clients. */
  async #connect(session: DirectSession): Promise<void> {
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
    // Nobody waits for them: the connection goes before an answer can come, and the history has them as
    // sent, with an outcome that nobody knows.
    for (const path of sent) session.createEphemeral(path, false).catch(() => undefined);
    session.drop();
    return { type: 'ok', value: { burst: sent }, session: id };
  }

  async #reattach(node: string): Promise<OpResult> {
    const session = this.#main;
    if (session?.id === undefined || session.over) return { type: 'fail', error: 'NoSession' };
    session.lose();
    clearTimeout(this.#returning);
    if (!session.connecting) session.aim(node);
    try {
      await session.connect();
    } catch (error) {
      return refused(session, error, false);
    }
    return { type: 'ok', value: { node }, ...whereabouts(session) };
  }

  /** A node of the setup, whose parents are made first. */
  async #create(session: DirectSession, { key: path, value }: OpStep): Promise<OpResult> {
    if (path === undefined) throw new Error('expected a path as key for create, got none');
    const create = (at: string, bytes: Buffer) =>
      session.create(at, CreateFlag.persistent, bytes, SETUP_TIMEOUT_MS);
    const parents = parentsOf(path).filter((parent) => !this.#parentsMade.has(parent));
    const making = parents.map((parent) => create(parent, Buffer.alloc(0)));
    for (const made of await Promise.allSettled(making)) {
      if (made.status === 'fulfilled' || named(made.reason, 'NodeExists')) continue;
      return refused(session, made.reason, false);
    }
    for (const parent of parents) this.#parentsMade.add(parent);
    return await change(session, create(path, encode(value)));
  }
}

/** `/a/b/c` → `/a`, `/a/b`. */
function parentsOf(path: string): string[] {
  const names = path.split('/').slice(1, -1);
  return names.map((_, i) => `/${names.slice(0, i + 1).join('/')}`);
}

function named(error: unknown, name: string): boolean {
  return error instanceof CoordinatorError && error.name === name;
}

function heardBy(session: DirectSession, result: OpResult): OpResult {
  const heard = session.takeHeard();
  return heard.length === 0 ? result : { ...result, heard };
}
