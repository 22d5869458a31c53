// A broker of one for tests: the real front, handlers and groups over logs in memory, and a raw client that
// sends frames as it likes. What it lacks is everything that needs a disk or a second broker.
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { FrameSplitter } from '../../wire/frames.ts';
import type { ApiName, RequestInput, ResponseBody } from '../../wire/kafka/apis.ts';
import { decodeResponse, encodeRequest } from '../../wire/kafka/protocol.ts';
import { GroupCoordinator } from '../groups/coordinator.ts';
import { MemoryMetadata, MemoryReplicas } from '../testing.ts';
import { BrokerFront, type FrontConfig } from './front.ts';
import { allHandlings } from './handlings.ts';

const BROKER = 1;

type Limits = Partial<FrontConfig['limits']>;
type Settings = Partial<Omit<FrontConfig, 'limits' | 'listeners'>> & { limits?: Limits };

export class LoneBroker {
  readonly events: Record<string, unknown>[] = [];
  readonly failures: Error[] = [];
  readonly replicas = new MemoryReplicas();
  readonly metadata: MemoryMetadata;
  readonly groups: GroupCoordinator;
  readonly front: BrokerFront;
  readonly #endpoints: Record<string, { host: string; port: number }> = {};
  readonly #clients: RawClient[] = [];
  /** Answers of the controller to ControlledShutdown. */
  shutdowns: [number, number][] = [];

  constructor({ limits, ...config }: Settings = {}) {
    const registered = { id: BROKER, epoch: 1, endpoints: this.#endpoints, lossy: false };
    const { replicas } = this;
    this.metadata = new MemoryMetadata(BROKER, replicas, new Map([[BROKER, registered]]));
    const { metadata } = this;
    const events = {
      detailed: true,
      emit: (event: Record<string, unknown>) => void this.events.push(event),
      flush: () => void this.events.push({ ev: 'flush' }),
    };
    const groupConfig = {
      minSessionTimeoutMs: 10,
      maxSessionTimeoutMs: 60_000,
      initialRebalanceDelayMs: 0,
      membersMax: 100,
      offsetMetadataBytesMax: 4096,
      storeTimeoutMs: 1_000,
    };
    let ids = 0;
    this.groups = new GroupCoordinator({
      brokerId: BROKER,
      replicas,
      metadata,
      events,
      config: groupConfig,
      wallMs: () => Date.now(),
      newId: () => `m${++ids}`,
      log: () => {},
    });
    const handlings = allHandlings({
      brokerId: BROKER,
      metadata,
      replicas,
      groups: this.groups,
      controller: {
        controlledShutdown: (broker, epoch) => {
          this.shutdowns.push([broker, epoch]);
          return Promise.resolve([{ topic: 't', partition: 3 }]);
        },
      },
      topicDefaults: {
        partitions: 2,
        replicationFactor: 1,
        autoCreate: true,
        offsetsPartitions: 4,
        offsetsReplicationFactor: 1,
        offsetsSettings: {},
      },
      answerBytesMax: 1_000_000,
      metadataBytesMax: 100,
      brokerSettings: new Map([['num.partitions', { value: '2', given: true }]]),
      topicSettings: new Map([['retention.ms', '1000']]),
      log: () => {},
    });
    this.front = new BrokerFront({
      config: {
        listeners: [
          { name: 'INTERNAL', host: '127.0.0.1', port: 0 },
          { name: 'EXTERNAL', host: '127.0.0.1', port: 0 },
        ],
        internalListener: 'INTERNAL',
        connectionsMax: 100,
        connectionsPerAddressMax: 100,
        idleMsMax: 600_000,
        answerBytesMax: 256 * 1024 * 1024,
        turnBytes: 1024 * 1024,
        stalledMsMax: 10_000,
        unsentBytesMax: 256 * 1024 * 1024,
        ...config,
        limits: {
          frameBytesMax: 1_000_000,
          queuedMax: 100,
          queuedBytesMax: 10_000_000,
          overlapMax: 16,
          ...limits,
        },
      },
      handlings,
      events,
      log: () => {},
      failed: (error) => void this.failures.push(error),
    });
  }

  async start(): Promise<this> {
    for (const [name, port] of await this.front.listen())
      this.#endpoints[name] = { host: '127.0.0.1', port };
    return this;
  }

  port(listener = 'EXTERNAL'): number {
    return this.#endpoints[listener]?.port ?? 0;
  }

  /** Connects a raw client; it is closed with the broker. */
  async connect(listener = 'EXTERNAL'): Promise<RawClient> {
    const socket = createConnection({ host: '127.0.0.1', port: this.port(listener) });
    await once(socket, 'connect');
    const client = new RawClient(socket);
    this.#clients.push(client);
    return client;
  }

  /** Why connections were closed, in order. */
  get reasons(): unknown[] {
    return this.events.filter(({ ev }) => ev === 'connectionClosed').map(({ reason }) => reason);
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.close();
    this.groups.close();
    await this.front.close();
  }
}

export class RawClient {
  readonly socket: Socket;
  readonly #frames: Buffer[] = [];
  readonly #waiting: ((frame: Buffer | undefined) => void)[] = [];
  #ended = false;

  constructor(socket: Socket) {
    this.socket = socket;
    const splitter = new FrameSplitter(100_000_000);
    socket.on('data', (chunk) => {
      splitter.feed(chunk, (frame) => {
        const waiting = this.#waiting.shift();
        if (waiting === undefined) this.#frames.push(frame);
        else waiting(frame);
        return undefined;
      });
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#ended = true;
      for (const waiting of this.#waiting.splice(0)) waiting(undefined);
    });
  }

  /** The next frame that comes; undefined: the connection was closed. */
  frame(): Promise<Buffer | undefined> {
    const frame = this.#frames.shift();
    if (frame !== undefined || this.#ended) return Promise.resolve(frame);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  send<A extends ApiName>(api: A, version: number, body: RequestInput<A>, correlationId = 7): this {
    this.socket.write(encodeRequest(api, { version, correlationId, clientId: 'raw' }, body));
    return this;
  }

  /** Sends a request and reads the next frame as its answer. */
  async ask<A extends ApiName>(
    api: A,
    version: number,
    body: RequestInput<A>,
  ): Promise<ResponseBody<A>> {
    const frame = await this.send(api, version, body).frame();
    if (frame === undefined) throw new Error(`the connection was closed instead of ${api}`);
    return decodeResponse(api, version, frame);
  }

  close(): void {
    this.socket.destroy();
  }
}
