// ListOffsets and OffsetForLeaderEpoch: where a log begins and ends, by time or by leader epoch. Followers and
// consumers ask alike; a consumer's end is the high watermark.
import { type Metadata, partitionKey, type Replicas, type TopicPartition } from '../../contract.ts';
import { inTurns, repeated } from '../bounded-work.ts';
import { codeOf, type Handling } from '../handling.ts';

export interface OffsetsParts {
  readonly metadata: Metadata;
  readonly replicas: Replicas;
}

function exists({ metadata }: OffsetsParts, { topic, partition }: TopicPartition): boolean {
  return metadata.image.topics.get(topic)?.partitions[partition] !== undefined;
}

export function listOffsetsHandling(parts: OffsetsParts): Handling<'ListOffsets'> {
  return {
    // Version 7 asks for the newest record by time, which is not offered; 0 has another answer.
    versions: { min: 1, max: 6 },
    handle: async ({ replicaId, topics }, { internal }) => {
      const twice = repeated(
        topics.flatMap(({ name: topic, partitions }) =>
          partitions.map(({ partitionIndex: partition }) => partitionKey({ topic, partition })),
        ),
      );
      return {
        topics: await inTurns(topics, async ({ name: topic, partitions }) => ({
          name: topic,
          partitions: await inTurns(partitions, async (asked) => {
            const { partitionIndex, currentLeaderEpoch } = asked;
            const of = { topic, partition: partitionIndex };
            if (twice.has(partitionKey(of)))
              return { partitionIndex, errorCode: codeOf('INVALID_REQUEST') };
            if (!exists(parts, of))
              return { partitionIndex, errorCode: codeOf('UNKNOWN_TOPIC_OR_PARTITION') };
            const ask = { ...of, timestamp: asked.timestamp, currentLeaderEpoch };
            const found = await parts.replicas.offsetAt(ask, internal ? replicaId : -1);
            const { error, offset, timestamp, leaderEpoch } = found;
            if (error !== undefined) return { partitionIndex, errorCode: codeOf(error) };
            return { partitionIndex, errorCode: 0, offset, timestamp, leaderEpoch };
          }),
        })),
      };
    },
  };
}

export function offsetForLeaderEpochHandling(
  parts: OffsetsParts,
): Handling<'OffsetForLeaderEpoch'> {
  return {
    versions: { min: 0, max: 4 },
    handle: ({ topics }) => ({
      topics: topics.map(({ topic, partitions }) => ({
        topic,
        partitions: partitions.map(({ partition, currentLeaderEpoch, leaderEpoch: asked }) => {
          const of = { topic, partition };
          if (!exists(parts, of)) {
            const errorCode = codeOf('UNKNOWN_TOPIC_OR_PARTITION');
            return { partition, errorCode, leaderEpoch: -1, endOffset: -1 };
          }
          const ask = { ...of, leaderEpoch: asked, currentLeaderEpoch };
          const { error, leaderEpoch, endOffset } = parts.replicas.endOfEpoch(ask);
          if (error !== undefined)
            return { partition, errorCode: codeOf(error), leaderEpoch: -1, endOffset: -1 };
          return { partition, errorCode: 0, leaderEpoch, endOffset };
        }),
      })),
    }),
  };
}
