// All replicas of one broker: opens, begins and ends them as the metadata says, and is the door through which
// the rest of the broker produces and fetches. What is gone from the metadata is deleted only once a read
// that is no older than the question says so, too.
import type {
  FetchAsk,
  Fetched,
  FetchOptions,
  Produced,
  Replicas,
  TopicPartition,
} from '../contract.ts';
import type { OpenedDirectory } from '../log/log-directory.ts';
import { CatchUp } from './catch-up.ts';
import { ReplicaCheckpoint } from './checkpoint.ts';
import type { ReplicaContext } from './context.ts';
import { leadershipError } from './fetch-answers.ts';
import { LeaderFetcher } from './fetcher.ts';
import { Fetches } from './fetches.ts';
import type { Follower } from './follower.ts';
import {
  type FoundEpochEnd,
  type FoundOffset,
  findEpochEnd,
  findOffset,
  noOffset,
} from './offsets.ts';
import type { Partition } from './partition.ts';
import { Placement } from './placement.ts';

export interface LocalReplicasOptions {
  readonly context: ReplicaContext;
  /** The broker's folder of logs, just opened: its partitions belong to the replicas from here on. */
  readonly opened: OpenedDirectory;
  /** The broker's own settings of logs by Kafka's names; a topic's come on top. */
  readonly logSettings?: Readonly<Record<string, string | number>>;
}

type LeadershipListener = (of: TopicPartition, epoch: number | undefined) => void;

export class LocalReplicas implements Replicas {
  readonly #context: ReplicaContext;
  readonly #checkpoint: ReplicaCheckpoint;
  readonly #opened: OpenedDirectory;
  readonly #placement: Placement;
  readonly #fetches: Fetches;
  readonly #fetchers = new Map<number, LeaderFetcher>();
  readonly #listeners: LeadershipListener[] = [];
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #unsubscribe: () => void;
  #closing: Promise<void> | undefined;

