// Every API that is spoken here, by Kafka's name. Servers and clients name messages through this table, so
// that a request, its version and its body always belong together.
import type { Api, VersionRange } from './api.ts';
import {
  apiVersions,
  createPartitions,
  createTopics,
  deleteTopics,
  describeConfigs,
  metadata,
} from './messages/cluster.ts';
import {
  describeGroups,
  findCoordinator,
  heartbeat,
  joinGroup,
  leaveGroup,
  listGroups,
  offsetCommit,
  offsetFetch,
  syncGroup,
} from './messages/groups.ts';
import {
  fetch,
  initProducerId,
  listOffsets,
  offsetForLeaderEpoch,
  produce,
} from './messages/produce-fetch.ts';
import {
  controlledShutdown,
  leaderAndIsr,
  stopReplica,
  updateMetadata,
} from './messages/replication.ts';

export const APIS = {
  Produce: produce,
  Fetch: fetch,
  ListOffsets: listOffsets,
  Metadata: metadata,
  LeaderAndIsr: leaderAndIsr,
  StopReplica: stopReplica,
  UpdateMetadata: updateMetadata,
  ControlledShutdown: controlledShutdown,
  OffsetCommit: offsetCommit,
  OffsetFetch: offsetFetch,
  FindCoordinator: findCoordinator,
  JoinGroup: joinGroup,
  Heartbeat: heartbeat,
  LeaveGroup: leaveGroup,
  SyncGroup: syncGroup,
  DescribeGroups: describeGroups,
  ListGroups: listGroups,
  ApiVersions: apiVersions,
  CreateTopics: createTopics,
  DeleteTopics: deleteTopics,
  InitProducerId: initProducerId,
  OffsetForLeaderEpoch: offsetForLeaderEpoch,
  DescribeConfigs: describeConfigs,
  CreatePartitions: createPartitions,
} as const;

/** Kafka's name of an API. */
export type ApiName = keyof typeof APIS;
export const API_NAMES = Object.keys(APIS) as readonly ApiName[];

/** A decoded request body; fields that its version lacks hold their fallbacks. */
export type RequestBody<N extends ApiName> =
  (typeof APIS)[N] extends Api<infer Q, never, unknown, never> ? Q : never;
/** What encoding a request body takes. */
export type RequestInput<N extends ApiName> =
  (typeof APIS)[N] extends Api<unknown, infer Q, unknown, never> ? Q : never;
/** A decoded response body. */
export type ResponseBody<N extends ApiName> =
  (typeof APIS)[N] extends Api<unknown, never, infer S, never> ? S : never;
/** What encoding a response body takes. */
export type ResponseInput<N extends ApiName> =
  (typeof APIS)[N] extends Api<unknown, never, unknown, infer S> ? S : never;

/** Which versions of which APIs somebody speaks. */
export type VersionRanges = Readonly<Partial<Record<ApiName, VersionRange>>>;

/** Everything that this codec speaks. */
export const CODEC_VERSIONS: VersionRanges = Object.fromEntries(
  API_NAMES.map((name) => [name, APIS[name].versions]),
);

const nameByKey = new Map<number, ApiName>(API_NAMES.map((name) => [APIS[name].key, name]));

/** The API that a key on the wire means; undefined if it is none of ours. */
export function apiNameOf(key: number): ApiName | undefined {
  return nameByKey.get(key);
}

/** The versions spoken, as the response to ApiVersions lists them. */
export function apiKeysOf(spoken: VersionRanges): ResponseBody<'ApiVersions'>['apiKeys'] {
  return API_NAMES.flatMap((name) => {
    const range = spoken[name];
    if (range === undefined) return [];
    return [{ apiKey: APIS[name].key, minVersion: range.min, maxVersion: range.max }];
  }).sort((a, b) => a.apiKey - b.apiKey);
}
