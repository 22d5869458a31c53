// A partition that this broker has a replica of, through all its leader epochs: what the metadata says of it
// becomes leading, following or neither. One change after the other; of those that wait only the last counts.
import {
  NO_LEADER,
  type PartitionInfo,
  type PartitionState,
  type TopicPartition,
} from '../contract.ts';
import type { LogFailedError } from '../log/errors.ts';
import { Follower } from './follower.ts';
import { Leader } from './leader.ts';
import type { Replica } from './replica.ts';

export interface PartitionParts {
  /** Hands a follower to the fetcher of its leader. */
  readonly follow: (follower: Follower) => void;
  readonly unfollow: (follower: Follower) => void;
  /** It begins to serve as leader of `epoch`, or ends to (undefined). */
  readonly leadership: (of: TopicPartition, epoch: number | undefined) => void;
}

export interface PartitionPast {
  /** Its log was closed in order: an epoch that it led before it may lead on. */
  readonly clean: boolean;
  /** What it led is not known: the checkpoint was damaged. */
  readonly unknown: boolean;
}

export class Partition {
  readonly replica: Replica;
  readonly #parts: PartitionParts;
  readonly #past: PartitionPast;
  /** No epoch up to this one may be led: an earlier life did, and may have lost records of it. */
  readonly #ledBefore: number;
  #replicas: readonly number[] = [];
  #state: PartitionState | undefined;
  #role: Leader | Follower | undefined;
  #wanted: PartitionState | undefined;
  #turning: Promise<void> | undefined;
  #closed = false;

  constructor(replica: Replica, past: PartitionPast, parts: PartitionParts) {
    this.replica = replica;
    this.#parts = parts;
    this.#past = past;
    const { topicId, of, checkpoint, log } = replica;
    const led = checkpoint.noteOf(topicId, of.partition)?.ledEpoch ?? -1;
    this.#ledBefore = past.clean ? -1 : led;
    log.onFlushed = (upto) => this.#flushed(upto);
    log.onFailure = (error) => this.#logFailed(error);
  }

  /** The leader, while this broker is it. */
  get leader(): Leader | undefined {
    return this.#role instanceof Leader ? this.#role : undefined;
  }

  /** The newest leader epoch known here; −1: none. */
  get epoch(): number {
    return this.#state?.leaderEpoch ?? -1;
  }

  /** What the metadata says now. States older than what is known are passed over. */
  learn(info: PartitionInfo): void {
    this.#replicas = info.replicas;
    this.leader?.setReplicas(info.replicas);
    if (info.state !== undefined) this.#learnState(info.state);
  }

