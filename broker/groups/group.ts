// One consumer group as its coordinator knows it: members, generation, what they agreed on and what they
// committed. It only keeps and derives; what may change when is membership.ts's business.
import type { JoinAnswer, Protocol, SyncAnswer } from './answers.ts';
import type { CommittedOffset, StoredGroup } from './offsets-records.ts';

/** Kafka's states of a classic group. */
export type GroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead';

/** Nothing assigned. */
export const NO_ASSIGNMENT = Buffer.alloc(0);

export interface Member {
  readonly id: string;
  readonly instanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  sessionTimeoutMs: number;
  rebalanceTimeoutMs: number;
  /** What it speaks, preferred first, each with its subscription. */
  protocols: readonly Protocol[];
  assignment: Buffer;
  /** Waits for the rebalance to complete. */
  joining: ((answer: JoinAnswer) => void) | undefined;
  /** Waits for the leader's assignment. */
  syncing: ((answer: SyncAnswer) => void) | undefined;
  /** Ends its membership unless it is heard of. */
  session: NodeJS.Timeout | undefined;
}

export class Group {
  readonly id: string;
  state: GroupState = 'Empty';
  generation = 0;
  protocolType: string | undefined;
  protocol: string | null = null;
  leader: string | null = null;
  /** A generation was begun and is not stored yet: nobody was told of it. */
  beginning = false;
  /** The leader's assignment is being stored. */
  assigning = false;
  /** The first rebalance of an empty group waits for more members (group.initial.rebalance.delay.ms). */
  delayed = false;
  /** Ends a rebalance, or the wait for those who do not sync. */
  timer: NodeJS.Timeout | undefined;
  readonly members = new Map<string, Member>();
  /** Member ids by group.instance.id. */
  readonly statics = new Map<string, string>();
  /** Ids given out with MEMBER_ID_REQUIRED and not used yet, with what ends each. */
  readonly pending = new Map<string, NodeJS.Timeout>();
  /** Committed offsets by topic and partition. */
  readonly offsets = new Map<string, Map<number, CommittedOffset>>();

  constructor(id: string) {
    this.id = id;
  }

  /** Adds a member; the first one that joins leads. */
  add(member: Member): void {
    if (this.members.size === 0) this.leader = null;
    this.members.set(member.id, member);
    if (member.instanceId !== null) this.statics.set(member.instanceId, member.id);
    this.leader ??= member.id;
  }

  /** Takes a member out; another one leads if it did. */
  remove(member: Member): void {
    this.members.delete(member.id);
    const { instanceId } = member;
    if (instanceId !== null && this.statics.get(instanceId) === member.id)
      this.statics.delete(instanceId);
    if (this.leader !== member.id) return;
    const joined = [...this.members.values()].find(({ joining }) => joining !== undefined);
    this.leader = (joined ?? this.members.values().next().value)?.id ?? null;
  }

  /** Whether somebody with these protocols could be a member beside those that are. */
  accepts(protocolType: string, protocols: readonly Protocol[]): boolean {
    if (this.members.size === 0) return protocolType !== '' && protocols.length > 0;
    if (protocolType !== this.protocolType) return false;
    const common = this.#commonProtocols();
    return protocols.some(({ name }) => common === undefined || common.has(name));
  }

  /** What all members speak; undefined: none has said anything. */
  #commonProtocols(): Set<string> | undefined {
    let common: Set<string> | undefined;
    for (const { protocols } of this.members.values()) {
      const names = protocols.map(({ name }) => name);
      // Restored from before an assignment: it has said nothing yet, and must join again anyway.
      if (names.length === 0) continue;
      const before: Set<string> | undefined = common;
      common = new Set(before === undefined ? names : names.filter((name) => before.has(name)));
    }
    return common;
  }

  /** The protocol that most members prefer among those that all speak. */
  chooseProtocol(): string | null {
    const common = this.#commonProtocols();
    const votes = new Map<string, number>();
    for (const { protocols } of this.members.values()) {
      const choice = protocols.find(({ name }) => common?.has(name))?.name;
      if (choice !== undefined) votes.set(choice, (votes.get(choice) ?? 0) + 1);
    }
    const [best] = [...votes].sort(([, a], [, b]) => b - a);
    return best?.[0] ?? null;
  }

  /** A member's subscription in the protocol that was chosen. */
  subscriptionOf(member: Member): Buffer {
    const chosen = member.protocols.find(({ name }) => name === this.protocol);
    return chosen?.metadata ?? NO_ASSIGNMENT;
  }

  /** Longest that a rebalance waits for a member, ms. */
  get rebalanceTimeoutMs(): number {
    let longest = 0;
    for (const { rebalanceTimeoutMs } of this.members.values())
      longest = Math.max(longest, rebalanceTimeoutMs);
    return longest;
  }

  /** As it is to be stored, with these assignments; undefined: the generation has none yet. */
  stored(assignments: ReadonlyMap<string, Buffer> | undefined, nowMs: number): StoredGroup {
    const assigned = assignments !== undefined;
    return {
      protocolType: this.protocolType ?? '',
      generation: this.generation,
      protocol: assigned ? this.protocol : null,
      leader: this.leader,
      currentStateTimestampMs: nowMs,
      members: [...this.members.values()].map((member) => ({
        memberId: member.id,
        groupInstanceId: member.instanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        rebalanceTimeoutMs: member.rebalanceTimeoutMs,
        sessionTimeoutMs: member.sessionTimeoutMs,
        subscription: this.subscriptionOf(member),
        assignment: assignments?.get(member.id) ?? NO_ASSIGNMENT,
      })),
    };
  }

  /** What the newest record of it says, in place of everything but the offsets. */
  restore(value: StoredGroup | null): void {
    this.members.clear();
    this.statics.clear();
    this.generation = value?.generation ?? 0;
    this.protocolType =
      value === null || value.protocolType === '' ? undefined : value.protocolType;
    this.protocol = value?.protocol ?? null;
    for (const stored of value?.members ?? []) {
      const { protocol } = this;
      const metadata = Buffer.from(stored.subscription);
      this.add({
        id: stored.memberId,
        instanceId: stored.groupInstanceId,
        clientId: stored.clientId,
        clientHost: stored.clientHost,
        sessionTimeoutMs: stored.sessionTimeoutMs,
        rebalanceTimeoutMs: stored.rebalanceTimeoutMs,
        protocols: protocol === null ? [] : [{ name: protocol, metadata }],
        assignment: Buffer.from(stored.assignment),
        joining: undefined,
        syncing: undefined,
        session: undefined,
      });
    }
    this.leader = value?.leader ?? null;
    if (this.members.size === 0) this.state = 'Empty';
    // Without an assignment the rebalance was under way, and starts again.
    else this.state = this.protocol === null ? 'PreparingRebalance' : 'Stable';
  }
}
