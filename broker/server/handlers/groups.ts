// The APIs of group membership, between the wire's versions and the coordinator of groups: JoinGroup,
// SyncGroup, Heartbeat, LeaveGroup, DescribeGroups and ListGroups.
import type { GroupCoordinator } from '../../groups/coordinator.ts';
import { distinct } from '../bounded-work.ts';
import { codeOf, type Handling, type Handlings } from '../handling.ts';

/** What is kept of a client's name and of a subscription: they outlive the frame they came in. */
function kept(bytes: Buffer): Buffer {
  return Buffer.from(bytes);
}

export function groupHandlings(groups: GroupCoordinator): Handlings {
  return {
    JoinGroup: joinGroup(groups),
    SyncGroup: syncGroup(groups),
    Heartbeat: {
      versions: { min: 0, max: 4 },
      handle: ({ groupId, generationId, memberId, groupInstanceId }) => {
        const error = groups.heartbeat({
          group: groupId,
          generation: generationId,
          memberId,
          instanceId: groupInstanceId,
        });
        return { errorCode: codeOf(error) };
      },
    },
    LeaveGroup: leaveGroup(groups),
    DescribeGroups: {
      versions: { min: 0, max: 5 },
      handle: ({ groups: ids }) => ({
        groups: distinct(ids, (id) => id).map((id) => described(groups, id)),
      }),
    },
    ListGroups: {
      versions: { min: 0, max: 5 },
      handle: ({ statesFilter, typesFilter }) => {
        const { error, groups: listed } = groups.list();
        const states = statesFilter.map((state) => state.toLowerCase());
        const wanted = typesFilter.length === 0 || typesFilter.some((type) => isClassic(type));
        return {
          errorCode: codeOf(error),
          groups: listed
            .filter(({ state }) => states.length === 0 || states.includes(state.toLowerCase()))
            .filter(() => wanted)
            .map(({ group: groupId, protocolType, state: groupState }) => {
              return { groupId, protocolType, groupState, groupType: 'classic' };
            }),
        };
      },
    },
  };
}

function isClassic(type: string): boolean {
  return type.toLowerCase() === 'classic';
}

function joinGroup(groups: GroupCoordinator): Handling<'JoinGroup'> {
  return {
    versions: { min: 0, max: 9 },
    handle: async (body, { version, clientId, clientHost }) => {
      const { sessionTimeoutMs, rebalanceTimeoutMs } = body;
      const { error, generation, ...answer } = await groups.join({
        group: body.groupId,
        memberId: body.memberId,
        instanceId: body.groupInstanceId,
        needsKnownId: version >= 4,
        canSkipAssignment: version >= 9,
        clientId,
        clientHost,
        sessionTimeoutMs,
        rebalanceTimeoutMs: rebalanceTimeoutMs < 0 ? sessionTimeoutMs : rebalanceTimeoutMs,
        protocolType: body.protocolType,
        protocols: body.protocols.map(({ name, metadata }) => ({ name, metadata: kept(metadata) })),
      });
      return {
        errorCode: codeOf(error),
        generationId: generation,
        protocolType: answer.protocolType,
        // Null only where the version knows it.
        protocolName: answer.protocol ?? (version >= 7 ? null : ''),
        leader: answer.leader,
        skipAssignment: answer.skipAssignment,
        memberId: answer.memberId,
        members: answer.members.map(({ memberId, instanceId, metadata }) => {
          return { memberId, groupInstanceId: instanceId, metadata };
        }),
      };
    },
  };
}

function syncGroup(groups: GroupCoordinator): Handling<'SyncGroup'> {
  return {
    versions: { min: 0, max: 5 },
    handle: async (body) => {
      const { error, protocolType, protocol, assignment } = await groups.sync({
        group: body.groupId,
        generation: body.generationId,
        memberId: body.memberId,
        instanceId: body.groupInstanceId,
        protocolType: body.protocolType,
        protocol: body.protocolName,
        assignments: body.assignments.map((each) => ({
          memberId: each.memberId,
          assignment: kept(each.assignment),
        })),
      });
      return { errorCode: codeOf(error), protocolType, protocolName: protocol, assignment };
    },
  };
}

function leaveGroup(groups: GroupCoordinator): Handling<'LeaveGroup'> {
  return {
    versions: { min: 0, max: 5 },
    handle: ({ groupId, memberId, members }, { version }) => {
      const leaving =
        version >= 3
          ? members.map((each) => ({ memberId: each.memberId, instanceId: each.groupInstanceId }))
          : [{ memberId, instanceId: null }];
      const outcome = groups.leave({ group: groupId, members: leaving });
      if (typeof outcome === 'string') return { errorCode: codeOf(outcome) };
      if (version < 3) return { errorCode: codeOf(outcome[0]) };
      return {
        errorCode: 0,
        members: leaving.map((each, at) => ({
          memberId: each.memberId,
          groupInstanceId: each.instanceId,
          errorCode: codeOf(outcome[at]),
        })),
      };
    },
  };
}

function described(groups: GroupCoordinator, id: string) {
  const group = groups.describe(id);
  return {
    errorCode: codeOf(group.error),
    groupId: id,
    groupState: group.state,
    protocolType: group.protocolType,
    protocolData: group.protocol,
    members: group.members.map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.instanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      memberMetadata: member.metadata,
      memberAssignment: member.assignment,
    })),
  };
}