  /** Begins at once with what the metadata's image says. */
  constructor({ context, opened, logSettings = {} }: LocalReplicasOptions) {
    this.#context = context;
    this.#opened = opened;
    this.#checkpoint = ReplicaCheckpoint.load(opened.directory.dir);
    this.#placement = new Placement({
      context,
      opened,
      checkpoint: this.#checkpoint,
      logSettings,
      parts: {
        follow: (follower) => this.#fetcherOf(follower).add(follower),
        unfollow: (follower) => this.#unfollow(follower),
        leadership: (of, epoch) => this.#tellLeadership(of, epoch),
      },
    });
    const { monotonicMs } = context;
    this.#fetches = new Fetches({ find: (of) => this.#placement.find(of), monotonicMs });
    const catchUp = new CatchUp(context, opened.directory.loss);
    this.#startTimers();
    this.#unsubscribe = context.metadata.subscribe(({ topics, brokers }) => {
      this.#placement.update(topics);
      if (brokers) this.#reviewLeaders();
      catchUp.look();
    });
    this.#placement.begin();
    catchUp.look();
  }

  #startTimers(): void {
    const { settings, onFatal } = this.#context;
    const every = (intervalMs: number, work: () => void): void => {
      this.#timers.push(setInterval(work, intervalMs));
    };
    every(Math.max(Math.floor(settings.lagTimeMaxMs / 2), 1), () => {
      this.#reviewLeaders();
      this.#placement.retry();
    });
    every(settings.highWatermarkCheckpointMs, () => {
      this.#checkpoint.save().catch(onFatal);
    });
    every(settings.recoveryPointCheckpointMs, () => {
      // A log that fails says so itself, and a closed one needs none.
      for (const { replica } of this.#partitions()) replica.log.checkpoint().catch(() => undefined);
    });
    every(settings.retentionCheckMs, () => {
      for (const partition of this.#partitions()) void partition.retain();
    });
  }

  #partitions(): readonly Partition[] {
    return this.#placement.partitions;
  }

  #reviewLeaders(): void {
    for (const { leader } of this.#partitions()) leader?.review();
  }

  #fetcherOf({ leader }: Follower): LeaderFetcher {
    const known = this.#fetchers.get(leader);
    if (known !== undefined) return known;
    const fetcher = new LeaderFetcher(this.#context, leader);
    this.#fetchers.set(leader, fetcher);
    return fetcher;
  }

  #unfollow(follower: Follower): void {
    this.#fetchers.get(follower.leader)?.remove(follower);
  }

  #tellLeadership(of: TopicPartition, epoch: number | undefined): void {
    // What they do depends on it.
    this.#context.events.flush();
    for (const listener of this.#listeners) listener(of, epoch);
  }

  async produce(
    batches: readonly (TopicPartition & { readonly records: Buffer })[],
    { acks, timeoutMs }: { readonly acks: -1 | 0 | 1; readonly timeoutMs: number },
  ): Promise<Produced[]> {
    const outcomes = batches.map((batch): Produced | Promise<Produced> => {
      const found = this.#placement.find(batch);
      const error = typeof found === 'string' ? found : leadershipError(found, -1);
      if (error !== undefined || typeof found === 'string' || found.leader === undefined) {
        return { error: error ?? 'NOT_LEADER_OR_FOLLOWER', baseOffset: -1, logStartOffset: -1 };
      }
      return found.leader.produce(batch.records, acks, timeoutMs);
    });
    const produced = await Promise.all(outcomes);
    this.#context.events.flush();
    return produced;
  }

  async fetch(asks: readonly FetchAsk[], options: FetchOptions): Promise<Fetched[]> {
    const answers = await this.#fetches.fetch(asks, options);
    this.#context.events.flush();
    return answers;
  }

  offsetAt(
    ask: TopicPartition & { readonly timestamp: number; readonly currentLeaderEpoch: number },
    replicaId: number,
  ): Promise<FoundOffset> {
    const found = this.#placement.find(ask);
    const answer =
      typeof found === 'string' ? noOffset(found) : findOffset(found, ask, replicaId >= 0);
    this.#context.events.flush();
    return Promise.resolve(answer);
  }

  endOfEpoch(
    ask: TopicPartition & { readonly leaderEpoch: number; readonly currentLeaderEpoch: number },
  ): FoundEpochEnd {
    const found = this.#placement.find(ask);
    if (typeof found === 'string') return { error: found, leaderEpoch: -1, endOffset: -1 };
    return findEpochEnd(found, ask);
  }

  leaderEpochOf(of: TopicPartition): number | undefined {
    const found = this.#placement.find(of);
    const leader = typeof found === 'string' ? undefined : found.leader;
    return leader?.serving === true ? leader.epoch : undefined;
  }

  highWatermarkOf(of: TopicPartition): number | undefined {
    const found = this.#placement.find(of);
    const leader = typeof found === 'string' ? undefined : found.leader;
    return leader?.serving === true ? leader.replica.highWatermark : undefined;
  }

  async deleteBefore(of: TopicPartition, offset: number): Promise<void> {
    const found = this.#placement.find(of);
    if (typeof found === 'string' || found.leader?.serving !== true) return;
    await found.deleteBefore(offset);
    this.#context.events.flush();
  }

  onLeadership(listener: LeadershipListener): void {
    this.#listeners.push(listener);
    // Whoever comes late is told of what has begun already.
    for (const { leader } of this.#partitions()) {
      if (leader?.serving === true) listener(leader.replica.of, leader.epoch);
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#unsubscribe();
    for (const timer of this.#timers) clearInterval(timer);
    await this.#placement.close();
    this.#fetches.close();
    await Promise.all([...this.#fetchers.values()].map((fetcher) => fetcher.idle()));
    await this.#checkpoint.save();
    await this.#opened.directory.close(this.#context.brokerEpoch());
    this.#context.events.flush();
  }
}
