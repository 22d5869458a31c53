// Which connection has which session, and how a client that comes gets one: a new one, its own again, or
// none. With a quorum consensus decides that; without one this server, for reads alone.
import { ByteWriter } from '../../wire/bytes.ts';
import type { ApplyResult } from '../contract.ts';
import { ErrorCode, Op } from '../protocol/codes.ts';
import type { Hello } from '../protocol/records.ts';
import type { DataTree } from '../tree/data-tree.ts';
import { CreateSessionRequest } from '../tree/preparer.ts';
import { type Zxid, zxidHex } from '../zxid.ts';
import type { ClientConnection } from './connection.ts';
import type { FrontParts } from './front-parts.ts';
import { isLocal, ReadOnlySessions } from './read-only.ts';
import type { Waiting, WaitingFor, WaitingRequests } from './waiting.ts';
import { hex } from './word-formats.ts';

const PASSWORD_BYTES = 16;

export class ClientSessions {
  readonly #parts: FrontParts;
  readonly #waiting: WaitingRequests;
  readonly #bySession = new Map<number, ClientConnection>();
  #serving = false;
  /** There while reads alone are served. */
  #readOnly: ReadOnlySessions | undefined;

  constructor(parts: FrontParts, waiting: WaitingRequests) {
    this.#parts = parts;
    this.#waiting = waiting;
  }

  get serving(): boolean {
    return this.#serving;
  }

  get readOnly(): boolean {
    return this.#readOnly !== undefined;
  }

  get #tree(): DataTree {
    return this.#parts.tree;
  }

  serve(): void {
    this.#serving = true;
  }

  serveReadOnly(): void {
    this.#readOnly = new ReadOnlySessions(this.#parts.randomBytes);
  }

  stopServing(): void {
    this.#serving = false;
    this.#readOnly = undefined;
  }

  /** A client's first frame came. Ends by `welcome`, `refuseSession` or `close` of its connection. */
  connect(connection: ClientConnection, request: Hello): void {
    const sessions = request.readOnly === true ? this.#readOnly : undefined;
    if (!this.#serving && sessions === undefined) {
      connection.close('this server is not serving');
      return;
    }
    const { lastApplied } = this.#tree;
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

  /** The session asked for was opened, or could not be. */
  opened({ connection, password }: WaitingFor<'open'>, zxid: Zxid, { err }: ApplyResult): void {
    if (!connection.connecting) return;
    const session = this.#tree.session(zxid);
    if (err !== ErrorCode.Ok || session === undefined) {
      connection.close(`no session could be opened (error ${err})`);
    } else this.#welcome(connection, zxid, session.timeoutMs, password, 0);
  }

  /** Whatever a client was told before it came was committed at `zxid`. */
  located({ connection, hello }: WaitingFor<'locate'>, zxid: Zxid): void {
    if (!connection.connecting) return;
    const session = Number(hello.sessionId);
    if (session > zxid) connection.refuseSession();
    else this.#refuseAhead(connection, session);
  }

  /** The leader's answer to a client that came back; `timeoutMs` as `Front.attached` has it. */
  attached(
    { connection, session: id, lastZxidSeen }: WaitingFor<'attach'>,
    timeoutMs: number,
  ): void {
    const session = this.#tree.session(id);
    if (timeoutMs < 0) connection.close('the leader cannot say now whether the session lives');
    else if (timeoutMs === 0 || session === undefined) connection.refuseSession();
    else this.#welcome(connection, id, timeoutMs, session.password, lastZxidSeen);
  }

  /** A session was heard from. */
  touch(session: number): void {
    if (this.#readOnly === undefined) this.#parts.consensus.touch(session);
    else this.#readOnly.touch(session, performance.now());
  }

  /** A client closes a session that perhaps only this server knows. */
  forgetLocal(session: number): void {
    if (isLocal(session)) this.#readOnly?.close(session);
  }

  /** A session ended; unless its own client asked (and is answered first), its connection ends. */
  closed(session: number, cause: Waiting | undefined): void {
    const connection = this.#bySession.get(session);
    if (connection !== undefined && connection !== cause?.connection) {
      connection.close('the session was closed');
    }
  }

  /** A connection ended; its session may come back by another. */
  ended(connection: ClientConnection): void {
    const { session } = connection;
    if (this.#bySession.get(session) === connection) this.#bySession.delete(session);
  }

  /** Called every tick: without a quorum nobody else ends sessions. */
  sweep(): void {
    for (const session of this.#readOnly?.expired(performance.now()) ?? []) {
      this.#bySession.get(session)?.close('its session was silent for too long');
    }
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
    const known = sessions.get(id) ?? this.#tree.session(id);
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
    const request = this.#waiting.add({ kind: 'open', connection, password });
    const op = Op.createSession;
    consensus.submit({ origin, request, session: 0, cxid: 0, op, body: body.toBuffer() });
  }

  #refuseAhead(connection: ClientConnection, seen: number): void {
    const applied = zxidHex(this.#tree.lastApplied);
    connection.close(
      `refused: this server is behind (at ${applied}, the client has seen ${zxidHex(seen)})`,
    );
  }

  /** A session opened after all that this server knows, or never: where the others are tells which. */
  #locate(connection: ClientConnection, hello: Hello): void {
    this.#parts.consensus.sync(this.#waiting.add({ kind: 'locate', connection, hello }), 0);
  }

  #reconnect(connection: ClientConnection, request: Hello): void {
    const id = Number(request.sessionId);
    const session = this.#tree.session(id);
    if (
      session === undefined ||
      request.passwd === null ||
      !session.password.equals(request.passwd)
    ) {
      connection.refuseSession();
      return;
    }
    const { lastZxidSeen } = request;
    const number = this.#waiting.add({ kind: 'attach', connection, session: id, lastZxidSeen });
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
    const applied = this.#tree.lastApplied;
    const attached = { ev: 'sessionAttached', session: hex(session), lastZxidSeen, applied };
    if (!readOnly) this.#parts.events.emit(attached);
    connection.welcome({ timeoutMs, session, password, readOnly });
  }
}
