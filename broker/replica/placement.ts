// Which partitions have a replica on this broker: follows the metadata, opens logs that are to be here, deletes
// those that are not any more, and leaves what is damaged alone for as long as it may be the last copy.
import { setImmediate } from 'node:timers/promises';
import type { ErrorName } from '../../wire/kafka/error-codes.ts';
import {
  type PartitionInfo,
  type PartitionState,
  partitionKey,
  type TopicInfo,
  type TopicPartition,
} from '../contract.ts';
import { CorruptLogError } from '../log/errors.ts';
import type { OpenedDirectory } from '../log/log-directory.ts';
import type { PartitionLog, Recovered } from '../log/partition-log.ts';
import type { ReplicaCheckpoint } from './checkpoint.ts';
import type { ReplicaContext } from './context.ts';
import { topicIdOf, writeTopicId } from './identity.ts';
import { Partition, type PartitionParts } from './partition.ts';
import { Replica } from './replica.ts';
import { topicSettings } from './settings.ts';

interface PlacementOptions {
  readonly context: ReplicaContext;
  readonly opened: OpenedDirectory;
  readonly checkpoint: ReplicaCheckpoint;
  readonly logSettings: Readonly<Record<string, string | number>>;
  readonly parts: PartitionParts;
}

interface OnDisk {
  readonly of: TopicPartition;
  readonly log: PartitionLog;
  readonly recovered: Recovered;
  /** Undefined: it is new. */
  readonly topicId: string | undefined;
  /** This life of the broker has seen the topic of this log in the metadata. */
  readonly known: boolean;
}

/** A log that cannot be trusted. `open`: it is open, and what is damaged is the note of its topic. */
interface Damaged {
  readonly of: TopicPartition;
  readonly open?: { readonly log: PartitionLog; readonly recovered: Recovered };
}

interface Wanted {
  readonly topic: TopicInfo;
  readonly info: PartitionInfo;
}

