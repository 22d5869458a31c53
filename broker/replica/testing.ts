// Brokers' replicas wired to each other in one process, for tests: real logs in real folders, requests through
// Kafka's encoding, and a store of metadata that a test holds in its hand, behind for some, deaf for others.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { ApiName, RequestInput, ResponseBody } from '../../wire/kafka/apis.ts';
import { decodeRequest, decodeResponse, encodeRequest } from '../../wire/kafka/protocol.ts';
import { type Peers, type Produced, partitionKey, type TopicPartition } from '../contract.ts';
import { logConfig } from '../log/config.ts';
import { LogDirectory } from '../log/log-directory.ts';
import { type BatchFacts, batch, split } from '../log/testing.ts';
import { answerPeer, type PeerRequest } from './answers.testing.ts';
import { LocalReplicas } from './local-replicas.ts';
import { TestMetadata } from './metadata.testing.ts';
import { replicaSettings } from './settings.ts';
import { TestStore } from './store.testing.ts';

export type TestEvent = { ev: string; broker: number } & Record<string, unknown>;

/** One broker: its folder, its replicas while it runs, and what it said. */
export class TestBroker implements Peers {
  readonly id: number;
  readonly cluster: TestCluster;
  dir: string;
  replicas!: LocalReplicas;
  metadata!: TestMetadata;
  fatal: Error | undefined;
  running = false;

  constructor(id: number, cluster: TestCluster) {
    this.id = id;
    this.cluster = cluster;
    this.dir = path.join(cluster.root, `${id}`);
  }

  /** Registers as lossy if its folder says so, or if told to. */
  start(lossy = false): void {
    const { store, settings, logSettings, events } = this.cluster;
    const opened = LogDirectory.open(this.dir, { configFor: () => logConfig(logSettings) });
    const epoch = store.register(this.id, lossy || opened.directory.loss.lossy);
    this.metadata = new TestMetadata(store, this.id);
    this.running = true;
    const life = { ended: false };
    this.#life = life;
    const peers: Peers = {
      call: (...args) => (life.ended ? Promise.reject(new Error('ended')) : this.call(...args)),
    };
    this.replicas = new LocalReplicas({
      opened,
      logSettings,
      context: {
        brokerId: this.id,
        brokerEpoch: () => epoch,
        metadata: this.metadata,
        peers,
        events: {
          detailed: true,
          emit: (event) => {
            if (!life.ended) events.push({ ...event, broker: this.id });
          },
          flush: () => undefined,
        },
        settings: replicaSettings(settings),
        monotonicMs: () => performance.now(),
        onDamage: () => undefined,
        onFatal: (error) => {
          this.fatal ??= error;
        },
      },
    });
  }

  #life = { ended: false };

  /** As by SIGTERM. */
  async stop(): Promise<void> {
    if (!this.running) return;
    this.running = false;
    await this.replicas.close();
    this.cluster.store.views.delete(this.metadata);
  }

  /** As by SIGKILL: what it had written stays, nothing that it does from now on matters. */
  async kill(): Promise<void> {
    this.running = false;
    this.#life.ended = true;
    this.cluster.store.views.delete(this.metadata);
    this.metadata.fate = 'lost';
    const left = `${this.dir}.${this.cluster.events.length}`;
    fs.cpSync(this.dir, left, { recursive: true });
    await this.replicas.close();
    this.dir = left;
  }

