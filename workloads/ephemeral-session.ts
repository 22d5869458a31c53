// One session as the workload `ephemeral` needs it: directed at a server of its choice, dropped without
// a word so that it expires, or carried over to another connection. The library's client protects its
// users from all of that, so this stands one floor below it.
import { CreateFlag, ErrorCode, Op, type ServerAddress } from '../coordinator/client/index.ts';
import { CONNECT_ONLY, type Reply, Session } from '../coordinator/client/session.ts';
import type { Codec } from '../coordinator/protocol/jute.ts';
import {
  Create2Response,
  CreateRequest,
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

const FRAME_BYTES_MAX = 4 * 1024 * 1024;
/** More than any reply's body has. */
const STATS_BEYOND_REPLY = 64;

export interface EphemeralSessionOptions {
  address(node: string): ServerAddress;
  /** The first server to try. */
  node: string;
  sessionTimeoutMs: number;
  opTimeoutMs: number;
  /** Called whenever the connection is lost while the session may live on. */
  onLost?: () => void;
}

interface Reading<T> {
  op: number;
  what: string;
  path: string;
  tolerated?: readonly number[];
  read(reply: Reply): T;
}

export class EphemeralSession {
  readonly #options: EphemeralSessionOptions;
  readonly #session: Session;
  /** The session's list of servers: always the one to try next. */
  readonly #target: ServerAddress[];
  /** The server tried last, or connected to. */
  node: string;

  constructor(options: EphemeralSessionOptions) {
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
      },
      (state) => {
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

  /**
   * Loses the connection and keeps the session. A session has no word for that: a reply that cannot be
   * decoded makes it give its connection up, as it would for a server that speaks nonsense.
   */
  async lose(): Promise<void> {
    if (!this.connected) return;
    const request = { op: Op.exists, what: 'a reply to stumble over' };
    const encode = encoded(PathWatchRequest, { path: '/', watch: false });
    const stumble = ({ body }: Reply): void => {
      for (let i = 0; i < STATS_BEYOND_REPLY; i++) ExistsResponse.read(body);
    };
    await this.#ask({ ...request, encode }, stumble).catch(() => undefined);
  }

  /** Creates a node; `flags` is a number of CreateFlag. */
  create(path: string, flags: number, data: Buffer, timeoutMs?: number): Promise<Created> {
    const encode = encoded(CreateRequest, { path, data, acl: OPEN_ACL, flags });
    const request = { op: Op.create2, what: `create ${path}`, encode, timeoutMs };
    return this.#ask(request, ({ zxid, body }) => ({ zxid, ...Create2Response.read(body) }));
  }

  createEphemeral(path: string, sequential: boolean): Promise<Created> {
    const flags = sequential ? CreateFlag.ephemeralSequential : CreateFlag.ephemeral;
    return this.create(path, flags, Buffer.alloc(0));
  }

  setData(path: string, data: Buffer): Promise<Acknowledged> {
    const encode = encoded(SetDataRequest, { path, data, version: -1 });
    return this.#ask({ op: Op.setData, what: `setData ${path}`, encode }, ({ zxid, body }) => {
      return { zxid, ...SetDataResponse.read(body) };
    });
  }

  exists(path: string): Promise<{ zxid: number; owner: string | undefined; exists: boolean }> {
    return this.#read({
      op: Op.exists,
      what: `exists ${path}`,
      path,
      tolerated: [ErrorCode.NoNode],
      read: ({ zxid, err, body }) => {
        if (err === ErrorCode.NoNode) return { zxid, owner: undefined, exists: false };
        const { ephemeralOwner } = ExistsResponse.read(body).stat;
        const owner = ephemeralOwner === 0n ? undefined : ephemeralOwner.toString(16);
        return { zxid, owner, exists: true };
      },
    });
  }

  children(path: string): Promise<{ zxid: number; children: string[] }> {
    return this.#read({
      op: Op.getChildren,
      what: `getChildren ${path}`,
      path,
      read: ({ zxid, body }) => ({ zxid, ...GetChildrenResponse.read(body) }),
    });
  }

  getData(path: string): Promise<Acknowledged & { data: Buffer | null; connection: number }> {
    return this.#read({
      op: Op.getData,
      what: `getData ${path}`,
      path,
      read: ({ zxid, body, connection }) => ({ zxid, connection, ...GetDataResponse.read(body) }),
    });
  }

  sync(path: string): Promise<{ zxid: number; connection: number }> {
    const encode = encoded(SyncRequest, { path });
    return this.#ask({ op: Op.sync, what: `sync ${path}`, encode }, ({ zxid, connection }) => {
      return { zxid, connection };
    });
  }

  /** Asks for the session's end; resolves with the zxid of the close. Requests may follow at once. */
  close(): Promise<{ zxid: number }> {
    const request = { op: Op.closeSession, what: 'closeSession' };
    return this.#ask(request, ({ zxid }) => ({ zxid }));
  }

  /** Drops the connection, what was sent before still leaves, and forgets the session: it expires. */
  drop(): void {
    this.#session.end('closed', 'the session was dropped');
  }

  #read<T>({ op, what, path, tolerated, read }: Reading<T>): Promise<T> {
    const encode = encoded(PathWatchRequest, { path, watch: false });
    return this.#ask({ op, what, encode, ...(tolerated && { tolerated }) }, read);
  }

  #ask<T>(
    request: Omit<Parameters<Session['request']>[0], 'accept' | 'reject'>,
    read: (reply: Reply) => T,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#session.request({ ...request, accept: (reply) => resolve(read(reply)), reject });
    });
  }
}

/** What an acknowledged update shows. */
export interface Acknowledged {
  zxid: number;
  stat: Stat;
}

export type Created = Acknowledged & { path: string };

function encoded<T>(codec: Codec<T>, value: T): (w: Parameters<Codec<T>['write']>[0]) => void {
  return (w) => codec.write(w, value);
}
