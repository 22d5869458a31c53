// Who leads a partition, who is in its ISR and who else is eligible, as a pure function of its state and of
// the brokers that live. Nothing is remembered between two looks: a broker that went and came back between
// them shows by the epoch of its registration (KIP-380), so every controller decides the same.
import { type BrokerInfo, NO_LEADER } from '../contract.ts';
import { eligibleBeside } from '../metadata/states.ts';
import type { StateToStore, StoredState } from '../metadata/znodes.ts';

/** What an election is decided by, besides the partition's state. */
export interface Electorate {
  readonly brokers: ReadonlyMap<number, BrokerInfo>;
  /** Brokers that are about to stop: they get to lead only what nobody else can. */
  readonly leaving: ReadonlySet<number>;
  readonly controllerEpoch: number;
  /** `min.insync.replicas` of the topic. */
  readonly minInsyncReplicas: number;
  /** `unclean.leader.election.enable` of the topic. */
  readonly uncleanElection: boolean;
}

export interface Decision {
  readonly state: StateToStore;
  /** The leader was taken from outside of ISR and eligible replicas: records may be lost. */
  readonly unclean?: true;
}

/** Recorded instead of a registration: what this member had may be gone, until it has caught up. */
export const SPOILED = 0;

/** The first state of a partition; undefined while none of its replicas live. */
export function firstState(
  topicId: string,
  replicas: readonly number[],
  electorate: Electorate,
): StateToStore | undefined {
  const isr = replicas.filter((id) => electorate.brokers.has(id));
  const leader = isr.find((id) => !electorate.leaving.has(id)) ?? isr[0];
  if (leader === undefined) return undefined;
  const brokerEpochs: Record<number, number> = {};
  for (const id of isr) brokerEpochs[id] = electorate.brokers.get(id)?.epoch ?? SPOILED;
  const { controllerEpoch } = electorate;
  return { topicId, leader, leaderEpoch: 0, isr, eligible: [], brokerEpochs, controllerEpoch };
}

/** One partition's members, each as the registrations of now and of the record show it. */
class Members {
  readonly #before: StoredState;
  readonly #electorate: Electorate;

  constructor(before: StoredState, electorate: Electorate) {
    this.#before = before;
    this.#electorate = electorate;
  }

  lives(id: number): boolean {
    return this.#electorate.brokers.has(id);
  }

  /** It lives under the registration that is recorded: it has not been away. */
  stayed(id: number): boolean {
    const recorded = this.#before.brokerEpochs[id];
    return recorded !== undefined && this.#electorate.brokers.get(id)?.epoch === recorded;
  }

