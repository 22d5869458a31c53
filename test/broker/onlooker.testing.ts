// Our own client beside those that nobody here wrote: it makes their topics, feeds them, and looks at the bytes
// that brokers keep. So a test of a stranger never rests on that stranger's word alone.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'vitest';
import { BrokerClient, BrokerError, type Endpoint } from '../../broker/client/index.ts';
import type { ResponseBody } from '../../wire/kafka/apis.ts';
import { ERROR_CODES } from '../../wire/kafka/error-codes.ts';
import { batchesOf, type LocatedBatch, verifyBatch } from '../../wire/kafka/record-batch.ts';
import { recordsOf } from '../../wire/kafka/records.ts';
import { until } from '../coordinator/ensemble.ts';
import type { BrokerProcesses } from './brokers.testing.ts';

const TIMEOUT_MS = 20_000;
const FETCH_BYTES_MAX = 16 * 1024 * 1024;
const FETCHES_MAX = 1_000;
const REPLICAS = 3;
const BROKERS = [1, 2, 3];
/** What a broker says that has yet to hear that it leads, or of the topic. */
const UNHEARD_OF: readonly number[] = [
  ERROR_CODES.NOT_LEADER_OR_FOLLOWER,
  ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION,
];

type FetchedPartition = ResponseBody<'Fetch'>['responses'][number]['partitions'][number];

export class Onlooker {
  readonly #brokers: BrokerProcesses;
  readonly client: BrokerClient;

  constructor(brokers: BrokerProcesses) {
    this.#brokers = brokers;
    const bootstrap = brokers.addresses.map((address) => {
      const [host = '', port] = address.split(':');
      return { host, port: Number(port) };
    });
    this.client = new BrokerClient({ bootstrap, clientId: 'onlooker' });
  }

  /**
   * Makes a topic with three replicas and waits until all its partitions are in sync and their leaders serve them.
   * As with Kafka, a leader is told of before it serves: a client that does not try again, as kafka-python does
   * not by itself, is refused until then.
   */
  async createTopic(topic: string, partitions: number): Promise<void> {
    const settings = { 'min.insync.replicas': '2' };
    await this.client.createTopic(topic, partitions, REPLICAS, settings, TIMEOUT_MS);
    await this.inSync(topic, partitions);
    for (let partition = 0; partition < partitions; partition++) {
      const { errorCode } = await this.#fetch(topic, partition, 0);
      expect(errorCode).toBe(0);
    }
  }

  /** Waits until all partitions of a topic are led and all their replicas in sync. */
  async inSync(topic: string, partitions: number): Promise<void> {
    await until(
      `${topic} is in sync`,
      async () => [...(await this.client.metadata([topic], TIMEOUT_MS)).partitions.values()],
      (all) =>
        all.length === partitions &&
        all.every(({ leader, isr }) => leader >= 0 && isr.length === REPLICAS),
    );
  }

  /** The leader of a partition, once there is one. */
  async leader(topic: string, partition: number): Promise<{ id: number; endpoint: Endpoint }> {
    const found = await until(
      `${topic}-${partition} has a leader`,
      async () => {
        const image = await this.client.metadata([topic], TIMEOUT_MS);
        const id = image.partitions.get(`${topic}-${partition}`)?.leader ?? -1;
        return { id, endpoint: image.brokers.get(id) };
      },
      ({ endpoint }) => endpoint !== undefined,
    );
    return found as { id: number; endpoint: Endpoint };
  }

  /**
   * Appends values to a partition, in one batch. On a busy machine a follower may fall behind, or a leader change:
   * then it is sent again, and the values may be there twice.
   */
  async send(topic: string, partition: number, values: readonly string[]): Promise<void> {
    const records = values.map((value) => ({ timestampMs: Date.now(), value: Buffer.from(value) }));
    const attempt = async (): Promise<string> => {
      const { endpoint } = await this.leader(topic, partition);
      try {
        await this.client.produce(endpoint, { topic, partition }, records, TIMEOUT_MS);
        return 'sent';
      } catch (error) {
        if (error instanceof BrokerError) return error.message;
        throw error;
      }
    };
    await until(`${topic}-${partition} takes a batch`, attempt, (outcome) => outcome === 'sent');
  }

