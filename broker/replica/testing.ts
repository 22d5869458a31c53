// Brokers' replicas wired to each other in one process, for tests: real logs in real folders, requests through
// Kafka's encoding, and a store of metadata that a test holds in its hand, behind for some, deaf for others.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { ApiName, RequestBody, RequestInput, ResponseBody } from '../../wire/kafka/apis.ts';
import { ERROR_CODES } from '../../wire/kafka/error-codes.ts';
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
} from '../../wire/kafka/protocol.ts';
import {
  type BrokerInfo,
  type Metadata,
  type MetadataChange,
  type MetadataImage,
  NO_LEADER,
  type PartitionInfo,
  type PartitionState,
  type Peers,
  type Produced,
  partitionKey,
  type TopicInfo,
  type TopicPartition,
} from '../contract.ts';
import { logConfig } from '../log/config.ts';
import { LogDirectory } from '../log/log-directory.ts';
import { type BatchFacts, batch, split } from '../log/testing.ts';
import { LocalReplicas } from './local-replicas.ts';
import { replicaSettings } from './settings.ts';

export type TestEvent = { ev: string; broker: number } & Record<string, unknown>;

/** What happens to a broker's write of an ISR. */
export type WriteFate = 'written' | 'lost' | 'written, unanswered' | 'kept waiting';

/** The znodes: one truth, of which each broker has its own view. */
export class TestStore {
  image: MetadataImage = { brokers: new Map(), topics: new Map(), controller: undefined };
  readonly views = new Set<TestMetadata>();
  /** Told every state before anybody sees it. */
  readonly onStored: (
    of: TopicPartition,
    state: PartitionState,
    by: 'controller' | 'leader',
  ) => void;
  #epochs = 100;

  constructor(onStored: TestStore['onStored'] = () => undefined) {
    this.onStored = onStored;
  }

  change(topics: readonly TopicInfo[], brokers?: ReadonlyMap<number, BrokerInfo>): void {
    const all = new Map(this.image.topics);
    for (const topic of topics) all.set(topic.name, topic);
    this.#publish({ ...this.image, topics: all, ...(brokers === undefined ? {} : { brokers }) });
  }

