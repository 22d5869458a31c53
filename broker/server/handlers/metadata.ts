// Metadata: who the brokers are, at the listener that the client came by, and who leads which partition. A
// topic that is not there may be made on the way, as Kafka's clients expect.
import { NO_UUID } from '../../../wire/kafka/types.ts';
import {
  type Metadata,
  type MetadataImage,
  NO_LEADER,
  OFFSETS_TOPIC,
  type PartitionInfo,
  type TopicInfo,
} from '../../contract.ts';
import { distinct, inTurns } from '../bounded-work.ts';
import { codeOf, type Handling, refusalOf } from '../handling.ts';
import type { AutoTopics } from '../settings.ts';
import { type TopicIds, wireId } from '../topic-ids.ts';

export interface MetadataParts {
  readonly metadata: Metadata;
  readonly autoTopics: AutoTopics;
  readonly topicIds: TopicIds;
}

export function metadataHandling(parts: MetadataParts): Handling<'Metadata'> {
  const { metadata, autoTopics, topicIds } = parts;
  return {
    versions: { min: 0, max: 12 },
    handle: async (body, { version, listener }) => {
      // Null asks for all topics, and in version 0 an empty list does.
      const all = body.topics === null || (version === 0 && body.topics.length === 0);
      const topics = all
        ? [...metadata.image.topics.values()]
            .filter(({ deleting }) => !deleting)
            .map((topic) => described(topic, metadata.image, listener))
        : await inTurns(
            distinct(body.topics ?? [], ({ name, topicId }) => name ?? topicId),
            ({ name, topicId }) => {
              const known = name ?? topicIds.nameOf(topicId);
              // The answer has to have a name before version 12, the request need not (versions 10, 11).
              if (known === undefined)
                return failed(version < 12 ? '' : null, 'UNKNOWN_TOPIC_ID', topicId);
              return one(known, body.allowAutoTopicCreation, listener);
            },
          );
      const { brokers, controller, clusterId = null } = metadata.image;
      const reachable = [...brokers.values()].flatMap(({ id, endpoints }) => {
        const endpoint = endpoints[listener];
        return endpoint === undefined ? [] : [{ nodeId: id, ...endpoint }];
      });
      const known = reachable.some(({ nodeId }) => nodeId === controller?.id);
      return {
        brokers: reachable,
        clusterId,
        controllerId: known ? (controller?.id ?? -1) : -1,
        topics,
      };
    },
  };

  async function one(name: string, mayCreate: boolean, listener: string) {
    const topic = metadata.image.topics.get(name);
    if (topic !== undefined && !topic.deleting) return described(topic, metadata.image, listener);
    if (!mayCreate || !autoTopics.enabled || topic !== undefined)
      return failed(name, 'UNKNOWN_TOPIC_OR_PARTITION');
    try {
      await autoTopics.ensure(name);
    } catch (error) {
      return failed(name, refusalOf(error).error);
    }
    const made = metadata.image.topics.get(name);
    if (made?.partitions.every(({ state }) => state !== undefined))
      return described(made, metadata.image, listener);
    return failed(name, 'LEADER_NOT_AVAILABLE');
  }
}

function failed(name: string | null, error: Parameters<typeof codeOf>[0], topicId = NO_UUID) {
  const isInternal = name === OFFSETS_TOPIC;
  return { errorCode: codeOf(error), name, topicId, isInternal, partitions: [] };
}

function described(topic: TopicInfo, image: MetadataImage, listener: string) {
  return {
    errorCode: 0,
    name: topic.name,
    topicId: wireId(topic),
    isInternal: topic.name === OFFSETS_TOPIC,
    partitions: topic.partitions.map((partition, partitionIndex) => ({
      partitionIndex,
      ...stateOf(partition, image, listener),
    })),
  };
}

function stateOf({ replicas, state }: PartitionInfo, image: MetadataImage, listener: string) {
  const leader = state?.leader ?? NO_LEADER;
  const broker = image.brokers.get(leader);
  const error =
    broker === undefined
      ? 'LEADER_NOT_AVAILABLE'
      : broker.endpoints[listener] === undefined
        ? 'LISTENER_NOT_FOUND'
        : undefined;
  return {
    errorCode: codeOf(error),
    leaderId: error === undefined ? leader : NO_LEADER,
    leaderEpoch: state?.leaderEpoch ?? -1,
    replicaNodes: replicas,
    isrNodes: state?.isr ?? [],
    offlineReplicas: replicas.filter((id) => !image.brokers.has(id)),
  };
}
