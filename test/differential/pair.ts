// The two servers side by side: every request goes to both, and what both say is made comparable. Zxids
// and session ids differ by right, so they are paired as they appear; times are not compared.
import { EventType } from '../../coordinator/protocol/codes.ts';
import type { Codec } from '../../coordinator/protocol/jute.ts';
import { WatcherEvent } from '../../coordinator/protocol/records.ts';
import { RawClient, type RawReply } from '../../coordinator/server/raw-client.testing.ts';
import type { ByteReader } from '../../wire/bytes.ts';
import { asTheirs } from './deviations.ts';
import { describe, type Operation } from './operations.ts';

const ANSWER_MS_MAX = 20_000;
const NOTIFICATION = -1;
const SESSION_TIMEOUT_MS = 40_000;

/** What a server said to one request. */
export interface Answer {
  /** Undefined: it hung up, or said nothing. */
  err: number | undefined;
  /** The decoded body, or why it could not be decoded. */
  body: unknown;
  /** Notifications that came since the reply before, in the order of their text. */
  events: string[];
}

async function within<T>(promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`no answer within ${ANSWER_MS_MAX} ms`)),
      ANSWER_MS_MAX,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A session at one server. */
class Session {
  readonly #port: number;
  #client: RawClient;
  #xid = 0;

  constructor(port: number) {
    this.#port = port;
    this.#client = new RawClient(port);
  }

