// What the four parts of a server promise each other: the state machine (tree/), the disk (storage/),
// consensus (zab/) and the front that speaks to clients (server/). All calls are synchronous and run
// to completion; what takes time answers by a later call in the other direction.
import type { MultiResult } from './protocol/multi.ts';
import type { Stat } from './protocol/records.ts';
import type { TxnBody, TxnRecord } from './txn.ts';
import type { Zxid } from './zxid.ts';

/** A request that changes state, as it travels to the leader. */
export interface ClientRequest {
  /** sid of the server that took it from its client. */
  origin: number;
  /** Unique at the origin for ever (starts from the wall clock): how the origin knows it again. */
  request: number;
  /** 0 for createSession. */
  session: number;
  cxid: number;
  /** A number of protocol/codes.ts Op. */
  op: number;
  /** Jute body after the request header. createSession: int timeoutMs, buffer password. */
  body: Buffer;
  /** Who the connection had shown to be when the request came; absent: nobody in particular. */
  identities?: readonly Identity[];
}

/**
 * Somebody a client is for access lists: `ip` by its address, `digest` by its name and password, `super`
 * by the password of the administrator.
 */
export interface Identity {
  readonly scheme: string;
  readonly id: string;
}

/** What applying a transaction gave: all a reply needs. */
export interface ApplyResult {
  /** A number of ErrorCode; 0 is success. */
  err: number;
  /** create, create2: the path made. */
  path?: string;
  /** create2 and creates like it, setData, setACL. */
  stat?: Stat;
  multi?: MultiResult[];
  /** reconfig: what `/zookeeper/config` says now. */
  data?: Buffer | null;
}

/** A session as every server knows it, by committed transactions. Its id is its creation's zxid. */
export interface Session {
  id: number;
  timeoutMs: number;
  password: Buffer;
}

/** The replicated state: a pure function of the transactions applied. */
export interface StateMachine {
  readonly lastApplied: Zxid;
  /** Hexadecimal digest over nodes (path, data, whole Stat, ACL) and sessions; kept incrementally. */
  digest(): string;
  /** What `/zookeeper/config` says of the ensemble, as applied so far. */
  configuration(): string;
  /** Applies the next transaction: fires watches, then returns what the reply needs. */
  apply(record: TxnRecord): ApplyResult;
  session(id: number): Session | undefined;
  sessions(): Iterable<Session>;
  /** The state as bytes, consistent at `lastApplied`, in chunks of at most about 1 MB. */
  serialize(): Buffer[];
  /**
   * The same, made over several turns of the loop when there is much of it; what is applied meanwhile is
   * not in it. One at a time.
   */
  capture(): Buffer[] | Promise<Buffer[]>;
  /** Replaces the state by a serialised one and verifies its digest. Throws when they differ. */
  load(chunks: readonly Buffer[]): void;
}

/**
 * The leader's foresight: decides what a request does given everything proposed and not yet applied.
 * One per tenure of a leader.
 */
export interface Preparer {
  /** Never throws for what a client sent: a refusal is an error transaction. */
  prepare(request: ClientRequest, zxid: Zxid, timeMs: number): TxnBody;
  /** The state has applied up to `zxid`; what was remembered for it may go. */
  applied(zxid: Zxid): void;
  /** Whether a close of this session is proposed and not yet applied. */
  closing(session: number): boolean;
  /**
   * Paths whose nodes the leader is to delete: containers without children and nodes past their time to
   * live, unless a change of them is under way. `unusedMsMax`: how long a container may never have had
   * a child, ms; 0: for ever. `nowMs` is the wall clock.
   */
  overdue(nowMs: number, unusedMsMax: number): string[];
  /** What `/zookeeper/config` says of the ensemble, as applied so far. */
  configuration(): string;
}

/** The leader's session clock: who lives, since when, at which server. */
export interface SessionTracker {
  /** A session became known (created, or found at the start of a tenure); its time starts now. */
  track(id: number, timeoutMs: number, nowMs: number): void;
  untrack(id: number): void;
  /** Heard from. Returns false for an unknown session. */
  touch(id: number, nowMs: number): boolean;
  /** Moves the session to a server; requests from another one are refused with SessionMoved. */
  attach(id: number, origin: number): void;
  /** sid of the server the session is attached to; undefined: none yet, accept any. */
  owner(id: number): number | undefined;
  /** Sessions whose time is over; each is reported once. */
  expired(nowMs: number): { id: number; silentMs: number; timeoutMs: number }[];
}

/** What the front asks of consensus. Valid only between Front.serve and Front.stopServing. */
export interface Consensus {
  readonly sid: number;
  /** Sends a write to the leader. It ends by `Front.applied` with the same origin and request. */
  submit(request: ClientRequest): void;
  /** A quorum sync; ends by `Front.synced(request, zxid)`. */
  sync(request: number, session: number): void;
  /** A client came back with a session; ends by `Front.attached`. */
  attach(request: number, session: number): void;
  /** A session was heard from (ping or any request). */
  touch(session: number): void;
  status(): ServerStatus;
}

/** For four-letter words and metrics. */
export interface ServerStatus {
  sid: number;
  role: 'looking' | 'following' | 'observing' | 'leading';
  leader: number | null;
  epoch: number;
  lastLogged: Zxid;
  lastCommitted: Zxid;
  /** Leader: voters in sync, and others in sync; on other servers 0. */
  syncedFollowers: number;
  syncedObservers: number;
  voters: number;
}

/** What consensus asks of the front. */
export interface Front {
  /** From now on clients are served. */
  serve(): void;
  /** There is no quorum: reads are answered to clients that asked for no more, until `stopServing`. */
  serveReadOnly(): void;
  /** Closes every client connection and refuses new ones until `serve`. Pending requests are dropped. */
  stopServing(reason: string): void;
  /** A transaction was applied here (the tree has it already). */
  applied(record: TxnRecord, result: ApplyResult): void;
  /** The sync is confirmed; answer once `lastApplied ≥ zxid`, serve nothing later of it before. */
  synced(request: number, zxid: Zxid): void;
  /** timeoutMs > 0: attached; 0: the session is over; −1: cannot say now, close the connection. */
  attached(request: number, timeoutMs: number): void;
}

/** Structured events for whoever watches (level and order: one writer a process). */
export interface EventSink {
  /** Level `all` events are dropped at level `state`; ask before building costly ones. */
  readonly detailed: boolean;
  emit(event: { ev: string } & Record<string, unknown>): void;
  /** Puts everything emitted on the file descriptor; called before any message or reply leaves. */
  flush(): void;
}
