// A cluster of one broker in memory, for tests of what stands on replicas and metadata: logs of real record
// batches, leaderships given and taken at will, acknowledgements held back. No disk, no second broker.
import {
  batchesOf,
  RecordBatchError,
  readBatchHeader,
  stampBatch,
} from '../wire/kafka/record-batch.ts';
import { checkProduced } from '../wire/kafka/records.ts';
import {
  type FetchAsk,
  type Fetched,
  type FetchOptions,
  type Metadata,
  type MetadataChange,
  MetadataError,
  type MetadataImage,
  type NewTopic,
  type PartitionState,
  type Produced,
  partitionKey,
  type Replicas,
  type TopicInfo,
  type TopicPartition,
} from './contract.ts';

interface MemoryLog {
  readonly batches: { readonly base: number; readonly next: number; readonly bytes: Buffer }[];
  start: number;
  end: number;
  committed: number;
}

type Leadership = (of: TopicPartition, epoch: number | undefined) => void;

const BATCH_BYTES_MAX = 10_000;

/** As a log refuses what is wrong with a batch. */
function refusal(records: Buffer): Produced | undefined {
  try {
    checkProduced(records, { batchBytesMax: BATCH_BYTES_MAX });
    return undefined;
  } catch (error) {
    if (!(error instanceof RecordBatchError)) throw error;
    const { code, message } = error;
    return { error: code, message, baseOffset: -1, logStartOffset: -1 };
  }
}

/** Logs that outlive who leads them. */
export class MemoryLogs {
  readonly #logs = new Map<string, MemoryLog>();

  of(about: TopicPartition): MemoryLog {
    const key = partitionKey(about);
    const known = this.#logs.get(key);
    if (known !== undefined) return known;
    const log = { batches: [], start: 0, end: 0, committed: 0 };
    this.#logs.set(key, log);
    return log;
  }
}

export class MemoryReplicas implements Replicas {
  readonly logs: MemoryLogs;
  /** Appends that are not acknowledged yet, while `holding`. */
  readonly held: (() => void)[] = [];
  holding = false;
  /** Answer of every produce instead of an append. */
  refusal: Produced['error'];
  readonly #epochs = new Map<string, number>();
  readonly #listeners: Leadership[] = [];
  readonly #waiting = new Set<() => void>();

  constructor(logs = new MemoryLogs()) {
    this.logs = logs;
  }

  /** From now on it leads the partition in this epoch, or does not at all. */
  lead(of: TopicPartition, epoch: number | undefined): void {
    const key = partitionKey(of);
    if (epoch === undefined) this.#epochs.delete(key);
    else this.#epochs.set(key, epoch);
    for (const listener of this.#listeners) listener(of, epoch);
  }

  /** Acknowledges what is held, in the order given (all by default). */
  release(order: readonly number[] = this.held.map((_, at) => at)): void {
    const held = this.held.splice(0);
    for (const at of order) held[at]?.();
  }

  produce(
    batches: readonly (TopicPartition & { readonly records: Buffer })[],
  ): Promise<Produced[]> {
    const outcomes = batches.map((batch): Produced => {
      const epoch = this.leaderEpochOf(batch);
      const error = epoch === undefined ? 'NOT_LEADER_OR_FOLLOWER' : this.refusal;
      if (error !== undefined) return { error, baseOffset: -1, logStartOffset: -1 };
      const refused = refusal(batch.records);
      if (refused !== undefined) return refused;
      const log = this.logs.of(batch);
      const base = log.end;
      stampBatch(batch.records, 0, base, epoch ?? 0);
      log.end = readBatchHeader(batch.records).lastOffset + 1;
      log.batches.push({ base, next: log.end, bytes: batch.records });
      return { error: undefined, baseOffset: base, logStartOffset: 0 };
    });
    const commit = (): void => {
      for (const [at, batch] of batches.entries()) {
        const { baseOffset, error } = outcomes[at] as Produced;
        if (error !== undefined) continue;
        const log = this.logs.of(batch);
        const { lastOffset, baseOffset: base } = readBatchHeader(batch.records);
        log.committed = Math.max(log.committed, baseOffset + lastOffset - base + 1);
      }
      for (const wake of [...this.#waiting]) wake();
    };
    if (!this.holding) {
      commit();
      return Promise.resolve(outcomes);
    }
    return new Promise((resolve) => {
      this.held.push(() => {
        commit();
        resolve(outcomes);
      });
    });
  }

  async fetch(asks: readonly FetchAsk[], options: FetchOptions): Promise<Fetched[]> {
    const now = this.#read(asks);
    const bytes = now
      .flatMap(({ records }) => records)
      .reduce((sum, { length }) => sum + length, 0);
    if (bytes >= options.minBytes || options.maxWaitMs === 0) return now;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, options.maxWaitMs);
      this.#waiting.add(wake);
    });
    return this.#read(asks);
  }

