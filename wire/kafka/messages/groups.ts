// The APIs of consumer groups: finding the coordinator, membership, and committed offsets. What a member
// says of its subscription and assignment is opaque bytes here, as it is to a broker.
import { api } from '../api.ts';
import { between, optional, since, struct, until } from '../struct.ts';
import { array, bool, bytes, int8, int16, int32, int64, nullable, string } from '../types.ts';

/** One key up to version 3, several from 4 on (KIP-699). Key type 0 is a group, 1 a transaction. */
export const findCoordinator = api({
  key: 10,
  versions: { min: 0, max: 6 },
  flexibleSince: 3,
  request: {
    key: until(3, string, ''),
    keyType: since(1, int8, 0),
    coordinatorKeys: since(4, array(string), []),
  },
  response: {
    throttleTimeMs: since(1, int32, 0),
    errorCode: until(3, int16, 0),
    errorMessage: between(1, 3, nullable(string), null),
    nodeId: until(3, int32, -1),
    host: until(3, string, ''),
    port: until(3, int32, -1),
    coordinators: since(
      4,
      array(
        struct({
          key: string,
          nodeId: int32,
          host: string,
          port: int32,
          errorCode: int16,
          errorMessage: nullable(string),
        }),
      ),
      [],
    ),
  },
});

/** Before version 1 the session timeout serves as the rebalance timeout, which reads as -1. */
export const joinGroup = api({
  key: 11,
  versions: { min: 0, max: 9 },
  flexibleSince: 6,
  request: {
    groupId: string,
    sessionTimeoutMs: int32,
    rebalanceTimeoutMs: since(1, int32, -1),
    memberId: string,
    groupInstanceId: since(5, nullable(string), null),
    protocolType: string,
    protocols: array(struct({ name: string, metadata: bytes })),
    reason: since(8, nullable(string), null),
  },
  response: {
    throttleTimeMs: since(2, int32, 0),
    errorCode: int16,
    generationId: int32,
    protocolType: since(7, nullable(string), null),
    protocolName: nullable(string, 7),
    leader: string,
    skipAssignment: since(9, bool, false),
    memberId: string,
    members: array(
      struct({
        memberId: string,
        groupInstanceId: since(5, nullable(string), null),
        metadata: bytes,
      }),
    ),
  },
});

export const syncGroup = api({
  key: 14,
  versions: { min: 0, max: 5 },
  flexibleSince: 4,
  request: {
    groupId: string,
    generationId: int32,
    memberId: string,
    groupInstanceId: since(3, nullable(string), null),
    protocolType: since(5, nullable(string), null),
    protocolName: since(5, nullable(string), null),
    assignments: array(struct({ memberId: string, assignment: bytes })),
  },
  response: {
    throttleTimeMs: since(1, int32, 0),
    errorCode: int16,
    protocolType: since(5, nullable(string), null),
    protocolName: since(5, nullable(string), null),
    assignment: bytes,
  },
});

export const heartbeat = api({
  key: 12,
  versions: { min: 0, max: 4 },
  flexibleSince: 4,
  request: {
    groupId: string,
    generationId: int32,
    memberId: string,
    groupInstanceId: since(3, nullable(string), null),
  },
  response: { throttleTimeMs: since(1, int32, 0), errorCode: int16 },
});

/** One member up to version 2, several from 3 on (KIP-345). */
export const leaveGroup = api({
  key: 13,
  versions: { min: 0, max: 5 },
  flexibleSince: 4,
  request: {
    groupId: string,
    memberId: until(2, string, ''),
    members: since(
      3,
      array(
        struct({
          memberId: string,
          groupInstanceId: optional(nullable(string), null),
          reason: since(5, nullable(string), null),
        }),
      ),
      [],
    ),
  },
  response: {
    throttleTimeMs: since(1, int32, 0),
    errorCode: int16,
    members: since(
      3,
      array(struct({ memberId: string, groupInstanceId: nullable(string), errorCode: int16 })),
      [],
    ),
  },
});

