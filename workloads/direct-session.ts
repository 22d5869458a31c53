// One session as workloads need it: directed at a server of its choice, dropped without a word so that it
// expires, or carried over to another connection, with every notification kept in its place among the
// replies. The library's client protects its users from all of that, so this stands one floor below it.
import {
  CoordinatorError,
  CreateFlag,
  ErrorCode,
  Op,
  type ServerAddress,
} from '../coordinator/client/index.ts';
import { CONNECT_ONLY, type Reply, Session } from '../coordinator/client/session.ts';
import type { WatchKind } from '../coordinator/client/watches.ts';
import type { Codec } from '../coordinator/protocol/jute.ts';
import {
  type MultiOp,
  MultiRequest,
  MultiResponse,
  type MultiResult,
} from '../coordinator/protocol/multi.ts';
import {
  Create2Response,
  CreateRequest,
  DeleteRequest,
  ExistsResponse,
  GetChildrenResponse,
  GetDataResponse,
  OPEN_ACL,
  PathWatchRequest,
  SetDataRequest,
  SetDataResponse,
  type Stat,
  SyncRequest,
} from '../coordinator/protocol/records.ts';
import type { Heard } from '../history/event.ts';

const FRAME_BYTES_MAX = 4 * 1024 * 1024;

export interface DirectSessionOptions {
  address(node: string): ServerAddress;
  /** The first server to try. */
  node: string;
  sessionTimeoutMs: number;
  opTimeoutMs: number;
  /** Called whenever the connection is lost while the session may live on. */
  onLost?: () => void;
}

const NO_DATA = Buffer.alloc(0);
/** Notifications are heard on the session, whoever asked for them. */
const HEARD_BY_ALL = (): void => undefined;

/** What every reply shows. */
export interface Shown {
  zxid: number;
  connection: number;
}

export type Acknowledged = Shown & { stat: Stat };
export type Created = Acknowledged & { path: string };

type Asked = Omit<Parameters<Session['request']>[0], 'accept' | 'reject'>;

export class DirectSession {
  readonly #options: DirectSessionOptions;
  readonly #session: Session;
  /** The session's list of servers: always the one to try next. */
  readonly #target: ServerAddress[];
  /** Notifications not yet taken, and how many of them came before the last reply. */
  #heard: Heard[] = [];
  #heardBeforeReply = 0;
  /** Paths with a watch that has not fired. */
  readonly #armed = new Set<string>();
  #waiting: { path: string; end(fired: boolean): void } | undefined;
  /** The server tried last, or connected to. */
  node: string;