  async open(): Promise<this> {
    this.#client.hello({ timeOut: SESSION_TIMEOUT_MS });
    await within(this.#client.welcome());
    return this;
  }

  /** After the server hung up: the same session on a new connection, or a new one if it is over. */
  async #return(): Promise<string> {
    const { session, password } = this.#client;
    this.#client = new RawClient(this.#port);
    this.#client.hello({ timeOut: SESSION_TIMEOUT_MS, sessionId: session, passwd: password });
    const { sessionId } = await within(this.#client.welcome()).catch(() => ({ sessionId: 0n }));
    if (sessionId !== 0n) return 'the session lives';
    this.#client.socket.destroy();
    this.#client = new RawClient(this.#port);
    await this.open().catch((cause) => {
      throw new Error('the server lets nobody in any more', { cause });
    });
    return 'the session is over';
  }

  async ask({ type, request, body, response, xid }: Operation): Promise<Answer> {
    const number = xid ?? ++this.#xid;
    this.#client.send([number, type, request as Codec<never> | undefined, body]);
    const events: string[] = [];
    try {
      for (;;) {
        const reply = await within(this.#client.reply());
        if (reply.xid === NOTIFICATION) {
          events.push(event(reply.body));
          continue;
        }
        if (reply.xid !== number) throw new Error(`expected xid ${number}, got ${reply.xid}`);
        return { err: reply.err, body: decode(reply, response), events: events.sort() };
      }
    } catch (error) {
      const body = this.#client.closed ? 'hung up' : (error as Error).message;
      this.#client.socket.destroy();
      return { err: undefined, body: `${body}; ${await this.#return()}`, events: events.sort() };
    }
  }

  /** Ends the session, so that nothing of it is left. */
  async close(): Promise<void> {
    this.#client.send([++this.#xid, -11]);
    await within(this.#client.hangup());
    this.#client.socket.destroy();
  }
}

function event(body: ByteReader): string {
  const { type, state, path } = WatcherEvent.read(body);
  const name = Object.entries(EventType).find(([, code]) => code === type)?.[0] ?? type;
  return `${name} ${state} ${path}`;
}

function decode(reply: RawReply, response: Codec<unknown> | undefined): unknown {
  const { body, err } = reply;
  if (body.remaining === 0) return undefined;
  if (response === undefined) return `${body.remaining} bytes`;
  try {
    const value = response.read(body);
    const rest = body.remaining > 0 ? `and ${body.remaining} bytes more` : undefined;
    return rest === undefined ? value : { value, rest };
  } catch (error) {
    return `err ${err}, not to be decoded: ${(error as Error).message}`;
  }
}

/** Values that name the same on both sides, paired as they are first seen. */
class Pairing<T> {
  readonly #ours = new Map<T, T>();
  readonly #theirs = new Map<T, T>();

  same(ours: T, theirs: T): boolean {
    const known = this.#ours.get(ours);
    const back = this.#theirs.get(theirs);
    if (known === undefined && back === undefined) {
      this.#ours.set(ours, theirs);
      this.#theirs.set(theirs, ours);
      return true;
    }
    return known === theirs && back === ours;
  }
}

const ZXIDS: ReadonlySet<string> = new Set(['czxid', 'mzxid', 'pzxid']);
const TIMES: ReadonlySet<string> = new Set(['ctime', 'mtime']);
const UNORDERED: ReadonlySet<string> = new Set(['children', 'ephemerals', 'clientInfo']);
const byText = (a: unknown, b: unknown): number => (show(a) < show(b) ? -1 : 1);

/** Both servers, with one pair of sessions or more. */
export class Pair {
  readonly #ports: readonly [number, number];
  #sessions: [Session, Session][] = [];
  readonly #zxids = new Pairing<unknown>();
  readonly #owners = new Pairing<unknown>();

  /** The client ports of our server and of theirs. */
  constructor(ours: number, theirs: number) {
    this.#ports = [ours, theirs];
  }

  /** Ends all sessions and opens `count` new ones at each server. */
  async renew(count: number): Promise<void> {
    await this.close();
    for (let i = 0; i < count; i++) {
      const both = this.#ports.map((port) => new Session(port).open());
      this.#sessions.push((await Promise.all(both)) as [Session, Session]);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#sessions.flat().map((session) => session.close()));
    this.#sessions = [];
  }

  /** Asks both; the first difference in what they say, if there is one. */
  async ask(
    session: number,
    operation: Operation,
  ): Promise<{ answers: [Answer, Answer]; difference?: string }> {
    const [ours, theirs] = this.#sessions[session] as [Session, Session];
    const answers = await Promise.all([ours.ask(operation), theirs.ask(operation)]).catch(
      (cause) => {
        throw new Error(`no answers to ${describe(operation)}`, { cause });
      },
    );
    const difference = this.#difference('', asTheirs(operation, ...answers), answers[1]);
    return difference === undefined ? { answers } : { answers, difference };
  }

  /** Where two values differ, as a path with both; undefined if nowhere. */
  #difference(at: string, a: unknown, b: unknown): string | undefined {
    const name = at.slice(at.lastIndexOf('.') + 1);
    if (TIMES.has(name)) return undefined;
    const told = (): string => `${at.slice(1)}: ours ${show(a)}, theirs ${show(b)}`;
    if (ZXIDS.has(name)) return this.#zxids.same(a, b) ? undefined : told();
    if (name === 'ephemeralOwner') return this.#owners.same(a, b) ? undefined : told();
    if (Buffer.isBuffer(a) && Buffer.isBuffer(b)) return a.equals(b) ? undefined : told();
    if (Array.isArray(a) && Array.isArray(b)) {
      const [x, y] = UNORDERED.has(name) ? [[...a].sort(byText), [...b].sort(byText)] : [a, b];
      if (x.length !== y.length) return told();
      return this.#first(x.keys(), (i) => this.#difference(`${at}.${i}`, x[i], y[i]));
    }
    if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) {
      return a === b ? undefined : told();
    }
    const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
    return this.#first(keys, (key) =>
      this.#difference(`${at}.${key}`, (a as never)[key], (b as never)[key]),
    );
  }

  #first<K>(keys: Iterable<K>, find: (key: K) => string | undefined): string | undefined {
    for (const key of keys) {
      const found = find(key);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

function show(value: unknown): string {
  const text = JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? v.toString(16) : v));
  return (text ?? 'nothing').slice(0, 200);
}
