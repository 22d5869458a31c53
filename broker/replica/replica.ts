// One replica of one partition on this broker: its log, its high watermark and who waits for either to move.
// What leading and following have in common, and all that outlives a change between them.

import { partitionKey, type TopicPartition } from '../contract.ts';
import { splitBatches } from '../log/batch-walk.ts';
import type { PartitionLog } from '../log/partition-log.ts';
import type { ReplicaCheckpoint } from './checkpoint.ts';
import type { ReplicaContext } from './context.ts';

/** Where a batch keeps its checksum, which covers its records. */
const CHECKSUM_AT = 17;

export class Replica {
  readonly of: TopicPartition;
  readonly key: string;
  readonly topicId: string;
  readonly log: PartitionLog;
  readonly context: ReplicaContext;
  readonly checkpoint: ReplicaCheckpoint;
  /** `min.insync.replicas`, at most as many as there are replicas. */
  minIsr = 1;
  #highWatermark: number;
  readonly #watchers = new Set<() => void>();

  constructor(
    of: TopicPartition,
    topicId: string,
    log: PartitionLog,
    parts: { context: ReplicaContext; checkpoint: ReplicaCheckpoint },
  ) {
    this.of = of;
    this.key = partitionKey(of);
    this.topicId = topicId;
    this.log = log;
    this.context = parts.context;
    this.checkpoint = parts.checkpoint;
    const noted = parts.checkpoint.noteOf(topicId, of.partition)?.highWatermark ?? 0;
    this.#highWatermark = Math.max(Math.min(noted, log.logEndOffset), log.logStartOffset);
    this.#note();
  }

  /** First offset that a consumer may not read. Everything below is on the whole ISR. */
  get highWatermark(): number {
    return this.#highWatermark;
  }

  /** Raises the high watermark, at most to the log's end; false where it was there already. */
  raiseHighWatermark(to: number): boolean {
    const raised = Math.min(to, this.log.logEndOffset);
    if (raised <= this.#highWatermark) return false;
    this.#highWatermark = raised;
    this.#note();
    return true;
  }

  /** The log is about to lose what is below the high watermark: no later start may believe the old one. */
  async lowerHighWatermark(to: number): Promise<void> {
    if (to >= this.#highWatermark) return;
    this.#highWatermark = to;
    this.#note();
    await this.checkpoint.save();
  }

  #note(): void {
    const { topicId, of, checkpoint } = this;
    checkpoint.set(topicId, of.partition, { highWatermark: this.#highWatermark });
  }

  /** The log's start moved up by itself: the high watermark is never below. */
  startMoved(before: number): void {
    const { logStartOffset } = this.log;
    if (logStartOffset === before) return;
    this.raiseHighWatermark(logStartOffset);
    this.emit('logStart', { from: logStartOffset });
  }

  /** Calls `watcher` whenever the log, the high watermark or the role changes, until told to end. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  changed(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }

  emit(ev: string, fields: Record<string, unknown>): void {
    this.context.events.emit({ ev, tp: this.key, ...fields });
  }

  /** Epoch of the log's last record; −1: it has none. */
  get lastEpoch(): number {
    const { leaderEpochs, logEndOffset } = this.log;
    return leaderEpochs.findLast(({ startOffset }) => startOffset < logEndOffset)?.epoch ?? -1;
  }

  /** Says which batches were appended. `bytes`: whole batches with their offsets. */
  appended(bytes: Buffer): void {
    if (!this.context.events.detailed) return;
    const batches = splitBatches(bytes);
    if (typeof batches === 'string') throw new Error(`what was appended is no batch: ${batches}`);
    for (const { header, at } of batches) {
      const producer =
        header.producerId < 0
          ? {}
          : { pid: header.producerId, pepoch: header.producerEpoch, pseq: header.baseSequence };
      this.emit('logAppend', {
        epoch: header.leaderEpoch,
        from: header.baseOffset,
        to: header.nextOffset - 1,
        hash: bytes
          .readUInt32BE(at + CHECKSUM_AT)
          .toString(16)
          .padStart(8, '0'),
        ...producer,
      });
    }
  }
}
