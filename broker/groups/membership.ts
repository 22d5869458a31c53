// Who belongs to a group and in which generation: joining, the rebalance, leaving, and silence. It runs to
// completion at every call and timer; only what must be stored before it is said is waited for.
import type { ErrorName } from '../../wire/kafka/error-codes.ts';
import type { EventSink } from '../contract.ts';
import {
  type JoinAnswer,
  type JoinAsk,
  joinRefused,
  type LeaveAsk,
  syncRefused,
} from './answers.ts';
import { type Group, type Member, NO_ASSIGNMENT } from './group.ts';

export interface GroupConfig {
  readonly minSessionTimeoutMs: number;
  readonly maxSessionTimeoutMs: number;
  /** `group.initial.rebalance.delay.ms` */
  readonly initialRebalanceDelayMs: number;
  /** `group.max.size` */
  readonly membersMax: number;
  /** `offset.metadata.max.bytes` */
  readonly offsetMetadataBytesMax: number;
}

/** What membership needs of its surroundings. */
export interface GroupHome {
  readonly config: GroupConfig;
  readonly events: EventSink;
  /** Stores a group with these assignments, replicated; resolves with the error to answer, if any. */
  readonly store: (
    group: Group,
    assignments: ReadonlyMap<string, Buffer> | undefined,
  ) => Promise<ErrorName | undefined>;
  /** Part of a new member's id that no other has. */
  readonly newId: () => string;
  readonly nowMs: () => number;
}

type Answer = (answer: JoinAnswer) => void;

export class Membership {
  readonly #home: GroupHome;

  constructor(home: GroupHome) {
    this.#home = home;
  }

  /** Takes up a group that was loaded: silence of its members counts from now. */
  resume(group: Group): void {
    for (const member of group.members.values()) this.touch(group, member);
    if (group.state === 'PreparingRebalance') this.#waitForMembers(group);
  }

  /** Lets go of a group that somebody else coordinates now. */
  drop(group: Group, error: ErrorName): void {
    group.state = 'Dead';
    clearTimeout(group.timer);
    for (const timer of group.pending.values()) clearTimeout(timer);
    for (const member of group.members.values()) this.#dismiss(member, error);
  }

  join(group: Group, ask: JoinAsk, answer: Answer): void {
    const refuse = (error: ErrorName): void => answer(joinRefused(error, ask.memberId));
    if (group.state === 'Dead') {
      refuse('NOT_COORDINATOR');
      return;
    }
    if (!group.accepts(ask.protocolType, ask.protocols)) {
      refuse('INCONSISTENT_GROUP_PROTOCOL');
      return;
    }
    if (ask.memberId === '') {
      this.#joinAnew(group, ask, answer);
      return;
    }
    const pending = group.pending.get(ask.memberId);
    if (pending !== undefined) {
      clearTimeout(pending);
      group.pending.delete(ask.memberId);
      this.#admit(group, ask.memberId, ask, answer);
      return;
    }
    const error = identityError(group, ask.memberId, ask.instanceId);
    if (error !== undefined) {
      refuse(error);
      return;
    }
    this.#joinAgain(group, group.members.get(ask.memberId) as Member, ask, answer);
  }

