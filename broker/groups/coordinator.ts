// The coordinator of consumer groups: for each partition of __consumer_offsets that this broker leads it keeps
// the groups, and sends away everybody whose group is kept elsewhere or not loaded yet.
import { decodeAssignment } from '../../wire/kafka/consumer-protocol.ts';
import type { ErrorName } from '../../wire/kafka/error-codes.ts';
import {
  type EventSink,
  type Metadata,
  OFFSETS_TOPIC,
  partitionKey,
  type Replicas,
  type TopicPartition,
} from '../contract.ts';
import {
  type CommitAsk,
  type GroupDescription,
  type JoinAnswer,
  type JoinAsk,
  joinRefused,
  type LeaveAsk,
  type MemberAsk,
  type SyncAnswer,
  type SyncAsk,
  syncRefused,
} from './answers.ts';
import { type Group, NO_ASSIGNMENT } from './group.ts';
import { type GroupConfig, identityError, Membership } from './membership.ts';
import type { CommittedOffset } from './offsets-records.ts';
import { partitionOfGroup } from './partition-of.ts';
import { Shard } from './shard.ts';

export interface CoordinatorParts {
  readonly brokerId: number;
  readonly replicas: Replicas;
  readonly metadata: Metadata;
  readonly events: EventSink;
  readonly config: GroupConfig & {
    /** `offsets.commit.timeout.ms` */
    readonly storeTimeoutMs: number;
  };
  /** Records that a partition of the offsets topic may always have. Default 100,000. */
  readonly recordsKept?: number;
  readonly wallMs: () => number;
  readonly newId: () => string;
  readonly log: (line: string) => void;
}

/** What a group committed: of the partitions asked for, or of all. */
export interface FetchedOffsets {
  readonly error: ErrorName;
  readonly topics: ReadonlyMap<string, ReadonlyMap<number, CommittedOffset>>;
}

const NOTHING: FetchedOffsets['topics'] = new Map();

export class GroupCoordinator {
  readonly #parts: CoordinatorParts;
  readonly #shards = new Map<number, Shard>();
  readonly #memberships = new Map<Shard, Membership>();
  readonly #unsubscribe: () => void;
  #closed = false;

  constructor(parts: CoordinatorParts) {
    this.#parts = parts;
    parts.replicas.onLeadership((of, epoch) => {
      if (of.topic === OFFSETS_TOPIC) this.#leadership(of, epoch);
    });
    this.#unsubscribe = parts.metadata.subscribe(({ topics }) => this.#topicsChanged(topics));
  }

  /** The partition of the offsets topic that keeps the group; undefined: the topic is not there yet. */
  partitionOf(group: string): TopicPartition | undefined {
    const topic = this.#parts.metadata.image.topics.get(OFFSETS_TOPIC);
    if (topic === undefined || topic.deleting || topic.partitions.length === 0) return undefined;
    return { topic: OFFSETS_TOPIC, partition: partitionOfGroup(group, topic.partitions.length) };
  }

