// One connection to one broker: requests go out with correlation ids and their answers find them again. At its
// first fault it is closed for good, and everybody who waits is told whether his request had left.
import { createConnection, type Socket } from 'node:net';
import { FrameSplitter } from '../../wire/frames.ts';
import type { ApiName, RequestInput, ResponseBody } from '../../wire/kafka/apis.ts';
import { correlationIdOf, decodeResponse, encodeRequest } from '../../wire/kafka/protocol.ts';
import { BrokerError, type BrokerErrorName } from './errors.ts';

const FRAME_BYTES_MAX = 64 * 1024 * 1024;
/** Requests that wait for answers at once. */
const WAITING_MAX = 100;
const ID_MAX = 0x7fff_ffff;

/** Where a broker listens. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** The highest version of each API that Kafka 2.4 to 4 and our brokers share and this client needs. */
export const VERSIONS = {
  Produce: 7,
  Fetch: 11,
  ListOffsets: 5,
  Metadata: 8,
  OffsetCommit: 7,
  OffsetFetch: 5,
  FindCoordinator: 2,
  JoinGroup: 5,
  SyncGroup: 3,
  Heartbeat: 3,
  LeaveGroup: 3,
  CreateTopics: 4,
  InitProducerId: 1,
} as const satisfies Partial<Record<ApiName, number>>;

/** What this client asks. */
export type Asked = keyof typeof VERSIONS;

interface Waiting {
  readonly take: (frame: Buffer) => void;
  readonly fail: (error: BrokerError) => void;
}

export class Channel {
  readonly #socket: Socket;
  readonly #clientId: string;
  readonly #name: string;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #connected = false;
  #failure: BrokerError | undefined;

  /** Begins to connect; requests wait for that. */
  constructor(endpoint: Endpoint, clientId: string) {
    this.#clientId = clientId;
    this.#name = `${endpoint.host}:${endpoint.port}`;
    const splitter = new FrameSplitter(FRAME_BYTES_MAX);
    this.#socket = createConnection({ ...endpoint, noDelay: true });
    this.#socket.on('connect', () => {
      this.#connected = true;
    });
    this.#socket.on('error', (error) => this.#fail('ConnectionLoss', error.message));
    this.#socket.on('close', () => this.#fail('ConnectionLoss', 'the connection was closed'));
    this.#socket.on('data', (chunk) => {
      try {
        splitter.feed(chunk, (frame) => this.#take(frame));
      } catch (error) {
        this.#fail('ConnectionLoss', (error as Error).message);
      }
    });
  }

  /** Whether it can be asked still. */
  get open(): boolean {
    return this.#failure === undefined;
  }

  #take(frame: Buffer): undefined {
    const id = correlationIdOf(frame);
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.take(frame);
  }

  #fail(name: BrokerErrorName, why: string): void {
    if (this.#failure !== undefined) return;
    // What was written before the connection stood lies in a buffer that goes with the socket.
    const how = { sent: this.#connected, answered: false, silent: this.#name };
    this.#failure = new BrokerError(name, `${this.#name}: ${why}`, how);
    this.#socket.destroy();
    for (const { fail } of this.#waiting.values()) fail(this.#failure);
    this.#waiting.clear();
  }

  /**
   * One attempt. Rejects with BrokerError when there is no answer within `timeoutMs`, which ends the
   * connection, since what comes behind a late answer is late as well. Errors in the answer are the caller's.
   */
  ask<N extends Asked>(api: N, body: RequestInput<N>, timeoutMs: number): Promise<ResponseBody<N>> {
    const refuse = (why: string): Promise<never> =>
      Promise.reject(
        new BrokerError('ConnectionLoss', `${this.#name}: ${why}`, {
          sent: false,
          answered: false,
          silent: this.#name,
        }),
      );
    if (this.#failure !== undefined) return refuse(this.#failure.message);
    if (this.#waiting.size >= WAITING_MAX)
      return refuse(`expected at most ${WAITING_MAX} requests under way`);
    const version = VERSIONS[api];
    const correlationId = this.#nextId;
    this.#nextId = correlationId === ID_MAX ? 1 : correlationId + 1;
    const request = encodeRequest(api, { version, correlationId, clientId: this.#clientId }, body);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => this.#fail('Timeout', `no answer to ${api} within ${timeoutMs} ms`),
        timeoutMs,
      );
      this.#waiting.set(correlationId, {
        take: (frame) => {
          clearTimeout(timer);
          try {
            resolve(decodeResponse(api, version, frame));
          } catch (error) {
            const why = `${this.#name}: ${(error as Error).message}`;
            const how = { sent: true, answered: false, silent: this.#name };
            reject(new BrokerError('ConnectionLoss', why, how));
          }
        },
        fail: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
      this.#socket.write(request);
    });
  }

  /** Ends the connection; whoever waits is told that it was lost. */
  close(): void {
    this.#fail('ConnectionLoss', 'closed by its owner');
  }
}
