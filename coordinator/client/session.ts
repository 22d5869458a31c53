// A client's session: finds a server, keeps one connection at a time, matches replies to requests in
// order, and carries the session over to the next connection. What requests mean is client.ts' part.
import { ByteReader, type ByteWriter, WireError } from '../../wire/bytes.ts';
import { ErrorCode, Op, Xid } from '../protocol/codes.ts';
import {
  AuthPacket,
  type ConnectResponse,
  ReplyHeader,
  type SetWatches2Request,
  WatcherEvent,
} from '../protocol/records.ts';
import type { Zxid } from '../zxid.ts';
import type { ServerAddress } from './address.ts';
import { Channel } from './channel.ts';
import { Credentials } from './credentials.ts';
import { CoordinatorError, type CoordinatorErrorName, replyError } from './errors.ts';
import { rearming, type WatchEvent, WatchRegistry } from './watches.ts';

const NO_PASSWORD = Buffer.alloc(16);
const XID_MAX = 0x7fff_ffff;
const UNSENT_MAX = 100_000;

/** Operation of a request that asks for a connection and nothing else. */
export const CONNECT_ONLY = 0;

/** What a server asks of whoever wants to go on with a session. */
export interface SessionKey {
  readonly id: bigint;
  /** As the server gave it with the session, bytes. */
  readonly password: Buffer;
}

export interface SessionOptions {
  servers: readonly ServerAddress[];
  /** Wanted session timeout, ms; the server may change it. */
  sessionTimeoutMs: number;
  /** Longest time to get a session from one server, ms. */
  connectTimeoutMs: number;
  /** Longest time for one operation, connecting included, ms. */
  operationTimeoutMs: number;
  /** Pause after all servers in turn refused, ms. */
  retryPauseMs: number;
  frameBytesMax: number;
  /** One connection attempt an operation and none between operations; nothing is tried again. */
  oneAttempt: boolean;
  /** A session opened before, to be gone on with. Absent: the first server grants a new one. */
  earlier?: SessionKey;
  /** Told of every notification as it comes, asked for or not, in the order of all that comes. */
  onNotification?: (event: WatchEvent, connection: number) => void;
}

/** The reply of a request that succeeded, or whose refusal the request wants to judge itself. */
export interface Reply {
  zxid: Zxid;
  err: number;
  /** Positioned after the header. */
  body: ByteReader;
  /** Numbers the connections of this client, from 1: which one the request used. */
  connection: number;
}

/** A request on its way. `accept` turns a reply into the operation's result; it may throw. */
export interface Request {
  op: number;
  /** For messages: what was asked, e.g. `getData /a`. */
  what: string;
  encode?: (w: ByteWriter) => void;
  /** Longest time for this one, ms; default the session's. */
  timeoutMs?: number | undefined;
  /** Errors that `accept` wants to see; others reject. */
  tolerated?: readonly number[];
  accept(reply: Reply): void;
  reject(error: Error): void;
}

interface Tracked extends Request {
  xid: number;
  sent: boolean;
  settled: boolean;
  timer: NodeJS.Timeout | undefined;
}

export type SessionState = 'idle' | 'connecting' | 'connected' | 'closed' | 'expired';

export class Session {
  readonly #options: SessionOptions;
  readonly watches = new WatchRegistry();
  readonly #credentials = new Credentials();
  #state: SessionState = 'idle';
  #channel: Channel | undefined;
  #id = 0n;
  #password: Buffer = NO_PASSWORD;
  #timeoutMs: number;
  #lastZxidSeen: Zxid = 0;
  #connection = 0;
  #attempts = 0;
  #xid = 0;
  #unsent: Tracked[] = [];
  /** Sent and unanswered, oldest first. */
  #pending: Tracked[] = [];
  #retry: NodeJS.Timeout | undefined;
  readonly #onState: (state: SessionState) => void;

  constructor(options: SessionOptions, onState: (state: SessionState) => void) {
    if (options.servers.length === 0) throw new Error('expected at least one server, got none');
    this.#options = options;
    this.#timeoutMs = options.sessionTimeoutMs;
    this.#id = options.earlier?.id ?? 0n;
    this.#password = options.earlier?.password ?? NO_PASSWORD;
    this.#onState = onState;
  }

  get state(): SessionState {
    return this.#state;
  }

  /** 0n until the first server granted it, unless an earlier one is gone on with. */
  get id(): bigint {
    return this.#id;
  }

