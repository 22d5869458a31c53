// CreateTopics, DeleteTopics and CreatePartitions. Any broker does them, since all write the same znodes by
// compare-and-set; the answer waits, within the client's time, until the change is to be seen here.
import { NO_UUID } from '../../../wire/kafka/types.ts';
import {
  type Metadata,
  MetadataError,
  type MetadataImage,
  type NewTopic,
  NO_LEADER,
} from '../../contract.ts';
import { distinct, inTurns, repeated } from '../bounded-work.ts';
import { codeOf, type Handling, type Refusal, refusalOf, told } from '../handling.ts';
import { imageShows, type TopicDefaults } from '../settings.ts';
import { type TopicIds, wireId } from '../topic-ids.ts';

export interface TopicsParts {
  readonly metadata: Metadata;
  readonly topicIds: TopicIds;
  readonly defaults: TopicDefaults;
}

/** Longest that an answer waits for leaders, ms. */
const WAIT_MS_MAX = 30_000;

function bounded(timeoutMs: number): number {
  return Math.max(0, Math.min(timeoutMs, WAIT_MS_MAX));
}

interface AskedTopic {
  readonly name: string;
  readonly numPartitions: number;
  readonly replicationFactor: number;
  readonly assignments: readonly {
    readonly partitionIndex: number;
    readonly brokerIds: readonly number[];
  }[];
  readonly configs: readonly { readonly name: string; readonly value: string | null }[];
}

function newTopic(asked: AskedTopic, defaults: TopicDefaults): NewTopic {
  const { name, numPartitions, replicationFactor, assignments } = asked;
  const given = asked.configs.flatMap(({ name: key, value }) =>
    value === null ? [] : [[key, value] as const],
  );
  const settings = Object.fromEntries(given);
  if (assignments.length === 0) {
    const partitions = numPartitions === -1 ? defaults.partitions : numPartitions;
    const factor = replicationFactor === -1 ? defaults.replicationFactor : replicationFactor;
    return { name, settings, placement: { partitions, replicationFactor: factor } };
  }
  if (numPartitions !== -1 || replicationFactor !== -1) {
    throw new MetadataError(
      'INVALID_REQUEST',
      'expected counts of -1 beside an assignment of replicas, got ' +
        `${numPartitions} partitions and a replication factor of ${replicationFactor}`,
    );
  }
  const sorted = [...assignments].sort((a, b) => a.partitionIndex - b.partitionIndex);
  const gap = sorted.findIndex(({ partitionIndex }, at) => partitionIndex !== at);
  if (gap >= 0) {
    throw new MetadataError(
      'INVALID_REPLICA_ASSIGNMENT',
      `expected an assignment of partition ${gap}, got one of ${sorted[gap]?.partitionIndex}`,
    );
  }
  return { name, settings, placement: { replicas: sorted.map(({ brokerIds }) => brokerIds) } };
}

function led(image: MetadataImage, name: string, count: number): boolean {
  const partitions = image.topics.get(name)?.partitions ?? [];
  const some = (state: { leader: number } | undefined) =>
    state !== undefined && state.leader !== NO_LEADER;
  return partitions.length >= count && partitions.every(({ state }) => some(state));
}

const LATE: Refusal = {
  error: 'REQUEST_TIMED_OUT',
  message: 'it was written, and is not to be seen everywhere yet',
};

const TWICE: Refusal = { error: 'INVALID_REQUEST', message: 'expected each topic once' };

export function createTopicsHandling(parts: TopicsParts): Handling<'CreateTopics'> {
  const { metadata, defaults } = parts;
  return {
    versions: { min: 0, max: 7 },
    handle: async ({ topics, timeoutMs, validateOnly }) => {
      const twice = repeated(topics.map(({ name }) => name));
      const refuse = (name: string, { error, message }: Refusal) => ({
        name,
        errorCode: codeOf(error),
        errorMessage: told(message),
      });
      const create = async (asked: AskedTopic) => {
        const { name } = asked;
        if (twice.has(name)) return refuse(name, TWICE);
        try {
          const info = await metadata.createTopic(newTopic(asked, defaults), validateOnly);
          const numPartitions = info.partitions.length;
          const shown =
            validateOnly ||
            (await imageShows(
              metadata,
              (now) => led(now, name, numPartitions),
              bounded(timeoutMs),
            ));
          if (!shown) return refuse(name, LATE);
          const replicationFactor = info.partitions[0]?.replicas.length ?? -1;
          const facts = { numPartitions, replicationFactor, topicId: wireId(info) };
          return { name, errorCode: 0, ...facts };
        } catch (error) {
          return refuse(name, refusalOf(error));
        }
      };
      return { topics: await inTurns(topics, create) };
    },
  };
}

export function deleteTopicsHandling(parts: TopicsParts): Handling<'DeleteTopics'> {
  const { metadata, topicIds } = parts;
  return {
    versions: { min: 0, max: 6 },
    handle: async ({ topics, topicNames, timeoutMs }, { version }) => {
      const remove = async (name: string | null, topicId: string) => {
        const known = name ?? topicIds.nameOf(topicId);
        const refuse = ({ error, message }: Refusal) => ({
          name,
          topicId,
          errorCode: codeOf(error),
          errorMessage: told(message),
        });
        if (known === undefined)
          return refuse({ error: 'UNKNOWN_TOPIC_ID', message: `there is no topic ${topicId}` });
        try {
          await metadata.deleteTopic(known);
        } catch (error) {
          return refuse(refusalOf(error));
        }
        const gone = (image: MetadataImage): boolean => {
          const topic = image.topics.get(known);
          return topic === undefined || topic.deleting;
        };
        if (!(await imageShows(metadata, gone, bounded(timeoutMs)))) return refuse(LATE);
        return { name: known, topicId, errorCode: 0 };
      };
      const asked = version >= 6 ? topics : topicNames.map((name) => ({ name, topicId: NO_UUID }));
      return {
        responses: await inTurns(
          distinct(asked, ({ name, topicId }) => name ?? topicId),
          ({ name, topicId }) => remove(name, topicId),
        ),
      };
    },
  };
}

export function createPartitionsHandling(parts: TopicsParts): Handling<'CreatePartitions'> {
  const { metadata } = parts;
  return {
    versions: { min: 0, max: 3 },
    handle: async ({ topics, timeoutMs, validateOnly }) => {
      const twice = repeated(topics.map(({ name }) => name));
      const grow = async ({ name, count, assignments }: (typeof topics)[number]) => {
        const refuse = ({ error, message }: Refusal) => ({
          name,
          errorCode: codeOf(error),
          errorMessage: told(message),
        });
        if (twice.has(name)) return refuse(TWICE);
        if (assignments !== null) {
          const message = 'replicas of new partitions are placed by the cluster alone';
          return refuse({ error: 'INVALID_REPLICA_ASSIGNMENT', message });
        }
        try {
          await metadata.createPartitions(name, count, validateOnly);
        } catch (error) {
          return refuse(refusalOf(error));
        }
        const shown = (now: MetadataImage): boolean => led(now, name, count);
        if (!validateOnly && !(await imageShows(metadata, shown, bounded(timeoutMs))))
          return refuse(LATE);
        return { name, errorCode: 0, errorMessage: null };
      };
      return { throttleTimeMs: 0, results: await inTurns(topics, grow) };
    },
  };
}
