// What a client asks of the cluster itself: versions, metadata, topics and configuration. Every client
// begins with the first two.
import { api } from '../api.ts';
import { between, optional, since, struct, tagged, until } from '../struct.ts';
import {
  array,
  bool,
  int8,
  int16,
  int32,
  int64,
  NO_UUID,
  nullable,
  string,
  uuid,
} from '../types.ts';

/** A bit field of authorized operations that nobody asked for. */
const NOT_ASKED = -(2 ** 31);

/**
 * The response's header is always version 0, and a server that does not know the version asked for
 * answers with error 35 in a body of version 0, since the client cannot know better yet (KIP-511).
 */
export const apiVersions = api({
  key: 18,
  versions: { min: 0, max: 4 },
  flexibleSince: 3,
  plainResponseHeader: true,
  request: {
    clientSoftwareName: since(3, string, ''),
    clientSoftwareVersion: since(3, string, ''),
  },
  response: {
    errorCode: int16,
    apiKeys: array(struct({ apiKey: int16, minVersion: int16, maxVersion: int16 })),
    throttleTimeMs: since(1, int32, 0),
    supportedFeatures: tagged(
      0,
      3,
      array(struct({ name: string, minVersion: int16, maxVersion: int16 })),
    ),
    finalizedFeaturesEpoch: tagged(1, 3, int64),
    finalizedFeatures: tagged(
      2,
      3,
      array(struct({ name: string, maxVersionLevel: int16, minVersionLevel: int16 })),
    ),
    zkMigrationReady: tagged(3, 3, bool),
  },
});

/** Null topics ask for all of them; in version 0, which knows no null, no topics do. */
export const metadata = api({
  key: 3,
  versions: { min: 0, max: 12 },
  flexibleSince: 9,
  request: {
    topics: nullable(
      array(struct({ topicId: since(10, uuid, NO_UUID), name: nullable(string, 10) })),
      1,
    ),
    allowAutoTopicCreation: since(4, bool, true),
    includeClusterAuthorizedOperations: between(8, 10, bool, false),
    includeTopicAuthorizedOperations: since(8, bool, false),
  },
  response: {
    throttleTimeMs: since(3, int32, 0),
    brokers: array(
      struct({
        nodeId: int32,
        host: string,
        port: int32,
        rack: since(1, nullable(string), null),
      }),
    ),
    clusterId: since(2, nullable(string), null),
    controllerId: since(1, int32, -1),
    topics: array(
      struct({
        errorCode: int16,
        name: nullable(string, 12),
        topicId: since(10, uuid, NO_UUID),
        isInternal: since(1, bool, false),
        partitions: array(
          struct({
            errorCode: int16,
            partitionIndex: int32,
            leaderId: int32,
            leaderEpoch: since(7, int32, -1),
            replicaNodes: array(int32),
            isrNodes: array(int32),
            offlineReplicas: since(5, array(int32), []),
          }),
        ),
        topicAuthorizedOperations: since(8, int32, NOT_ASKED),
      }),
    ),
    clusterAuthorizedOperations: between(8, 10, int32, NOT_ASKED),
  },
});

/** Counts of -1 mean the broker's defaults, from version 4 on, or that `assignments` says all. */
export const createTopics = api({
  key: 19,
  versions: { min: 0, max: 7 },
  flexibleSince: 5,
  request: {
    topics: array(
      struct({
        name: string,
        numPartitions: int32,
        replicationFactor: int16,
        assignments: optional(
          array(struct({ partitionIndex: int32, brokerIds: array(int32) })),
          [],
        ),
        configs: optional(array(struct({ name: string, value: nullable(string) })), []),
      }),
    ),
    timeoutMs: int32,
    validateOnly: since(1, bool, false),
  },
  response: {
    throttleTimeMs: since(2, int32, 0),
    topics: array(
      struct({
        name: string,
        topicId: since(7, uuid, NO_UUID),
        errorCode: int16,
        errorMessage: since(1, nullable(string), null),
        topicConfigErrorCode: tagged(0, 5, int16),
        numPartitions: since(5, int32, -1),
        replicationFactor: since(5, int16, -1),
        configs: since(
          5,
          nullable(
            array(
              struct({
                name: string,
                value: nullable(string),
                readOnly: bool,
                configSource: int8,
                isSensitive: bool,
              }),
            ),
          ),
          [],
        ),
      }),
    ),
  },
});

/** Topics by name up to version 5, by name or id from 6 on. */
export const deleteTopics = api({
  key: 20,
  versions: { min: 0, max: 6 },
  flexibleSince: 4,
  request: {
    topics: since(
      6,
      array(struct({ name: optional(nullable(string), null), topicId: optional(uuid, NO_UUID) })),
      [],
    ),
    topicNames: until(5, array(string), []),
    timeoutMs: int32,
  },
  response: {
    throttleTimeMs: since(1, int32, 0),
    responses: array(
      struct({
        name: nullable(string, 6),
        topicId: since(6, uuid, NO_UUID),
        errorCode: int16,
        errorMessage: since(5, nullable(string), null),
      }),
    ),
  },
});

export const createPartitions = api({
  key: 37,
  versions: { min: 0, max: 3 },
  flexibleSince: 2,
  request: {
    topics: array(
      struct({
        name: string,
        count: int32,
        assignments: nullable(array(struct({ brokerIds: array(int32) }))),
      }),
    ),
    timeoutMs: int32,
    validateOnly: bool,
  },
  response: {
    throttleTimeMs: int32,
    results: array(struct({ name: string, errorCode: int16, errorMessage: nullable(string) })),
  },
});

/** Resource type 2 is a topic, 4 a broker; null keys ask for every configuration. */
export const describeConfigs = api({
  key: 32,
  versions: { min: 0, max: 4 },
  flexibleSince: 4,
  request: {
    resources: array(
      struct({
        resourceType: int8,
        resourceName: string,
        configurationKeys: nullable(array(string)),
      }),
    ),
    includeSynonyms: since(1, bool, false),
    includeDocumentation: since(3, bool, false),
  },
  response: {
    throttleTimeMs: int32,
    results: array(
      struct({
        errorCode: int16,
        errorMessage: nullable(string),
        resourceType: int8,
        resourceName: string,
        configs: array(
          struct({
            name: string,
            value: nullable(string),
            readOnly: bool,
            isDefault: until(0, bool, false),
            configSource: since(1, int8, -1),
            isSensitive: bool,
            synonyms: since(
              1,
              array(struct({ name: string, value: nullable(string), source: int8 })),
              [],
            ),
            configType: since(3, int8, 0),
            documentation: since(3, nullable(string), null),
          }),
        ),
      }),
    ),
  },
});
