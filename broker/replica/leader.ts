// The leader of one partition for one leader epoch: appends, follows its followers, moves the high watermark and
// acknowledges. It counts only what is durable by the settings, on every replica that may be in the ISR.

import type { PartitionState, Produced } from '../contract.ts';
import type { LogFailedError } from '../log/errors.ts';
import { AckQueue } from './ack-queue.ts';
import { FollowerProgress } from './follower-progress.ts';
import { IsrChange } from './isr-change.ts';
import { IsrView } from './isr-view.ts';
import type { Replica } from './replica.ts';

/** More produce requests than this do not wait on one partition: they are refused before the append. */
const WAITING_MAX = 10_000;

export interface LeaderParts {
  /** A read showed a state of a later epoch: somebody else leads, or this broker anew. */
  readonly deposed: (state: PartitionState) => void;
  /** The high watermark has come to where this epoch began: what it says may be shown. */
  readonly serves: () => void;
}

export class Leader {
  readonly replica: Replica;
  readonly epoch: number;
  /** The log's end when it began to lead. */
  readonly startOffset: number;
  readonly #parts: LeaderParts;
  readonly #followers = new Map<number, FollowerProgress>();
  readonly #isr: IsrView;
  readonly #change: IsrChange;
  /** acks=all: acknowledged by the high watermark. */
  readonly #replicated: AckQueue;
  /** acks=1: acknowledged by what is durable here. */
  readonly #local: AckQueue;
  #serving = false;
  #stopped = false;

