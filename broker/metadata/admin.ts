// Topics are made, enlarged and marked for deletion here, by whichever broker a client asked. Every write is
// a compare-and-set or makes a node that must not be there; the controller does the rest when it sees it.
import { randomBytes } from 'node:crypto';
import {
  type CoordinatorClient,
  CoordinatorError,
  type MultiOp,
  OPEN_ACL,
  Op,
} from '../../coordinator/client/index.ts';
import { MetadataError, type NewTopic, type TopicInfo } from '../contract.ts';
import type { ImageKeeper } from './keeper.ts';
import {
  deletionPath,
  PRODUCER_IDS,
  partitionsPath,
  settingsPath,
  topicIdPath,
  topicPath,
} from './paths.ts';
import { placeReplicas } from './placement.ts';
import { checkTopicName, metricNameOf } from './topic-names.ts';
import { checkTopicSettings } from './topic-settings.ts';
import {
  readProducerIds,
  readTopic,
  writeProducerIds,
  writeSettings,
  writeTopic,
} from './znodes.ts';

export interface AdminOptions {
  readonly keeper: ImageKeeper;
  readonly brokerId: number;
  /** From 0 to below 1. */
  readonly random: () => number;
  /** Partitions that one topic may have. */
  readonly partitionsMax: number;
}

/** Tries of a compare-and-set that others keep winning. */
const TRIES_MAX = 20;
const PRODUCER_IDS_MAX = 1_000_000;

type Name = CoordinatorError['name'];

function refused(error: unknown, ...names: Name[]): error is CoordinatorError {
  return error instanceof CoordinatorError && names.includes(error.name);
}

export class Admin {
  readonly #options: AdminOptions;

  constructor(options: AdminOptions) {
    this.#options = options;
  }

  /** See Metadata.createTopic. */
  async createTopic(
    client: CoordinatorClient,
    topic: NewTopic,
    validateOnly: boolean,
  ): Promise<TopicInfo> {
    checkTopicName(topic.name);
    checkTopicSettings(topic.settings);
    const { keeper } = this.#options;
    await keeper.refresh();
    this.#checkFree(topic.name);
    const replicas = this.#place(topic.placement);
    const id = randomBytes(16).toString('hex');
    const { name, settings } = topic;
    if (!validateOnly) {
      const made = await this.#write(client, topic, id, replicas);
      if (!made) throw new MetadataError('TOPIC_ALREADY_EXISTS', `topic '${name}' exists already`);
    }
    const partitions = replicas.map((each) => ({ replicas: each }));
    return { name, id, partitions, settings, deleting: false };
  }

