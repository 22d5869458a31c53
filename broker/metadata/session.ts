// A broker's sessions with the coordinator, one after the other: the client connects again by itself, and
// after its session ended there is a new client. All that hangs on a session is told of both.
import {
  type ClientOptions,
  CoordinatorClient,
  type SessionState,
} from '../../coordinator/client/index.ts';
import type { EventSink } from '../contract.ts';

export interface SessionOptions {
  /** Connect string or addresses of the coordinator's servers. */
  readonly coordinator: ClientOptions['servers'];
  /** Wanted session timeout, ms. Default 6000 (`zookeeper.session.timeout.ms` has 18,000). */
  readonly sessionTimeoutMs?: number;
  /** Longest time for one operation, ms. Default: the client's. */
  readonly operationTimeoutMs?: number;
  /** Pause before something that failed is tried again, ms. Default 100. */
  readonly retryPauseMs?: number;
}

const RETRY_PAUSE_MS = 100;
const SESSION_TIMEOUT_MS = 6000;

export class CoordinatorSession {
  readonly #options: SessionOptions;
  readonly #events: EventSink;
  readonly #connected: ((client: CoordinatorClient) => void)[] = [];
  readonly #lost: (() => void)[] = [];
  readonly #pauses = new Set<() => void>();
  #client: CoordinatorClient;
  #closed = false;

  constructor(options: SessionOptions, events: EventSink) {
    this.#options = options;
    this.#events = events;
    this.#client = this.#newClient();
  }

  /** The client of the newest session. */
  get client(): CoordinatorClient {
    return this.#client;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Told after every connection, the first of a session included. */
  onConnected(listener: (client: CoordinatorClient) => void): void {
    this.#connected.push(listener);
  }

  /** Told when a session has ended, before there is a new one. */
  onLost(listener: () => void): void {
    this.#lost.push(listener);
  }

  open(): void {
    // Failing is no end: the client goes on trying, and its state tells.
    this.#client.connect().catch(() => undefined);
  }

  /** Resolves after the pause between tries, or when the session is closed for good. */
  pause(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    return new Promise((resolve) => {
      const over = () => {
        clearTimeout(timer);
        this.#pauses.delete(over);
        resolve();
      };
      const timer = setTimeout(over, this.#options.retryPauseMs ?? RETRY_PAUSE_MS);
      this.#pauses.add(over);
    });
  }

  /** Ends the session, and with it all its ephemeral nodes, if the coordinator can be told. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const over of this.#pauses) over();
    await this.#client.close();
  }

  #newClient(): CoordinatorClient {
    const {
      coordinator,
      sessionTimeoutMs = SESSION_TIMEOUT_MS,
      operationTimeoutMs,
    } = this.#options;
    const options: ClientOptions = {
      servers: coordinator,
      sessionTimeoutMs,
      onState: (state) => this.#changed(client, state),
    };
    if (operationTimeoutMs !== undefined) options.operationTimeoutMs = operationTimeoutMs;
    const client: CoordinatorClient = new CoordinatorClient(options);
    return client;
  }

  #changed(client: CoordinatorClient, state: SessionState): void {
    if (this.#closed || client !== this.#client) return;
    if (state === 'connected') for (const each of this.#connected) each(client);
    if (state !== 'expired') return;
    this.#events.emit({ ev: 'sessionLost', session: client.sessionId.toString(16) });
    for (const each of this.#lost) each();
    this.#client = this.#newClient();
    this.open();
  }
}