  /** With which another client could go on with the session; worth nothing before the first connection. */
  get key(): SessionKey {
    return { id: this.#id, password: this.#password };
  }

  /** As the server granted it, ms. */
  get timeoutMs(): number {
    return this.#timeoutMs;
  }

  get lastZxidSeen(): Zxid {
    return this.#lastZxidSeen;
  }

  /** Numbers the connections that got the session, from 1; 0: none yet. */
  get connection(): number {
    return this.#connection;
  }

  /** The server connected to. */
  get server(): ServerAddress | undefined {
    return this.#state === 'connected' ? this.#channel?.address : undefined;
  }

  /** Starts connecting if nothing is under way. */
  open(): void {
    if (this.#state === 'idle' && this.#retry === undefined) this.#connect();
  }

  /** Sends a request, or keeps it until there is a connection. Settles within the time limit. */
  request(request: Request): void {
    const tracked: Tracked = { ...request, xid: 0, sent: false, settled: false, timer: undefined };
    if (this.#state === 'closed' || this.#state === 'expired') {
      const over = this.#state === 'closed' ? 'ConnectionLoss' : 'SessionExpired';
      this.#fail(tracked, over, `the session is ${this.#state}`);
      return;
    }
    if (this.#unsent.length >= UNSENT_MAX) {
      this.#fail(tracked, 'ConnectionLoss', `${UNSENT_MAX} requests wait for a connection already`);
      return;
    }
    const timeoutMs = request.timeoutMs ?? this.#options.operationTimeoutMs;
    tracked.timer = setTimeout(() => {
      this.#fail(tracked, 'OperationTimeout', `no reply within ${timeoutMs} ms`);
      if (!tracked.sent) this.#unsent = this.#unsent.filter((each) => each !== tracked);
    }, timeoutMs);
    if (this.#state === 'connected') this.#send(tracked);
    else {
      this.#unsent.push(tracked);
      this.open();
    }
  }

  /** Shows who the client is, now and on every connection to come. Rejects when it is refused. */
  authenticate(scheme: string, auth: Buffer): Promise<void> {
    if (this.#state === 'closed' || this.#state === 'expired') {
      const message = `addAuth ${scheme}: the session is ${this.#state}`;
      return Promise.reject(new CoordinatorError('ConnectionLoss', message, { sent: false }));
    }
    const { operationTimeoutMs } = this.#options;
    const { shown, added } = this.#credentials.add(scheme, auth, operationTimeoutMs);
    if (this.#state === 'connected') this.#show(added);
    else this.open();
    return shown;
  }

  #show(credential: ReturnType<Credentials['all']>[number]): void {
    const { scheme, auth } = credential;
    this.#credentials.sent(credential);
    this.#channel?.send(Xid.auth, Op.auth, (w) => AuthPacket.write(w, { type: 0, scheme, auth }));
  }

  /** Loses the connection and keeps the session, as if a cable had been pulled. */
  drop(why: string): void {
    this.#channel?.lose(why);
  }

  /** Ends the connection for good and rejects what is outstanding. Sends what was queued before. */
  end(state: 'closed' | 'expired', why: string): void {
    if (this.#state === 'closed' || this.#state === 'expired') return;
    clearTimeout(this.#retry);
    this.#channel?.end();
    this.#channel = undefined;
    this.#become(state);
    this.#credentials.lost(why, true);
    const name = state === 'expired' ? 'SessionExpired' : 'ConnectionLoss';
    for (const each of [...this.#pending.splice(0), ...this.#unsent.splice(0)]) {
      this.#fail(each, name, why);
    }
  }

  #become(state: SessionState): void {
    this.#state = state;
    this.#onState(state);
  }

  #connect(): void {
    const { servers, connectTimeoutMs, frameBytesMax } = this.#options;
    const address = servers[this.#attempts % servers.length] as ServerAddress;
    this.#attempts++;
    this.#become('connecting');
    const hello = {
      protocolVersion: 0,
      lastZxidSeen: this.#lastZxidSeen,
      timeOut: this.#options.sessionTimeoutMs,
      sessionId: this.#id,
      passwd: this.#password,
    };
    const channel: Channel = new Channel(
      address,
      hello,
      { connectTimeoutMs, frameBytesMax },
      {
        opened: (response) => this.#opened(response),
        frame: (body) => this.#frame(body),
        lost: (why) => this.#lost(`${address.host}:${address.port}: ${why}`),
      },
    );
    this.#channel = channel;
  }

  #opened(response: ConnectResponse): void {
    if (response.timeOut <= 0 || response.sessionId === 0n) {
      this.end('expired', `the server said that session 0x${this.#id.toString(16)} is over`);
      return;
    }
    this.#id = response.sessionId;
    this.#timeoutMs = response.timeOut;
    this.#password = Buffer.from(response.passwd ?? NO_PASSWORD);
    this.#connection++;
    const unsent = this.#unsent.splice(0);
    this.#state = 'connected';
    for (const each of this.#credentials.all()) this.#show(each);
    for (const request of this.watches.rearm(this.#lastZxidSeen)) this.#rearm(request);
    for (const each of unsent) this.#send(each);
    this.#onState('connected');
  }

  /** Its reply takes its place in the order, and nobody waits for it. */
  #rearm(request: SetWatches2Request): void {
    const { op, encode } = rearming(request);
    const tracked: Tracked = {
      op,
      what: 'setWatches',
      xid: Xid.setWatches,
      encode,
      sent: true,
      settled: false,
      timer: undefined,
      accept: () => undefined,
      // A watch that could not be armed would stay silent for ever: start over.
      reject: (error) => this.#channel?.lose(error.message),
    };
    this.#pending.push(tracked);
    this.#channel?.send(tracked.xid, tracked.op, encode);
  }

  #send(request: Tracked): void {
    if (request.op === CONNECT_ONLY) {
      this.#replied(request, this.#lastZxidSeen, ErrorCode.Ok, new ByteReader(NO_PASSWORD));
      return;
    }
    this.#xid = this.#xid >= XID_MAX ? 1 : this.#xid + 1;
    request.xid = this.#xid;
    request.sent = true;
    this.#pending.push(request);
    this.#channel?.send(request.xid, request.op, request.encode);
  }

  #frame(body: Buffer): void {
    const reader = new ByteReader(body);
    const { xid, zxid, err } = ReplyHeader.read(reader);
    if (zxid > this.#lastZxidSeen) this.#lastZxidSeen = zxid;
    if (xid === Xid.ping) return;
    if (xid === Xid.auth) {
      this.#credentials.answered(err);
      // The server is about to close: nothing more that is sent here would be answered.
      if (err !== ErrorCode.Ok) this.#channel?.lose('the authentication failed');
      return;
    }
    if (xid === Xid.notification) {
      this.#notified(WatcherEvent.read(reader));
      return;
    }
    const request = this.#pending.shift();
    if (request?.xid !== xid) {
      if (request !== undefined) this.#pending.unshift(request);
      const expected = request === undefined ? 'none' : `one to request ${request.xid}`;
      throw new WireError(`expected replies in the order of requests, ${expected}, got ${xid}`);
    }
    this.#replied(request, zxid, err, reader);
  }

  #replied(request: Tracked, zxid: Zxid, err: number, body: ByteReader): void {
    if (request.settled) return;
    request.settled = true;
    clearTimeout(request.timer);
    if (err !== ErrorCode.Ok && request.tolerated?.includes(err) !== true) {
      request.reject(replyError(err, request.what, zxid));
      return;
    }
    try {
      request.accept({ zxid, err, body, connection: this.#connection });
    } catch (error) {
      request.reject(error as Error);
      if (error instanceof WireError) throw error;
    }
  }

  #notified({ type, path }: WatcherEvent): void {
    const fired = this.watches.fire(type, path);
    if (fired === null) return;
    this.#options.onNotification?.(fired.event, this.#connection);
    for (const callback of fired.callbacks) {
      // After the continuations of replies that came before it: the order on the wire is kept.
      queueMicrotask(() => callback(fired.event));
    }
  }

  #lost(why: string): void {
    const wasConnected = this.#state === 'connected';
    this.#channel = undefined;
    this.#become('idle');
    this.#credentials.lost(why, this.#options.oneAttempt);
    for (const each of this.#pending.splice(0)) this.#fail(each, 'ConnectionLoss', why);
    if (this.#options.oneAttempt) {
      for (const each of this.#unsent.splice(0)) this.#fail(each, 'ConnectionRefused', why);
      return;
    }
    const roundOver = this.#attempts % this.#options.servers.length === 0;
    const pauseMs = wasConnected || !roundOver ? 0 : this.#options.retryPauseMs;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.open();
    }, pauseMs);
  }

  #fail(request: Tracked, name: CoordinatorErrorName, why: string): void {
    if (request.settled) return;
    request.settled = true;
    clearTimeout(request.timer);
    const message = `${request.what}: ${why}`;
    const { sent, xid } = request;
    request.reject(new CoordinatorError(name, message, sent ? { sent, cxid: xid } : { sent }));
  }
}