  /** Joins; resolves when the rebalance is complete, or at once with a refusal. */
  join(ask: JoinAsk): Promise<JoinAnswer> {
    const shard = this.#shardOf(ask.group);
    if (typeof shard === 'string') return Promise.resolve(joinRefused(shard, ask.memberId));
    const { minSessionTimeoutMs, maxSessionTimeoutMs } = this.#parts.config;
    const { sessionTimeoutMs } = ask;
    if (sessionTimeoutMs < minSessionTimeoutMs || sessionTimeoutMs > maxSessionTimeoutMs)
      return Promise.resolve(joinRefused('INVALID_SESSION_TIMEOUT', ask.memberId));
    const known = shard.groups.get(ask.group);
    if (known === undefined && ask.memberId !== '')
      return Promise.resolve(joinRefused('UNKNOWN_MEMBER_ID', ask.memberId));
    const group = known ?? shard.group(ask.group);
    if (group === undefined) return Promise.resolve(joinRefused('GROUP_MAX_SIZE_REACHED'));
    return new Promise((resolve) => this.#membershipOf(shard).join(group, ask, resolve));
  }

  /** Resolves with the member's assignment once the leader's is stored. */
  sync(ask: SyncAsk): Promise<SyncAnswer> {
    const found = this.#memberOf(ask);
    if (typeof found === 'string') {
      // A member whose assignment is lost in a failover is to join again, not to wait.
      const error = found === 'COORDINATOR_LOAD_IN_PROGRESS' ? 'REBALANCE_IN_PROGRESS' : found;
      return Promise.resolve(syncRefused(error));
    }
    const { group, shard } = found;
    const member = group.members.get(ask.memberId);
    const refuse = (error: ErrorName) => Promise.resolve(syncRefused(error));
    if (member === undefined) return refuse('UNKNOWN_MEMBER_ID');
    if (ask.protocolType !== null && ask.protocolType !== group.protocolType)
      return refuse('INCONSISTENT_GROUP_PROTOCOL');
    if (ask.protocol !== null && ask.protocol !== group.protocol)
      return refuse('INCONSISTENT_GROUP_PROTOCOL');
    const membership = this.#membershipOf(shard);
    if (group.state === 'Stable') {
      membership.touch(group, member);
      const { protocol, protocolType = null } = group;
      return Promise.resolve({
        error: 'NONE',
        protocolType,
        protocol,
        assignment: member.assignment,
      });
    }
    if (group.state !== 'CompletingRebalance' || group.beginning)
      return refuse('REBALANCE_IN_PROGRESS');
    membership.touch(group, member);
    return new Promise((resolve) => {
      member.syncing?.(syncRefused('REBALANCE_IN_PROGRESS'));
      member.syncing = resolve;
      if (group.leader === member.id && !group.assigning) this.#assign(shard, group, ask);
    });
  }

  /** Stores the leader's assignment; only then is anybody told of it. */
  #assign(shard: Shard, group: Group, ask: SyncAsk): void {
    const { generation } = group;
    const given = new Map(ask.assignments.map((each) => [each.memberId, each.assignment]));
    group.assigning = true;
    void shard.store(group, given).then((error) => {
      if (group.state !== 'CompletingRebalance' || group.generation !== generation) return;
      if (error === undefined) {
        for (const member of group.members.values())
          member.assignment = given.get(member.id) ?? NO_ASSIGNMENT;
        const assignment = readableAssignment(group);
        this.#parts.events.emit({ ev: 'groupAssigned', group: group.id, generation, assignment });
      }
      this.#membershipOf(shard).assigned(group, error);
    });
  }

  heartbeat(ask: MemberAsk): ErrorName {
    const found = this.#memberOf(ask);
    // While the group is loaded nobody is counted as silent.
    if (found === 'COORDINATOR_LOAD_IN_PROGRESS') return 'NONE';
    if (typeof found === 'string') return found;
    const { group, shard } = found;
    const member = group.members.get(ask.memberId);
    if (member === undefined) return 'UNKNOWN_MEMBER_ID';
    this.#membershipOf(shard).touch(group, member);
    return group.state === 'PreparingRebalance' ? 'REBALANCE_IN_PROGRESS' : 'NONE';
  }

  /** Takes members out; an error for each, or one for all. */
  leave(ask: LeaveAsk): ErrorName | ErrorName[] {
    const shard = this.#shardOf(ask.group);
    if (typeof shard === 'string') return shard;
    const group = shard.groups.get(ask.group);
    if (group === undefined) return ask.members.map(() => 'UNKNOWN_MEMBER_ID');
    return this.#membershipOf(shard).leave(group, ask);
  }

  /** Stores offsets of a current member, or of nobody while the group is empty (I-G2). */
  async commit(ask: CommitAsk): Promise<ErrorName> {
    const shard = this.#shardOf(ask.group);
    if (typeof shard === 'string') return shard;
    if (ask.generation >= 0 && !shard.groups.has(ask.group)) return 'ILLEGAL_GENERATION';
    const group = shard.group(ask.group);
    if (group === undefined) return 'GROUP_MAX_SIZE_REACHED';
    const refusal = commitError(group, ask);
    if (refusal !== undefined) return refusal;
    const member = group.members.get(ask.memberId);
    if (member !== undefined) this.#membershipOf(shard).touch(group, member);
    if (ask.offsets.length === 0) return 'NONE';
    const error = await shard.commit(group, ask);
    if (error !== undefined) return error;
    const { events } = this.#parts;
    for (const { topic, partition, offset } of events.detailed ? ask.offsets : []) {
      events.emit({
        ev: 'offsetCommitted',
        group: group.id,
        generation: ask.generation,
        member: ask.memberId,
        tp: partitionKey({ topic, partition }),
        offset,
      });
    }
    return 'NONE';
  }

