// One client's connection: frames in, responses out in the order of the requests. As in Kafka a request waits for
// those before it, only Produce requests overlap: each waits for replicas, and order is fixed when it is begun.
import type { Socket } from 'node:net';
import { FrameSplitter } from '../../wire/frames.ts';
import { type AnswerBudget, AnswerShare } from './answer-budget.ts';

/** A longer answer is handed to the socket in parts, so that it can be seen whether its client takes any. */
const WRITE_BYTES = 256 * 1024;

export interface ConnectionLimits {
  /** `socket.request.max.bytes` */
  readonly frameBytesMax: number;
  /** Requests that were read and not begun; above it the socket is not read. */
  readonly queuedMax: number;
  /** Bytes of them. */
  readonly queuedBytesMax: number;
  /** Produce requests under way at once. */
  readonly overlapMax: number;
}

/** A request as the front understood it. */
export interface Work {
  /** It may be begun while others of its kind wait for their answers. */
  readonly overlaps: boolean;
  /** Answers; undefined: there is none. A rejection closes the connection. */
  readonly run: () => Promise<Buffer | undefined>;
}

/** What a connection asks of the front. */
export interface ConnectionOwner {
  /** Understands a frame; throws what closes the connection. */
  readonly understand: (frame: Buffer, connection: Connection) => Work;
  /** Its client has not taken all that was sent, or has; until then nothing more of it is begun. */
  readonly lags: (connection: Connection, lagging: boolean) => void;
  /** Called before bytes leave. */
  readonly flushEvents: () => void;
  readonly closed: (connection: Connection, reason: string) => void;
  readonly budget: AnswerBudget;
}

/** A connection's request that is under way; its answer waits for those before it. */
interface Begun {
  readonly overlaps: boolean;
  done: boolean;
  answer: Buffer | undefined;
}

/** An answer that is not wholly with the socket yet. */
interface Unsent {
  readonly bytes: Buffer;
  /** How much of it is. */
  at: number;
}

export class Connection {
  /** Of the memory for answers; one fetch at a time is under way here. */
  readonly share: AnswerShare;
  readonly listener: string;
  readonly client: string;
  readonly host: string;
  readonly #socket: Socket;
  readonly #owner: ConnectionOwner;
  readonly #limits: ConnectionLimits;
  readonly #splitter: FrameSplitter;
  readonly #queued: Buffer[] = [];
  #queuedBytes = 0;
  /** The first of the queue, understood but not begun. */
  #next: Work | undefined;
  readonly #begun: Begun[] = [];
  readonly #unsent: Unsent[] = [];
  #unsentBytes = 0;
  #closed = false;
  #blocked = false;
  /** When bytes came or went last. */
  #activeMs = performance.now();
  /** When its client took the last part of what it was sent, or was sent the first. */
  #takenMs = this.#activeMs;