  #learnState(state: PartitionState): void {
    const known = this.#state;
    if (this.#closed || (known !== undefined && !isNews(state, known))) return;
    this.#state = state;
    const sameTerm = known?.leaderEpoch === state.leaderEpoch && known.leader === state.leader;
    if (!sameTerm) this.#turnTo(state);
    else if (this.#wanted !== undefined) this.#wanted = state;
    else this.leader?.adopt(state);
  }

  #turnTo(state: PartitionState): void {
    const left = this.#leaveRole(
      `leader epoch ${state.leaderEpoch} began, broker ${state.leader} leads`,
    );
    this.#wanted = state;
    this.#turning ??= this.#turn(left);
  }

  /** Ends the role at once; resolves when its last work on the log is over. */
  #leaveRole(reason: string): Promise<void> {
    const role = this.#role;
    this.#role = undefined;
    if (role instanceof Leader) {
      const served = role.serving;
      role.stop(reason);
      if (served) this.#parts.leadership(this.replica.of, undefined);
    } else if (role instanceof Follower) {
      this.#parts.unfollow(role);
      this.replica.changed();
      return role.end();
    }
    this.replica.changed();
    return Promise.resolve();
  }

  async #turn(left: Promise<void>): Promise<void> {
    try {
      await left;
      // A state that comes while one is taken up replaces it; every round takes the newest.
      while (this.#wanted !== undefined && !this.#closed) {
        const leads = this.#wanted.leader === this.replica.context.brokerId;
        if (leads && !(await this.#prepareToLead(this.#wanted))) continue;
        const state: PartitionState = this.#wanted;
        this.#wanted = undefined;
        if (leads) this.#lead(state);
        else if (state.leader === NO_LEADER) this.#offline('nobody leads');
        else this.#follow(state);
        this.replica.changed();
      }
    } finally {
      this.#turning = undefined;
    }
  }

  /**
   * Makes durable that this broker leads this epoch, before it does. False: it may not, or something newer
   * came, and then there is nothing to do for this state any more.
   */
  async #prepareToLead(state: PartitionState): Promise<boolean> {
    const { replica } = this;
    if (this.#mayHaveLed(state)) {
      // The controller sees the new registration and decides anew, under another epoch.
      return this.#refuseToLead(
        state,
        `it led epoch ${state.leaderEpoch} before it stopped, not in order`,
      );
    }
    const { topicId, of, checkpoint } = replica;
    checkpoint.set(topicId, of.partition, { ledEpoch: state.leaderEpoch });
    try {
      await checkpoint.save();
    } catch (error) {
      replica.context.onFatal(error as Error);
      const { message } = error as Error;
      return this.#refuseToLead(state, `its checkpoint cannot be written: ${message}`);
    }
    const wanted = this.#wanted;
    return wanted?.leaderEpoch === state.leaderEpoch && !this.#closed;
  }

  /**
   * Whether an earlier life of this broker led the epoch. Where no note of that is left, it may have led every
   * epoch but those that this broker was elected for under its present registration.
   */
  #mayHaveLed({ leaderEpoch, brokerEpochs }: PartitionState): boolean {
    const { brokerId, brokerEpoch } = this.replica.context;
    if (leaderEpoch <= this.#ledBefore) return true;
    return this.#past.unknown && brokerEpochs?.[brokerId] !== brokerEpoch();
  }

  #refuseToLead(state: PartitionState, reason: string): false {
    this.#offline(reason);
    if (this.#wanted?.leaderEpoch === state.leaderEpoch) this.#wanted = undefined;
    return false;
  }

  #lead(state: PartitionState): void {
    const { replica } = this;
    const { leaderEpoch, isr } = state;
    try {
      replica.log.becomeLeader(leaderEpoch);
    } catch (error) {
      this.#offline(`its log cannot take leader epoch ${leaderEpoch}: ${(error as Error).message}`);
      return;
    }
    const leader = new Leader(replica, state, this.#replicas, {
      deposed: (newer) => this.#learnState(newer),
      serves: () => this.#parts.leadership(replica.of, leaderEpoch),
    });
    this.#role = leader;
    const { logEndOffset: leo } = replica.log;
    replica.emit('becameLeader', { leaderEpoch, leo, hw: replica.highWatermark, isr: [...isr] });
    leader.start();
  }

  #follow({ leader, leaderEpoch }: PartitionState): void {
    const { replica } = this;
    const follower = new Follower(replica, leader, leaderEpoch);
    this.#role = follower;
    const { logEndOffset: leo } = replica.log;
    replica.emit('becameFollower', { leaderEpoch, leader, leo, hw: replica.highWatermark });
    this.#parts.follow(follower);
  }

  #offline(reason: string): void {
    this.replica.emit('leftPartition', { reason });
  }

  #flushed(upto: number): void {
    const { replica } = this;
    if (replica.context.events.detailed) replica.emit('logFlushed', { upto });
    this.leader?.flushed();
  }

  #logFailed(error: LogFailedError): void {
    this.leader?.broken(error);
    this.replica.context.onFatal(error);
  }

  /** Deletes what retention lets go; nothing from the high watermark on. Never rejects. */
  async retain(): Promise<void> {
    const { log } = this.replica;
    const before = log.logStartOffset;
    try {
      if ((await log.applyRetention(this.replica.highWatermark)) > 0)
        this.replica.startMoved(before);
    } catch {
      // A closed log needs none, and one that failed has told so by onFailure.
    }
  }

  /** The log begins at `offset`, or at the high watermark if that is lower. Rejects when the disk fails. */
  async deleteBefore(offset: number): Promise<void> {
    const { log, highWatermark } = this.replica;
    const before = log.logStartOffset;
    await log.advanceLogStart(Math.min(offset, highWatermark));
    this.replica.startMoved(before);
  }

  /** Ends every role for good. Resolves when nothing works on the log any more. */
  async close(reason: string): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#wanted = undefined;
    const left = this.#leaveRole(reason);
    this.#offline(reason);
    await left;
    await this.#turning;
  }
}

/**
 * Whether a state says more than the one that is known: a later version, or the same one seen otherwise, since
 * a broker sees its own leadership only under the registration that was elected. That may end, and the state
 * may have been seen before the registration was, without anybody having written anything.
 */
function isNews(state: PartitionState, known: PartitionState): boolean {
  if (state.version !== known.version) return state.version > known.version;
  return state.leader !== known.leader;
}