  /** It came back and may have lost what it had, now or at an earlier look. */
  spoiled(id: number): boolean {
    if (this.#before.brokerEpochs[id] === SPOILED) return true;
    return this.#electorate.brokers.get(id)?.lossy === true && !this.stayed(id);
  }

  /** It lives and has all that it had when it was recorded. */
  intact(id: number): boolean {
    return this.lives(id) && !this.spoiled(id);
  }

  /** The first by preference: one that is not about to stop, then one that has not been away. */
  best(candidates: readonly number[], replicas: readonly number[]): number | undefined {
    const { leaving } = this.#electorate;
    const rank = (id: number) => (leaving.has(id) ? 2 : 0) + (this.stayed(id) ? 0 : 1);
    const ordered = replicas.filter((id) => candidates.includes(id));
    return ordered.sort((a, b) => rank(a) - rank(b))[0];
  }
}

/**
 * What a partition's state has to become; undefined: it stands. Dead and spoiled members leave the ISR as
 * long as a member is left to lead. If none is, an eligible replica leads; if none of those lives either, the
 * partition waits without a leader, unless nobody is left to wait for or any replica is allowed.
 */
export function nextState(
  replicas: readonly number[],
  before: StoredState,
  electorate: Electorate,
): Decision | undefined {
  const members = new Members(before, electorate);
  const sound = {
    isr: before.isr.filter((id) => !members.spoiled(id)),
    eligible: before.eligible.filter((id) => !members.spoiled(id)),
  };
  const isr = before.isr.filter((id) => members.intact(id));
  const become = (leader: number, next: readonly number[]) =>
    stateOf({ before, electorate, sound, leader, isr: next });
  if (before.leader !== NO_LEADER && members.stayed(before.leader)) {
    return unlessSame(before, { state: become(before.leader, isr) });
  }
  const inSync = members.best(isr, replicas);
  if (inSync !== undefined) return { state: become(inSync, isr) };
  const eligible = members.best(
    sound.eligible.filter((id) => members.lives(id)),
    replicas,
  );
  if (eligible !== undefined) return { state: become(eligible, [eligible]) };
  // Each may have lost something: there is no better copy to wait for.
  const none = sound.isr.length + sound.eligible.length === 0;
  const living = before.isr.filter((id) => members.lives(id));
  const last = none ? members.best(living, replicas) : undefined;
  if (last !== undefined) return { state: become(last, [last]) };
  const any = members.best(
    replicas.filter((id) => members.lives(id)),
    replicas,
  );
  if (electorate.uncleanElection && any !== undefined) {
    return { state: become(any, [any]), unclean: true };
  }
  return unlessSame(before, { state: waiting(before, electorate, members, sound.eligible) });
}

/** Nobody leads; the ISR stays, and who of it may have lost something is remembered. */
function waiting(
  before: StoredState,
  { controllerEpoch }: Electorate,
  members: Members,
  eligible: readonly number[],
): StateToStore {
  const brokerEpochs: Record<number, number> = {};
  for (const id of [...before.isr, ...eligible]) {
    brokerEpochs[id] = members.spoiled(id) ? SPOILED : (before.brokerEpochs[id] ?? SPOILED);
  }
  const leaderEpoch = before.leaderEpoch + (before.leader === NO_LEADER ? 0 : 1);
  const { topicId, isr } = before;
  return { topicId, leader: NO_LEADER, leaderEpoch, isr, eligible, brokerEpochs, controllerEpoch };
}

interface Outcome {
  readonly before: StoredState;
  readonly electorate: Electorate;
  /** Of the members before: those that have not lost anything, dead ones included. */
  readonly sound: Pick<StoredState, 'isr' | 'eligible'>;
  readonly leader: number;
  readonly isr: readonly number[];
}

function stateOf({ before, electorate, sound, leader, isr }: Outcome): StateToStore {
  const { brokers, minInsyncReplicas, controllerEpoch } = electorate;
  const eligible = eligibleBeside(isr, sound, minInsyncReplicas);
  const brokerEpochs: Record<number, number> = {};
  for (const id of [...isr, ...eligible]) brokerEpochs[id] = before.brokerEpochs[id] ?? SPOILED;
  const registered = brokers.get(leader)?.epoch;
  if (registered === undefined) throw new Error(`expected leader ${leader} to live`);
  // A leader that has been away begins a new epoch: its log may be shorter than what others got of it.
  const stays = before.leader === leader && before.brokerEpochs[leader] === registered;
  brokerEpochs[leader] = registered;
  const leaderEpoch = before.leaderEpoch + (stays ? 0 : 1);
  const { topicId } = before;
  return { topicId, leader, leaderEpoch, isr, eligible, brokerEpochs, controllerEpoch };
}

function unlessSame(before: StoredState, decision: Decision): Decision | undefined {
  const { state } = decision;
  const told = ({ leader, leaderEpoch, isr, eligible, brokerEpochs }: StateToStore) =>
    JSON.stringify([leader, leaderEpoch, isr, eligible, brokerEpochs]);
  return told(before) === told(state) ? undefined : decision;
}

/**
 * The state without a broker that is about to stop: another member of the ISR leads, and it leaves the ISR.
 * Undefined: it has no part in it, or nobody else is in sync.
 */
export function stateWithout(
  leaving: number,
  replicas: readonly number[],
  before: StoredState,
  electorate: Electorate,
): StateToStore | undefined {
  if (before.leader === NO_LEADER || !before.isr.includes(leaving)) return undefined;
  const members = new Members(before, electorate);
  const isr = before.isr.filter((id) => id !== leaving && members.intact(id));
  const others = isr.filter((id) => !electorate.leaving.has(id));
  const leader = before.leader === leaving ? members.best(others, replicas) : before.leader;
  if (leader === undefined || !members.stayed(leader)) return undefined;
  const sound = {
    isr: before.isr.filter((id) => !members.spoiled(id)),
    eligible: before.eligible.filter((id) => !members.spoiled(id)),
  };
  return stateOf({ before, electorate, sound, leader, isr });
}

/** The state with the preferred leader leading, if it may and does not yet. */
export function stateWithPreferred(
  replicas: readonly number[],
  before: StoredState,
  electorate: Electorate,
): StateToStore | undefined {
  const [preferred] = replicas;
  if (preferred === undefined || before.leader === preferred) return undefined;
  if (before.leader === NO_LEADER || !before.isr.includes(preferred)) return undefined;
  const members = new Members(before, electorate);
  if (!members.intact(preferred) || electorate.leaving.has(preferred)) return undefined;
  const { isr, eligible } = before;
  return stateOf({ before, electorate, sound: { isr, eligible }, leader: preferred, isr });
}
