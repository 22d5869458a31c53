// One client's TCP connection: its handshake, its frames in, its coalesced output, its back-pressure.
// What the requests mean is the pipeline's business; which connection has which session the front's.
import type { Socket } from 'node:net';
import { ByteReader, ByteWriter, WireError } from '../../wire/bytes.ts';
import { FrameSplitter } from '../../wire/frames.ts';
import type { ApplyResult, Identity } from '../contract.ts';
import { ErrorCode, Op, opName, Perm, Xid } from '../protocol/codes.ts';
import {
  AuthPacket,
  type Hello,
  readConnectRequest,
  type WatcherEvent,
} from '../protocol/records.ts';
import { type AccessList, allows } from '../tree/acls.ts';
import type { DataTree } from '../tree/data-tree.ts';
import type { Zxid } from '../zxid.ts';
import type { ClientFlow } from './flow.ts';
import { isFourLetterWord, WORD_BYTES, wordBytes } from './four-letter-words.ts';
import { addressIdentity, authenticate } from './identities.ts';
import { type ClientLimits, OUTPUT_EXCESS } from './limits.ts';
import { type Outstanding, type PipelineHost, RequestPipeline, type Work } from './pipeline.ts';
import type { WatchName } from './reads.ts';
import { putHeader, putNotification, putWelcome, SESSION_OVER, type Welcome } from './replies.ts';
import { decodeWork, withoutQuorum } from './requests.ts';
import type { ConnectionFacts } from './server-facts.ts';
import { Traffic } from './traffic.ts';

/** Output of one turn that is counted as unsent. */
const COUNTED_FROM_BYTES = 16 * 1024;

/** Sweeps without a byte taken after which a client that has output waiting is let go. */
const SWEEPS_MAX = 10;

/** What a connection asks of the front. */
export interface ConnectionOwner {
  readonly tree: DataTree;
  readonly limits: ClientLimits;
  /** A connection without a session, or one that does not take its last bytes, is closed then. */
  readonly patienceMs: number;
  /** The server has no quorum: what changes something is refused. */
  readonly readOnly: boolean;
  /** A client closes a session that perhaps only this server knows. */
  forgetLocal(session: number): void;
  /** Whose digest opens everything; undefined: nobody's. */
  readonly superDigest: string | undefined;
  now(): number;
  /** The first frame came. Ends by `welcome`, `refuseSession` or `close`. */
  connect(connection: ClientConnection, request: Hello): void;
  /** What the server as a whole has under way and unsent; this connection counts its part in. */
  readonly flow: ClientFlow;
  answerWord(request: Buffer): string;
  touch(session: number): void;
  hand(connection: ClientConnection, entry: Outstanding): void;
  answered(entry: Outstanding): void;
  watchSet(connection: ClientConnection, kind: WatchName, path: string): void;
  watchFired(connection: ClientConnection, event: WatcherEvent, zxid: Zxid): void;
  /** A request was answered with an error because it made no sense. */
  refused(connection: ClientConnection, reason: string): void;
  /** There is output; call `flush` soon. */
  outputWaits(connection: ClientConnection): void;
  /** It ended; `reason` is absent when there is nothing to report. */
  ended(connection: ClientConnection, dropped: Outstanding[], reason?: string): void;
}

/** `fresh`: nothing or part of the first frame came. `closing`: only output is still to leave. */
type State = 'fresh' | 'connecting' | 'open' | 'closing' | 'closed';

export class ClientConnection implements PipelineHost {
  readonly #owner: ConnectionOwner;
  readonly #socket: Socket;
  readonly #splitter: FrameSplitter;
  readonly #pipeline: RequestPipeline;
  /** Frames that came while no more could be taken. */
  readonly #parked: Buffer[] = [];
  readonly peer: string;
  #state: State = 'fresh';
  #prelude: Buffer | null = null;
  #readOnlyByte = false;
  /** Requests and bytes that the owner counts for this connection. */
  #counted = 0;
  #unsentBytes = 0;
  /** Sweeps since it took a byte of what waits for it. */
  #idleSweeps = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Never changed, only replaced: requests under way keep those they came with. */
  #identities: readonly Identity[];
  /** 0 until the session is known. */
  session = 0;
  out = new ByteWriter();
  readonly traffic = new Traffic();
  readonly establishedMs: number;
  timeoutMs = 0;
  #lastXid = -1;
  #lastOp = 'NA';
  #lastZxid = -1;
  #lastAnswerMs = 0;

