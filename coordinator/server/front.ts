// The server's face to its clients: listens, gives connections their sessions, carries requests to
// consensus and its outcomes back. It decides nothing about state; it only knows who waits for what.
import { createServer, type Server, type Socket } from 'node:net';
import { ByteWriter } from '../../wire/bytes.ts';
import { BoundedLog, printable } from '../../wire/server-log.ts';
import type { ApplyResult, Front } from '../contract.ts';
import { ErrorCode, Op } from '../protocol/codes.ts';
import type { Hello, WatcherEvent } from '../protocol/records.ts';
import type { DataTree } from '../tree/data-tree.ts';
import { CreateSessionRequest } from '../tree/preparer.ts';
import { atTurnEnd } from '../turn.ts';
import type { TxnRecord } from '../txn.ts';
import { type Zxid, zxidHex } from '../zxid.ts';
import type { SecureClients } from './config-tls.ts';
import { ClientConnection, type ConnectionOwner } from './connection.ts';
import {
  answerFourLetterWord,
  type WatchesBySession,
  type WordSource,
} from './four-letter-words.ts';
import type { FrontParts } from './front-parts.ts';
import { type ClientLimits, ConnectionCount } from './limits.ts';
import type { Outstanding } from './pipeline.ts';
import { isLocal, ReadOnlySessions } from './read-only.ts';
import type { WatchName } from './reads.ts';
import { eventName } from './replies.ts';
import { secureListener } from './secure.ts';
import type { ConnectionFacts, ServerFacts } from './server-facts.ts';
import { LatencyHistogram, Traffic } from './traffic.ts';
import { hex } from './word-formats.ts';

const PASSWORD_BYTES = 16;
/** A connection has this many ticks to get its session. */
const PATIENCE_TICKS = 10;
const BACKLOG = 1024;

/** A session as events name it. */
function sessionHex(session: number): string {
  return hex(session);
}

/** Who waits for the outcome of a request handed to consensus. */
type Waiting =
  | { kind: 'open'; connection: ClientConnection; password: Buffer }
  | { kind: 'locate'; connection: ClientConnection; hello: Hello }
  | { kind: 'attach'; connection: ClientConnection; session: number; lastZxidSeen: number }
  | { kind: 'request'; connection: ClientConnection; entry: Outstanding };

/** Request numbers start anywhere below 2^48, and stay whole numbers for as long as a server runs. */
const REQUEST_BYTES = 6;

export class ClientFront implements Front, ConnectionOwner, WordSource {
  readonly #parts: FrontParts;
  readonly #server: Server;
  #secure: Server | undefined;
  readonly #connections = new Set<ClientConnection>();
  /** Every open socket, also those that only wait for their last bytes to leave. */
  readonly #sockets = new Set<Socket>();
  readonly #bySession = new Map<number, ClientConnection>();
  readonly #waiting = new Map<number, Waiting>();
  /** Confirmed syncs of which this server has not yet applied enough. */
  #lagging: { zxid: Zxid; connection: ClientConnection }[] = [];
  readonly #unflushed = new Set<ClientConnection>();
  #flushing = false;
  #serving = false;
  /** There while reads alone are served. */
  #readOnly: ReadOnlySessions | undefined;
  #nextRequest: number;
  readonly #traffic = new Traffic();
  readonly #reads = new LatencyHistogram();
  readonly #writes = new LatencyHistogram();
  readonly #count = new ConnectionCount();
  readonly #log: BoundedLog;
  readonly #startedMs: number;
  #sweeper: NodeJS.Timeout | undefined;
  /** Requests under way, bytes unsent, and who was left unread because of them. */
  #underWay = 0;
  #unsentBytes = 0;
  readonly #left = new Set<ClientConnection>();
  #refused = 0;
  #closed = 0;

  constructor(parts: FrontParts) {
    this.#parts = parts;
    this.#startedMs = performance.now();
    this.#log = new BoundedLog(parts.operator.log, () => performance.now());
    // Drawn, so that a restarted server takes no request of an earlier life for its own: a clock may have
    // been set back meanwhile.
    this.#nextRequest = parts.randomBytes(REQUEST_BYTES).readUIntBE(0, REQUEST_BYTES);
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
  }

