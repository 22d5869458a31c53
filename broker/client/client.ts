// A client of brokers: metadata, topics, produce, fetch and offsets. Every call is one attempt whose outcome is
// told as it is; what is tried again, and where, is for its user to say.

import type { RequestInput, ResponseBody } from '../../wire/kafka/apis.ts';
import { ERROR_CODES, errorNameOf } from '../../wire/kafka/error-codes.ts';
import { batchesOf } from '../../wire/kafka/record-batch.ts';
import {
  buildBatch,
  type KafkaRecord,
  type RecordInput,
  recordsOf,
} from '../../wire/kafka/records.ts';
import { type Asked, Channel, type Endpoint } from './channel.ts';
import { BrokerError, type BrokerErrorName } from './errors.ts';

/** Bytes of one partition, and of all of them, in the answer to a fetch. */
const PARTITION_BYTES_MAX = 256 * 1024;
const FETCH_BYTES_MAX = 4 * 1024 * 1024;

export const EARLIEST = -2;
export const LATEST = -1;

export interface BrokerClientOptions {
  /** Brokers to ask first; the later ones where the first cannot be reached. */
  readonly bootstrap: readonly Endpoint[];
  /** Where an advertised endpoint is reached from here. Absent: as it says. */
  readonly resolve?: (advertised: Endpoint) => Endpoint;
  readonly clientId: string;
}

/** A partition as metadata shows it; `leader` is -1 if nobody leads. */
export interface PartitionView {
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
}

/** The cluster as one broker sees it; partitions by `topic-partition`. */
export interface ClusterImage {
  readonly brokers: ReadonlyMap<number, Endpoint>;
  /** -1: none. */
  readonly controller: number;
  readonly partitions: ReadonlyMap<string, PartitionView>;
}

/** One partition. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** An idempotent producer, and the sequence number of a batch's first record. */
export interface Sequenced {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
}

/** What a fetch got of one partition. */
export interface Fetched extends TopicPartition {
  readonly error: BrokerErrorName | undefined;
  readonly highWatermark: number;
  /** From the offset asked for on, without control records. */
  readonly records: readonly KafkaRecord[];
}

/** Thrown as what the broker answered. */
export function refusal(code: number, what: string): BrokerError | undefined {
  if (code === ERROR_CODES.NONE) return undefined;
  const name = errorNameOf(code);
  return new BrokerError(name, `${what}: ${name}`, { sent: true, answered: true });
}

/** Throws unless the code is NONE. */
export function expectNone(code: number, what: string): void {
  const error = refusal(code, what);
  if (error !== undefined) throw error;
}

/** The only one of a list of answers. Throws if the broker left it out. */
export function only<T>(list: readonly T[] | undefined, what: string): T {
  const [first] = list ?? [];
  if (first !== undefined) return first;
  throw new BrokerError('UNKNOWN_SERVER_ERROR', `${what}: the answer is empty`, {
    sent: true,
    answered: true,
  });
}

export class BrokerClient {
  readonly #options: BrokerClientOptions;
  readonly #channels = new Map<string, Channel>();
  /** Which of the bootstrap brokers is asked first now. */
  #first = 0;

  constructor(options: BrokerClientOptions) {
    this.#options = options;
  }

  #channel(endpoint: Endpoint): Channel {
    const key = `${endpoint.host}:${endpoint.port}`;
    const known = this.#channels.get(key);
    if (known?.open === true) return known;
    const channel = new Channel(endpoint, this.#options.clientId);
    this.#channels.set(key, channel);
    return channel;
  }

  /** Asks a broker by its advertised endpoint. Rejects with BrokerError. */
  ask<N extends Asked>(
    advertised: Endpoint,
    api: N,
    body: RequestInput<N>,
    timeoutMs: number,
  ): Promise<ResponseBody<N>> {
    return this.#channel(this.#reached(advertised)).ask(api, body, timeoutMs);
  }