  /**
   * What a group committed. It is asked of the cluster's metadata first whether this broker still keeps the
   * group, for one that was deposed and does not know it would answer with what is outdated.
   */
  async fetchOffsets(groupId: string): Promise<FetchedOffsets> {
    const shard = this.#shardOf(groupId);
    if (typeof shard === 'string') return { error: shard, topics: NOTHING };
    const about = { topic: OFFSETS_TOPIC, partition: shard.partition };
    let state: Awaited<ReturnType<Metadata['readState']>>;
    try {
      state = await this.#parts.metadata.readState(about);
    } catch {
      return { error: 'COORDINATOR_NOT_AVAILABLE', topics: NOTHING };
    }
    const leads = state?.leader === this.#parts.brokerId && state.leaderEpoch === shard.epoch;
    if (!leads || this.#shards.get(shard.partition) !== shard)
      return { error: 'NOT_COORDINATOR', topics: NOTHING };
    return { error: 'NONE', topics: shard.groups.get(groupId)?.offsets ?? NOTHING };
  }

  describe(groupId: string): GroupDescription {
    const shard = this.#shardOf(groupId);
    const group = typeof shard === 'string' ? undefined : shard.groups.get(groupId);
    const members = [...(group?.members.values() ?? [])];
    return {
      error: typeof shard === 'string' ? shard : 'NONE',
      group: groupId,
      state: group?.state ?? (typeof shard === 'string' ? '' : 'Dead'),
      protocolType: group?.protocolType ?? '',
      protocol: group?.protocol ?? '',
      members: members.map((member) => ({
        memberId: member.id,
        instanceId: member.instanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        metadata: group?.subscriptionOf(member) ?? NO_ASSIGNMENT,
        assignment: member.assignment,
      })),
    };
  }

  /** The groups kept here; the error says that some are not loaded yet. */
  list(): { error: ErrorName; groups: { group: string; protocolType: string; state: string }[] } {
    const shards = [...this.#shards.values()];
    const groups = shards.flatMap((shard) => [...shard.groups.values()]);
    return {
      error: shards.every(({ loaded }) => loaded) ? 'NONE' : 'COORDINATOR_LOAD_IN_PROGRESS',
      groups: groups.map(({ id, protocolType = '', state }) => ({
        group: id,
        protocolType,
        state,
      })),
    };
  }

  /** Lets go of all groups; whoever waits is told to look for another coordinator. */
  close(): void {
    this.#closed = true;
    this.#unsubscribe();
    for (const shard of [...this.#shards.values()]) this.#end(shard);
  }

  #leadership(of: TopicPartition, epoch: number | undefined): void {
    const before = this.#shards.get(of.partition);
    if (this.#closed || before?.epoch === epoch) return;
    if (before !== undefined) this.#end(before);
    if (epoch !== undefined) this.#begin(of, epoch);
  }

  #begin(of: TopicPartition, epoch: number): void {
    const { brokerId, replicas, wallMs, config, recordsKept, log } = this.#parts;
    const { storeTimeoutMs } = config;
    const outgrown = (): void => this.#loadAnew(of, shard);
    const parts = { brokerId, replicas, wallMs, storeTimeoutMs, recordsKept, outgrown };
    const shard: Shard = new Shard(of.partition, epoch, parts);
    this.#shards.set(of.partition, shard);
    shard.load().then(
      (done) => {
        if (!done) return;
        const membership = this.#membershipOf(shard);
        for (const group of shard.groups.values()) membership.resume(group);
      },
      (error: Error) => log(`groups of ${partitionKey(of)} cannot be loaded: ${error.message}`),
    );
  }

  /** As if another broker had begun to lead: who is answered nothing asks again. */
  #loadAnew(of: TopicPartition, shard: Shard): void {
    // Not in the midst of what its append is about.
    setImmediate(() => {
      if (this.#closed || this.#shards.get(of.partition) !== shard) return;
      this.#end(shard);
      this.#begin(of, shard.epoch);
    });
  }

  #end(shard: Shard): void {
    shard.end();
    this.#shards.delete(shard.partition);
    const membership = this.#membershipOf(shard);
    for (const group of shard.groups.values()) membership.drop(group, 'NOT_COORDINATOR');
    this.#memberships.delete(shard);
  }

  #membershipOf(shard: Shard): Membership {
    const known = this.#memberships.get(shard);
    if (known !== undefined) return known;
    const { config, events, newId } = this.#parts;
    const membership = new Membership({
      config,
      events,
      newId,
      nowMs: () => performance.now(),
      store: (group, assignments) => shard.store(group, assignments),
    });
    this.#memberships.set(shard, membership);
    return membership;
  }

  #shardOf(group: string): Shard | ErrorName {
    if (group === '') return 'INVALID_GROUP_ID';
    const of = this.partitionOf(group);
    if (of === undefined || this.#closed) return 'COORDINATOR_NOT_AVAILABLE';
    const shard = this.#shards.get(of.partition);
    if (shard === undefined || this.#parts.replicas.leaderEpochOf(of) !== shard.epoch)
      return 'NOT_COORDINATOR';
    return shard.loaded ? shard : 'COORDINATOR_LOAD_IN_PROGRESS';
  }

  #memberOf(ask: MemberAsk): { group: Group; shard: Shard } | ErrorName {
    const shard = this.#shardOf(ask.group);
    if (typeof shard === 'string') return shard;
    const group = shard.groups.get(ask.group);
    if (group === undefined) return 'UNKNOWN_MEMBER_ID';
    const error = identityError(group, ask.memberId, ask.instanceId);
    if (error !== undefined) return error;
    // While a generation is begun and not stored, its members are in none: they wait to be told.
    if (ask.generation !== group.generation) {
      return group.beginning ? 'REBALANCE_IN_PROGRESS' : 'ILLEGAL_GENERATION';
    }
    return { group, shard };
  }

  #topicsChanged(topics: ReadonlySet<string>): void {
    const { image } = this.#parts.metadata;
    for (const topic of topics) {
      if (image.topics.has(topic) || topic === OFFSETS_TOPIC) continue;
      for (const shard of this.#shards.values()) if (shard.loaded) void shard.forgetTopic(topic);
    }
  }
}

/** Why this commit is refused; undefined: it is a current member's, or nobody's in an empty group. */
function commitError(group: Group, ask: CommitAsk): ErrorName | undefined {
  if (ask.generation < 0 && ask.memberId === '' && group.state === 'Empty') return undefined;
  const error = identityError(group, ask.memberId, ask.instanceId);
  if (error !== undefined) return error;
  if (ask.generation !== group.generation) {
    return group.beginning ? 'REBALANCE_IN_PROGRESS' : 'ILLEGAL_GENERATION';
  }
  return group.state === 'CompletingRebalance' ? 'REBALANCE_IN_PROGRESS' : undefined;
}

/** Partitions by member, for people and checkers; groups of other kinds than consumers' show none. */
function readableAssignment(group: Group): Record<string, string[]> {
  const readable: Record<string, string[]> = {};
  for (const { id, assignment } of group.members.values()) {
    readable[id] = group.protocolType === 'consumer' ? partitionsIn(assignment) : [];
  }
  return readable;
}

function partitionsIn(assignment: Buffer): string[] {
  try {
    const { assignedPartitions } = decodeAssignment(assignment);
    return assignedPartitions.flatMap(({ topic, partitions }) =>
      partitions.map((partition) => partitionKey({ topic, partition })),
    );
  } catch {
    // Opaque to a broker: what cannot be read is the members' own business.
    return [];
  }
}
