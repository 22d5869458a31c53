// A broker's sessions with the coordinator, one after the other: the client connects again by itself, and
// after its session ended there is a new client. All that hangs on a session is told of both. What a killed life
// of the broker left open is ended first, for its registration would stand in the way until it times out.
import {
  type ClientOptions,
  CoordinatorClient,
  CoordinatorError,
  type SessionKey,
  type SessionState,
} from '../../coordinator/client/index.ts';
import type { EventSink } from '../contract.ts';

/** Where the key of the newest session outlives the process. Nothing in it throws. */
export interface SessionMemory {
  /** The newest session of an earlier life; undefined: none is known. */
  recall(): SessionKey | undefined;
  keep(key: SessionKey): void;
  /** The session kept last is over. */
  forget(): void;
}

export interface SessionOptions {
  /** Connect string or addresses of the coordinator's servers. */
  readonly coordinator: ClientOptions['servers'];
  /** Wanted session timeout, ms. Default 6000 (`zookeeper.session.timeout.ms` has 18,000). */
  readonly sessionTimeoutMs?: number;
  /** Longest time for one operation, ms. Default: the client's. */
  readonly operationTimeoutMs?: number;
  /** Pause before something that failed is tried again, ms. Default 100. */
  readonly retryPauseMs?: number;
  /** Absent: what an earlier life left open ends by its timeout. */
  readonly memory?: SessionMemory;
}

const RETRY_PAUSE_MS = 100;
const SESSION_TIMEOUT_MS = 6000;
/** Every try begins the session's timeout anew: after these it is left to end by itself. */
const ENDING_TRIES_MAX = 3;

export class CoordinatorSession {
  readonly #options: SessionOptions;
  readonly #events: EventSink;
  readonly #connected: ((client: CoordinatorClient) => void)[] = [];
  readonly #lost: (() => void)[] = [];
  readonly #pauses = new Set<() => void>();
  #client: CoordinatorClient;
  /** Goes on with the session of an earlier life, to end it. */
  #ending: CoordinatorClient | undefined;
  #kept = 0n;
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

  /**
   * Ends what an earlier life left open, if its key is known, then asks for a session. Resolves when it has
   * asked; being told no, or nothing, is no end: the client goes on trying, and its state tells.
   */
  async open(): Promise<void> {
    const key = this.#options.memory?.recall();
    if (key !== undefined) await this.#endEarlier(key);
    if (!this.#closed) this.#connect();
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
    this.#ending?.abandon();
    if (await this.#client.close()) this.#options.memory?.forget();
  }

  #connect(): void {
    // Failing is no end: the client goes on trying, and its state tells.
    this.#client.connect().catch(() => undefined);
  }

  async #endEarlier(key: SessionKey): Promise<void> {
    const session = key.id.toString(16);
    for (let attempt = 0; attempt < ENDING_TRIES_MAX && !this.#closed; attempt++) {
      const ending = new CoordinatorClient({ ...this.#clientOptions(), earlier: key });
      this.#ending = ending;
      try {
        await ending.connect();
        if (!(await ending.close())) continue;
        this.#events.emit({ ev: 'earlierSessionEnded', session, outcome: 'closed' });
        return;
      } catch (error) {
        if (!(error instanceof CoordinatorError)) throw error;
        const outcome = error.name === 'SessionExpired' ? 'over' : 'unknown';
        this.#events.emit({ ev: 'earlierSessionEnded', session, outcome });
        return;
      } finally {
        ending.abandon();
        this.#ending = undefined;
      }
    }
    this.#events.emit({ ev: 'earlierSessionEnded', session, outcome: 'unknown' });
  }

  #clientOptions(): ClientOptions {
    const {
      coordinator,
      sessionTimeoutMs = SESSION_TIMEOUT_MS,
      operationTimeoutMs,
    } = this.#options;
    return {
      servers: coordinator,
      sessionTimeoutMs,
      ...(operationTimeoutMs === undefined ? {} : { operationTimeoutMs }),
    };
  }

  #newClient(): CoordinatorClient {
    const client: CoordinatorClient = new CoordinatorClient({
      ...this.#clientOptions(),
      onState: (state) => this.#changed(client, state),
    });
    return client;
  }

  #changed(client: CoordinatorClient, state: SessionState): void {
    if (this.#closed || client !== this.#client) return;
    if (state === 'connected') {
      this.#keep(client);
      for (const each of this.#connected) each(client);
    }
    if (state !== 'expired') return;
    this.#events.emit({ ev: 'sessionLost', session: client.sessionId.toString(16) });
    for (const each of this.#lost) each();
    this.#client = this.#newClient();
    this.#connect();
  }

  /** Before anything hangs on the session. */
  #keep({ sessionKey }: CoordinatorClient): void {
    if (sessionKey.id === this.#kept) return;
    this.#kept = sessionKey.id;
    this.#options.memory?.keep(sessionKey);
  }
}