  #publish(image: MetadataImage): void {
    this.image = image;
    for (const view of this.views) view.catchUp();
  }

  register(id: number, lossy = false): number {
    this.#epochs += 1;
    const brokers = new Map(this.image.brokers);
    brokers.set(id, { id, epoch: this.#epochs, endpoints: {}, lossy });
    this.change([], brokers);
    return this.#epochs;
  }

  createTopic(
    name: string,
    replicas: readonly (readonly number[])[],
    settings: Record<string, string> = {},
  ): void {
    this.#epochs += 1;
    const id = this.#epochs.toString(16).padStart(32, '0');
    const partitions = replicas.map((ids, partition): PartitionInfo => {
      const [leader = NO_LEADER] = ids;
      const brokerEpochs = this.#epochsOf(ids);
      const first = { leader, leaderEpoch: 0, isr: ids, brokerEpochs };
      const state = { ...first, controllerEpoch: 1, version: 0 };
      this.onStored({ topic: name, partition }, state, 'controller');
      return { replicas: ids, state };
    });
    this.change([{ name, id, partitions, settings, deleting: false }]);
  }

  #epochsOf(ids: readonly number[]): Record<number, number> {
    return Object.fromEntries(ids.map((id) => [id, this.image.brokers.get(id)?.epoch ?? 0]));
  }

  deleteTopic(name: string): void {
    const topics = new Map(this.image.topics);
    topics.delete(name);
    this.#publish({ ...this.image, topics });
  }

  stateOf({ topic, partition }: TopicPartition): PartitionState | undefined {
    return this.image.topics.get(topic)?.partitions[partition]?.state;
  }

  /** As a controller does: another leader (or none), under the next epoch. */
  elect(of: TopicPartition, leader: number, isr?: readonly number[]): void {
    const state = this.stateOf(of) as PartitionState;
    const { leaderEpoch, version } = state;
    const brokerEpochs = { ...state.brokerEpochs, ...this.#epochsOf([leader]) };
    const next = { leader, leaderEpoch: leaderEpoch + 1, brokerEpochs, version: version + 1 };
    this.setState(of, { ...state, ...next, isr: isr ?? state.isr });
  }

  setState(
    { topic: name, partition }: TopicPartition,
    state: PartitionState,
    by: 'controller' | 'leader' = 'controller',
  ): void {
    this.onStored({ topic: name, partition }, state, by);
    const topic = this.image.topics.get(name) as TopicInfo;
    const partitions = topic.partitions.map((each, i) => {
      return i === partition ? { ...each, state } : each;
    });
    this.change([{ ...topic, partitions }]);
  }

  setReplicas({ topic: name, partition }: TopicPartition, replicas: readonly number[]): void {
    const topic = this.image.topics.get(name) as TopicInfo;
    const partitions = topic.partitions.map((each, i) => {
      return i === partition ? { ...each, replicas } : each;
    });
    this.change([{ ...topic, partitions }]);
  }
}

/** One broker's door to the store. */
export class TestMetadata implements Metadata {
  image: MetadataImage;
  fate: WriteFate = 'written';
  /** Reads are not answered. */
  deaf = false;
  readonly #store: TestStore;
  readonly #brokerId: number;
  #behind = false;
  #registered = true;
  /** What the store was when this view of it was made. */
  #seenFrom: MetadataImage;
  #waiting: (() => void)[] = [];
  readonly #listeners = new Set<(change: MetadataChange) => void>();

  constructor(store: TestStore, brokerId: number) {
    this.#store = store;
    this.#brokerId = brokerId;
    this.image = store.image;
    this.#seenFrom = store.image;
    store.views.add(this);
  }

  /** While it is behind, its image stays as it is. */
  set behind(behind: boolean) {
    this.#behind = behind;
    this.catchUp();
  }

  /** While its session is over it sees nothing that it leads, and versions stay as they are. */
  set registered(registered: boolean) {
    if (this.#registered === registered) return;
    this.#registered = registered;
    this.#publish();
  }

  #seen(): MetadataImage {
    const { image } = this.#store;
    if (this.#registered) return image;
    const unled = ({ state, ...rest }: PartitionInfo): PartitionInfo => {
      if (state?.leader !== this.#brokerId) return { ...rest, ...(state && { state }) };
      return { ...rest, state: { ...state, leader: NO_LEADER } };
    };
    const topics = [...image.topics].map(([name, topic]) => {
      return [name, { ...topic, partitions: topic.partitions.map(unled) }] as const;
    });
    return { ...image, topics: new Map(topics) };
  }

  catchUp(): void {
    if (this.#behind || this.#seenFrom === this.#store.image) return;
    this.#publish();
  }

  #publish(): void {
    const before = this.image;
    this.#seenFrom = this.#store.image;
    this.image = this.#seen();
    const names = [...before.topics.keys(), ...this.image.topics.keys()];
    const topics = new Set(
      names.filter((name) => before.topics.get(name) !== this.image.topics.get(name)),
    );
    const brokers = before.brokers !== this.image.brokers;
    for (const listener of this.#listeners) listener({ topics, brokers });
  }

  subscribe(listener: (change: MetadataChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Ends the writes that are kept waiting, written. */
  answerWrites(): void {
    for (const write of this.#waiting.splice(0)) write();
  }

  async changeIsr(
    of: TopicPartition,
    expected: PartitionState,
    isr: readonly number[],
  ): Promise<PartitionState | undefined> {
    const epochs = new Map([...this.image.brokers].map(([id, { epoch }]) => [id, epoch]));
    if (this.fate === 'kept waiting') {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    if (this.fate === 'lost') throw new Error('connection lost');
    const stored = this.#store.stateOf(of);
    if (stored?.version !== expected.version) return undefined;
    const joining = isr.filter((id) => !stored.isr.includes(id));
    // As this broker sees them: what it judged by is what it writes.
    const joined = joining.map((id) => [id, epochs.get(id) ?? 0] as const);
    const brokerEpochs = { ...stored.brokerEpochs, ...Object.fromEntries(joined) };
    const state = { ...stored, isr: [...isr], brokerEpochs, version: stored.version + 1 };
    this.#store.setState(of, state, 'leader');
    if (this.fate === 'written, unanswered') throw new Error('connection lost');
    return state;
  }

  async readState(of: TopicPartition): Promise<PartitionState | undefined> {
    await Promise.resolve();
    if (this.deaf) throw new Error('connection lost');
    return this.#store.stateOf(of);
  }

  createTopic(): Promise<TopicInfo> {
    return Promise.reject(new Error('tests create topics in the store'));
  }

  deleteTopic(): Promise<void> {
    return Promise.reject(new Error('tests delete topics in the store'));
  }

  createPartitions(): Promise<void> {
    return Promise.reject(new Error('tests create partitions in the store'));
  }

  producerIds(): Promise<number> {
    return Promise.reject(new Error('replicas need no producer ids'));
  }
}

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
      const answer = broker.#answer(request.api, version, request.body);
      const response = await Promise.race([answer, aborted]);
      reached();
      return decodeResponse(api, version, response.subarray(4));
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** What the front of a broker does with the requests of its peers. */
  async #answer(api: ApiName, version: number, body: unknown): Promise<Buffer> {
    if (api === 'Fetch') return this.#answerFetch(version, body as RequestBody<'Fetch'>);
    if (api !== 'ListOffsets') throw new Error(`no broker asks another for ${api}`);
    const { replicaId, topics } = body as RequestBody<'ListOffsets'>;
    const [topic] = topics as [(typeof topics)[number]];
    const [asked] = topic.partitions as [(typeof topic.partitions)[number]];
    const { partitionIndex, currentLeaderEpoch, timestamp } = asked;
    const of = { topic: topic.name, partition: partitionIndex };
    const ask = { ...of, currentLeaderEpoch, timestamp };
    const { error, ...found } = await this.replicas.offsetAt(ask, replicaId);
    const errorCode = ERROR_CODES[error ?? 'NONE'];
    const partitions = [{ partitionIndex, errorCode, ...found }];
    return encodeResponse('ListOffsets', version, 1, {
      topics: [{ name: topic.name, partitions }],
    });
  }

  async #answerFetch(version: number, body: RequestBody<'Fetch'>): Promise<Buffer> {
    const names = new Map(
      [...this.metadata.image.topics.values()].map(({ id, name }) => [id, name]),
    );
    const asks = body.topics.flatMap(({ topicId, partitions }) => {
      const topic = names.get(topicId.replaceAll('-', '')) ?? '?';
      return partitions.map((each) => ({
        ...each,
        topic,
        topicId,
        offset: each.fetchOffset,
        maxBytes: each.partitionMaxBytes,
      }));
    });
    const { maxBytes, minBytes, maxWaitMs, replicaState } = body;
    const { replicaId = -1, replicaEpoch = -1 } = replicaState ?? {};
    const options = { maxBytes, minBytes, maxWaitMs, replicaId, replicaEpoch };
    const fetched = await this.replicas.fetch(asks, options);
    const responses = fetched.map((each, i) => ({
      topicId: asks[i]?.topicId ?? '',
      partitions: [
        {
          partitionIndex: each.partition,
          errorCode: ERROR_CODES[each.error ?? 'NONE'],
          highWatermark: each.highWatermark,
          logStartOffset: each.logStartOffset,
          divergingEpoch: each.diverging ?? null,
          records: Buffer.concat(each.records),
        },
      ],
    }));
    return encodeResponse('Fetch', version, 1, { responses });
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