  /** The epoch has been stamped into the log, whose end is where it begins. */
  constructor(
    replica: Replica,
    state: PartitionState,
    replicas: readonly number[],
    parts: LeaderParts,
  ) {
    this.replica = replica;
    this.epoch = state.leaderEpoch;
    this.startOffset = replica.log.logEndOffset;
    this.#parts = parts;
    this.#isr = new IsrView(state);
    this.#replicated = this.#queue(-1);
    this.#local = this.#queue(1);
    this.setReplicas(replicas);
    this.#change = new IsrChange(replica, this.#isr, {
      stored: (stored) => this.adopt(stored),
      ended: () => this.review(),
    });
  }

  #queue(acks: -1 | 1): AckQueue {
    const { replica, epoch: leaderEpoch } = this;
    return new AckQueue({
      logStartOffset: () => replica.log.logStartOffset,
      acknowledged: ({ baseOffset, offset }) => {
        if (!replica.context.events.detailed) return;
        replica.emit('acked', { acks, from: baseOffset, offset, leaderEpoch });
      },
    });
  }

  /** Begins: a partition with no other replica in its ISR has its high watermark at once. */
  start(): void {
    this.#advance();
    this.review();
  }

  /** Whether the high watermark may be shown: it is no older than what earlier leaders acknowledged. */
  get serving(): boolean {
    return this.#serving;
  }

  /** The newest known state. */
  get state(): PartitionState {
    return this.#isr.stored;
  }

  /** Whether that broker is to have a replica, other than this one. */
  isReplica(id: number): boolean {
    return this.#followers.has(id);
  }

  setReplicas(replicas: readonly number[]): void {
    const { brokerId, monotonicMs } = this.replica.context;
    for (const id of this.#followers.keys()) if (!replicas.includes(id)) this.#followers.delete(id);
    for (const id of replicas) {
      if (id === brokerId || this.#followers.has(id)) continue;
      this.#followers.set(id, new FollowerProgress(id, monotonicMs()));
    }
  }

  /** Appends one batch. Resolves when it is acknowledged, or not; never rejects. */
  produce(records: Buffer, acks: -1 | 0 | 1, timeoutMs: number): Promise<Produced> {
    const refused = this.#refusal(acks);
    if (refused !== undefined) return Promise.resolve(refused);
    const { log } = this.replica;
    let result: ReturnType<typeof log.appendAsLeader>;
    try {
      result = log.appendAsLeader(records, this.epoch);
    } catch (error) {
      return Promise.resolve(failed('KAFKA_STORAGE_ERROR', (error as Error).message));
    }
    if (!result.ok) return Promise.resolve(failed(result.error, result.message));
    if (!result.duplicate) {
      this.replica.appended(records);
      this.replica.changed();
    }
    const { baseOffset, lastOffset } = result;
    const offset = lastOffset + 1;
    if (acks === 0) {
      const { logStartOffset } = log;
      return Promise.resolve({ error: undefined, baseOffset, logStartOffset });
    }
    const queue = acks === 1 ? this.#local : this.#replicated;
    const acknowledged = queue.wait({ baseOffset, offset, timeoutMs });
    // Where nothing waits for the disk this append counts already, and a repeated one may long have been.
    this.#advance();
    this.#settle();
    return acknowledged;
  }

  #refusal(acks: -1 | 0 | 1): Produced | undefined {
    if (acks === 0) return undefined;
    const { minIsr, key } = this.replica;
    const size = this.#isr.smallestSize;
    if (acks === -1 && size < minIsr) {
      const message = `${key} has ${size} replicas in sync, min.insync.replicas is ${minIsr}`;
      return failed('NOT_ENOUGH_REPLICAS', message);
    }
    if (this.#replicated.size + this.#local.size < WAITING_MAX) return undefined;
    const message = `${WAITING_MAX} requests wait to be acknowledged on ${key}; nothing was appended`;
    return failed('NOT_ENOUGH_REPLICAS', message);
  }

  /**
   * A follower's fetch with this leader epoch, in the log and without divergence: it has everything below
   * `offset`. `brokerEpoch` −1: it did not say which of its lives it is.
   */
  followerFetched(id: number, brokerEpoch: number, offset: number): void {
    const follower = this.#followers.get(id);
    if (follower === undefined || this.#stopped) return;
    const { context, log } = this.replica;
    const registered = context.metadata.image.brokers.get(id)?.epoch ?? -1;
    const life = brokerEpoch === -1 ? registered : brokerEpoch;
    // An earlier life of a broker that has registered again may have lost what it claims.
    if (life < registered) return;
    const { offset: before, brokerEpoch: lifeBefore } = follower;
    if (!follower.fetched(offset, life, log.logEndOffset, context.monotonicMs())) return;
    // Where it was before it came back says nothing of what it has now: that is told even if it is the same.
    if ((offset !== before || life !== lifeBefore) && context.events.detailed) {
      this.replica.emit('fetchIn', { from: id, leaderEpoch: this.epoch, offset });
    }
    this.#advance();
    if (!this.#isr.maximal.includes(id)) this.review();
  }

  /** More of the log is durable here. */
  flushed(): void {
    if (this.#stopped) return;
    this.#advance();
    this.#settle();
  }

  /** Everybody who may be in the ISR has to have it, and no record counts on fewer than min.insync.replicas. */
  #advance(): void {
    if (this.#stopped) return;
    const { replica } = this;
    const isr = this.#isr.maximal;
    if (this.#isr.smallestSize >= replica.minIsr) {
      const { brokerId } = replica.context;
      const offsets = isr.map((id) => {
        return id === brokerId
          ? replica.log.countedOffset
          : (this.#followers.get(id)?.offset ?? -1);
      });
      if (replica.raiseHighWatermark(Math.min(...offsets))) {
        const { highWatermark: hw } = replica;
        if (replica.context.events.detailed) {
          const { version } = this.#isr.stored;
          replica.emit('highWatermark', { hw, leaderEpoch: this.epoch, isr, version });
        }
        this.#settle();
        replica.changed();
      }
    }
    if (this.#serving || replica.highWatermark < this.startOffset) return;
    this.#serving = true;
    this.#parts.serves();
  }

  #settle(): void {
    if (this.#stopped) return;
    this.#local.reached(this.replica.log.countedOffset);
    if (this.#isr.smallestSize >= this.replica.minIsr) {
      this.#replicated.reached(this.replica.highWatermark);
    }
    const { stored } = this.#isr;
    if (stored.isr.length >= this.replica.minIsr || this.#replicated.size === 0) return;
    const message = `the ISR shrank to ${stored.isr.join(',')} after the append; the records may stay or not`;
    this.#replicated.fail('NOT_ENOUGH_REPLICAS_AFTER_APPEND', message);
  }

  /** A state of this partition was seen; older ones than the newest known are passed over. */
  adopt(state: PartitionState): void {
    if (this.#stopped) return;
    const { brokerId } = this.replica.context;
    if (state.leaderEpoch !== this.epoch || state.leader !== brokerId) {
      if (state.version > this.#isr.stored.version) this.#parts.deposed(state);
      return;
    }
    if (!this.#isr.adopt(state)) return;
    this.#advance();
    this.#settle();
    this.review();
  }

  /** Looks whether the ISR is what it should be, and changes it where it is not. */
  review(): void {
    if (this.#stopped || this.#isr.isOpen) return;
    const { stored } = this.#isr;
    const { brokerId, settings, monotonicMs } = this.replica.context;
    const nowMs = monotonicMs();
    const kept = stored.isr.filter((id) => {
      if (id === brokerId) return true;
      const follower = this.#followers.get(id);
      return (
        follower?.inSync(nowMs, settings.lagTimeMaxMs) === true && !this.#lostRecords(follower)
      );
    });
    const joining = [...this.#followers.values()].filter((follower) => {
      return !stored.isr.includes(follower.id) && this.#mayJoin(follower, nowMs);
    });
    const wanted = [...kept, ...joining.map(({ id }) => id)];
    if (wanted.length === stored.isr.length && joining.length === 0) return;
    this.#change.begin(wanted);
  }

  /** It came back without what was never synced, and has not caught up: it must not be elected. */
  #lostRecords(follower: FollowerProgress): boolean {
    const broker = this.replica.context.metadata.image.brokers.get(follower.id);
    if (broker === undefined || !broker.lossy) return false;
    // It joined under this very registration, and did so by having everything.
    if (this.#isr.stored.brokerEpochs?.[follower.id] === broker.epoch) return false;
    // Fetches of an earlier life say nothing about this one.
    return follower.brokerEpoch !== broker.epoch || follower.offset < this.replica.highWatermark;
  }

  /**
   * Into the ISR comes who fetched in this epoch, has all that was ever acknowledged, and is alive as the
   * broker that fetched. All that was acknowledged is below the high watermark only once that has come to
   * this epoch's start (KAFKA-7128).
   */
  #mayJoin(follower: FollowerProgress, nowMs: number): boolean {
    const { highWatermark, context } = this.replica;
    if (follower.offset < Math.max(highWatermark, this.startOffset)) return false;
    if (!follower.inSync(nowMs, context.settings.lagTimeMaxMs)) return false;
    const broker = context.metadata.image.brokers.get(follower.id);
    return broker !== undefined && broker.epoch === follower.brokerEpoch;
  }

  /** Ends: who waits is told that it is not known whether the records stay. */
  stop(reason: string): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#change.stop();
    for (const queue of [this.#replicated, this.#local])
      queue.fail('NOT_LEADER_OR_FOLLOWER', reason);
  }

  /** The disk failed: nothing is acknowledged any more. */
  broken(error: LogFailedError): void {
    for (const queue of [this.#replicated, this.#local]) {
      queue.fail('KAFKA_STORAGE_ERROR', error.message);
    }
  }
}

function failed(error: NonNullable<Produced['error']>, message: string): Produced {
  return { error, message, baseOffset: -1, logStartOffset: -1 };
}
