// The broker's face to clients and other brokers: listens, understands requests, and has each answered by the
// handler of its API. What it cannot understand closes that one connection, with a reason in log and events.
import { createServer, type Server, type Socket } from 'node:net';
import {
  APIS,
  type ApiName,
  apiKeysOf,
  type RequestBody,
  type ResponseInput,
  type VersionRanges,
} from '../../wire/kafka/apis.ts';
import { ERROR_CODES } from '../../wire/kafka/error-codes.ts';
import { decodeRequest, encodeResponse, type Request } from '../../wire/kafka/protocol.ts';
import { BoundedLog, printable } from '../../wire/server-log.ts';
import type { EventSink } from '../contract.ts';
import { AnswerBudget } from './answer-budget.ts';
import {
  Connection,
  type ConnectionLimits,
  type ConnectionOwner,
  type Work,
} from './connection.ts';
import { type Caller, CloseConnection, type Handling, type Handlings } from './handling.ts';

const BACKLOG = 1024;
/** Longest frame of a request that carries no records: each byte of it may cost many in memory. */
export const PLAIN_FRAME_BYTES_MAX = 8 * 1024 * 1024;
const IDLE_CHECK_MS_MAX = 30_000;

/** A door: its name and where it listens. */
export interface Listener {
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

export interface FrontConfig {
  readonly listeners: readonly Listener[];
  /** Name of the listener that brokers use among themselves. */
  readonly internalListener: string;
  /** `max.connections` */
  readonly connectionsMax: number;
  /** `max.connections.per.ip` */
  readonly connectionsPerAddressMax: number;
  /** `connections.max.idle.ms` */
  readonly idleMsMax: number;
  /** `queued.max.response.bytes`: answers that are built or wait for their readers, of all connections. */
  readonly answerBytesMax: number;
  /** What a consumer gets of them at least when its turn comes, bytes. */
  readonly turnBytes: number;
  /** While consumers wait for their turn, who takes nothing of its answers for so long is closed. */
  readonly stalledMsMax: number;
  /** Answers of all connections that wait for their readers, bytes; above it the slowest is closed. */
  readonly unsentBytesMax: number;
  readonly limits: ConnectionLimits;
}

export interface FrontParts {
  readonly config: FrontConfig;
  readonly handlings: Handlings;
  readonly events: EventSink;
  readonly log: (line: string) => void;
  /** Called with what no handler should have thrown. */
  readonly failed: (error: Error) => void;
}

export class BrokerFront implements ConnectionOwner {
  readonly budget: AnswerBudget;
  readonly #parts: FrontParts;
  readonly #servers: Server[] = [];
  readonly #connections = new Set<Connection>();
  /** Those whose clients have not taken all that was sent. */
  readonly #lagging = new Set<Connection>();
  #idleCheck: NodeJS.Timeout | undefined;
  #stalledCheck: NodeJS.Timeout | undefined;
  readonly #perAddress = new Map<string, number>();
  readonly #log: BoundedLog;
  readonly #clientSpoken: VersionRanges;
  readonly #brokerSpoken: VersionRanges;
  #closing = false;