export class Placement {
  readonly #options: PlacementOptions;
  readonly #partitions = new Map<string, Partition>();
  /** Open logs that no partition uses: found at the start, or left behind by a partition that went. */
  readonly #idle = new Map<string, OnDisk>();
  readonly #damaged = new Map<string, Damaged>();
  /** Partitions whose files are being made, removed or set aside. */
  readonly #working = new Map<string, Promise<void>>();
  /** To be looked at again when that work is over. */
  readonly #again = new Set<string>();
  /** The turn of the event loop that the next new log is made in. */
  #turn: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(options: PlacementOptions) {
    this.#options = options;
    for (const { topic, partition, log, recovered } of options.opened.opened) {
      this.#found({ topic, partition }, log, recovered);
    }
    for (const { topic, partition, error } of options.opened.refused) {
      this.#refuse({ of: { topic, partition } }, error);
    }
  }

  get partitions(): readonly Partition[] {
    return [...this.#partitions.values()];
  }

  #found(of: TopicPartition, log: PartitionLog, recovered: Recovered): void {
    try {
      const topicId = topicIdOf(log);
      this.#idle.set(partitionKey(of), { of, log, recovered, topicId, known: false });
    } catch (error) {
      if (!(error instanceof CorruptLogError)) throw error;
      this.#refuse({ of, open: { log, recovered } }, error);
    }
  }

  #refuse(damaged: Damaged, error: CorruptLogError): void {
    const tp = partitionKey(damaged.of);
    this.#damaged.set(tp, damaged);
    this.#options.context.onDamage(tp, true);
    const reason = `its log is damaged: ${error.message}`;
    this.#options.context.events.emit({ ev: 'leftPartition', tp, reason });
  }

  /** The partition's replica, or why there is none to ask. */
  find(of: TopicPartition): Partition | ErrorName {
    const key = partitionKey(of);
    const partition = this.#partitions.get(key);
    const topic = this.#options.context.metadata.image.topics.get(of.topic);
    if (topic === undefined || topic.deleting || topic.partitions[of.partition] === undefined) {
      return 'UNKNOWN_TOPIC_OR_PARTITION';
    }
    if (partition !== undefined && partition.replica.topicId === topic.id) return partition;
    return this.#damaged.has(key) ? 'KAFKA_STORAGE_ERROR' : 'NOT_LEADER_OR_FOLLOWER';
  }

  /** Takes up everything that the metadata and the disk know. */
  begin(): void {
    this.update(this.#options.context.metadata.image.topics.keys());
    this.retry();
  }

  /** These topics changed. */
  update(topics: Iterable<string>): void {
    if (this.#closed) return;
    const changed = new Set(topics);
    for (const { replica } of this.partitions) {
      if (changed.has(replica.of.topic)) this.#bring(replica.of);
    }
    for (const topic of changed) {
      const count = this.#options.context.metadata.image.topics.get(topic)?.partitions.length ?? 0;
      for (let partition = 0; partition < count; partition++) this.#bring({ topic, partition });
    }
  }

  /** Looks again at what could not be done before. */
  retry(): void {
    if (this.#closed) return;
    for (const { of } of [...this.#idle.values(), ...this.#damaged.values()]) this.#bring(of);
  }

  #wanted({ topic: name, partition }: TopicPartition): Wanted | undefined {
    const { metadata, brokerId } = this.#options.context;
    const topic = metadata.image.topics.get(name);
    const info = topic?.partitions[partition];
    if (topic === undefined || topic.deleting || info === undefined) return undefined;
    return info.replicas.includes(brokerId) ? { topic, info } : undefined;
  }

  /** Makes one partition what the metadata says, at once where that needs no waiting. */
  #bring(of: TopicPartition): void {
    const key = partitionKey(of);
    if (this.#closed) return;
    if (this.#working.has(key)) {
      this.#again.add(key);
      return;
    }
    const wanted = this.#wanted(of);
    const held = this.#partitions.get(key);
    if (held !== undefined) {
      if (wanted?.topic.id === held.replica.topicId) this.#learn(held, wanted);
      else this.#work(of, () => this.#leave(held));
      return;
    }
    if (this.#damaged.has(key)) this.#work(of, () => this.#setAside(of));
    else if (wanted === undefined) {
      if (this.#idle.has(key)) this.#work(of, () => this.#deleteIdle(of));
    } else if (this.#idle.has(key)) this.#place(of, wanted);
    else this.#work(of, () => this.#create(of));
  }

  #learn(partition: Partition, { topic, info }: Wanted): void {
    const { logSettings, context } = this.#options;
    const { replica } = partition;
    const broker = { log: logSettings, minIsr: context.settings.minInsyncReplicas };
    const { log, minIsr } = topicSettings(topic.settings, broker);
    this.#options.opened.directory.configure(replica.log, log);
    replica.minIsr = Math.min(minIsr, info.replicas.length);
    partition.learn(info);
  }

  #place(of: TopicPartition, wanted: Wanted): void {
    const key = partitionKey(of);
    const onDisk = this.#idle.get(key);
    if (onDisk === undefined) return;
    const { log, recovered, topicId = wanted.topic.id } = onDisk;
    if (topicId !== wanted.topic.id) {
      this.#work(of, () => this.#deleteIdle(of));
      return;
    }
    if (onDisk.topicId === undefined) writeTopicId(log, topicId);
    this.#idle.delete(key);
    const { context, checkpoint, parts } = this.#options;
    const replica = new Replica(of, topicId, log, { context, checkpoint });
    const past = {
      clean: recovered.clean || recovered.created,
      unknown: checkpoint.damaged && !recovered.clean && !recovered.created,
    };
    const partition = new Partition(replica, past, parts);
    this.#partitions.set(key, partition);
    this.#learn(partition, wanted);
  }

  /**
   * Makes the log of a partition that is new here. A log is synced a dozen times while it is made, and the event
   * loop waits for that: on a slow disk the session would be lost if a topic's logs were all made in one turn.
   */
  async #create(of: TopicPartition): Promise<void> {
    this.#turn = this.#turn.then(() => setImmediate());
    await this.#turn;
    if (this.#closed || this.#wanted(of) === undefined) return;
    const { log, recovered } = this.#options.opened.directory.openLog(of);
    this.#found(of, log, recovered);
    this.#again.add(partitionKey(of));
  }

  #work(of: TopicPartition, work: () => Promise<void>): void {
    const key = partitionKey(of);
    const { onFatal } = this.#options.context;
    const done = work()
      // The disk failed: a log that may or may not be there cannot be gone on with.
      .catch(onFatal)
      .finally(() => {
        this.#working.delete(key);
        if (this.#again.delete(key)) this.#bring(of);
      });
    this.#working.set(key, done);
  }

  /** It is no partition of ours any more: ends its role at once, and keeps the log until that is certain. */
  async #leave(partition: Partition): Promise<void> {
    const { of, key, log, topicId } = partition.replica;
    const closed = partition.close('no replica is to be here any more');
    this.#partitions.delete(key);
    await closed;
    const recovered = { clean: true, created: false, cut: null };
    this.#idle.set(key, { of, log, recovered, topicId, known: true });
    await this.#deleteIdle(of);
  }

  async #deleteIdle(of: TopicPartition): Promise<void> {
    const key = partitionKey(of);
    const { metadata } = this.#options.context;
    const onDisk = this.#idle.get(key);
    const state = await this.#readState(of);
    if (onDisk === undefined || state === 'unknown' || this.#closed) return;
    if (!this.#isGone(onDisk, state)) return;
    this.#idle.delete(key);
    if (onDisk.topicId !== undefined) {
      this.#options.checkpoint.forget(onDisk.topicId, of.partition);
    }
    const { directory } = this.#options.opened;
    // An image from before this start may know the topic of before: then nothing is lost by waiting.
    const isSure = onDisk.known || metadata.image.topics.get(of.topic) === undefined;
    await (isSure ? directory.deleteLog(of) : directory.setAside(of));
    this.#again.add(key);
  }

  /** Whether image and `state`, which was read after the image was looked at first, agree that it is gone. */
  #isGone({ of, topicId }: OnDisk, state: PartitionState | undefined): boolean {
    const { metadata, brokerId } = this.#options.context;
    const topic = metadata.image.topics.get(of.topic);
    if (topic === undefined) return state === undefined;
    if (topicId !== undefined && topic.id !== topicId) return true;
    if (topic.deleting) return false;
    return this.#wanted(of) === undefined && !mayBeElected(state, brokerId);
  }

  /**
   * A damaged log is moved out of the way, and everything fetched again, once this broker may not be
   * elected: before, it could be elected with nothing, and the last copy would be given up.
   */
  async #setAside(of: TopicPartition): Promise<void> {
    const { context, opened } = this.#options;
    const state = await this.#readState(of);
    if (state === 'unknown' || this.#closed) return;
    const wanted = this.#wanted(of) !== undefined;
    // Without a state it is not known who has the records.
    if (wanted && (state === undefined || mayBeElected(state, context.brokerId))) {
      this.#openAgain(of);
      return;
    }
    await opened.directory.setAside(of);
    this.#damaged.delete(partitionKey(of));
    context.onDamage(partitionKey(of), false);
    this.#again.add(partitionKey(of));
  }

  /** It may be the last copy: a disk that read wrong may read right another time. */
  #openAgain(of: TopicPartition): void {
    const key = partitionKey(of);
    let opened = this.#damaged.get(key)?.open;
    try {
      opened ??= this.#options.opened.directory.openLog(of);
    } catch (error) {
      if (!(error instanceof CorruptLogError)) throw error;
      return;
    }
    this.#damaged.delete(key);
    this.#options.context.onDamage(key, false);
    this.#found(of, opened.log, opened.recovered);
    if (!this.#damaged.has(key)) this.#again.add(key);
  }

  /** `unknown`: the coordinator cannot be asked now; `retry` comes back to it. */
  async #readState(of: TopicPartition): Promise<PartitionState | undefined | 'unknown'> {
    try {
      return await this.#options.context.metadata.readState(of);
    } catch {
      return 'unknown';
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.partitions.map((partition) => partition.close('the broker stops')));
    this.#partitions.clear();
    await Promise.all(this.#working.values());
  }
}

/** Whether a controller may take that broker for one that has everything. */
function mayBeElected(state: PartitionState | undefined, id: number): boolean {
  return state !== undefined && (state.isr.includes(id) || (state.eligible ?? []).includes(id));
}