  constructor(socket: Socket, listener: string, owner: ConnectionOwner, limits: ConnectionLimits) {
    this.#socket = socket;
    this.#owner = owner;
    this.#limits = limits;
    this.share = new AnswerShare(owner.budget);
    this.listener = listener;
    this.host = socket.remoteAddress ?? '';
    this.client = `${this.host}:${socket.remotePort ?? 0}`;
    this.#splitter = new FrameSplitter(limits.frameBytesMax);
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('drain', () => {
      this.#activeMs = performance.now();
      this.#takenMs = this.#activeMs;
      this.#send();
      if (this.#blocked) return;
      this.#owner.lags(this, false);
      this.#advance();
    });
    socket.on('error', (error) => this.close(error.message));
    socket.on('close', () => this.close('the client closed it'));
  }

  /** Bytes of answers that its client has not taken yet. */
  get unsentBytes(): number {
    return this.#unsentBytes;
  }

  /** How long its client has taken nothing of what waits for it, ms; 0 while nothing does. */
  stalledMs(nowMs: number): number {
    return this.#blocked ? nowMs - this.#takenMs : 0;
  }

  /** How long nothing came and nothing went, ms; 0 while a request of it is under way. */
  idleMs(nowMs: number): number {
    return this.#begun.length > 0 && !this.#blocked ? 0 : nowMs - this.#activeMs;
  }

  /** Ends it. The reason is told to the front once. */
  close(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#queued.length = 0;
    this.#unsent.length = 0;
    this.share.end();
    this.#socket.destroy();
    this.#owner.closed(this, reason);
  }

  #read(chunk: Buffer): void {
    if (this.#closed) return;
    this.#activeMs = performance.now();
    try {
      this.#splitter.feed(chunk, (frame) => {
        this.#queued.push(frame);
        this.#queuedBytes += frame.length;
        return undefined;
      });
    } catch (error) {
      this.close((error as Error).message);
      return;
    }
    this.#advance();
  }

  /** Begins what may begin, and reads on only while little waits. */
  #advance(): void {
    while (!this.#closed && !this.#blocked) {
      const work = this.#next ?? this.#understand();
      if (work === undefined) break;
      this.#next = work;
      const { length } = this.#begun;
      const overlapping = work.overlaps && this.#begun.every(({ overlaps }) => overlaps);
      if (length > 0 && (!overlapping || length >= this.#limits.overlapMax)) break;
      this.#next = undefined;
      this.#begin(work);
    }
    if (this.#closed) return;
    const { queuedMax, queuedBytesMax } = this.#limits;
    const full = this.#queued.length >= queuedMax || this.#queuedBytes >= queuedBytesMax;
    if (full || this.#blocked) this.#socket.pause();
    else if (this.#socket.isPaused()) this.#socket.resume();
  }

  #understand(): Work | undefined {
    const frame = this.#queued.shift();
    if (frame === undefined) return undefined;
    this.#queuedBytes -= frame.length;
    try {
      return this.#owner.understand(frame, this);
    } catch (error) {
      this.close((error as Error).message);
      return undefined;
    }
  }

  #begin(work: Work): void {
    const begun: Begun = { overlaps: work.overlaps, done: false, answer: undefined };
    this.#begun.push(begun);
    work.run().then(
      (answer) => {
        begun.done = true;
        begun.answer = answer;
        this.#answer();
        this.#advance();
      },
      (error: Error) => this.close(error.message),
    );
  }

  /** Sends the answers at the head that are there. */
  #answer(): void {
    if (this.#closed) return;
    while (this.#begun[0]?.done === true) {
      const { answer } = this.#begun.shift() as Begun;
      if (answer === undefined) continue;
      this.#owner.flushEvents();
      this.#activeMs = performance.now();
      if (!this.#blocked) this.#takenMs = this.#activeMs;
      this.#unsentBytes += answer.length;
      this.#unsent.push({ bytes: answer, at: 0 });
      this.#send();
    }
    // Before what was built is given back, so that nobody else gets it in between.
    this.share.unsent(this.#unsentBytes);
    this.share.built(0);
    if (this.#blocked) this.#owner.lags(this, true);
  }

  /** Hands the socket as much as it takes. An answer counts until all of it is with the system. */
  #send(): void {
    while (!this.#socket.writableNeedDrain) {
      const [first] = this.#unsent;
      if (first === undefined) break;
      const { bytes, at } = first;
      first.at += WRITE_BYTES;
      const part = bytes.subarray(at, first.at);
      if (first.at < bytes.length) this.#socket.write(part);
      else {
        this.#unsent.shift();
        this.#socket.write(part, () => this.#sent(bytes.length));
      }
    }
    this.#blocked = this.#unsent.length > 0 || this.#socket.writableNeedDrain;
  }

  #sent(bytes: number): void {
    this.#unsentBytes -= bytes;
    if (!this.#closed) this.share.unsent(this.#unsentBytes);
  }
}
