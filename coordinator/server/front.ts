// The server's face to its clients: listens, gives connections their sessions, carries requests to
// consensus and its outcomes back. It decides nothing about state; it only knows who waits for what.
import { createServer, type Server, type Socket } from 'node:net';
import { ByteWriter } from '../../wire/bytes.ts';
import type { ApplyResult, Front } from '../contract.ts';
import { ErrorCode, Op } from '../protocol/codes.ts';
import type { ConnectRequest, WatcherEvent } from '../protocol/records.ts';
import type { DataTree } from '../tree/data-tree.ts';
import { CreateSessionRequest } from '../tree/preparer.ts';
import type { WatchKind } from '../tree/watches.ts';
import type { TxnRecord } from '../txn.ts';
import { type Zxid, zxidHex } from '../zxid.ts';
import { ClientConnection, type ConnectionOwner } from './connection.ts';
import { answerFourLetterWord, type ServerFacts, Traffic } from './four-letter-words.ts';
import type { FrontParts } from './front-parts.ts';
import type { Outstanding } from './pipeline.ts';
import { eventName } from './replies.ts';

const PASSWORD_BYTES = 16;
/** A connection has this many ticks to get its session. */
const PATIENCE_TICKS = 10;
const BACKLOG = 1024;

/** A session as events name it. */
function sessionHex(session: number): string {
  return session.toString(16);
}

/** Who waits for the outcome of a request handed to consensus. */
type Waiting =
  | { kind: 'open'; connection: ClientConnection; password: Buffer }
  | { kind: 'attach'; connection: ClientConnection; session: number; lastZxidSeen: number }
  | { kind: 'request'; connection: ClientConnection; entry: Outstanding };

export class ClientFront implements Front, ConnectionOwner {
  readonly #parts: FrontParts;
  readonly #server: Server;
  readonly #connections = new Set<ClientConnection>();
  /** Every open socket, also those that only wait for their last bytes to leave. */
  readonly #sockets = new Set<Socket>();
  readonly #bySession = new Map<number, ClientConnection>();
  readonly #waiting = new Map<number, Waiting>();
  /** Confirmed syncs of which this server has not yet applied enough. */
  #lagging: { zxid: Zxid; connection: ClientConnection }[] = [];
  readonly #unflushed = new Set<ClientConnection>();
  #flushing: NodeJS.Immediate | undefined;
  #serving = false;
  #nextRequest: number;
  readonly #traffic = new Traffic();

  constructor(parts: FrontParts) {
    this.#parts = parts;
    this.#nextRequest = Math.floor(parts.now()) * 1000;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
  }

  /** Listens for clients; resolves with the port taken. Rejects with the system's error. */
  listen(port: number, host: string): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ port, host, backlog: BACKLOG }, () => {
        this.#server.removeListener('error', reject);
        const address = this.#server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : port);
      });
    });
  }

  /** Closes every connection and stops listening. */
  close(): Promise<void> {
    this.stopServing('the server is stopping');
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      for (const socket of this.#sockets) socket.destroy();
    });
  }

  // What consensus asks.

  serve(): void {
    this.#serving = true;
  }

  stopServing(reason: string): void {
    this.#serving = false;
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

  get frameBytesMax(): number {
    return this.#parts.config.frameBytesMax;
  }

  get outstandingMax(): number {
    return this.#parts.config.outstandingMax;
  }

  get patienceMs(): number {
    return PATIENCE_TICKS * this.#parts.config.tickTimeMs;
  }

  now(): number {
    return this.#parts.now();
  }

  connect(connection: ClientConnection, request: ConnectRequest): void {
    if (!this.#serving) {
      connection.close('this server is not serving');
      return;
    }
    const { lastApplied } = this.tree;
    const { sessionId, lastZxidSeen } = request;
    // A client never goes back in time: it must look for a server that knows what it has seen.
    if (lastZxidSeen > lastApplied || sessionId > BigInt(lastApplied)) {
      const seen = zxidHex(Math.max(lastZxidSeen, Number(sessionId)));
      connection.close(
        `refused: this server is behind (at ${zxidHex(lastApplied)}, the client has seen ${seen})`,
      );
      return;
    }
    if (sessionId === 0n) this.#openSession(connection, request.timeOut);
    else this.#reconnect(connection, Number(sessionId), request);
  }

  touch(session: number): void {
    this.#traffic.received++;
    this.#parts.consensus.touch(session);
  }

  hand(connection: ClientConnection, entry: Outstanding): void {
    const request = this.#wait({ kind: 'request', connection, entry });
    entry.request = request;
    const { work, op, xid: cxid } = entry;
    const { session } = connection;
    const { consensus, config } = this.#parts;
    if (work.kind === 'sync') consensus.sync(request, session);
    else if (work.kind === 'write') {
      consensus.submit({ origin: config.sid, request, session, cxid, op, body: work.body });
    }
  }

  answered(entry: Outstanding): void {
    this.#traffic.answered(this.now() - entry.receivedMs);
  }

  watchSet(connection: ClientConnection, kind: WatchKind, path: string): void {
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

  outputWaits(connection: ClientConnection): void {
    this.#traffic.sent++;
    this.#unflushed.add(connection);
    this.#flushing ??= setImmediate(() => this.#flush());
  }

  ended(connection: ClientConnection, dropped: Outstanding[], reason?: string): void {
    this.#connections.delete(connection);
    this.tree.watches.removeWatcher(connection);
    for (const { request } of dropped) if (request !== undefined) this.#waiting.delete(request);
    const { session } = connection;
    if (this.#bySession.get(session) === connection) this.#bySession.delete(session);
    if (reason === undefined) return;
    this.#parts.events.emit({
      ev: 'connectionClosed',
      reason,
      ...(session === 0 ? {} : { session: sessionHex(session) }),
    });
  }

  answerWord(word: string): string {
    return answerFourLetterWord(word, this.#facts());
  }

  // Inside.

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
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

  #openSession(connection: ClientConnection, wantedMs: number): void {
    const { config, consensus } = this.#parts;
    const { minSessionTimeoutMs, maxSessionTimeoutMs, sid: origin } = config;
    const timeoutMs = Math.min(Math.max(wantedMs, minSessionTimeoutMs), maxSessionTimeoutMs);
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

  #reconnect(connection: ClientConnection, id: number, request: ConnectRequest): void {
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
  ): void {
    if (!connection.connecting) return;
    this.#bySession.get(session)?.close('a newer connection of the session came');
    this.#bySession.set(session, connection);
    const applied = this.tree.lastApplied;
    const attached = { ev: 'sessionAttached', session: sessionHex(session), lastZxidSeen, applied };
    this.#parts.events.emit(attached);
    connection.welcome({ timeoutMs, session, password });
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
    clearImmediate(this.#flushing);
    this.#flushing = undefined;
    // Whoever reads our events must find the cause of anything a client saw.
    this.#parts.events.flush();
    const connections = [...this.#unflushed];
    this.#unflushed.clear();
    for (const connection of connections) connection.flush();
  }

  #facts(): ServerFacts {
    const { tree } = this;
    const open = [...this.#connections].filter((each) => each.open);
    return {
      serving: this.#serving,
      status: this.#parts.consensus.status(),
      lastApplied: tree.lastApplied,
      traffic: this.#traffic,
      outstanding: open.reduce((total, each) => total + each.outstanding, 0),
      connections: open.map(({ peer, outstanding: queued, received, sent }) => {
        return { peer, queued, received, sent };
      }),
      ...tree.counts(),
      watches: tree.watches.size,
    };
  }
}
