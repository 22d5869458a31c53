// What all operations of the coordinator's client stand on: one session, its life, and the two ways to ask.
// The operations themselves are client.ts and node-lore.ts.
import type { ByteWriter } from '../../wire/bytes.ts';
import { FRAME_BYTES_MAX, Op } from '../protocol/codes.ts';
import type { Codec } from '../protocol/jute.ts';
import { PathWatchRequest } from '../protocol/records.ts';
import type { Zxid } from '../zxid.ts';
import { parseConnectString, type ServerAddress } from './address.ts';
import {
  CONNECT_ONLY,
  type Reply,
  Session,
  type SessionKey,
  type SessionState,
} from './session.ts';
import type { WatchCallback, WatchKind } from './watches.ts';

export interface ClientOptions {
  /** `host:port,host:port`, or addresses. Tried in this order, again from the start after the last. */
  servers: string | readonly ServerAddress[];
  /** Wanted session timeout, ms; the server may change it. Default 6000. */
  sessionTimeoutMs?: number;
  /** Longest time to get a session from one server, ms. Default: a third of the session timeout. */
  connectTimeoutMs?: number;
  /** Longest time for one operation, connecting included, ms. Default 30,000. */
  operationTimeoutMs?: number;
  /** Pause after all servers in turn refused, ms. Default 100. */
  retryPauseMs?: number;
  /** Largest frame taken from a server, bytes. Default 4 MB: lists of children may be long. */
  frameBytesMax?: number;
  /**
   * For testing: an operation makes at most one attempt to connect, nothing reconnects by itself,
   * and a lost connection fails whatever waited for one. Default false.
   */
  oneAttempt?: boolean;
  /** A session opened before, to be gone on with; `expired` if it is over. Absent: a new session. */
  earlier?: SessionKey;
  /** Told of every change of the session's state. */
  onState?: (state: SessionState) => void;
}

/** Every result: the zxid in the reply's header, and which connection of the client it came by. */
export interface Result {
  zxid: Zxid;
  connection: number;
}

const SESSION_TIMEOUT_MS = 6000;
const OPERATION_TIMEOUT_MS = 30_000;
const RETRY_PAUSE_MS = 100;

/** The body codecs of an operation; `request` is absent when it has no body. */
export interface Call<Q, R> {
  op: number;
  what: string;
  timeoutMs?: number | undefined;
  request?: [Codec<Q>, Q];
  response?: Codec<R>;
}

/** A client's session and how to ask over it. */
export abstract class SessionClient {
  protected readonly session: Session;

  constructor(options: ClientOptions) {
    const { servers, sessionTimeoutMs = SESSION_TIMEOUT_MS } = options;
    this.session = new Session(
      {
        servers: typeof servers === 'string' ? parseConnectString(servers) : servers,
        sessionTimeoutMs,
        connectTimeoutMs: options.connectTimeoutMs ?? sessionTimeoutMs / 3,
        operationTimeoutMs: options.operationTimeoutMs ?? OPERATION_TIMEOUT_MS,
        retryPauseMs: options.retryPauseMs ?? RETRY_PAUSE_MS,
        frameBytesMax: options.frameBytesMax ?? 4 * FRAME_BYTES_MAX,
        oneAttempt: options.oneAttempt ?? false,
        ...(options.earlier === undefined ? {} : { earlier: options.earlier }),
      },
      (state) => options.onState?.(state),
    );
  }

  get state(): SessionState {
    return this.session.state;
  }

  /** 0n before the first connection, unless an earlier session is gone on with. */
  get sessionId(): bigint {
    return this.session.id;
  }

  /** With which another client could go on with this session. Secret: whoever has it may also end it. */
  get sessionKey(): SessionKey {
    return this.session.key;
  }

  /** As granted by the server, ms. */
  get sessionTimeoutMs(): number {
    return this.session.timeoutMs;
  }

  /** The largest zxid any reply showed; a server behind it is not accepted. */
  get lastZxidSeen(): Zxid {
    return this.session.lastZxidSeen;
  }

  /** Numbers the connections of this client, from 1; 0 before the first. */
  get connection(): number {
    return this.session.connection;
  }

  /** The server connected to just now. */
  get server(): ServerAddress | undefined {
    return this.session.server;
  }

  /** Resolves once there is a session and a connection. */
  connect(): Promise<Result> {
    return this.call({ op: CONNECT_ONLY, what: 'connect' });
  }

  /**
   * Shows who the client is, for access lists: `digest` with `name:password`. Shown again on every new
   * connection. Rejects with AuthFailed when the server refuses it; the connection is then lost.
   */
  addAuth(scheme: string, auth: Buffer | string): Promise<void> {
    return this.session.authenticate(scheme, Buffer.from(auth));
  }

  /** Loses the connection and keeps the session, as if a cable had been pulled. */
  drop(): void {
    this.session.drop('dropped by its user');
  }

  /**
   * Closes the session, if there is a connection to say so, and ends. Resolves with whether the server said
   * that the session is over; if not, it ends by itself after its timeout. Never rejects.
   */
  async close(): Promise<boolean> {
    let over = this.session.state === 'expired';
    if (this.session.state === 'connected') {
      over = await this.call({ op: Op.closeSession, what: 'closeSession' }).then(
        () => true,
        () => this.session.state === 'expired',
      );
    }
    this.session.end('closed', 'the client was closed');
    return over;
  }

  /** As `close`, without waiting for an answer: the session's end is asked for, if that can be. */
  abandon(): void {
    if (this.session.state === 'connected') void this.close();
    this.session.end('closed', 'the client was closed');
  }

  protected call<Q, R = Record<never, never>>({
    op,
    what,
    timeoutMs,
    request,
    response,
  }: Call<Q, R>): Promise<Result & R> {
    return new Promise((resolve, reject) => {
      this.session.request({
        op,
        what,
        timeoutMs,
        encode: (w: ByteWriter) => request?.[0].write(w, request[1]),
        accept: ({ zxid, connection, body }) => {
          resolve({ zxid, connection, ...(response?.read(body) as R) });
        },
        reject,
      });
    });
  }

  protected read<R>(
    op: number,
    what: string,
    path: string,
    callback: WatchCallback | undefined,
    tolerated: readonly number[],
    read: (reply: Reply) => { value: R; kind: WatchKind },
  ): Promise<Result & R> {
    const watch = callback !== undefined;
    return new Promise((resolve, reject) => {
      this.session.request({
        op,
        what,
        tolerated,
        encode: (w) => PathWatchRequest.write(w, { path, watch }),
        accept: (reply) => {
          const { value, kind } = read(reply);
          // At once, before any later frame: the next one may be this watch's event.
          if (callback !== undefined) this.session.watches.add(kind, path, callback);
          resolve({ zxid: reply.zxid, connection: reply.connection, ...value });
        },
        reject,
      });
    });
  }
}
