// All APIs that a broker serves, put together from their parts. ApiVersions is the front's own, because it lists
// exactly these.
import type { Metadata, Replicas } from '../contract.ts';
import type { GroupCoordinator } from '../groups/coordinator.ts';
import { offsetCommitHandling, offsetFetchHandling } from './handlers/committed.ts';
import { describeConfigsHandling } from './handlers/configs.ts';
import { fetchHandling } from './handlers/fetch.ts';
import { findCoordinatorHandling } from './handlers/find-coordinator.ts';
import { groupHandlings } from './handlers/groups.ts';
import { metadataHandling } from './handlers/metadata.ts';
import { listOffsetsHandling, offsetForLeaderEpochHandling } from './handlers/offsets.ts';
import { produceHandling } from './handlers/produce.ts';
import { initProducerIdHandling } from './handlers/producer-ids.ts';
import { controlledShutdownHandling, type ShutdownDoor } from './handlers/shutdown.ts';
import {
  createPartitionsHandling,
  createTopicsHandling,
  deleteTopicsHandling,
} from './handlers/topics.ts';
import type { Handlings } from './handling.ts';
import { AutoTopics, type TopicDefaults } from './settings.ts';
import { TopicIds } from './topic-ids.ts';

export interface HandlingsParts {
  readonly brokerId: number;
  readonly metadata: Metadata;
  readonly replicas: Replicas;
  readonly groups: GroupCoordinator;
  readonly controller: ShutdownDoor;
  readonly topicDefaults: TopicDefaults;
  /** `fetch.max.bytes` */
  readonly answerBytesMax: number;
  /** `offset.metadata.max.bytes` */
  readonly metadataBytesMax: number;
  readonly brokerSettings: ReadonlyMap<string, { readonly value: string; readonly given: boolean }>;
  readonly topicSettings: ReadonlyMap<string, string>;
  readonly log: (line: string) => void;
}

export function allHandlings(parts: HandlingsParts): Handlings {
  const { metadata, topicDefaults } = parts;
  const topicIds = new TopicIds(metadata);
  const autoTopics = new AutoTopics(metadata, topicDefaults);
  const topics = { metadata, topicIds, defaults: topicDefaults };
  return {
    Produce: produceHandling(parts),
    Fetch: fetchHandling({ ...parts, topicIds }),
    ListOffsets: listOffsetsHandling(parts),
    OffsetForLeaderEpoch: offsetForLeaderEpochHandling(parts),
    Metadata: metadataHandling({ metadata, autoTopics, topicIds }),
    CreateTopics: createTopicsHandling(topics),
    DeleteTopics: deleteTopicsHandling(topics),
    CreatePartitions: createPartitionsHandling(topics),
    DescribeConfigs: describeConfigsHandling(parts),
    InitProducerId: initProducerIdHandling(metadata),
    FindCoordinator: findCoordinatorHandling({ ...parts, autoTopics }),
    OffsetCommit: offsetCommitHandling(parts),
    OffsetFetch: offsetFetchHandling(parts),
    ControlledShutdown: controlledShutdownHandling(parts.controller),
    ...groupHandlings(parts.groups),
  };
}