  #checkFree(name: string): void {
    const { topics } = this.#options.keeper.image;
    const known = topics.get(name);
    if (known !== undefined) {
      const state = known.deleting ? 'is being deleted' : 'exists already';
      throw new MetadataError('TOPIC_ALREADY_EXISTS', `topic '${name}' ${state}`);
    }
    if (!/[._]/.test(name)) return;
    for (const other of topics.keys()) {
      if (metricNameOf(other) !== metricNameOf(name)) continue;
      const message = `topic '${name}' collides with topic '${other}': '.' and '_' are one in metrics`;
      throw new MetadataError('INVALID_TOPIC_EXCEPTION', message);
    }
  }

  #place(placement: NewTopic['placement']): number[][] {
    const brokers = this.#liveBrokers();
    if ('replicas' in placement) return this.#checkAssignment(placement.replicas, brokers);
    const { partitions, replicationFactor } = placement;
    const { partitionsMax, random } = this.#options;
    if (!Number.isInteger(partitions) || partitions < 1 || partitions > partitionsMax) {
      const message = `${partitions} partitions, expected 1 to ${partitionsMax}`;
      throw new MetadataError('INVALID_PARTITIONS', message);
    }
    checkFactor(replicationFactor, brokers.length);
    return placeReplicas({ brokers, partitions, replicationFactor, random });
  }

  #liveBrokers(): number[] {
    return [...this.#options.keeper.image.brokers.keys()].sort((a, b) => a - b);
  }

  #checkAssignment(replicas: readonly (readonly number[])[], live: readonly number[]): number[][] {
    const { partitionsMax } = this.#options;
    if (replicas.length < 1 || replicas.length > partitionsMax) {
      const message = `${replicas.length} partitions, expected 1 to ${partitionsMax}`;
      throw new MetadataError('INVALID_PARTITIONS', message);
    }
    for (const [partition, each] of replicas.entries()) {
      const fault = assignmentFault(each, replicas[0]?.length, live);
      if (fault === undefined) continue;
      throw new MetadataError('INVALID_REPLICA_ASSIGNMENT', `partition ${partition}: ${fault}`);
    }
    return replicas.map((each) => [...each]);
  }

  /** False when there is such a topic. */
  async #write(
    client: CoordinatorClient,
    { name, settings }: NewTopic,
    id: string,
    replicas: number[][],
  ): Promise<boolean> {
    const made = (path: string, data: Buffer | null): MultiOp => {
      return { type: Op.create, path, data, acl: OPEN_ACL, flags: 0 };
    };
    const topic = [
      made(topicPath(name), writeTopic({ id, replicas })),
      made(partitionsPath(name), null),
      made(topicIdPath(id), Buffer.from(name)),
    ];
    const path = settingsPath(name);
    const data = writeSettings(settings);
    try {
      // Settings without a topic are left by somebody else: they are no obstacle.
      const { stat } = await client.exists(path);
      const stored: MultiOp =
        stat === null ? made(path, data) : { type: Op.setData, path, data, version: stat.version };
      await client.multi([...topic, stored]);
      return true;
    } catch (error) {
      if (refused(error, 'NodeExists', 'BadVersion', 'NoNode')) return false;
      throw error;
    }
  }

  /** Marks a topic for deletion, which is the controller's. */
  async deleteTopic(client: CoordinatorClient, name: string): Promise<void> {
    const { keeper } = this.#options;
    await keeper.refresh();
    const known = keeper.image.topics.get(name);
    const unknown = `there is no topic '${name}'`;
    if (known === undefined) throw new MetadataError('UNKNOWN_TOPIC_OR_PARTITION', unknown);
    const path = deletionPath(name);
    try {
      await client.multi([
        { type: Op.check, path: topicIdPath(known.id), version: -1 },
        { type: Op.create, path, data: null, acl: OPEN_ACL, flags: 0 },
      ]);
    } catch (error) {
      // Marked before: it comes to the same.
      if (refused(error, 'NodeExists')) return;
      if (!refused(error, 'NoNode')) throw error;
      throw new MetadataError('UNKNOWN_TOPIC_OR_PARTITION', unknown);
    }
  }

  /** See Metadata.createPartitions. */
  async createPartitions(
    client: CoordinatorClient,
    name: string,
    total: number,
    validateOnly: boolean,
  ): Promise<void> {
    const { keeper, partitionsMax, random } = this.#options;
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      await keeper.refresh();
      const known = keeper.image.topics.get(name);
      if (known === undefined || known.deleting) {
        throw new MetadataError('UNKNOWN_TOPIC_OR_PARTITION', `there is no topic '${name}'`);
      }
      const path = topicPath(name);
      const { data, stat } = await client.getData(path);
      const { id, replicas } = readTopic(data);
      const count = replicas.length;
      if (!Number.isInteger(total) || total <= count || total > partitionsMax) {
        const message = `${total} partitions, expected more than ${count}, at most ${partitionsMax}`;
        throw new MetadataError('INVALID_PARTITIONS', message);
      }
      const [first = []] = replicas;
      const brokers = this.#liveBrokers();
      checkFactor(first.length, brokers.length);
      const more = placeReplicas({
        brokers,
        partitions: total - count,
        replicationFactor: first.length,
        random,
        after: { partitions: count, firstBroker: first[0] as number },
      });
      if (validateOnly) return;
      try {
        const next = writeTopic({ id, replicas: [...replicas, ...more] });
        await client.multi([
          { type: Op.check, path: topicIdPath(id), version: -1 },
          { type: Op.setData, path, data: next, version: stat.version },
        ]);
        return;
      } catch (error) {
        if (!refused(error, 'BadVersion', 'NoNode')) throw error;
      }
    }
    throw new MetadataError('REQUEST_TIMED_OUT', `others kept changing topic '${name}'`);
  }

  /** See Metadata.producerIds. */
  async producerIds(client: CoordinatorClient, count: number): Promise<number> {
    if (!Number.isInteger(count) || count < 1 || count > PRODUCER_IDS_MAX) {
      throw new RangeError(`expected to give out 1 to ${PRODUCER_IDS_MAX} ids, got ${count}`);
    }
    const broker = this.#options.brokerId;
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      try {
        const { stat } = await client.exists(PRODUCER_IDS);
        if (stat === null) {
          const data = writeProducerIds({ broker, start: 0, end: count - 1 });
          await client.create(PRODUCER_IDS, data);
          return 0;
        }
        const { data, stat: read } = await client.getData(PRODUCER_IDS);
        const start = readProducerIds(data).end + 1;
        const block = { broker, start, end: start + count - 1 };
        if (!Number.isSafeInteger(block.end)) throw new RangeError('no producer ids are left');
        await client.setData(PRODUCER_IDS, writeProducerIds(block), read.version);
        return start;
      } catch (error) {
        if (!refused(error, 'BadVersion', 'NodeExists', 'NoNode')) throw error;
      }
    }
    throw new MetadataError('COORDINATOR_LOAD_IN_PROGRESS', 'others kept taking producer ids');
  }
}

function checkFactor(replicationFactor: number, live: number): void {
  if (Number.isInteger(replicationFactor) && replicationFactor >= 1 && replicationFactor <= live) {
    return;
  }
  const message = `${replicationFactor} replicas, expected 1 to ${live}: so many brokers live`;
  throw new MetadataError('INVALID_REPLICATION_FACTOR', message);
}

function assignmentFault(
  replicas: readonly number[],
  expected: number | undefined,
  live: readonly number[],
): string | undefined {
  if (replicas.length === 0) return 'no replicas';
  if (replicas.length !== expected) {
    return `${replicas.length} replicas, expected ${expected} as the first partition has`;
  }
  if (new Set(replicas).size < replicas.length) return 'a broker has two replicas of it';
  const unknown = replicas.find((id) => !live.includes(id));
  if (unknown === undefined) return undefined;
  return `broker ${unknown} does not live: known are ${live.join(', ')}`;
}
