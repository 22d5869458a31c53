// OffsetCommit and OffsetFetch, between the wire's versions and the coordinator of groups. Offsets of partitions
// that do not exist are refused here, for the coordinator knows only groups.
import type { ErrorName } from '../../../wire/kafka/error-codes.ts';
import type { Metadata } from '../../contract.ts';
import type { CommitAsk } from '../../groups/answers.ts';
import type { FetchedOffsets, GroupCoordinator } from '../../groups/coordinator.ts';
import { distinct, inTurns } from '../bounded-work.ts';
import { codeOf, type Handling } from '../handling.ts';

export interface CommittedParts {
  readonly metadata: Metadata;
  readonly groups: GroupCoordinator;
  /** `offset.metadata.max.bytes` */
  readonly metadataBytesMax: number;
}

export function offsetCommitHandling(parts: CommittedParts): Handling<'OffsetCommit'> {
  const { metadata, groups, metadataBytesMax } = parts;

  function refusal(topic: string, partition: number, text: string): ErrorName | undefined {
    if (metadata.image.topics.get(topic)?.partitions[partition] === undefined)
      return 'UNKNOWN_TOPIC_OR_PARTITION';
    return Buffer.byteLength(text) > metadataBytesMax ? 'OFFSET_METADATA_TOO_LARGE' : undefined;
  }

  return {
    versions: { min: 0, max: 9 },
    handle: async (body) => {
      const offsets: CommitAsk['offsets'][number][] = [];
      const refusals = body.topics.map(({ name: topic, partitions }) =>
        partitions.map((each) => {
          const text = each.committedMetadata ?? '';
          const error = refusal(topic, each.partitionIndex, text);
          if (error !== undefined) return error;
          offsets.push({
            topic,
            partition: each.partitionIndex,
            offset: each.committedOffset,
            leaderEpoch: each.committedLeaderEpoch,
            metadata: text,
          });
          return undefined;
        }),
      );
      const outcome = await groups.commit({
        group: body.groupId,
        generation: body.generationIdOrMemberEpoch,
        memberId: body.memberId,
        instanceId: body.groupInstanceId,
        offsets,
      });
      return {
        topics: body.topics.map(({ name, partitions }, at) => ({
          name,
          partitions: partitions.map(({ partitionIndex }, index) => {
            return { partitionIndex, errorCode: codeOf(refusals[at]?.[index] ?? outcome) };
          }),
        })),
      };
    },
  };
}

type AskedTopics = readonly {
  readonly name: string;
  readonly partitionIndexes: readonly number[];
}[];

/** Offsets as answered; −1 where nothing was committed, which is no error. */
function topicsOf(fetched: FetchedOffsets, asked: AskedTopics | null, errorCode: number) {
  const wanted: AskedTopics =
    asked ??
    [...fetched.topics].map(([name, partitions]) => {
      return { name, partitionIndexes: [...partitions.keys()] };
    });
  return wanted.map(({ name, partitionIndexes }) => ({
    name,
    partitions: partitionIndexes.map((partitionIndex) => {
      const found = fetched.topics.get(name)?.get(partitionIndex);
      return {
        partitionIndex,
        committedOffset: found?.offset ?? -1,
        committedLeaderEpoch: found?.leaderEpoch ?? -1,
        metadata: found?.metadata ?? '',
        errorCode,
      };
    }),
  }));
}

export function offsetFetchHandling({ groups }: CommittedParts): Handling<'OffsetFetch'> {
  return {
    versions: { min: 0, max: 9 },
    handle: async (body, { version }) => {
      if (version >= 8) {
        const asked = distinct(body.groups, ({ groupId }) => groupId);
        const answers = await inTurns(asked, async ({ groupId, topics }) => {
          const fetched = await groups.fetchOffsets(groupId);
          const errorCode = codeOf(fetched.error);
          return { groupId, errorCode, topics: topicsOf(fetched, topics, 0) };
        });
        return { groups: answers };
      }
      const fetched = await groups.fetchOffsets(body.groupId);
      const errorCode = codeOf(fetched.error);
      // Before version 2 there is no place for an error but the partitions.
      const topics = topicsOf(fetched, body.topics, errorCode);
      return { errorCode, topics };
    },
  };
}