  /** Listens for clients; resolves with the port taken. Rejects with the system's error. */
  listen(port: number, host: string): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ port, host, backlog: BACKLOG }, () => {
        this.#server.removeListener('error', reject);
        const { tickTimeMs } = this.#parts.config;
        this.#sweeper = setInterval(() => this.#sweep(), tickTimeMs).unref();
        const address = this.#server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : port);
      });
    });
  }

  /** Listens for clients over TLS, too. Rejects with the system's error. */
  listenSecure(secure: SecureClients): Promise<void> {
    const server = secureListener(
      secure,
      (socket) => this.#accept(socket),
      (peer, why) => {
        this.#refused++;
        this.#told(peer, 0, `refused: ${why}`);
      },
    );
    this.#secure = server;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port: secure.port, host: secure.host, backlog: BACKLOG }, () => {
        server.removeListener('error', reject);
        resolve();
      });
    });
  }

  /** Closes every connection and stops listening. */
  close(): Promise<void> {
    clearInterval(this.#sweeper);
    this.stopServing('the server is stopping');
    return new Promise((resolve) => {
      this.#secure?.close();
      this.#server.close(() => resolve());
      for (const socket of this.#sockets) socket.destroy();
    });
  }

  // What consensus asks.

  serve(): void {
    this.#serving = true;
  }

  serveReadOnly(): void {
    this.#readOnly = new ReadOnlySessions(this.#parts.randomBytes);
    this.#log.line('no quorum: serving reads to clients that asked for no more');
  }

  stopServing(reason: string): void {
    this.#serving = false;
    this.#readOnly = undefined;
    this.#waiting.clear();
    this.#lagging = [];
    // What was answered before is true; it should still reach those it was said to.
    this.#flush();
    for (const connection of [...this.#connections]) {
      if (connection.fresh) continue;
      connection.close(reason);
    }
  }

  applied(record: TxnRecord, result: ApplyResult): void {
    const { txn } = record;
    if (this.tree.lastApplied !== txn.zxid) {
      throw new Error(
        `expected front.applied right after the tree applied ${zxidHex(txn.zxid)}, ` +
          `but the tree is at ${zxidHex(this.tree.lastApplied)}`,
      );
    }
    const waiting = txn.origin === this.#parts.config.sid ? this.#take(txn.request) : undefined;
    if (waiting?.kind === 'request') waiting.connection.completed(waiting.entry, txn.zxid, result);
    else if (waiting?.kind === 'open') this.#opened(waiting, txn.zxid, result);
    if (txn.body.type === 'closeSession') this.#sessionClosed(txn.body.session, waiting);
    this.#answerLagging();
  }

  synced(request: number, zxid: Zxid): void {
    const waiting = this.#take(request);
    if (waiting?.kind === 'locate') this.#located(waiting, zxid);
    if (waiting?.kind !== 'request') return;
    waiting.connection.synced(waiting.entry, zxid);
    if (this.tree.lastApplied < zxid) {
      this.#lagging.push({ zxid, connection: waiting.connection });
    }
  }

  attached(request: number, timeoutMs: number): void {
    const waiting = this.#take(request);
    if (waiting?.kind !== 'attach') return;
    const { connection, session: id, lastZxidSeen } = waiting;
    const session = this.tree.session(id);
    if (timeoutMs < 0) connection.close('the leader cannot say now whether the session lives');
    else if (timeoutMs === 0 || session === undefined) connection.refuseSession();
    else this.#welcome(connection, id, timeoutMs, session.password, lastZxidSeen);
  }

  // What connections ask.

  get tree(): DataTree {
    return this.#parts.tree;
  }

  get limits(): ClientLimits {
    return this.#parts.config.limits;
  }

  get busy(): boolean {
    return this.#underWay >= this.limits.outstandingMax;
  }

  get clogged(): boolean {
    return this.#unsentBytes >= this.limits.totalOutputBytesMax;
  }

  leftWaiting(connection: ClientConnection): void {
    this.#left.add(connection);
  }

  tookOn(requests: number): void {
    this.#underWay += requests;
    if (requests < 0) this.#resumeSoon();
  }

  unsent(bytes: number): void {
    this.#unsentBytes += bytes;
    if (bytes < 0) this.#resumeSoon();
  }

  get superDigest(): string | undefined {
    return this.#parts.config.superDigest;
  }

  get patienceMs(): number {
    return PATIENCE_TICKS * this.#parts.config.tickTimeMs;
  }

  now(): number {
    return this.#parts.now();
  }

  get readOnly(): boolean {
    return this.#readOnly !== undefined;
  }

  forgetLocal(session: number): void {
    if (isLocal(session)) this.#readOnly?.close(session);
  }

  connect(connection: ClientConnection, request: Hello): void {
    const sessions = request.readOnly === true ? this.#readOnly : undefined;
    if (!this.#serving && sessions === undefined) {
      connection.close('this server is not serving');
      return;
    }
    const { lastApplied } = this.tree;
    const { sessionId, lastZxidSeen } = request;
    // A session is named by the zxid that opened it.
    const isNewer = sessionId > BigInt(lastApplied);
    // A client never goes back in time: it must look for a server that knows what it has seen.
    if (lastZxidSeen > lastApplied) this.#refuseAhead(connection, lastZxidSeen);
    else if (sessions !== undefined && isNewer) this.#refuseAhead(connection, Number(sessionId));
    else if (sessions !== undefined) this.#connectReadOnly(sessions, connection, request);
    else if (sessionId === 0n) this.#openSession(connection, request.timeOut);
    else if (isNewer) this.#locate(connection, request);
    else this.#reconnect(connection, request);
  }

  touch(session: number): void {
    this.#traffic.received++;
    if (this.#readOnly === undefined) this.#parts.consensus.touch(session);
    else this.#readOnly.touch(session, performance.now());
  }

  hand(connection: ClientConnection, entry: Outstanding): void {
    const request = this.#wait({ kind: 'request', connection, entry });
    entry.request = request;
    const { work, op, xid: cxid, identities } = entry;
    const { session } = connection;
    const { consensus, config } = this.#parts;
    if (work.kind === 'sync') consensus.sync(request, session);
    else if (work.kind === 'write') {
      const { sid: origin } = config;
      consensus.submit({ origin, request, session, cxid, op, body: work.body, identities });
    }
  }

  answered(entry: Outstanding): void {
    const elapsedMs = this.now() - entry.receivedMs;
    this.#traffic.answered(elapsedMs);
    const { kind } = entry.work;
    if (kind === 'write' || kind === 'sync') this.#writes.add(elapsedMs);
    else this.#reads.add(elapsedMs);
  }

  watchSet(connection: ClientConnection, kind: WatchName, path: string): void {
    if (!this.#parts.events.detailed) return;
    const zxid = this.tree.lastApplied;
    const session = sessionHex(connection.session);
    this.#parts.events.emit({ ev: 'watchSet', session, path, kind, zxid });
  }

  watchFired(connection: ClientConnection, event: WatcherEvent, zxid: Zxid): void {
    if (!this.#parts.events.detailed) return;
    const session = sessionHex(connection.session);
    const kind = eventName(event.type);
    this.#parts.events.emit({ ev: 'watchFired', session, path: event.path, kind, zxid });
  }

  refused(connection: ClientConnection, reason: string): void {
    const session = sessionHex(connection.session);
    this.#parts.events.emit({ ev: 'requestRefused', reason, session });
  }

  outputWaits(connection: ClientConnection): void {
    this.#traffic.sent++;
    this.#unflushed.add(connection);
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    atTurnEnd(() => this.#flush());
  }

  /** Connections left unread may go on in the next turn, when there is room again. */
  #resumeSoon(): void {
    if (this.#mayResume) this.#flushSoon();
  }

  get #mayResume(): boolean {
    return this.#left.size > 0 && !this.busy && !this.clogged;
  }

  ended(connection: ClientConnection, dropped: Outstanding[], reason?: string): void {
    this.#connections.delete(connection);
    this.#left.delete(connection);
    this.tree.watches.removeWatcher(connection);
    for (const { request } of dropped) if (request !== undefined) this.#waiting.delete(request);
    const { session } = connection;
    if (this.#bySession.get(session) === connection) this.#bySession.delete(session);
    if (reason === undefined) return;
    this.#closed++;
    this.#told(connection.peer, session, reason);
  }

  /** Why a connection ended, in the server's log and in its events. */
  #told(peer: string, session: number, text: string): void {
    const reason = printable(text);
    const of = session === 0 ? '' : ` of session 0x${sessionHex(session)}`;
    this.#log.line(`closed ${peer}${of}: ${reason}`);
    this.#parts.events.emit({
      ev: 'connectionClosed',
      reason,
      ...(session === 0 ? {} : { session: sessionHex(session) }),
    });
  }

  answerWord(request: Buffer): string {
    return answerFourLetterWord(request, this);
  }

  // What four-letter words ask.

  get words(): ReadonlySet<string> {
    return this.#parts.config.words;
  }

  get operator(): FrontParts['operator'] {
    return this.#parts.operator;
  }

  connections(): ConnectionFacts[] {
    return this.#open().map((each) => each.facts());
  }

  sessions(): Iterable<{ id: number; timeoutMs: number }> {
    return this.tree.sessions();
  }

  ephemerals(session: number): ReadonlySet<string> {
    return this.tree.ephemerals(session);
  }

  watches(): WatchesBySession {
    const watches = this.#open().map((each) => {
      return [each.session, this.tree.watches.pathsOf(each)] as const;
    });
    return new Map(watches.filter(([, paths]) => paths.size > 0));
  }

  resetTraffic(): void {
    this.#traffic.reset();
  }

  resetConnections(): void {
    for (const connection of this.#connections) connection.resetTraffic();
  }

  // Inside.

  #accept(socket: Socket): void {
    const address = socket.remoteAddress ?? 'nowhere';
    const refusal = this.#count.enter(address, this.limits);
    if (refusal !== undefined) {
      this.#refused++;
      this.#told(`${address}:${socket.remotePort}`, 0, `refused: ${refusal}`);
      // The client is gone or will be; there is nobody to tell of an error.
      socket.on('error', () => undefined);
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.on('close', () => {
      this.#sockets.delete(socket);
      this.#count.leave(address);
    });
    this.#connections.add(new ClientConnection(socket, this));
  }

  #wait(waiting: Waiting): number {
    const request = this.#nextRequest++;
    this.#waiting.set(request, waiting);
    return request;
  }

  #take(request: number): Waiting | undefined {
    const waiting = this.#waiting.get(request);
    if (waiting !== undefined) this.#waiting.delete(request);
    return waiting;
  }

  #negotiated(wantedMs: number): number {
    const { minSessionTimeoutMs, maxSessionTimeoutMs } = this.#parts.config;
    return Math.min(Math.max(wantedMs, minSessionTimeoutMs), maxSessionTimeoutMs);
  }

  /** Without a quorum: a new session is this server's alone, one of the ensemble goes on reading. */
  #connectReadOnly(sessions: ReadOnlySessions, connection: ClientConnection, request: Hello): void {
    const { sessionId, passwd, timeOut } = request;
    const now = performance.now();
    if (sessionId === 0n) {
      const password = this.#parts.randomBytes(PASSWORD_BYTES);
      const opened = sessions.open(this.#negotiated(timeOut), password, now);
      if (opened === undefined) connection.close('too many sessions without a quorum');
      else this.#welcome(connection, opened.id, opened.timeoutMs, password, 0, true);
      return;
    }
    const id = Number(sessionId);
    const known = sessions.get(id) ?? this.tree.session(id);
    if (known === undefined || passwd === null || !known.password.equals(passwd)) {
      connection.refuseSession();
    } else if (sessions.keep(known, now) === undefined) {
      connection.close('too many sessions without a quorum');
    } else {
      const { timeoutMs, password } = known;
      this.#welcome(connection, id, timeoutMs, password, request.lastZxidSeen, true);
    }
  }

  #openSession(connection: ClientConnection, wantedMs: number): void {
    const { config, consensus } = this.#parts;
    const { sid: origin } = config;
    const timeoutMs = this.#negotiated(wantedMs);
    const password = this.#parts.randomBytes(PASSWORD_BYTES);
    const body = new ByteWriter(32);
    CreateSessionRequest.write(body, { timeoutMs, password });
    const request = this.#wait({ kind: 'open', connection, password });
    const op = Op.createSession;
    consensus.submit({ origin, request, session: 0, cxid: 0, op, body: body.toBuffer() });
  }

  #opened(
    { connection, password }: Waiting & { kind: 'open' },
    zxid: Zxid,
    { err }: ApplyResult,
  ): void {
    if (!connection.connecting) return;
    const session = this.tree.session(zxid);
    if (err !== ErrorCode.Ok || session === undefined) {
      connection.close(`no session could be opened (error ${err})`);
    } else this.#welcome(connection, zxid, session.timeoutMs, password, 0);
  }

  #refuseAhead(connection: ClientConnection, seen: number): void {
    const applied = zxidHex(this.tree.lastApplied);
    connection.close(
      `refused: this server is behind (at ${applied}, the client has seen ${zxidHex(seen)})`,
    );
  }

  /** A session opened after all that this server knows, or never: where the others are tells which. */
  #locate(connection: ClientConnection, hello: Hello): void {
    this.#parts.consensus.sync(this.#wait({ kind: 'locate', connection, hello }), 0);
  }

  /** Whatever a client was told before it came was committed at `zxid`. */
  #located({ connection, hello }: Waiting & { kind: 'locate' }, zxid: Zxid): void {
    if (!connection.connecting) return;
    const session = Number(hello.sessionId);
    if (session > zxid) connection.refuseSession();
    else this.#refuseAhead(connection, session);
  }

  #reconnect(connection: ClientConnection, request: Hello): void {
    const id = Number(request.sessionId);
    const session = this.tree.session(id);
    if (
      session === undefined ||
      request.passwd === null ||
      !session.password.equals(request.passwd)
    ) {
      connection.refuseSession();
      return;
    }
    const { lastZxidSeen } = request;
    const number = this.#wait({ kind: 'attach', connection, session: id, lastZxidSeen });
    this.#parts.consensus.attach(number, id);
  }

  #welcome(
    connection: ClientConnection,
    session: number,
    timeoutMs: number,
    password: Buffer,
    lastZxidSeen: Zxid,
    readOnly = false,
  ): void {
    if (!connection.connecting) return;
    this.#bySession.get(session)?.close('a newer connection of the session came');
    this.#bySession.set(session, connection);
    const applied = this.tree.lastApplied;
    const attached = { ev: 'sessionAttached', session: sessionHex(session), lastZxidSeen, applied };
    if (!readOnly) this.#parts.events.emit(attached);
    connection.welcome({ timeoutMs, session, password, readOnly });
  }

  /** A session ended; unless its own client asked (and is answered first), its connection ends. */
  #sessionClosed(session: number, cause: Waiting | undefined): void {
    const connection = this.#bySession.get(session);
    if (connection !== undefined && connection !== cause?.connection) {
      connection.close('the session was closed');
    }
  }

  #answerLagging(): void {
    if (this.#lagging.length === 0) return;
    const applied = this.tree.lastApplied;
    const due = this.#lagging.filter(({ zxid }) => zxid <= applied);
    if (due.length === 0) return;
    this.#lagging = this.#lagging.filter(({ zxid }) => zxid > applied);
    for (const { connection } of due) connection.proceed();
  }

  /** One write a connection for everything said in this turn of the event loop. */
  #flush(): void {
    this.#flushing = true;
    // Whoever reads our events must find the cause of anything a client saw.
    this.#parts.events.flush();
    const connections = [...this.#unflushed];
    this.#unflushed.clear();
    for (const connection of connections) connection.flush();
    this.#resumeLeft();
    // What this brought forth waits for the next turn, so that other sockets have theirs between.
    this.#flushing = this.#unflushed.size > 0 || this.#mayResume;
    if (this.#flushing) setImmediate(() => this.#flush());
  }

  /** Lets connections that were left unread go on, in the order they were left, while there is room. */
  #resumeLeft(): void {
    if (this.#left.size === 0) return;
    for (const connection of [...this.#left]) {
      if (this.busy || this.clogged) return;
      this.#left.delete(connection);
      connection.proceed();
    }
  }

  #sweep(): void {
    for (const session of this.#readOnly?.expired(performance.now()) ?? []) {
      this.#bySession.get(session)?.close('its session was silent for too long');
    }
    for (const connection of this.#connections) connection.sweep();
    this.#resumeSoon();
  }

  #open(): ClientConnection[] {
    return [...this.#connections].filter((each) => each.open);
  }

  facts(): ServerFacts {
    const { tree } = this;
    return {
      serving: this.#serving,
      readOnly: this.readOnly,
      status: this.#parts.consensus.status(),
      lastApplied: tree.lastApplied,
      digest: tree.digest(),
      uptimeMs: performance.now() - this.#startedMs,
      traffic: this.#traffic,
      reads: this.#reads,
      writes: this.#writes,
      outstanding: this.#underWay,
      unsentBytes: this.#unsentBytes,
      connectionCount: this.#open().length,
      refused: this.#refused,
      closed: this.#closed,
      ...tree.counts(),
      watches: tree.watches.size,
    };
  }
}