  #joinAnew(group: Group, ask: JoinAsk, answer: Answer): void {
    const { instanceId } = ask;
    const before = instanceId === null ? undefined : group.statics.get(instanceId);
    const id = `${instanceId ?? ask.clientId}-${this.#home.newId()}`;
    if (before !== undefined) {
      this.#replaceStatic(group, before, id, ask, answer);
      return;
    }
    if (group.members.size + group.pending.size >= this.#home.config.membersMax) {
      answer(joinRefused('GROUP_MAX_SIZE_REACHED'));
      return;
    }
    if (instanceId === null && ask.needsKnownId) {
      const timer = setTimeout(() => {
        group.pending.delete(id);
        this.#tryComplete(group);
      }, ask.sessionTimeoutMs);
      group.pending.set(id, timer);
      answer(joinRefused('MEMBER_ID_REQUIRED', id));
      return;
    }
    this.#admit(group, id, ask, answer);
  }

  #admit(group: Group, id: string, ask: JoinAsk, answer: Answer): void {
    if (group.members.size === 0) group.protocolType = ask.protocolType;
    const member: Member = {
      id,
      instanceId: ask.instanceId,
      clientId: ask.clientId,
      clientHost: ask.clientHost,
      sessionTimeoutMs: ask.sessionTimeoutMs,
      rebalanceTimeoutMs: ask.rebalanceTimeoutMs,
      protocols: ask.protocols,
      assignment: NO_ASSIGNMENT,
      joining: answer,
      syncing: undefined,
      session: undefined,
    };
    group.add(member);
    this.touch(group, member);
    this.#rebalance(group);
  }

  #joinAgain(group: Group, member: Member, ask: JoinAsk, answer: Answer): void {
    const same = sameProtocols(member, ask);
    if (group.state === 'CompletingRebalance' && same) {
      if (!group.beginning) {
        answer(this.#joined(group, member));
        return;
      }
    } else if (group.state === 'Stable' && same && group.leader !== member.id) {
      answer(this.#joined(group, member));
      return;
    }
    member.protocols = ask.protocols;
    member.sessionTimeoutMs = ask.sessionTimeoutMs;
    member.rebalanceTimeoutMs = ask.rebalanceTimeoutMs;
    member.joining?.(joinRefused('REBALANCE_IN_PROGRESS', member.id));
    member.joining = answer;
    this.touch(group, member);
    // A repeated request while its generation is being stored is answered with it.
    if (group.state === 'CompletingRebalance' && same) return;
    this.#rebalance(group);
  }

  /** A static member came back under a new id: the old one is fenced, the assignment stays (KIP-345). */
  #replaceStatic(group: Group, oldId: string, id: string, ask: JoinAsk, answer: Answer): void {
    const old = group.members.get(oldId) as Member;
    const wasLeader = group.leader === oldId;
    this.#dismiss(old, 'FENCED_INSTANCE_ID');
    group.members.delete(oldId);
    const member: Member = {
      ...old,
      id,
      clientId: ask.clientId,
      clientHost: ask.clientHost,
      sessionTimeoutMs: ask.sessionTimeoutMs,
      rebalanceTimeoutMs: ask.rebalanceTimeoutMs,
      protocols: ask.protocols,
      joining: answer,
      syncing: undefined,
      session: undefined,
    };
    group.add(member);
    if (wasLeader) group.leader = id;
    this.touch(group, member);
    if (group.state !== 'Stable' || group.chooseProtocol() !== group.protocol) {
      this.#rebalance(group);
      return;
    }
    const { generation } = group;
    void this.#home.store(group, assignmentsOf(group)).then((error) => {
      // A rebalance since then has its own answer for it.
      if (group.state !== 'Stable' || group.generation !== generation) return;
      const waiting = member.joining;
      member.joining = undefined;
      if (error !== undefined) return waiting?.(joinRefused(error, id));
      const told = this.#joined(group, member);
      // It would assign anew if it were told that it leads, though nothing changed (KIP-814).
      if (!wasLeader) waiting?.(told);
      else if (ask.canSkipAssignment) waiting?.({ ...told, skipAssignment: true });
      else waiting?.({ ...told, leader: oldId, members: [] });
    });
  }

  /** Every member has to join anew, unless that is what is already waited for. */
  #rebalance(group: Group): void {
    if (group.state === 'PreparingRebalance') {
      this.#tryComplete(group);
      return;
    }
    for (const member of group.members.values()) {
      member.syncing?.(syncRefused('REBALANCE_IN_PROGRESS'));
      member.syncing = undefined;
    }
    const fresh = group.state === 'Empty';
    group.state = 'PreparingRebalance';
    group.beginning = false;
    group.assigning = false;
    if (!fresh || this.#home.config.initialRebalanceDelayMs === 0) {
      this.#waitForMembers(group);
      this.#tryComplete(group);
      return;
    }
    group.delayed = true;
    this.#delay(group, group.members.size, this.#home.nowMs() + group.rebalanceTimeoutMs);
  }

  /** The first rebalance goes on waiting while members come, up to the rebalance timeout (KIP-134). */
  #delay(group: Group, members: number, untilMs: number): void {
    const leftMs = untilMs - this.#home.nowMs();
    const delayMs = Math.min(this.#home.config.initialRebalanceDelayMs, leftMs);
    clearTimeout(group.timer);
    group.timer = setTimeout(
      () => {
        if (group.members.size > members && untilMs > this.#home.nowMs())
          return this.#delay(group, group.members.size, untilMs);
        group.delayed = false;
        return this.#complete(group);
      },
      Math.max(0, delayMs),
    );
  }

  #waitForMembers(group: Group): void {
    clearTimeout(group.timer);
    group.timer = setTimeout(() => this.#complete(group), group.rebalanceTimeoutMs);
  }

  #tryComplete(group: Group): void {
    if (group.state !== 'PreparingRebalance' || group.delayed || group.pending.size > 0) return;
    for (const { joining } of group.members.values()) if (joining === undefined) return;
    this.#complete(group);
  }

  /** Ends the joining: who is not there is out, a new generation begins and is stored before it is told. */
  #complete(group: Group): void {
    clearTimeout(group.timer);
    for (const member of [...group.members.values()]) {
      if (member.joining !== undefined || member.instanceId !== null) continue;
      this.#dismiss(member, 'UNKNOWN_MEMBER_ID');
      group.remove(member);
    }
    const joined = [...group.members.values()].filter(({ joining }) => joining !== undefined);
    if (joined.length === 0 && group.members.size > 0) {
      this.#waitForMembers(group);
      return;
    }
    if (!joined.some(({ id }) => id === group.leader)) group.leader = joined[0]?.id ?? null;
    group.generation += 1;
    group.protocol = group.chooseProtocol();
    const { generation } = group;
    for (const member of group.members.values()) member.assignment = NO_ASSIGNMENT;
    if (joined.length === 0) {
      group.state = 'Empty';
      // Nobody waits for it; if it cannot be stored, its members time out again at the next coordinator.
      void this.#home.store(group, new Map());
      return;
    }
    group.state = 'CompletingRebalance';
    group.beginning = true;
    group.assigning = false;
    group.timer = setTimeout(() => this.#dropUnsynced(group), group.rebalanceTimeoutMs);
    void this.#home.store(group, undefined).then((error) => {
      if (group.state !== 'CompletingRebalance' || group.generation !== generation) return;
      this.#begun(group, error);
    });
  }

  #begun(group: Group, error: ErrorName | undefined): void {
    group.beginning = false;
    const members = [...group.members.values()];
    if (error === undefined) {
      const { id, generation } = group;
      const ids = members.map((member) => member.id);
      this.#home.events.emit({ ev: 'groupGeneration', group: id, generation, members: ids });
    }
    for (const member of members) {
      const { joining } = member;
      member.joining = undefined;
      if (joining !== undefined) this.touch(group, member);
      joining?.(error === undefined ? this.#joined(group, member) : joinRefused(error, member.id));
    }
    if (error !== undefined) this.#rebalance(group);
  }

  #joined(group: Group, member: Member): JoinAnswer {
    const leads = group.leader === member.id;
    const members = leads ? [...group.members.values()] : [];
    return {
      error: 'NONE',
      generation: group.generation,
      protocolType: group.protocolType ?? null,
      protocol: group.protocol,
      leader: group.leader ?? '',
      memberId: member.id,
      skipAssignment: false,
      members: members.map((each) => ({
        memberId: each.id,
        instanceId: each.instanceId,
        metadata: group.subscriptionOf(each),
      })),
    };
  }

  /** Who joined and never asked for its assignment keeps the others from nothing any longer. */
  #dropUnsynced(group: Group): void {
    if (group.state !== 'CompletingRebalance' || group.beginning || group.assigning) return;
    const silent = [...group.members.values()].filter(({ syncing }) => syncing === undefined);
    for (const member of silent) {
      this.#dismiss(member, 'UNKNOWN_MEMBER_ID');
      group.remove(member);
    }
    this.#rebalance(group);
  }

  /** The assignment was stored, or not: everybody who waits for it is told. */
  assigned(group: Group, error: ErrorName | undefined): void {
    group.assigning = false;
    if (error === undefined) {
      group.state = 'Stable';
      clearTimeout(group.timer);
    }
    for (const member of group.members.values()) {
      const { syncing, assignment } = member;
      const { protocol, protocolType = null } = group;
      member.syncing = undefined;
      if (syncing !== undefined) this.touch(group, member);
      if (error !== undefined) syncing?.(syncRefused(error));
      else syncing?.({ error: 'NONE', protocolType, protocol, assignment });
    }
    if (error !== undefined) this.#rebalance(group);
  }

  /** Takes members out at their own wish; the answers are in order. */
  leave(group: Group, ask: LeaveAsk): ErrorName[] {
    return ask.members.map(({ memberId, instanceId }) => {
      const pending = group.pending.get(memberId);
      if (pending !== undefined) {
        clearTimeout(pending);
        group.pending.delete(memberId);
        this.#tryComplete(group);
        return 'NONE';
      }
      // Who administers a group knows a static member by its instance alone.
      const known = instanceId === null ? undefined : group.statics.get(instanceId);
      const id = memberId === '' && known !== undefined ? known : memberId;
      const error = identityError(group, id, instanceId);
      if (error !== undefined) return error;
      this.#part(group, group.members.get(id) as Member);
      return 'NONE';
    });
  }

  #part(group: Group, member: Member): void {
    this.#dismiss(member, 'UNKNOWN_MEMBER_ID');
    group.remove(member);
    this.#rebalance(group);
  }

  #dismiss(member: Member, error: ErrorName): void {
    clearTimeout(member.session);
    member.joining?.(joinRefused(error, member.id));
    member.syncing?.(syncRefused(error));
    member.joining = undefined;
    member.syncing = undefined;
  }

  /** It was heard of: its session begins anew. */
  touch(group: Group, member: Member): void {
    clearTimeout(member.session);
    member.session = setTimeout(() => {
      // While it waits for us, it is not expected to speak.
      if (member.joining !== undefined || member.syncing !== undefined)
        return this.touch(group, member);
      return this.#part(group, member);
    }, member.sessionTimeoutMs);
  }
}

/** Why somebody is not this member of the group; undefined: it is. */
export function identityError(
  group: Group,
  memberId: string,
  instanceId: string | null,
): 'UNKNOWN_MEMBER_ID' | 'FENCED_INSTANCE_ID' | undefined {
  if (instanceId !== null) {
    const holder = group.statics.get(instanceId);
    if (holder === undefined) return 'UNKNOWN_MEMBER_ID';
    if (holder !== memberId) return 'FENCED_INSTANCE_ID';
  }
  return group.members.has(memberId) ? undefined : 'UNKNOWN_MEMBER_ID';
}

/** The assignments as they are, for a store that changes none of them. */
export function assignmentsOf(group: Group): Map<string, Buffer> {
  return new Map([...group.members.values()].map(({ id, assignment }) => [id, assignment]));
}

function sameProtocols(member: Member, ask: JoinAsk): boolean {
  const { protocols } = member;
  return (
    protocols.length === ask.protocols.length &&
    protocols.every(({ name, metadata }, at) => {
      const other = ask.protocols[at];
      return other?.name === name && other.metadata.equals(metadata);
    })
  );
}