  constructor(options: DirectSessionOptions) {
    const { sessionTimeoutMs, opTimeoutMs } = options;
    this.#options = options;
    this.node = options.node;
    this.#target = [options.address(options.node)];
    let wasConnected = false;
    this.#session = new Session(
      {
        servers: this.#target,
        sessionTimeoutMs,
        connectTimeoutMs: opTimeoutMs,
        operationTimeoutMs: opTimeoutMs,
        retryPauseMs: 0,
        frameBytesMax: FRAME_BYTES_MAX,
        oneAttempt: true,
        onNotification: (event, connection) => this.#notified({ ...event, connection }),
      },
      (state) => {
        if (state !== 'connected') this.#endWaiting(false);
        if (state === 'idle' && wasConnected) options.onLost?.();
        wasConnected ||= state === 'connected';
      },
    );
  }

  /** As events name it; undefined before a server granted it. */
  get id(): string | undefined {
    return this.#session.id === 0n ? undefined : this.#session.id.toString(16);
  }

  get timeoutMs(): number {
    return this.#session.timeoutMs;
  }

  /** A connection is being made; aiming elsewhere would come too late. */
  get connecting(): boolean {
    return this.#session.state === 'connecting';
  }

  get connected(): boolean {
    return this.#session.state === 'connected';
  }

  /** Numbers the connections of this session, from 1; 0: none yet. */
  get connection(): number {
    return this.#session.connection;
  }

  /** Expired, as a server said, or ended by this client. */
  get over(): boolean {
    return this.#session.state === 'expired' || this.#session.state === 'closed';
  }

  /** The server that the next connection is to be made to. */
  aim(node: string): void {
    this.node = node;
    this.#target[0] = this.#options.address(node);
  }

  /** Resolves once there is a connection with the session. */
  connect(): Promise<void> {
    return this.#ask({ op: CONNECT_ONLY, what: 'connect' }, () => undefined);
  }

  /** The notifications that came before the last reply; each is given once. */
  takeHeard(): Heard[] {
    const taken = this.#heard.splice(0, this.#heardBeforeReply);
    this.#heardBeforeReply = 0;
    return taken;
  }

  /**
   * Waits for the watch set on a path. True: it has fired. False: nothing came within `timeoutMs`.
   * Undefined: the connection was lost, or there is none.
   */
  async fired(path: string, timeoutMs: number): Promise<boolean | undefined> {
    if (this.#armed.has(path)) {
      if (!this.connected) return undefined;
      const fired = await new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => this.#endWaiting(false), timeoutMs);
        const end = (is: boolean): void => {
          clearTimeout(timer);
          resolve(is);
        };
        this.#waiting = { path, end };
      });
      if (!fired) return this.connected ? false : undefined;
    }
    this.#heardBeforeReply = this.#heard.length;
    return true;
  }

  #notified(heard: Heard): void {
    this.#heard.push(heard);
    this.#armed.delete(heard.path);
    if (this.#waiting?.path === heard.path) this.#endWaiting(true);
  }

  #endWaiting(fired: boolean): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.end(fired);
  }

  /** Loses the connection and keeps the session, at once: a server that is silent has no say in it. */
  lose(): void {
    if (this.connected) this.#session.drop('it goes on at another server');
  }

  /** Creates a node; `flags` is a number of CreateFlag. */
  create(path: string, flags: number, data: Buffer, timeoutMs?: number): Promise<Created> {
    const encode = encoded(CreateRequest, { path, data, acl: OPEN_ACL, flags });
    const request = { op: Op.create2, what: `create ${path}`, encode, timeoutMs };
    return this.#ask(request, (reply) => ({
      ...shown(reply),
      ...Create2Response.read(reply.body),
    }));
  }

  createEphemeral(path: string, sequential: boolean, data: Buffer = NO_DATA): Promise<Created> {
    const flags = sequential ? CreateFlag.ephemeralSequential : CreateFlag.ephemeral;
    return this.create(path, flags, data);
  }

  /** BadVersion unless `version` is the node's or −1. */
  setData(path: string, data: Buffer, version = -1): Promise<Acknowledged> {
    const encode = encoded(SetDataRequest, { path, data, version });
    return this.#ask({ op: Op.setData, what: `setData ${path}`, encode }, (reply) => {
      return { ...shown(reply), ...SetDataResponse.read(reply.body) };
    });
  }

  delete(path: string, version = -1): Promise<Shown> {
    const encode = encoded(DeleteRequest, { path, version });
    return this.#ask({ op: Op.delete, what: `delete ${path}`, encode }, shown);
  }

  /** All or nothing; `refused` is the error of the operation that was the reason for nothing. */
  multi(ops: MultiOp[]): Promise<Shown & { results: MultiResult[]; refused: number | undefined }> {
    const encode = encoded(MultiRequest, ops);
    return this.#ask({ op: Op.multi, what: `multi of ${ops.length}`, encode }, (reply) => {
      const results = MultiResponse.read(reply.body);
      const refused = results.find((each) => each.type === Op.error && each.err !== 0);
      return {
        ...shown(reply),
        results,
        refused: refused && 'err' in refused ? refused.err : undefined,
      };
    });
  }

  exists(path: string, watch = false): Promise<Shown & { stat: Stat | undefined }> {
    const tolerated = [ErrorCode.NoNode];
    return this.#read(Op.exists, 'exists', path, watch, tolerated, (reply) => {
      const missing = reply.err === ErrorCode.NoNode;
      const stat = missing ? undefined : ExistsResponse.read(reply.body).stat;
      return { value: { stat }, kind: missing ? 'exists' : 'data' };
    });
  }

  children(path: string, watch = false): Promise<Shown & { children: string[] }> {
    return this.#read(Op.getChildren, 'getChildren', path, watch, [], ({ body }) => {
      return { value: GetChildrenResponse.read(body), kind: 'children' };
    });
  }

  getData(path: string, watch = false): Promise<Acknowledged & { data: Buffer | null }> {
    return this.#read(Op.getData, 'getData', path, watch, [], ({ body }) => {
      return { value: GetDataResponse.read(body), kind: 'data' };
    });
  }

  sync(path: string): Promise<Shown> {
    const encode = encoded(SyncRequest, { path });
    return this.#ask({ op: Op.sync, what: `sync ${path}`, encode }, shown);
  }

  /** Asks for the session's end; resolves with the zxid of the close. Requests may follow at once. */
  close(): Promise<Shown> {
    return this.#ask({ op: Op.closeSession, what: 'closeSession' }, shown);
  }

  /** Drops the connection, what was sent before still leaves, and forgets the session: it expires. */
  drop(): void {
    this.#session.end('closed', 'the session was dropped');
  }

  #read<T>(
    op: number,
    what: string,
    path: string,
    watch: boolean,
    tolerated: readonly number[],
    read: (reply: Reply) => { value: T; kind: WatchKind },
  ): Promise<Shown & T> {
    const encode = encoded(PathWatchRequest, { path, watch });
    return this.#ask({ op, what: `${what} ${path}`, encode, tolerated }, (reply) => {
      const { value, kind } = read(reply);
      if (watch) {
        // Armed again at the next connection; what fires is heard by `#notified`.
        this.#session.watches.add(kind, path, HEARD_BY_ALL);
        this.#armed.add(path);
      }
      return { ...shown(reply), ...value };
    });
  }

  #ask<T>(request: Asked, read: (reply: Reply) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const accept = (reply: Reply): void => {
        this.#heardBeforeReply = this.#heard.length;
        resolve(read(reply));
      };
      const refuse = (error: Error): void => {
        // A refusal with a zxid is a reply as well.
        const replied = error instanceof CoordinatorError && error.zxid !== undefined;
        if (replied) this.#heardBeforeReply = this.#heard.length;
        reject(error);
      };
      this.#session.request({ ...request, accept, reject: refuse });
    });
  }
}

function shown({ zxid, connection }: Reply): Shown {
  return { zxid, connection };
}

function encoded<T>(codec: Codec<T>, value: T): (w: Parameters<Codec<T>['write']>[0]) => void {
  return (w) => codec.write(w, value);
}