  async call<A extends ApiName>(
    to: number,
    api: A,
    version: number,
    body: RequestInput<A>,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<ResponseBody<A>> {
    const { signal } = options;
    const frame = encodeRequest(api, { version, correlationId: 1, clientId: null }, body);
    const request = decodeRequest(frame.subarray(4));
    const broker = this.cluster.brokers[to - 1];
    if (broker === undefined || !broker.running) throw new Error(`broker ${to} does not run`);
    const reached = (): void => {
      if (signal?.aborted === true) throw new Error('aborted');
      const isCut = this.cluster.isCut(this.id, to);
      if (isCut || !broker.running) throw new Error(`broker ${to} cannot be reached`);
    };
    reached();
    if (request.kind !== 'request') throw new Error(`${api} v${version} is not spoken`);
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const abort = (): void => reject(new Error('aborted'));
    signal?.addEventListener('abort', abort);
    // The race below tells of it; when the answer came first, nobody is left to hear.
    aborted.catch(() => undefined);
    try {
      const answer = broker.#answer({ api: request.api, version, body: request.body });
      const response = await Promise.race([answer, aborted]);
      reached();
      return decodeResponse(api, version, response.subarray(4));
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  #answer(request: PeerRequest): Promise<Buffer> {
    return answerPeer(this.replicas, this.metadata.image, request);
  }

  /** Sends one batch to this broker. */
  async produce(
    of: TopicPartition,
    facts: BatchFacts,
    acks: -1 | 0 | 1 = -1,
    timeoutMs = 10_000,
  ): Promise<Produced> {
    const records = batch(facts);
    const [produced] = await this.replicas.produce([{ ...of, records }], { acks, timeoutMs });
    return produced as Produced;
  }

  /** What a consumer gets from `offset` on, batch by batch. */
  async consume(of: TopicPartition, offset = 0): Promise<Buffer[]> {
    const ask = { ...of, offset, maxBytes: 1 << 20, currentLeaderEpoch: -1, lastFetchedEpoch: -1 };
    const [fetched] = await this.replicas.fetch([ask], {
      replicaId: -1,
      replicaEpoch: -1,
      maxBytes: 1 << 20,
      minBytes: 0,
      maxWaitMs: 0,
    });
    if (fetched?.error !== undefined) throw new Error(fetched.error);
    return split(Buffer.concat(fetched?.records ?? []));
  }
}

export class TestCluster {
  readonly root = fs.mkdtempSync(path.join(os.tmpdir(), 'chaos-replica-'));
  readonly events: TestEvent[] = [];
  /** Broker 0 stands for the controller, which none of these brokers is. */
  readonly store = new TestStore(
    (of, { leader, leaderEpoch, isr, controllerEpoch, version }, by) => {
      const state = { leader, leaderEpoch, isr: [...isr], controllerEpoch, version };
      const broker = by === 'leader' ? leader : 0;
      this.events.push({ ev: 'stateStored', broker, tp: partitionKey(of), by, ...state });
    },
  );
  readonly brokers: TestBroker[];
  readonly settings: Record<string, number>;
  readonly logSettings: Record<string, number>;
  readonly #cuts = new Set<string>();

  constructor(
    count: number,
    settings: Record<string, number> = {},
    logSettings: Record<string, number> = {},
  ) {
    this.settings = {
      'min.insync.replicas': 2,
      'replica.fetch.wait.max.ms': 50,
      'replica.fetch.backoff.ms': 20,
      ...settings,
    };
    this.logSettings = logSettings;
    this.brokers = Array.from({ length: count }, (_, i) => new TestBroker(i + 1, this));
  }

  /** By id, from 1 on. */
  broker(id: number): TestBroker {
    return this.brokers[id - 1] as TestBroker;
  }

  /** No request gets through between the two, and no answer. */
  cut(a: number, b: number): void {
    this.#cuts.add(`${a} ${b}`).add(`${b} ${a}`);
  }

  heal(): void {
    this.#cuts.clear();
  }

  isCut(a: number, b: number): boolean {
    return this.#cuts.has(`${a} ${b}`);
  }

  of(ev: string): TestEvent[] {
    return this.events.filter((event) => event.ev === ev);
  }

  async end(): Promise<void> {
    await Promise.all(this.brokers.map((broker) => broker.stop()));
    fs.rmSync(this.root, { recursive: true, force: true });
  }
}
