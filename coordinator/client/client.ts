// The coordinator's client: ZooKeeper's operations as promises over one session. It speaks to any
// server of the protocol; requests are pipelined, and their results carry the zxid the reply showed.
import type { ByteWriter } from '../../wire/bytes.ts';
import { CreateFlag, ErrorCode, FRAME_BYTES_MAX, Op } from '../protocol/codes.ts';
import type { Codec } from '../protocol/jute.ts';
import { type MultiOp, MultiRequest, MultiResponse, type MultiResult } from '../protocol/multi.ts';
import {
  type Acl,
  Create2Response,
  CreateRequest,
  CreateResponse,
  DeleteRequest,
  ExistsResponse,
  GetChildren2Response,
  GetChildrenResponse,
  GetDataResponse,
  OPEN_ACL,
  PathWatchRequest,
  SetDataRequest,
  SetDataResponse,
  type Stat,
  SyncRequest,
} from '../protocol/records.ts';
import type { Zxid } from '../zxid.ts';
import { parseConnectString, type ServerAddress } from './address.ts';
import { replyError } from './errors.ts';
import { CONNECT_ONLY, type Reply, Session, type SessionState } from './session.ts';
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
  /** Told of every change of the session's state. */
  onState?: (state: SessionState) => void;
}

/** Every result: the zxid in the reply's header, and which connection of the client it came by. */
export interface Result {
  zxid: Zxid;
  connection: number;
}

export interface CreateOptions {
  /** A number of CreateFlag. Default persistent. */
  flags?: number;
  /** Default: everybody may do everything. */
  acl?: Acl[];
  /** Longest time for this operation, ms. Default: the client's. */
  timeoutMs?: number;
}

const SESSION_TIMEOUT_MS = 6000;
const OPERATION_TIMEOUT_MS = 30_000;
const RETRY_PAUSE_MS = 100;
const ANY_VERSION = -1;

/** The body codecs of an operation; `request` is absent when it has no body. */
interface Call<Q, R> {
  op: number;
  what: string;
  timeoutMs?: number | undefined;
  request?: [Codec<Q>, Q];
  response?: Codec<R>;
}

/**
 * A client with one session. Connects on first use, or by `connect`. After its session expired or it
 * was closed it is of no more use: make a new one. All operations reject with CoordinatorError.
 */
export class CoordinatorClient {
  readonly #session: Session;

