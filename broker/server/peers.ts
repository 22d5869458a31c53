// Requests to other brokers on the internal listener: one connection for each broker and purpose, so that a
// fetch that waits holds up nothing else. Nothing is tried again here: who asked knows whether it still wants to.
import { createConnection, type Socket } from 'node:net';
import { FrameSplitter } from '../../wire/frames.ts';
import type { ApiName, RequestInput, ResponseBody } from '../../wire/kafka/apis.ts';
import { correlationIdOf, decodeResponse, encodeRequest } from '../../wire/kafka/protocol.ts';
import type { EventSink, Metadata, Peers } from '../contract.ts';

export interface PeersParts {
  readonly metadata: Metadata;
  readonly events: EventSink;
  /** `inter.broker.listener.name` */
  readonly listener: string;
  readonly clientId: string;
  readonly frameBytesMax: number;
  /** Where a call says nothing else (`request.timeout.ms`). */
  readonly timeoutMs: number;
}

/** Pauses after a connection failed, ms: they double up to the last. */
const BACKOFF_MS = { first: 20, last: 500 } as const;
/** Requests of one connection that wait for answers. */
const WAITING_MAX = 1_000;

/** Thrown when another broker did not answer; whether it did what was asked is not known. */
export class PeerError extends Error {
  override name = 'PeerError';
}

interface Waiting {
  readonly take: (frame: Buffer) => void;
  readonly fail: (error: Error) => void;
}

/** One connection; it is closed for good at its first fault. */
class PeerConnection {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  readonly #events: EventSink;
  #nextId = 0;
  #failure: Error | undefined;
  readonly #ended: (deliberate: boolean) => void;

  constructor(
    address: { host: string; port: number },
    parts: PeersParts,
    told: { connected: () => void; ended: (deliberate: boolean) => void },
  ) {
    this.#events = parts.events;
    this.#ended = told.ended;
    const splitter = new FrameSplitter(parts.frameBytesMax);
    this.#socket = createConnection({ ...address, noDelay: true });
    this.#socket.on('connect', told.connected);
    this.#socket.on('error', (error) => this.fail(error));
    this.#socket.on('close', () => this.fail(new Error('the broker closed the connection')));
    this.#socket.on('data', (chunk) => {
      try {
        splitter.feed(chunk, (frame) => this.#take(frame));
      } catch (error) {
        this.fail(error as Error);
      }
    });
  }

  #take(frame: Buffer): undefined {
    const id = correlationIdOf(frame);
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.take(frame);
  }

  /** Ends it for everybody who waits; deliberate: not because of the other side. */
  fail(error: Error, deliberate = false): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#socket.destroy();
    this.#ended(deliberate);
    for (const { fail } of this.#waiting.values()) fail(error);
    this.#waiting.clear();
  }

  /** Sends a request; resolves with the frame of its answer. */
  ask(
    encode: (correlationId: number) => Buffer,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Buffer> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (signal?.aborted === true) return Promise.reject(new Error('it was given up'));
    if (this.#waiting.size >= WAITING_MAX)
      return Promise.reject(new Error(`expected at most ${WAITING_MAX} requests under way`));
    const id = this.#nextId;
    this.#nextId = (id + 1) & 0x7fff_ffff;
    const request = encode(id);
    return new Promise((resolve, reject) => {
      const over = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', aborted);
      };
      // Answers come in order, so whatever is behind a late one is late as well.
      const timer = setTimeout(
        () => this.fail(new Error(`no answer within ${timeoutMs} ms`)),
        timeoutMs,
      );
      const aborted = (): void => this.fail(new Error('it was given up'), true);
      signal?.addEventListener('abort', aborted, { once: true });
      this.#waiting.set(id, {
        take: (frame) => {
          over();
          resolve(frame);
        },
        fail: (error) => {
          over();
          reject(error);
        },
      });
      this.#events.flush();
      this.#socket.write(request);
    });
  }
}

interface Line {
  connection: PeerConnection | undefined;
  readonly address: string;
  failures: number;
  notBeforeMs: number;
}

/** Connections to the other brokers. */
export class BrokerPeers implements Peers {
  readonly #parts: PeersParts;
  readonly #lines = new Map<string, Line>();
  #closed = false;

  constructor(parts: PeersParts) {
    this.#parts = parts;
  }

  /** Rejects with PeerError when the broker is not known, cannot be reached or does not answer in time. */
  async call<A extends ApiName>(
    broker: number,
    api: A,
    version: number,
    body: RequestInput<A>,
    options: { readonly timeoutMs?: number; readonly signal?: AbortSignal } = {},
  ): Promise<ResponseBody<A>> {
    const { clientId, timeoutMs } = this.#parts;
    try {
      const connection = this.#connect(broker, api);
      const frame = await connection.ask(
        (correlationId) => encodeRequest(api, { version, correlationId, clientId }, body),
        options.timeoutMs ?? timeoutMs,
        options.signal,
      );
      return decodeResponse(api, version, frame);
    } catch (error) {
      throw new PeerError(`${api} to broker ${broker}: ${(error as Error).message}`);
    }
  }

  #connect(broker: number, api: ApiName): PeerConnection {
    const { metadata, listener } = this.#parts;
    const endpoint = metadata.image.brokers.get(broker)?.endpoints[listener];
    if (this.#closed) throw new Error('this broker is stopping');
    if (endpoint === undefined)
      throw new Error(`it is not registered with an endpoint of listener ${listener}`);
    const key = `${broker} ${api}`;
    const address = `${endpoint.host}:${endpoint.port}`;
    const before = this.#lines.get(key);
    // A broker that came back elsewhere is another one.
    if (before !== undefined && before.address !== address)
      before.connection?.fail(new Error(`it moved to ${address}`));
    let line = before?.address === address ? before : undefined;
    if (line === undefined) {
      line = { connection: undefined, address, failures: 0, notBeforeMs: 0 };
      this.#lines.set(key, line);
    }
    if (line.connection !== undefined) return line.connection;
    const waitMs = line.notBeforeMs - performance.now();
    if (waitMs > 0)
      throw new Error(`it could not be reached; next attempt in ${Math.ceil(waitMs)} ms`);
    line.connection = this.#open(line, endpoint);
    return line.connection;
  }

  #open(line: Line, endpoint: { host: string; port: number }): PeerConnection {
    return new PeerConnection(endpoint, this.#parts, {
      connected: () => {
        line.failures = 0;
      },
      ended: (deliberate) => {
        line.connection = undefined;
        if (deliberate) return;
        const pauseMs = Math.min(BACKOFF_MS.last, BACKOFF_MS.first * 2 ** line.failures);
        line.failures += 1;
        line.notBeforeMs = performance.now() + pauseMs;
      },
    });
  }

  /** Closes every connection. */
  close(): void {
    this.#closed = true;
    for (const { connection } of this.#lines.values())
      connection?.fail(new Error('this broker is stopping'));
    this.#lines.clear();
  }
}