/** `authorizedOperations` is a bit field; its least value means that nobody asked. */
export const describeGroups = api({
  key: 15,
  versions: { min: 0, max: 5 },
  flexibleSince: 5,
  request: { groups: array(string), includeAuthorizedOperations: since(3, bool, false) },
  response: {
    throttleTimeMs: since(1, int32, 0),
    groups: array(
      struct({
        errorCode: int16,
        groupId: string,
        groupState: string,
        protocolType: string,
        protocolData: string,
        members: array(
          struct({
            memberId: string,
            groupInstanceId: since(4, nullable(string), null),
            clientId: string,
            clientHost: string,
            memberMetadata: bytes,
            memberAssignment: bytes,
          }),
        ),
        authorizedOperations: since(3, int32, -(2 ** 31)),
      }),
    ),
  },
});

export const listGroups = api({
  key: 16,
  versions: { min: 0, max: 5 },
  flexibleSince: 3,
  request: {
    statesFilter: since(4, array(string), []),
    typesFilter: since(5, array(string), []),
  },
  response: {
    throttleTimeMs: since(1, int32, 0),
    errorCode: int16,
    groups: array(
      struct({
        groupId: string,
        protocolType: string,
        groupState: since(4, string, ''),
        groupType: since(5, string, ''),
      }),
    ),
  },
});

/** Generation -1 with an empty member id commits for a group that has no members. */
export const offsetCommit = api({
  key: 8,
  versions: { min: 0, max: 9 },
  flexibleSince: 8,
  request: {
    groupId: string,
    generationIdOrMemberEpoch: since(1, int32, -1),
    memberId: since(1, string, ''),
    groupInstanceId: since(7, nullable(string), null),
    retentionTimeMs: between(2, 4, int64, -1),
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            committedOffset: int64,
            committedLeaderEpoch: since(6, int32, -1),
            commitTimestamp: between(1, 1, int64, -1),
            committedMetadata: nullable(string),
          }),
        ),
      }),
    ),
  },
  response: {
    throttleTimeMs: since(3, int32, 0),
    topics: array(
      struct({
        name: string,
        partitions: array(struct({ partitionIndex: int32, errorCode: int16 })),
      }),
    ),
  },
});

/** One group up to version 7, several from 8 on (KIP-709); null topics ask for all of them. */
export const offsetFetch = api({
  key: 9,
  versions: { min: 0, max: 9 },
  flexibleSince: 6,
  request: {
    groupId: until(7, string, ''),
    topics: until(
      7,
      nullable(array(struct({ name: string, partitionIndexes: array(int32) })), 2),
      [],
    ),
    groups: since(
      8,
      array(
        struct({
          groupId: string,
          memberId: since(9, nullable(string), null),
          memberEpoch: since(9, int32, -1),
          topics: nullable(array(struct({ name: string, partitionIndexes: array(int32) }))),
        }),
      ),
      [],
    ),
    requireStable: since(7, bool, false),
  },
  response: {
    throttleTimeMs: since(3, int32, 0),
    topics: until(
      7,
      array(
        struct({
          name: string,
          partitions: array(
            struct({
              partitionIndex: int32,
              committedOffset: int64,
              committedLeaderEpoch: since(5, int32, -1),
              metadata: nullable(string),
              errorCode: int16,
            }),
          ),
        }),
      ),
      [],
    ),
    errorCode: between(2, 7, int16, 0),
    groups: since(
      8,
      array(
        struct({
          groupId: string,
          topics: array(
            struct({
              name: string,
              partitions: array(
                struct({
                  partitionIndex: int32,
                  committedOffset: int64,
                  committedLeaderEpoch: int32,
                  metadata: nullable(string),
                  errorCode: int16,
                }),
              ),
            }),
          ),
          errorCode: int16,
        }),
      ),
      [],
    ),
  },
});