  #reached(advertised: Endpoint): Endpoint {
    return this.#options.resolve?.(advertised) ?? advertised;
  }

  /** Asks the first bootstrap broker that can be reached; one that takes a request and is silent ends it. */
  async askAny<N extends Asked>(
    api: N,
    body: RequestInput<N>,
    timeoutMs: number,
  ): Promise<ResponseBody<N>> {
    const { bootstrap } = this.#options;
    const endMs = performance.now() + timeoutMs;
    let last: unknown;
    for (let tries = 0; tries < bootstrap.length; tries++) {
      const endpoint = bootstrap[this.#first] as Endpoint;
      const leftMs = Math.max(1, Math.ceil(endMs - performance.now()));
      try {
        return await this.#channel(endpoint).ask(api, body, leftMs);
      } catch (error) {
        last = error;
        this.#first = (this.#first + 1) % bootstrap.length;
        if (!(error instanceof BrokerError) || error.sent || performance.now() >= endMs) break;
      }
    }
    throw last ?? new Error('expected at least one broker to ask, got none');
  }

  /** The cluster with some topics, or with all. Rejects with BrokerError. */
  async metadata(topics: readonly string[] | null, timeoutMs: number): Promise<ClusterImage> {
    const asked = topics === null ? null : topics.map((name) => ({ name }));
    const answer = await this.askAny(
      'Metadata',
      { topics: asked, allowAutoTopicCreation: false },
      timeoutMs,
    );
    const partitions = new Map<string, PartitionView>();
    for (const { name, partitions: list } of answer.topics) {
      for (const each of list) {
        partitions.set(`${name}-${each.partitionIndex}`, {
          leader: each.leaderId,
          leaderEpoch: each.leaderEpoch,
          replicas: each.replicaNodes,
          isr: each.isrNodes,
        });
      }
    }
    const brokers = answer.brokers.map(({ nodeId, host, port }): [number, Endpoint] => [
      nodeId,
      { host, port },
    ]);
    return { brokers: new Map(brokers), controller: answer.controllerId, partitions };
  }

  /** Creates a topic. Rejects with BrokerError, TOPIC_ALREADY_EXISTS included. */
  async createTopic(
    name: string,
    numPartitions: number,
    replicationFactor: number,
    settings: Readonly<Record<string, string>>,
    timeoutMs: number,
  ): Promise<void> {
    const configs = Object.entries(settings).map(([key, value]) => ({ name: key, value }));
    const topic = { name, numPartitions, replicationFactor, assignments: [], configs };
    const answer = await this.askAny('CreateTopics', { topics: [topic], timeoutMs }, timeoutMs);
    expectNone(only(answer.topics, 'CreateTopics').errorCode, `CreateTopics of ${name}`);
  }

  /** A fresh producer id with its epoch. Rejects with BrokerError. */
  async initProducerId(
    timeoutMs: number,
  ): Promise<{ readonly producerId: number; readonly producerEpoch: number }> {
    const body = { transactionalId: null, transactionTimeoutMs: timeoutMs };
    const { errorCode, producerId, producerEpoch } = await this.askAny(
      'InitProducerId',
      body,
      timeoutMs,
    );
    expectNone(errorCode, 'InitProducerId');
    return { producerId, producerEpoch };
  }

  /**
   * Sends one batch with acks=all to the broker that is said to lead; resolves with the offset of the first
   * record. Rejects with BrokerError.
   */
  async produce(
    leader: Endpoint,
    { topic, partition }: TopicPartition,
    records: readonly RecordInput[],
    timeoutMs: number,
    sequenced?: Sequenced,
  ): Promise<number> {
    const batch = buildBatch(records, sequenced ?? {});
    const partitionData = [{ index: partition, records: batch }];
    const answer = await this.ask(
      leader,
      'Produce',
      { acks: -1, timeoutMs, topicData: [{ name: topic, partitionData }] },
      timeoutMs,
    );
    const what = `Produce to ${topic}-${partition}`;
    const { errorCode, baseOffset } = only(only(answer.responses, what).partitionResponses, what);
    expectNone(errorCode, what);
    return baseOffset;
  }

  /** Reads some partitions of one leader, each from its offset; waits up to `maxWaitMs` for a record. */
  async fetch(
    leader: Endpoint,
    wanted: readonly (TopicPartition & { readonly offset: number })[],
    maxWaitMs: number,
    timeoutMs: number,
  ): Promise<Fetched[]> {
    const topics = wanted.map(({ topic, partition, offset }) => ({
      topic,
      partitions: [{ partition, fetchOffset: offset, partitionMaxBytes: PARTITION_BYTES_MAX }],
    }));
    const answer = await this.ask(
      leader,
      'Fetch',
      { maxWaitMs, minBytes: 1, maxBytes: FETCH_BYTES_MAX, topics },
      timeoutMs,
    );
    expectNone(answer.errorCode, 'Fetch');
    return answer.responses.flatMap(({ topic, partitions }) =>
      partitions.map((each): Fetched => {
        const { partitionIndex: partition, errorCode, highWatermark } = each;
        const asked = wanted.find((one) => one.topic === topic && one.partition === partition);
        const from = asked?.offset ?? 0;
        const records = recordsFrom(each.records, from);
        const error = refusal(errorCode, 'Fetch')?.name;
        return { topic, partition, error, highWatermark, records };
      }),
    );
  }

  /** EARLIEST or LATEST offset of a partition, as its leader answers. Rejects with BrokerError. */
  async listOffset(
    leader: Endpoint,
    { topic, partition }: TopicPartition,
    timestamp: typeof EARLIEST | typeof LATEST,
    timeoutMs: number,
  ): Promise<number> {
    const partitions = [{ partitionIndex: partition, timestamp }];
    const answer = await this.ask(
      leader,
      'ListOffsets',
      { replicaId: -1, topics: [{ name: topic, partitions }] },
      timeoutMs,
    );
    const what = `ListOffsets of ${topic}-${partition}`;
    const { errorCode, offset } = only(only(answer.topics, what).partitions, what);
    expectNone(errorCode, what);
    return offset;
  }

  /** Ends the connection to one broker, as a network would. */
  disconnect(advertised: Endpoint): void {
    const { host, port } = this.#reached(advertised);
    this.#channels.get(`${host}:${port}`)?.close();
  }

  close(): void {
    for (const channel of this.#channels.values()) channel.close();
    this.#channels.clear();
  }
}

/** A batch comes whole, so it may begin before the offset asked for. */
function recordsFrom(bytes: Buffer | null, from: number): KafkaRecord[] {
  if (bytes === null) return [];
  const found: KafkaRecord[] = [];
  for (const { header, bytes: batch } of batchesOf(bytes)) {
    if (header.isControl) continue;
    for (const record of recordsOf(batch)) if (record.offset >= from) found.push(record);
  }
  return found;
}
