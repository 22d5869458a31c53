// What a member asks of its consumer group's coordinator: to join, its share, to stay, to leave, and the offsets
// that the group has committed. Each call is one attempt; a member's life is led by its user.
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from '../../wire/kafka/consumer-protocol.ts';
import type { Endpoint } from './channel.ts';
import { type BrokerClient, expectNone, only } from './client.ts';

/** This client's way of sharing partitions out, by Kafka's name for it. */
const PROTOCOL = 'roundrobin';
const PROTOCOL_TYPE = 'consumer';
const SUBSCRIPTION_VERSION = 0;

/** A member as its group's coordinator knows it. */
export interface Membership {
  readonly group: string;
  readonly member: string;
  readonly generation: number;
}

/** What joining gave; `members` has everybody's topics at the member that is to share out, else nobody. */
export interface Joined extends Membership {
  readonly members: ReadonlyMap<string, readonly string[]>;
}

export interface JoinOptions {
  readonly topics: readonly string[];
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly timeoutMs: number;
}

export class GroupClient {
  readonly #client: BrokerClient;

  constructor(client: BrokerClient) {
    this.#client = client;
  }

  /** The broker that coordinates a group. */
  async coordinator(group: string, timeoutMs: number): Promise<Endpoint> {
    const answer = await this.#client.askAny('FindCoordinator', { key: group }, timeoutMs);
    expectNone(answer.errorCode, `FindCoordinator of ${group}`);
    return { host: answer.host, port: answer.port };
  }

  /**
   * Joins with a member id, '' for a new member, which is told its id and asks again with it. Rejects with
   * BrokerError.
   */
  async join(
    at: Endpoint,
    group: string,
    member: string,
    { topics, sessionTimeoutMs, rebalanceTimeoutMs, timeoutMs }: JoinOptions,
    named: (member: string) => void,
  ): Promise<Joined> {
    const metadata = encodeSubscription(SUBSCRIPTION_VERSION, {
      topics: [...topics],
      userData: null,
    });
    const ask = (memberId: string) =>
      this.#client.ask(
        at,
        'JoinGroup',
        {
          groupId: group,
          sessionTimeoutMs,
          rebalanceTimeoutMs,
          memberId,
          protocolType: PROTOCOL_TYPE,
          protocols: [{ name: PROTOCOL, metadata }],
        },
        timeoutMs,
      );
    let answer = await ask(member);
    if (answer.memberId !== '') named(answer.memberId);
    if (member === '' && answer.generationId < 0 && answer.memberId !== '')
      answer = await ask(answer.memberId);
    expectNone(answer.errorCode, `JoinGroup of ${group}`);
    const members = answer.members.map((each): [string, readonly string[]] => [
      each.memberId,
      decodeSubscription(each.metadata).topics,
    ]);
    return {
      group,
      member: answer.memberId,
      generation: answer.generationId,
      members: new Map(members),
    };
  }

  /** Hands in everybody's share, if this member is to say it, and resolves with its own: topic → partitions. */
  async sync(
    at: Endpoint,
    { group, member, generation }: Membership,
    shares: ReadonlyMap<string, ReadonlyMap<string, readonly number[]>>,
    timeoutMs: number,
  ): Promise<Map<string, readonly number[]>> {
    const assignments = [...shares].map(([memberId, share]) => {
      const assignedPartitions = [...share].map(([topic, partitions]) => ({
        topic,
        partitions: [...partitions],
      }));
      return { memberId, assignment: encodeAssignment(0, { assignedPartitions, userData: null }) };
    });
    const answer = await this.#client.ask(
      at,
      'SyncGroup',
      { groupId: group, generationId: generation, memberId: member, assignments },
      timeoutMs,
    );
    expectNone(answer.errorCode, `SyncGroup of ${group}`);
    const { assignedPartitions } = decodeAssignment(answer.assignment);
    return new Map(assignedPartitions.map(({ topic, partitions }) => [topic, partitions]));
  }

  /** Stays a member. Rejects with REBALANCE_IN_PROGRESS when it has to join again. */
  async heartbeat(at: Endpoint, { group, member, generation }: Membership, timeoutMs: number) {
    const body = { groupId: group, generationId: generation, memberId: member };
    const { errorCode } = await this.#client.ask(at, 'Heartbeat', body, timeoutMs);
    expectNone(errorCode, `Heartbeat in ${group}`);
  }

  async leave(at: Endpoint, group: string, memberId: string, timeoutMs: number): Promise<void> {
    const body = { groupId: group, members: [{ memberId }] };
    const { errorCode, members } = await this.#client.ask(at, 'LeaveGroup', body, timeoutMs);
    expectNone(errorCode, `LeaveGroup of ${group}`);
    expectNone(only(members, 'LeaveGroup').errorCode, `LeaveGroup of ${group}`);
  }

  /** Commits offsets by topic and partition. Rejects with the first partition's error, if one has any. */
  async commit(
    at: Endpoint,
    { group, member, generation }: Membership,
    offsets: ReadonlyMap<string, ReadonlyMap<number, number>>,
    timeoutMs: number,
  ): Promise<void> {
    const topics = [...offsets].map(([name, partitions]) => ({
      name,
      partitions: [...partitions].map(([partitionIndex, committedOffset]) => ({
        partitionIndex,
        committedOffset,
        committedMetadata: null,
      })),
    }));
    const answer = await this.#client.ask(
      at,
      'OffsetCommit',
      { groupId: group, generationIdOrMemberEpoch: generation, memberId: member, topics },
      timeoutMs,
    );
    for (const { partitions } of answer.topics) {
      for (const { errorCode } of partitions) expectNone(errorCode, `OffsetCommit of ${group}`);
    }
  }

  /** The committed offset of each of these partitions that has one, by `topic-partition`. */
  async committed(
    at: Endpoint,
    group: string,
    share: ReadonlyMap<string, readonly number[]>,
    timeoutMs: number,
  ): Promise<Map<string, number>> {
    const topics = [...share].map(([name, partitions]) => ({
      name,
      partitionIndexes: [...partitions],
    }));
    const answer = await this.#client.ask(at, 'OffsetFetch', { groupId: group, topics }, timeoutMs);
    expectNone(answer.errorCode, `OffsetFetch of ${group}`);
    const found = new Map<string, number>();
    for (const { name, partitions } of answer.topics) {
      for (const { partitionIndex, committedOffset, errorCode } of partitions) {
        expectNone(errorCode, `OffsetFetch of ${group}`);
        if (committedOffset >= 0) found.set(`${name}-${partitionIndex}`, committedOffset);
      }
    }
    return found;
  }
}