  /** Appends a batch that is there already, byte by byte. */
  async sendBatch(topic: string, partition: number, batch: Buffer): Promise<void> {
    const topicData = [{ name: topic, partitionData: [{ index: partition, records: batch }] }];
    const request = { acks: -1, timeoutMs: TIMEOUT_MS, topicData };
    const answer = await this.#askLeader(topic, partition, async (endpoint) => {
      const { responses } = await this.client.ask(endpoint, 'Produce', request, TIMEOUT_MS);
      return responses[0]?.partitionResponses[0];
    });
    expect(answer.errorCode).toBe(0);
  }

  /** Asks the leader of a partition, again if that broker has yet to hear that it leads. */
  async #askLeader<T extends { errorCode: number }>(
    topic: string,
    partition: number,
    ask: (leader: Endpoint) => Promise<T | undefined>,
  ): Promise<T> {
    const answer = await until(
      `the leader of ${topic}-${partition} knows that it leads`,
      async () => ask((await this.leader(topic, partition)).endpoint),
      (seen) => seen !== undefined && !UNHEARD_OF.includes(seen.errorCode),
    );
    return answer as T;
  }

  /** What the leader of a partition has from an offset on. */
  async #fetch(topic: string, partition: number, fetchOffset: number): Promise<FetchedPartition> {
    const wanted = { partition, fetchOffset, partitionMaxBytes: FETCH_BYTES_MAX };
    const topics = [{ topic, partitions: [wanted] }];
    const request = { maxWaitMs: 0, minBytes: 1, maxBytes: FETCH_BYTES_MAX, topics };
    return this.#askLeader(topic, partition, async (endpoint) => {
      const answer = await this.client.ask(endpoint, 'Fetch', request, TIMEOUT_MS);
      return answer.responses[0]?.partitions[0];
    });
  }

  /** All batches of a partition as its leader gives them: CRCs are right and offsets leave no gap. */
  async batches(topic: string, partition: number): Promise<LocatedBatch[]> {
    const found: LocatedBatch[] = [];
    let fetchOffset = 0;
    for (let fetches = 0; fetches < FETCHES_MAX; fetches++) {
      const got = await this.#fetch(topic, partition, fetchOffset);
      expect(got.errorCode).toBe(0);
      for (const batch of batchesOf(got.records ?? Buffer.alloc(0))) {
        expect(verifyBatch(batch.bytes).baseOffset).toBe(fetchOffset);
        fetchOffset = batch.header.lastOffset + 1;
        found.push(batch);
      }
      if (fetchOffset === got.highWatermark) return found;
    }
    throw new Error(`${topic}-${partition}: not read to its end in ${FETCHES_MAX} fetches`);
  }

  /** All values of a partition, in order; batches of Snappy and LZ4 are not for us to unpack. */
  async values(topic: string, partition: number): Promise<string[]> {
    const batches = await this.batches(topic, partition);
    return batches.flatMap(({ bytes }) =>
      recordsOf(bytes).map(({ value }) => value?.toString() ?? ''),
    );
  }

  /** Waits until the logs of a partition on all brokers hold the same bytes, and at least one. */
  async sameBytesEverywhere(topic: string, partition: number): Promise<void> {
    const logOf = (id: number): string => {
      const dir = this.#brokers.logDirOf(id, topic, partition);
      const segments = readdirSync(dir).filter((name) => name.endsWith('.log'));
      const bytes = segments.sort().map((name) => readFileSync(path.join(dir, name)));
      return Buffer.concat(bytes).toString('hex');
    };
    await until(
      `${topic}-${partition} is the same on all brokers`,
      () => BROKERS.map(logOf),
      ([first = '', ...others]) => first !== '' && others.every((other) => other === first),
    );
  }

  close(): void {
    this.client.close();
  }
}