  constructor(parts: FrontParts) {
    this.#parts = parts;
    const { answerBytesMax: bytesMax, turnBytes } = parts.config;
    this.budget = new AnswerBudget({ bytesMax, turnBytes, short: () => this.#awaitTaking() });
    this.#log = new BoundedLog(parts.log, () => performance.now());
    const handlings: Handlings = { ...parts.handlings, ApiVersions: this.#apiVersions() };
    this.#handlings = handlings;
    const all = Object.entries(handlings) as [ApiName, Handling<ApiName>][];
    this.#brokerSpoken = rangesOf(all);
    this.#clientSpoken = rangesOf(all.filter(([, { internalOnly }]) => internalOnly !== true));
  }

  readonly #handlings: Handlings;

  /** Opens every listener; resolves with the ports taken, by listener. Rejects with the system's error. */
  async listen(): Promise<ReadonlyMap<string, number>> {
    const ports = new Map<string, number>();
    const checkMs = Math.min(Math.ceil(this.#parts.config.idleMsMax / 2), IDLE_CHECK_MS_MAX);
    this.#idleCheck = setInterval(() => this.#closeIdle(), checkMs);
    for (const { name, host, port } of this.#parts.config.listeners) {
      const server = createServer((socket) => this.#accept(socket, name));
      this.#servers.push(server);
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen({ port, host, backlog: BACKLOG }, () => {
          server.removeListener('error', reject);
          resolve();
        });
      });
      const address = server.address();
      ports.set(name, typeof address === 'object' && address !== null ? address.port : port);
    }
    return ports;
  }

  /** Closes every connection and stops listening. */
  async close(): Promise<void> {
    this.#closing = true;
    clearInterval(this.#idleCheck);
    clearTimeout(this.#stalledCheck);
    const closed = this.#servers.map(
      (server) => new Promise<void>((resolve) => server.close(() => resolve())),
    );
    for (const connection of [...this.#connections]) connection.close('the broker is stopping');
    await Promise.all(closed);
  }

  #accept(socket: Socket, listener: string): void {
    const { limits, connectionsMax, connectionsPerAddressMax } = this.#parts.config;
    const address = socket.remoteAddress ?? '';
    const fromAddress = this.#perAddress.get(address) ?? 0;
    const full = this.#connections.size >= connectionsMax;
    if (this.#closing || full || fromAddress >= connectionsPerAddressMax) {
      socket.on('error', () => {});
      socket.destroy();
      const limit = full
        ? `max.connections ${connectionsMax}`
        : `max.connections.per.ip ${connectionsPerAddressMax}`;
      this.#told(address, `refused: ${this.#closing ? 'the broker is stopping' : limit}`);
      return;
    }
    this.#perAddress.set(address, fromAddress + 1);
    this.#connections.add(new Connection(socket, listener, this, limits));
  }

  #closeIdle(): void {
    const nowMs = performance.now();
    const { idleMsMax } = this.#parts.config;
    for (const connection of [...this.#connections]) {
      if (connection.idleMs(nowMs) < idleMsMax) continue;
      connection.close(`idle for longer than connections.max.idle.ms ${idleMsMax}`);
    }
  }

  /** Looks after those that keep others waiting, as long as somebody waits. */
  #awaitTaking(): void {
    if (this.#stalledCheck !== undefined || this.#closing) return;
    this.#stalledCheck = setTimeout(
      () => {
        this.#stalledCheck = undefined;
        this.#closeStalled();
        if (this.budget.waiting > 0) this.#awaitTaking();
      },
      Math.ceil(this.#parts.config.stalledMsMax / 2),
    );
  }

  #closeStalled(): void {
    const nowMs = performance.now();
    const { stalledMsMax, answerBytesMax } = this.#parts.config;
    for (const connection of [...this.#lagging]) {
      if (this.budget.waiting === 0) return;
      if (connection.stalledMs(nowMs) < stalledMsMax) continue;
      connection.close(
        `took nothing of ${connection.unsentBytes} bytes of answers for ${stalledMsMax} ms while ` +
          `others wait for room in queued.max.response.bytes ${answerBytesMax}`,
      );
    }
  }

  lags(connection: Connection, lagging: boolean): void {
    if (!lagging) {
      this.#lagging.delete(connection);
      return;
    }
    this.#lagging.add(connection);
    const { unsentBytesMax } = this.#parts.config;
    let unsent = 0;
    let slowest = connection;
    for (const each of this.#lagging) {
      unsent += each.unsentBytes;
      if (each.unsentBytes > slowest.unsentBytes) slowest = each;
    }
    if (unsent <= unsentBytesMax) return;
    slowest.close(
      `expected at most ${unsentBytesMax} bytes of answers that nobody reads, got ${unsent}, most of them here`,
    );
  }

  closed(connection: Connection, reason: string): void {
    this.#lagging.delete(connection);
    if (!this.#connections.delete(connection)) return;
    const left = (this.#perAddress.get(connection.host) ?? 1) - 1;
    if (left > 0) this.#perAddress.set(connection.host, left);
    else this.#perAddress.delete(connection.host);
    if (reason !== 'the client closed it') this.#told(connection.client, reason);
  }

  #told(client: string, reason: string): void {
    const text = printable(reason);
    this.#parts.events.emit({ ev: 'connectionClosed', reason: text, client });
    this.#log.line(`connection of ${client} closed: ${text}`);
  }

  flushEvents(): void {
    this.#parts.events.flush();
  }

  understand(frame: Buffer, connection: Connection): Work {
    const plain = frame.length < 2 || frame.readInt16BE(0) !== APIS.Produce.key;
    if (plain && frame.length > PLAIN_FRAME_BYTES_MAX) {
      throw new Error(
        `expected at most ${PLAIN_FRAME_BYTES_MAX} bytes of a request without records, got ${frame.length}`,
      );
    }
    const internal = connection.listener === this.#parts.config.internalListener;
    const spoken = internal ? this.#brokerSpoken : this.#clientSpoken;
    const request = decodeRequest(frame, spoken);
    if (request.kind === 'unknown-api') {
      const { apiKey, version } = request;
      throw new Error(`expected an API that is offered here, got key ${apiKey} version ${version}`);
    }
    if (request.kind === 'unsupported-version') {
      const { api, version, correlationId } = request;
      if (api !== 'ApiVersions') {
        const range = spoken[api];
        throw new Error(
          `expected ${api} of version ${range?.min} to ${range?.max}, got version ${version}`,
        );
      }
      // Whoever asks cannot know better yet, and reads at least version 0 (KIP-511).
      const errorCode = ERROR_CODES.UNSUPPORTED_VERSION;
      const body = { errorCode, apiKeys: apiKeysOf(spoken) };
      const answer = encodeResponse('ApiVersions', 0, correlationId, body);
      return { overlaps: false, run: () => Promise.resolve(answer) };
    }
    const caller: Caller = {
      version: request.version,
      clientId: request.clientId ?? '',
      clientHost: connection.host,
      listener: connection.listener,
      internal,
      room: connection.share,
    };
    return { overlaps: request.api === 'Produce', run: () => this.#run(request, caller) };
  }

  async #run(request: Request, caller: Caller): Promise<Buffer | undefined> {
    const { api, version, correlationId } = request;
    const handling = this.#handlings[api] as Handling<ApiName>;
    try {
      const body = await handling.handle(request.body as RequestBody<ApiName>, caller);
      if (body === undefined) return undefined;
      return encodeResponse(api, version, correlationId, body as ResponseInput<ApiName>);
    } catch (error) {
      if (error instanceof CloseConnection) throw error;
      this.#parts.failed(error as Error);
      throw new Error(`${api} version ${version} failed: ${(error as Error).message}`);
    }
  }

  #apiVersions(): Handling<'ApiVersions'> {
    return {
      versions: { min: 0, max: 3 },
      handle: (_body, { internal }) => ({
        errorCode: 0,
        apiKeys: apiKeysOf(internal ? this.#brokerSpoken : this.#clientSpoken),
      }),
    };
  }
}

function rangesOf(handlings: readonly (readonly [ApiName, Handling<ApiName>])[]): VersionRanges {
  return Object.fromEntries(handlings.map(([api, { versions }]) => [api, versions]));
}
