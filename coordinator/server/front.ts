// The server's face to its clients: listens, takes connections in, carries requests to consensus and its
// outcomes back. It decides nothing about state; it only knows who waits for what.
import { createServer, type Server, type Socket } from 'node:net';
import type { ApplyResult, Front } from '../contract.ts';
import type { Hello, WatcherEvent } from '../protocol/records.ts';
import type { DataTree } from '../tree/data-tree.ts';
import type { TxnRecord } from '../txn.ts';
import { type Zxid, zxidHex } from '../zxid.ts';
import { ClientSessions } from './client-sessions.ts';
import type { SecureClients } from './config-tls.ts';
import { ClientConnection, type ConnectionOwner } from './connection.ts';
import { ClientFlow } from './flow.ts';
import { answerFourLetterWord } from './four-letter-words.ts';
import type { FrontParts } from './front-parts.ts';
import { type ClientLimits, ConnectionCount } from './limits.ts';
import { OperatorAccount } from './operator-account.ts';
import type { Outstanding } from './pipeline.ts';
import type { WatchName } from './reads.ts';
import { eventName } from './replies.ts';
import { secureListener } from './secure.ts';
import type { ServerFacts } from './server-facts.ts';
import { WaitingRequests } from './waiting.ts';
import { hex } from './word-formats.ts';

/** A connection has this many ticks to get its session. */
const PATIENCE_TICKS = 10;
const BACKLOG = 1024;

export class ClientFront implements Front, ConnectionOwner {
  readonly #parts: FrontParts;
  readonly #server: Server;
  #secure: Server | undefined;
  readonly #connections = new Set<ClientConnection>();
  /** Every open socket, also those that only wait for their last bytes to leave. */
  readonly #sockets = new Set<Socket>();
  readonly #count = new ConnectionCount();
  readonly #waiting: WaitingRequests;
  readonly #sessions: ClientSessions;
  readonly #account: OperatorAccount;
  readonly flow: ClientFlow;
  /** Confirmed syncs of which this server has not yet applied enough. */
  #lagging: { zxid: Zxid; connection: ClientConnection }[] = [];
  #sweeper: NodeJS.Timeout | undefined;

  constructor(parts: FrontParts) {
    this.#parts = parts;
    this.#waiting = new WaitingRequests(parts.randomBytes);
    this.#sessions = new ClientSessions(parts, this.#waiting);
    this.flow = new ClientFlow(parts.config.limits, parts.events);
    this.#account = new OperatorAccount(parts, {
      connections: this.#connections,
      sessions: this.#sessions,
      flow: this.flow,
    });
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
      (peer, why) => this.#account.refused(peer, why),
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
    this.#sessions.serve();
  }

  serveReadOnly(): void {
    this.#sessions.serveReadOnly();
    this.#account.line('no quorum: serving reads to clients that asked for no more');
  }

  stopServing(reason: string): void {
    this.#sessions.stopServing();
    this.#waiting.clear();
    this.#lagging = [];
    // What was answered before is true; it should still reach those it was said to.
    this.flow.flush();
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
    const waiting =
      txn.origin === this.#parts.config.sid ? this.#waiting.take(txn.request) : undefined;
    if (waiting?.kind === 'request') waiting.connection.completed(waiting.entry, txn.zxid, result);
    else if (waiting?.kind === 'open') this.#sessions.opened(waiting, txn.zxid, result);
    if (txn.body.type === 'closeSession') this.#sessions.closed(txn.body.session, waiting);
    this.#answerLagging();
  }

  synced(request: number, zxid: Zxid): void {
    const waiting = this.#waiting.take(request);
    if (waiting?.kind === 'locate') this.#sessions.located(waiting, zxid);
    if (waiting?.kind !== 'request') return;
    waiting.connection.synced(waiting.entry, zxid);
    if (this.tree.lastApplied < zxid) {
      this.#lagging.push({ zxid, connection: waiting.connection });
    }
  }

  attached(request: number, timeoutMs: number): void {
    const waiting = this.#waiting.take(request);
    if (waiting?.kind === 'attach') this.#sessions.attached(waiting, timeoutMs);
  }

  // What connections ask.

  get tree(): DataTree {
    return this.#parts.tree;
  }

  get limits(): ClientLimits {
    return this.#parts.config.limits;
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
    return this.#sessions.readOnly;
  }

  forgetLocal(session: number): void {
    this.#sessions.forgetLocal(session);
  }

  connect(connection: ClientConnection, request: Hello): void {
    this.#sessions.connect(connection, request);
  }

  touch(session: number): void {
    this.#account.traffic.received++;
    this.#sessions.touch(session);
  }

  hand(connection: ClientConnection, entry: Outstanding): void {
    const request = this.#waiting.add({ kind: 'request', connection, entry });
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
    this.#account.answered(entry);
  }

  watchSet(connection: ClientConnection, kind: WatchName, path: string): void {
    if (!this.#parts.events.detailed) return;
    const zxid = this.tree.lastApplied;
    const session = hex(connection.session);
    this.#parts.events.emit({ ev: 'watchSet', session, path, kind, zxid });
  }

  watchFired(connection: ClientConnection, event: WatcherEvent, zxid: Zxid): void {
    if (!this.#parts.events.detailed) return;
    const session = hex(connection.session);
    const kind = eventName(event.type);
    this.#parts.events.emit({ ev: 'watchFired', session, path: event.path, kind, zxid });
  }

  refused(connection: ClientConnection, reason: string): void {
    const session = hex(connection.session);
    this.#parts.events.emit({ ev: 'requestRefused', reason, session });
  }

  outputWaits(connection: ClientConnection): void {
    this.#account.traffic.sent++;
    this.flow.outputWaits(connection);
  }

  ended(connection: ClientConnection, dropped: Outstanding[], reason?: string): void {
    this.#connections.delete(connection);
    this.flow.ended(connection);
    this.tree.watches.removeWatcher(connection);
    this.#waiting.forget(dropped);
    this.#sessions.ended(connection);
    if (reason === undefined) return;
    this.#account.closed(connection.peer, connection.session, reason);
  }

  answerWord(request: Buffer): string {
    return answerFourLetterWord(request, this.#account);
  }

  /** What an operator is told of this server. */
  facts(): ServerFacts {
    return this.#account.facts();
  }

  // Inside.

  #accept(socket: Socket): void {
    const address = socket.remoteAddress ?? 'nowhere';
    const refusal = this.#count.enter(address, this.limits);
    if (refusal !== undefined) {
      this.#account.refused(`${address}:${socket.remotePort}`, refusal);
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

  #answerLagging(): void {
    if (this.#lagging.length === 0) return;
    const applied = this.tree.lastApplied;
    const due = this.#lagging.filter(({ zxid }) => zxid <= applied);
    if (due.length === 0) return;
    this.#lagging = this.#lagging.filter(({ zxid }) => zxid > applied);
    for (const { connection } of due) connection.proceed();
  }

  #sweep(): void {
    this.#sessions.sweep();
    for (const connection of this.#connections) connection.sweep();
    this.flow.resumeSoon();
  }
}