  constructor(socket: Socket, owner: ConnectionOwner) {
    this.#owner = owner;
    this.#socket = socket;
    this.#splitter = new FrameSplitter(owner.limits.frameBytesMax);
    this.establishedMs = owner.now();
    this.#pipeline = new RequestPipeline(this);
    this.peer = `${socket.remoteAddress}:${socket.remotePort}`;
    this.#identities = [addressIdentity(socket.remoteAddress)];
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('drain', () => {
      this.#countOutput();
      this.proceed();
    });
    // A probe may half-close right after its word and still wants the answer; others are gone.
    socket.on('end', () => {
      if (this.#state !== 'closing') socket.destroy();
    });
    // The 'close' that follows every error does the work.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      const half = this.#splitter.pendingBytes > 0 || this.#prelude !== null;
      this.#end(half ? 'the client ended in the middle of a frame' : undefined);
    });
    this.#limitTime('no session within the time allowed');
  }

  get tree(): DataTree {
    return this.#owner.tree;
  }

  get outstanding(): number {
    return this.#pipeline.size;
  }

  /** Nothing, or part of a first frame, came. */
  get fresh(): boolean {
    return this.#state === 'fresh';
  }

  get open(): boolean {
    return this.#state === 'open';
  }

  /** Waiting for the outcome of its connection request. */
  get connecting(): boolean {
    return this.#state === 'connecting';
  }

  get writable(): boolean {
    const waiting = this.out.length + this.#socket.writableLength;
    if (waiting > this.#owner.limits.connectionOutputBytesMax) return false;
    return !(this.#owner.flow.clogged && waiting > 0);
  }

  /** What an operator is told of it. */
  facts(): ConnectionFacts {
    return {
      peer: this.peer,
      session: this.session,
      timeoutMs: this.timeoutMs,
      queued: this.outstanding,
      traffic: this.traffic,
      lastXid: this.#lastXid,
      lastZxid: this.#lastZxid,
      lastOp: this.#lastOp,
      lastAnswerMs: this.#lastAnswerMs,
      establishedMs: this.establishedMs,
    };
  }

  /** Begins its counts anew. */
  resetTraffic(): void {
    this.traffic.reset();
    this.#lastXid = -1;
    this.#lastZxid = -1;
    this.#lastOp = 'NA';
    this.#lastAnswerMs = 0;
  }

  /** Called every tick: lets go of a client that takes nothing of what waits for it. */
  sweep(): void {
    this.#countOutput();
    if (this.#unsentBytes === 0 || this.#state === 'closed') {
      this.#idleSweeps = 0;
      return;
    }
    this.#idleSweeps++;
    if (this.#idleSweeps > SWEEPS_MAX) {
      this.close(`too slow a reader: ${this.#unsentBytes} bytes wait, none was taken for long`);
    }
  }

  /** Keeps the owner's count of unsent bytes in step. */
  #countOutput(): void {
    const bytes = this.#state === 'closed' ? 0 : this.out.length + this.#socket.writableLength;
    this.#owner.flow.unsent(bytes - this.#unsentBytes);
    if (bytes < this.#unsentBytes) this.#idleSweeps = 0;
    this.#unsentBytes = bytes;
  }

  /** Keeps the owner's count of requests under way in step. */
  #countRequests(): void {
    const now = this.#state === 'closed' ? 0 : this.#pipeline.size;
    if (now === this.#counted) return;
    this.#owner.flow.tookOn(now - this.#counted);
    this.#counted = now;
  }

  /** The session is this connection's from now on. */
  welcome(welcome: Welcome): void {
    clearTimeout(this.#timer);
    this.session = welcome.session;
    this.timeoutMs = welcome.timeoutMs;
    this.#state = 'open';
    putWelcome(this.out, welcome, this.#readOnlyByte);
    this.#wrote();
    this.proceed();
  }

  /** Says that the session is over and closes. */
  refuseSession(): void {
    putWelcome(this.out, SESSION_OVER, this.#readOnlyByte);
    this.#wrote();
    this.finish('the session is over');
  }

  /** Closes at once; unsent output is dropped. */
  close(reason: string): void {
    this.#end(reason);
    this.#socket.destroy();
  }

  /** Closes when everything said so far is sent. Without a reason it is nothing to report. */
  finish(reason?: string): void {
    if (this.#state === 'closed') return;
    this.#end(reason);
    this.#state = 'closing';
    this.#limitTime('it did not take its last bytes');
    this.#owner.outputWaits(this);
  }

  completed(entry: Outstanding, zxid: Zxid, result: ApplyResult): void {
    if (entry.work.kind === 'write') entry.work.outcome = { zxid, result };
    this.proceed();
  }

  synced(entry: Outstanding, zxid: Zxid): void {
    if (entry.work.kind === 'sync') entry.work.confirmed = zxid;
    this.proceed();
  }

  /** Writes everything put so far to the socket, in one go. */
  flush(): void {
    if (this.#state === 'closed') return;
    if (this.out.length > 0) {
      const { flow, limits } = this.#owner;
      const held = flow.clogged || this.out.length > limits.connectionOutputBytesMax;
      this.#socket.write(this.out.view());
      this.out = new ByteWriter();
      if (this.#socket.writableNeedDrain || this.#unsentBytes > 0) this.#countOutput();
      // What the system took at once is followed by no event; requests held back for it go on here.
      if (held && this.writable) this.proceed();
    }
    if (this.#state === 'closing') this.#socket.end(() => this.#socket.destroy());
  }

  hand(entry: Outstanding): void {
    this.#owner.hand(this, entry);
  }

  answered(entry: Outstanding, watch: WatchName | undefined): void {
    this.#wrote();
    const nowMs = this.#owner.now();
    this.traffic.answered(nowMs - entry.receivedMs);
    if (entry.xid >= 0) this.#lastXid = entry.xid;
    this.#lastOp = opName(entry.op);
    this.#lastZxid = this.tree.lastApplied;
    this.#lastAnswerMs = nowMs;
    this.#owner.answered(entry);
    if (watch === undefined || entry.work.kind !== 'read') return;
    const { read } = entry.work;
    if ('path' in read) this.#owner.watchSet(this, watch, read.path);
  }

  notify(event: WatcherEvent, zxid: Zxid, acl?: AccessList): void {
    if (this.#state !== 'open') return;
    if (acl !== undefined && !allows(acl, Perm.read, this.#identities)) return;
    putNotification(this.out, event);
    this.#wrote();
    this.#owner.watchFired(this, event, zxid);
    // Events cannot be held back as replies are, so a client that takes none must not keep them all.
    const waiting = this.out.length + this.#socket.writableLength;
    if (waiting > this.#owner.limits.connectionOutputBytesMax * OUTPUT_EXCESS) {
      this.close(`too slow a reader: ${waiting} bytes wait for it`);
    }
  }

  #wrote(): void {
    this.traffic.sent++;
    // Much said in one turn counts before the turn is over, or a thousand clients could each be told it.
    if (this.out.length > COUNTED_FROM_BYTES) this.#countOutput();
    this.#owner.outputWaits(this);
  }

  #limitTime(reason: string): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.close(reason), this.#owner.patienceMs);
  }

  #end(reason?: string): void {
    const before = this.#state;
    clearTimeout(this.#timer);
    this.#state = 'closed';
    this.#countOutput();
    if (before === 'closed' || before === 'closing') return;
    this.#parked.length = 0;
    this.#countRequests();
    this.#owner.ended(this, this.#pipeline.end(), reason);
  }

  #onData(chunk: Buffer): void {
    if (this.#state === 'closed' || this.#state === 'closing') return;
    const data = this.#state === 'fresh' ? this.#pastWord(chunk) : chunk;
    if (data === null) return;
    this.#guarded(() => {
      this.#pipeline.advance();
      this.#splitter.feed(data, (body) => {
        if (this.#stalled()) this.#parked.push(body);
        else this.#frame(body);
        return this.#state !== 'closed' && this.#state !== 'closing';
      });
    });
    this.#countRequests();
    if (this.#parked.length > 0) this.#leave();
  }

  /** Leaves the socket unread until frames that wait are taken. */
  #leave(): void {
    this.#socket.pause();
    if (this.#owner.flow.full) this.#owner.flow.leftWaiting(this);
  }

  /** Answers a four-letter word; otherwise gives back what came so far once it is long enough. */
  #pastWord(chunk: Buffer): Buffer | null {
    if (this.#splitter.pendingBytes > 0) return chunk;
    const data = this.#prelude === null ? chunk : Buffer.concat([this.#prelude, chunk]);
    this.#prelude = data;
    if (data.length < WORD_BYTES) return null;
    const word = data.toString('latin1', 0, WORD_BYTES);
    const isWord = isFourLetterWord(word);
    if (isWord && data.length < wordBytes(word)) return null;
    this.#prelude = null;
    if (!isWord) return data;
    this.out.utf8(this.#owner.answerWord(data));
    this.finish();
    return null;
  }

  #stalled(): boolean {
    return this.#parked.length > 0 || this.#state === 'connecting' || this.#full();
  }

  /** Whether no further request can be taken now; one that has none under way may have one. */
  #full(): boolean {
    const { size } = this.#pipeline;
    return (
      size >= this.#owner.limits.connectionOutstandingMax ||
      (size > 0 && this.#owner.flow.busy) ||
      !this.writable
    );
  }

  /** Answers what is ready, then takes the frames left waiting. */
  proceed(): void {
    if (this.#state !== 'open') return;
    this.#guarded(() => {
      this.#pipeline.advance();
      while (this.#parked.length > 0 && this.#state === 'open') {
        if (this.#full()) return;
        this.#frame(this.#parked.shift() as Buffer);
      }
    });
    this.#countRequests();
    if (this.#parked.length === 0) {
      if (this.#socket.isPaused()) this.#socket.resume();
    } else if (this.#owner.flow.full) this.#owner.flow.leftWaiting(this);
  }

  /** What a client sends wrong ends its own connection and nothing else. */
  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.close(`malformed: ${error.message}`);
    }
  }

  #frame(body: Buffer): void {
    this.traffic.received++;
    if (this.#state === 'fresh') {
      const request = readConnectRequest(body);
      this.#readOnlyByte = request.readOnly !== null;
      this.#state = 'connecting';
      this.#owner.connect(this, request);
      return;
    }
    this.#owner.touch(this.session);
    const reader = new ByteReader(body);
    const xid = reader.i32();
    const op = reader.i32();
    if (op === Op.ping) {
      putHeader(this.out, Xid.ping, this.tree.lastApplied, ErrorCode.Ok);
      this.#wrote();
    } else if (op === Op.auth) this.#authenticate(reader, xid);
    else {
      this.#pipeline.take(this.#outstanding(xid, op, reader));
      this.#countRequests();
    }
  }

  #outstanding(xid: number, op: number, reader: ByteReader): Outstanding {
    return {
      xid,
      op,
      receivedMs: this.#owner.now(),
      identities: this.#identities,
      work: this.#work(op, reader),
    };
  }

  #work(op: number, reader: ByteReader): Work {
    try {
      const work = decodeWork(op, reader);
      if (!this.#owner.readOnly) return work;
      if (op === Op.closeSession) this.#owner.forgetLocal(this.session);
      return withoutQuorum(op, work, this.session);
    } catch (error) {
      // As a write that the leader cannot decode: the answer takes its place in the order.
      if (!(error instanceof WireError)) throw error;
      this.#owner.refused(this, `malformed ${opName(op)}: ${error.message}`);
      return { kind: 'refusal', err: ErrorCode.MarshallingError };
    }
  }

  /** Takes effect for all requests that come after it; those before it keep what they had. */
  #authenticate(reader: ByteReader, xid: number): void {
    const { scheme, auth } = AuthPacket.read(reader);
    const outcome = authenticate(this.#identities, scheme, auth, this.#owner.superDigest);
    putHeader(this.out, xid, 0, outcome.ok ? ErrorCode.Ok : ErrorCode.AuthFailed);
    this.#wrote();
    if (outcome.ok) this.#identities = outcome.identities;
    else this.finish(`authentication failed: ${outcome.reason}`);
  }
}
