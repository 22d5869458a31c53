// What the parts of a broker promise each other: the cluster's metadata (metadata/, controller/), the
// replicas of partitions (replica/), consumer groups (groups/) and the front that speaks Kafka (server/).
// Metadata lives in the coordinator's znodes alone: whoever changes it does so by compare-and-set, and
// whoever needs it watches. So there is one source of truth, and a broker that is behind is only behind.

import type { ApiName, RequestInput, ResponseBody } from '../wire/kafka/apis.ts';
import type { ErrorName } from '../wire/kafka/error-codes.ts';

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** `topic-partition`: a key of maps, and the name of a directory, as Kafka has it. */
export function partitionKey({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`;
}

/** Leader of a partition that has none. */
export const NO_LEADER = -1;
/** Offsets of consumer groups. */
export const OFFSETS_TOPIC = '__consumer_offsets';

// ---- metadata ----

/** Where a broker listens, by the listener's name (`INTERNAL` between brokers, `EXTERNAL` for clients …). */
export type Endpoints = Readonly<Record<string, { readonly host: string; readonly port: number }>>;

/** A live broker, as its ephemeral znode `/brokers/ids/<id>` says. */
export interface BrokerInfo {
  readonly id: number;
  /** The czxid of its registration: a broker that came back is another one (KIP-380). */
  readonly epoch: number;
  readonly endpoints: Endpoints;
  /**
   * It stopped uncleanly while a log of it counted what was not synced (log.flush.interval.messages above 1),
   * and has not caught up since: what it had may be gone, so it is no candidate of any partition (KIP-966).
   */
  readonly lossy: boolean;
  /**
   * Partitions, as `topic-partition`, whose log here is damaged: for these it is as good as dead, so another
   * leads and it may fetch everything again.
   */
  readonly offline?: readonly string[];
}

/** `/brokers/topics/<topic>/partitions/<n>/state`. Written by compare-and-set only. */
export interface PartitionState {
  /** A broker's id, or NO_LEADER. */
  readonly leader: number;
  /** Ascends with every change of the leader. */
  readonly leaderEpoch: number;
  /** In-sync replicas. Contains the leader, if there is one; is never empty. */
  readonly isr: readonly number[];
  /** Left the ISR but has everything that was ever committed: may be elected as well (KIP-966). */
  readonly eligible?: readonly number[];
  /** The registration (czxid) under which each member of the ISR, and each eligible one, became one. */
  readonly brokerEpochs?: Readonly<Record<number, number>>;
  /** Epoch of the controller that chose the leader. */
  readonly controllerEpoch: number;
  /** The znode's version, for compare-and-set. */
  readonly version: number;
}

export interface PartitionInfo {
  /** Replicas in order of preference; the first is the preferred leader. */
  readonly replicas: readonly number[];
  /** Absent until the controller has given it its first leader. */
  readonly state?: PartitionState;
}

/** `/brokers/topics/<topic>`, with its settings from `/config/topics/<topic>`. */
export interface TopicInfo {
  readonly name: string;
  /** 16 bytes (KIP-516), as 32 hexadecimal digits. */
  readonly id: string;
  readonly partitions: readonly PartitionInfo[];
  /** Settings by Kafka's names that differ from the broker's. */
  readonly settings: Readonly<Record<string, string>>;
  /** It is being deleted: nobody is served any more. */
  readonly deleting: boolean;
}

/** All metadata as one broker knows it: consistent within a znode, perhaps old, never from the future. */
export interface MetadataImage {
  readonly brokers: ReadonlyMap<number, BrokerInfo>;
  readonly topics: ReadonlyMap<string, TopicInfo>;
  /** Broker id and epoch of the controller, while there is one. */
  readonly controller: { readonly id: number; readonly epoch: number } | undefined;
  /** The cluster's name for itself, the same for good; absent while it is not known. */
  readonly clusterId?: string;
}

/** Why a change of metadata was refused, as clients are told. */
export class MetadataError extends Error {
  override name = 'MetadataError';
  readonly error: ErrorName;
  constructor(error: ErrorName, message: string) {
    super(message);
    this.error = error;
  }
}

export interface NewTopic {
  readonly name: string;
  /** Count of partitions and replicas, or brokers of each partition. */
  readonly placement:
    | { readonly partitions: number; readonly replicationFactor: number }
    | { readonly replicas: readonly (readonly number[])[] };
  readonly settings: Readonly<Record<string, string>>;
}

/** A broker's door to the metadata. Rejections are MetadataError, or CoordinatorError when it cannot be had. */
export interface Metadata {
  readonly image: MetadataImage;
  /** Told after each change of `image`, in order, with the topics that changed (and whether brokers did). */
  subscribe(listener: (change: MetadataChange) => void): () => void;
  /**
   * The leader's own change of its ISR: by compare-and-set against `expected.version`, keeping leader and
   * epochs. Undefined: somebody changed the state before (the image will show it). A rejection leaves open
   * whether it was written: it must then be taken for both (maximal ISR) until a read tells.
   */
  changeIsr(
    of: TopicPartition,
    expected: PartitionState,
    isr: readonly number[],
  ): Promise<PartitionState | undefined>;
  /** Reads the state anew, through a sync: what is returned is no older than the call. */
  readState(of: TopicPartition): Promise<PartitionState | undefined>;
  /** Checks and writes a topic; `validateOnly` checks alone. The controller gives it leaders afterwards. */
  createTopic(topic: NewTopic, validateOnly?: boolean): Promise<TopicInfo>;
  deleteTopic(name: string): Promise<void>;
  /** `total`: partitions that there are to be afterwards. */
  createPartitions(name: string, total: number, validateOnly?: boolean): Promise<void>;
  /** Producer ids nobody else gets, as many as `count`; returns the first. */
  producerIds(count: number): Promise<number>;
}

export interface MetadataChange {
  readonly topics: ReadonlySet<string>;
  readonly brokers: boolean;
}

// ---- replicas ----

/** Asks another broker on the internal listener. Rejects when it cannot be reached or does not answer. */
export interface Peers {
  call<A extends ApiName>(
    broker: number,
    api: A,
    version: number,
    body: RequestInput<A>,
    options?: { readonly timeoutMs?: number; readonly signal?: AbortSignal },
  ): Promise<ResponseBody<A>>;
}

export interface Produced {
  readonly error: ErrorName | undefined;
  /** Of the first record; −1 with an error. */
  readonly baseOffset: number;
  readonly logStartOffset: number;
  readonly message?: string;
}

export interface FetchAsk extends TopicPartition {
  readonly offset: number;
  readonly maxBytes: number;
  /** −1: not told. */
  readonly currentLeaderEpoch: number;
  /** Followers from version 12 on: epoch of their last record, −1: not told (KIP-595). */
  readonly lastFetchedEpoch: number;
}

export interface Fetched extends TopicPartition {
  readonly error: ErrorName | undefined;
  readonly highWatermark: number;
  readonly logStartOffset: number;
  /** Whole batches; empty when there is nothing. */
  readonly records: readonly Buffer[];
  /** To a follower whose log parts from the leader's: where the epochs that both know end. */
  readonly diverging?: { readonly epoch: number; readonly endOffset: number };
}

export interface FetchOptions {
  /** A follower's id, or −1 for a consumer: consumers get nothing from the high watermark on. */
  readonly replicaId: number;
  /** Registration epoch of the follower, −1: not told. */
  readonly replicaEpoch: number;
  readonly maxBytes: number;
  readonly minBytes: number;
  readonly maxWaitMs: number;
  /** Memory that the answer has to fit in; absent: the asker answers for `maxBytes` itself. */
  readonly room?: AnswerRoom;
}

/** What one answer has of the memory that all answers of a broker have together. */
export interface AnswerRoom {
  /**
   * Takes room for `bytes`, when its turn comes if it `waits`. Resolves with how many of them it got, which is
   * enough for one batch even if that is larger; undefined: nobody is there any more to be answered. Never
   * rejects.
   */
  take(bytes: number, waits: boolean): Promise<number | undefined>;
  /** The answer holds `bytes` of what was taken; the rest is for others. */
  built(bytes: number): void;
}

/** The partitions that this broker has replicas of. */
export interface Replicas {
  /**
   * Appends to partitions that this broker leads. `acks`: −1 waits until the high watermark is past the
   * records and at least min.insync.replicas have them, 1 until they are durable here, 0 for nothing.
   * Never rejects: every outcome is a Produced. Batches are stamped in place and belong to the log.
   */
  produce(
    batches: readonly (TopicPartition & { readonly records: Buffer })[],
    options: { readonly acks: -1 | 0 | 1; readonly timeoutMs: number },
  ): Promise<Produced[]>;
  /** Waits up to `maxWaitMs` for `minBytes`. */
  fetch(asks: readonly FetchAsk[], options: FetchOptions): Promise<Fetched[]>;
  /** `timestamp` −1: the end (the high watermark for consumers), −2: the start; otherwise the first at or after. */
  offsetAt(
    ask: TopicPartition & { readonly timestamp: number; readonly currentLeaderEpoch: number },
    replicaId: number,
  ): Promise<{ error?: ErrorName; offset: number; timestamp: number; leaderEpoch: number }>;
  endOfEpoch(
    ask: TopicPartition & { readonly leaderEpoch: number; readonly currentLeaderEpoch: number },
  ): { error?: ErrorName; leaderEpoch: number; endOffset: number };
  /** The partition's epoch while this broker leads it and may serve; undefined: somebody else does. */
  leaderEpochOf(of: TopicPartition): number | undefined;
  /** First offset that a consumer may not read; undefined: not led here. */
  highWatermarkOf(of: TopicPartition): number | undefined;
  /**
   * Lets go of what is below `offset`, at most to the high watermark, where this broker leads; other replicas
   * follow. Rejects when the disk fails.
   */
  deleteBefore(of: TopicPartition, offset: number): Promise<void>;
  /** Told when this broker begins or ends to lead a partition. */
  onLeadership(listener: (of: TopicPartition, epoch: number | undefined) => void): void;
  /** Everything durable and closed. */
  close(): Promise<void>;
}

// ---- events ----

/** Where a broker says what it does; the kinds are BrokerEvent's in history/node-event.ts. */
export interface EventSink {
  /** Whether events that come once per record are wanted. */
  readonly detailed: boolean;
  emit(event: { ev: string } & Record<string, unknown>): void;
  flush(): void;
}

/** The wall clock, ms since 1970, for ages and timestamps alone; timers are Node's own. */
export type WallClock = () => number;