  #read(asks: readonly FetchAsk[]): Fetched[] {
    return asks.map(({ topic, partition, offset }) => {
      const of = { topic, partition };
      if (this.leaderEpochOf(of) === undefined)
        return {
          ...of,
          error: 'NOT_LEADER_OR_FOLLOWER',
          highWatermark: -1,
          logStartOffset: -1,
          records: [],
        };
      const { batches, committed, start } = this.logs.of(of);
      const logStartOffset = start;
      const found = batches.filter(({ next }) => next > offset && next <= committed);
      const records = found.map(({ bytes }) => bytes);
      return { ...of, error: undefined, highWatermark: committed, logStartOffset, records };
    });
  }

  offsetAt(
    ask: TopicPartition & { readonly timestamp: number },
    replicaId: number,
  ): ReturnType<Replicas['offsetAt']> {
    const epoch = this.leaderEpochOf(ask);
    const none = { offset: -1, timestamp: -1, leaderEpoch: -1 };
    if (epoch === undefined) return Promise.resolve({ error: 'NOT_LEADER_OR_FOLLOWER', ...none });
    const { start, end, committed } = this.logs.of(ask);
    const stop = replicaId < 0 ? committed : end;
    const offset = ask.timestamp === -2 ? start : stop;
    return Promise.resolve({ offset, timestamp: -1, leaderEpoch: epoch });
  }

  endOfEpoch(ask: TopicPartition): ReturnType<Replicas['endOfEpoch']> {
    return { leaderEpoch: this.leaderEpochOf(ask) ?? -1, endOffset: this.logs.of(ask).end };
  }

  leaderEpochOf(of: TopicPartition): number | undefined {
    return this.#epochs.get(partitionKey(of));
  }

  highWatermarkOf(of: TopicPartition): number | undefined {
    return this.leaderEpochOf(of) === undefined ? undefined : this.logs.of(of).committed;
  }

  deleteBefore(of: TopicPartition, offset: number): Promise<void> {
    const log = this.logs.of(of);
    log.start = Math.max(log.start, Math.min(offset, log.committed));
    return Promise.resolve();
  }

  onLeadership(listener: Leadership): void {
    this.#listeners.push(listener);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Batches of a partition as they lie in its log. */
  batchesIn(of: TopicPartition): Buffer[] {
    const all = this.logs.of(of).batches.map(({ bytes }) => bytes);
    return all.flatMap((bytes) => [...batchesOf(bytes)].map((each) => each.bytes));
  }
}

/** Metadata of one broker, which leads every partition that it makes. */
export class MemoryMetadata implements Metadata {
  readonly brokerId: number;
  readonly #replicas: MemoryReplicas;
  readonly #topics = new Map<string, TopicInfo>();
  readonly #listeners = new Set<(change: MetadataChange) => void>();
  readonly image: MetadataImage;
  #nextId = 1;
  #nextProducerId = 0;

  constructor(brokerId: number, replicas: MemoryReplicas, endpoints: MetadataImage['brokers']) {
    this.brokerId = brokerId;
    this.#replicas = replicas;
    const controller = { id: brokerId, epoch: 1 };
    this.image = { brokers: endpoints, topics: this.#topics, controller };
  }

  subscribe(listener: (change: MetadataChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #changed(topic: string): void {
    for (const listener of [...this.#listeners])
      listener({ topics: new Set([topic]), brokers: false });
  }

  changeIsr(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  readState({ topic, partition }: TopicPartition): Promise<PartitionState | undefined> {
    return Promise.resolve(this.#topics.get(topic)?.partitions[partition]?.state);
  }

  /** Another leader than this broker, or a later epoch of its own. */
  elect({ topic, partition }: TopicPartition, leader: number, leaderEpoch: number): void {
    const info = this.#topics.get(topic);
    if (info === undefined) throw new Error(`there is no topic ${topic}`);
    const partitions = info.partitions.map((each, at) =>
      at === partition ? { ...each, state: { ...stateOf(leader), leaderEpoch } } : each,
    );
    this.#topics.set(topic, { ...info, partitions });
    this.#changed(topic);
  }

  createTopic({ name, placement, settings }: NewTopic, validateOnly = false): Promise<TopicInfo> {
    if (this.#topics.has(name)) {
      const message = `topic ${name} exists already`;
      return Promise.reject(new MetadataError('TOPIC_ALREADY_EXISTS', message));
    }
    const count = 'partitions' in placement ? placement.partitions : placement.replicas.length;
    const id = (this.#nextId++).toString(16).padStart(32, '0');
    const partitions = Array.from({ length: count }, () => ({
      replicas: [this.brokerId],
      state: stateOf(this.brokerId),
    }));
    const info = { name, id, partitions, settings, deleting: false };
    if (validateOnly) return Promise.resolve(info);
    this.#topics.set(name, info);
    this.#changed(name);
    for (const partition of partitions.keys()) this.#replicas.lead({ topic: name, partition }, 0);
    return Promise.resolve(info);
  }

  deleteTopic(name: string): Promise<void> {
    const info = this.#topics.get(name);
    if (info === undefined)
      return Promise.reject(new MetadataError('UNKNOWN_TOPIC_OR_PARTITION', `no topic ${name}`));
    this.#topics.delete(name);
    for (const partition of info.partitions.keys())
      this.#replicas.lead({ topic: name, partition }, undefined);
    this.#changed(name);
    return Promise.resolve();
  }

  createPartitions(name: string, total: number): Promise<void> {
    const info = this.#topics.get(name);
    if (info === undefined)
      return Promise.reject(new MetadataError('UNKNOWN_TOPIC_OR_PARTITION', `no topic ${name}`));
    const partitions = [...info.partitions];
    for (let at = partitions.length; at < total; at++) {
      partitions.push({ replicas: [this.brokerId], state: stateOf(this.brokerId) });
      this.#replicas.lead({ topic: name, partition: at }, 0);
    }
    this.#topics.set(name, { ...info, partitions });
    this.#changed(name);
    return Promise.resolve();
  }

  producerIds(count: number): Promise<number> {
    const first = this.#nextProducerId;
    this.#nextProducerId += count;
    return Promise.resolve(first);
  }
}

function stateOf(leader: number): PartitionState {
  return { leader, leaderEpoch: 0, isr: [leader], controllerEpoch: 1, version: 0 };
}
