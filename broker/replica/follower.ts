// The follower of one partition for one leader epoch: takes what its leader's answers hold, and first cuts off
// what the leader does not have. Nothing of an earlier epoch's answers reaches the log or the high watermark.
import { CorruptLogError, LogFailedError } from '../log/errors.ts';
import type { Replica } from './replica.ts';

/** What one fetch said of one partition. */
export interface LeaderAnswer {
  readonly highWatermark: number;
  readonly logStartOffset: number;
  readonly records: Buffer;
  /** The logs part: the leader's largest epoch that is no later than our last, and where it ends there. */
  readonly diverging: { readonly epoch: number; readonly endOffset: number } | undefined;
}

export class Follower {
  readonly replica: Replica;
  readonly leader: number;
  readonly epoch: number;
  /** Not to be fetched before, by the monotonic clock. */
  retryAtMs = 0;
  #failures = 0;
  #stopped = false;
  #work: Promise<unknown> = Promise.resolve();

  constructor(replica: Replica, leader: number, epoch: number) {
    this.replica = replica;
    this.leader = leader;
    this.epoch = epoch;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Whether everything it has may be claimed by its next fetch. */
  get isClaimable(): boolean {
    const { countedOffset, logEndOffset } = this.replica.log;
    return countedOffset >= logEndOffset;
  }

  /** Makes what it has durable. Never rejects: a log that fails says so itself. */
  async makeClaimable(): Promise<void> {
    try {
      await this.replica.log.flush();
    } catch (error) {
      this.failed(error as Error);
    }
  }

  /**
   * Takes an answer to a fetch from this log's end. Resolves when the log is ready for the next one; an
   * answer that does not fit is not taken and the next fetch waits a while. Never rejects.
   */
  take(answer: LeaderAnswer): Promise<void> {
    return this.#busy(async () => {
      if (answer.diverging !== undefined) {
        // Its high watermark counts records that are not ours yet.
        return this.#truncate(answer.diverging);
      }
      const { log } = this.replica;
      if (answer.records.length > 0) {
        log.appendAsFollower(answer.records);
        this.replica.appended(answer.records);
      }
      this.#failures = 0;
      this.replica.raiseHighWatermark(answer.highWatermark);
      await this.#followStart(answer.logStartOffset);
    });
  }

  async #followStart(leaderStart: number): Promise<void> {
    const { log } = this.replica;
    const before = log.logStartOffset;
    // Not beyond what is known to be committed: the rest of the way comes with the high watermark.
    const start = Math.min(leaderStart, this.replica.highWatermark);
    if (start <= before) return;
    await log.advanceLogStart(start);
    this.replica.startMoved(before);
  }

  /**
   * Cuts the log to where it can still be the leader's (KIP-279): to the end there of the epoch that both
   * know, or, where this log does not know that epoch, to the end of the one before, and the next
   * fetch asks again.
   */
  async #truncate({ epoch, endOffset }: { epoch: number; endOffset: number }): Promise<void> {
    const { log } = this.replica;
    const own = log.endOffsetFor(epoch)?.endOffset ?? log.logEndOffset;
    const to = Math.min(own, endOffset, log.logEndOffset);
    if (to >= log.logEndOffset) {
      throw new Error(
        `the leader's log parts from this one at epoch ${epoch}, offset ${endOffset}, but that is no ` +
          `earlier than this log's end ${log.logEndOffset}`,
      );
    }
    await this.replica.lowerHighWatermark(to);
    if (to < log.logStartOffset) {
      await log.truncateFullyAndStartAt(to);
      this.#truncated(to);
    } else this.#truncated(await log.truncateTo(to));
  }

  #truncated(to: number): void {
    this.#failures = 0;
    this.replica.emit('logTruncated', { to, leaderEpoch: this.epoch });
  }

  /** The leader's log begins at `leaderStart`, beyond this one's end: this one begins there, too. */
  beginAnewAt(leaderStart: number): Promise<void> {
    return this.#busy(async () => {
      const { log } = this.replica;
      const isEmpty = log.logEndOffset === log.logStartOffset;
      if (!isEmpty && leaderStart <= log.logEndOffset) {
        throw new Error(
          `offset ${log.logEndOffset} is out of the leader's range, which begins at ${leaderStart}`,
        );
      }
      await this.replica.lowerHighWatermark(leaderStart);
      await log.truncateFullyAndStartAt(leaderStart);
      this.#truncated(leaderStart);
      this.replica.raiseHighWatermark(leaderStart);
      this.replica.emit('logStart', { from: leaderStart });
    });
  }

  async #busy(work: () => Promise<void>): Promise<void> {
    if (this.#stopped) return;
    const done = work().catch((error) => this.failed(error as Error));
    this.#work = done;
    await done;
  }

  /** The next fetch waits, longer each time that there was no success between. */
  failed(error: Error): void {
    const { settings, monotonicMs, onFatal } = this.replica.context;
    const pauseMs = Math.min(10 * 2 ** Math.min(this.#failures, 20), settings.fetchBackoffMs);
    this.#failures += 1;
    this.retryAtMs = monotonicMs() + pauseMs;
    if (error instanceof LogFailedError || error instanceof CorruptLogError) onFatal(error);
  }

  /** Nothing is taken any more. Resolves when what was begun is over, and the log is at rest. */
  async end(): Promise<void> {
    this.#stopped = true;
    await this.#work;
  }
}