  constructor(options: ClientOptions) {
    const { servers, sessionTimeoutMs = SESSION_TIMEOUT_MS } = options;
    this.#session = new Session(
      {
        servers: typeof servers === 'string' ? parseConnectString(servers) : servers,
        sessionTimeoutMs,
        connectTimeoutMs: options.connectTimeoutMs ?? sessionTimeoutMs / 3,
        operationTimeoutMs: options.operationTimeoutMs ?? OPERATION_TIMEOUT_MS,
        retryPauseMs: options.retryPauseMs ?? RETRY_PAUSE_MS,
        frameBytesMax: options.frameBytesMax ?? 4 * FRAME_BYTES_MAX,
        oneAttempt: options.oneAttempt ?? false,
      },
      (state) => options.onState?.(state),
    );
  }

  get state(): SessionState {
    return this.#session.state;
  }

  /** 0n before the first connection. */
  get sessionId(): bigint {
    return this.#session.id;
  }

  /** As granted by the server, ms. */
  get sessionTimeoutMs(): number {
    return this.#session.timeoutMs;
  }

  /** The largest zxid any reply showed; a server behind it is not accepted. */
  get lastZxidSeen(): Zxid {
    return this.#session.lastZxidSeen;
  }

  /** Numbers the connections of this client, from 1; 0 before the first. */
  get connection(): number {
    return this.#session.connection;
  }

  /** The server connected to just now. */
  get server(): ServerAddress | undefined {
    return this.#session.server;
  }

  /** Resolves once there is a session and a connection. */
  connect(): Promise<Result> {
    return this.#call({ op: CONNECT_ONLY, what: 'connect' });
  }

  /** Creates a node; resolves with its path, which a sequential node's request did not know. */
  create(
    path: string,
    data: Buffer | null,
    { flags = CreateFlag.persistent, acl = OPEN_ACL, timeoutMs }: CreateOptions = {},
  ): Promise<Result & { path: string }> {
    return this.#call({
      op: Op.create,
      what: `create ${path}`,
      timeoutMs,
      request: [CreateRequest, { path, data, acl, flags }],
      response: CreateResponse,
    });
  }

  /** As `create`, and tells the new node's Stat. */
  create2(
    path: string,
    data: Buffer | null,
    { flags = CreateFlag.persistent, acl = OPEN_ACL, timeoutMs }: CreateOptions = {},
  ): Promise<Result & { path: string; stat: Stat }> {
    return this.#call({
      op: Op.create2,
      what: `create2 ${path}`,
      timeoutMs,
      request: [CreateRequest, { path, data, acl, flags }],
      response: Create2Response,
    });
  }

  /** Deletes a node without children; BadVersion unless `version` is its version or −1. */
  delete(path: string, version = ANY_VERSION): Promise<Result> {
    const request: [Codec<DeleteRequest>, DeleteRequest] = [DeleteRequest, { path, version }];
    return this.#call({ op: Op.delete, what: `delete ${path}`, request });
  }

  /** `stat` is null when there is no such node. The watch also hears of its creation. */
  exists(path: string, watch?: WatchCallback): Promise<Result & { stat: Stat | null }> {
    return this.#read(Op.exists, `exists ${path}`, path, watch, [ErrorCode.NoNode], (reply) => {
      const missing = reply.err === ErrorCode.NoNode;
      return {
        value: { stat: missing ? null : ExistsResponse.read(reply.body).stat },
        kind: missing ? 'exists' : 'data',
      };
    });
  }

  getData(
    path: string,
    watch?: WatchCallback,
  ): Promise<Result & { data: Buffer | null; stat: Stat }> {
    return this.#read(Op.getData, `getData ${path}`, path, watch, [], ({ body }) => {
      const { data, stat } = GetDataResponse.read(body);
      // The frame's memory is a chunk of the stream, far larger than the data.
      return { value: { data: data === null ? null : Buffer.from(data), stat }, kind: 'data' };
    });
  }

  /** Replaces a node's data; BadVersion unless `version` is its version or −1. */
  setData(
    path: string,
    data: Buffer | null,
    version = ANY_VERSION,
  ): Promise<Result & { stat: Stat }> {
    return this.#call({
      op: Op.setData,
      what: `setData ${path}`,
      request: [SetDataRequest, { path, data, version }],
      response: SetDataResponse,
    });
  }

  /** Names of the node's children, in no particular order. */
  getChildren(path: string, watch?: WatchCallback): Promise<Result & { children: string[] }> {
    return this.#read(Op.getChildren, `getChildren ${path}`, path, watch, [], ({ body }) => {
      return { value: GetChildrenResponse.read(body), kind: 'children' };
    });
  }

  /** As `getChildren`, and tells the parent's Stat. */
  getChildren2(
    path: string,
    watch?: WatchCallback,
  ): Promise<Result & { children: string[]; stat: Stat }> {
    return this.#read(Op.getChildren2, `getChildren2 ${path}`, path, watch, [], ({ body }) => {
      return { value: GetChildren2Response.read(body), kind: 'children' };
    });
  }

  /** Waits until the server has applied all that was committed when the sync reached the leader. */
  sync(path: string): Promise<Result> {
    return this.#call({ op: Op.sync, what: `sync ${path}`, request: [SyncRequest, { path }] });
  }

  /**
   * All operations or none. Rejects when one was refused, with that one's error and everybody's
   * results: 0 for those before it, RuntimeInconsistency for those after it.
   */
  multi(ops: MultiOp[]): Promise<Result & { results: MultiResult[] }> {
    const what = `multi of ${ops.length}`;
    return new Promise((resolve, reject) => {
      this.#session.request({
        op: Op.multi,
        what,
        encode: (w) => MultiRequest.write(w, ops),
        accept: ({ zxid, body, connection }) => {
          const results = MultiResponse.read(body);
          const refused = results.find((each) => each.type === Op.error && each.err !== 0);
          if (refused?.type === Op.error) {
            reject(replyError(refused.err, what, zxid, results));
          } else resolve({ zxid, connection, results });
        },
        reject,
      });
    });
  }

  /** Closes the session, if there is a connection to say so, and ends. Never rejects. */
  async close(): Promise<void> {
    if (this.#session.state === 'connected') {
      // If it cannot be said, the session ends by itself after its timeout.
      await this.#call({ op: Op.closeSession, what: 'closeSession' }).catch(() => undefined);
    }
    this.#session.end('closed', 'the client was closed');
  }

  /** As `close`, without waiting for an answer: the session's end is asked for, if that can be. */
  abandon(): void {
    if (this.#session.state === 'connected') void this.close();
    this.#session.end('closed', 'the client was closed');
  }

  #call<Q, R = Record<never, never>>({
    op,
    what,
    timeoutMs,
    request,
    response,
  }: Call<Q, R>): Promise<Result & R> {
    return new Promise((resolve, reject) => {
      this.#session.request({
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

  #read<R>(
    op: number,
    what: string,
    path: string,
    callback: WatchCallback | undefined,
    tolerated: readonly number[],
    read: (reply: Reply) => { value: R; kind: WatchKind },
  ): Promise<Result & R> {
    const watch = callback !== undefined;
    return new Promise((resolve, reject) => {
      this.#session.request({
        op,
        what,
        tolerated,
        encode: (w) => PathWatchRequest.write(w, { path, watch }),
        accept: (reply) => {
          const { value, kind } = read(reply);
          // At once, before any later frame: the next one may be this watch's event.
          if (callback !== undefined) this.#session.watches.add(kind, path, callback);
          resolve({ zxid: reply.zxid, connection: reply.connection, ...value });
        },
        reject,
      });
    });
  }
}
