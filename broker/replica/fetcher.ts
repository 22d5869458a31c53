// Fetches from one leader broker for all the partitions that follow it, one request at a time. A fetch claims
// everything before its offset, so it is not sent before that is durable here.
import type { ResponseBody } from '../../wire/kafka/apis.ts';
import { errorNameOf } from '../../wire/kafka/error-codes.ts';
import type { ReplicaContext } from './context.ts';
import type { Follower, LeaderAnswer } from './follower.ts';

/** Topics by id, and the follower's broker epoch: an earlier life of it is told apart (KIP-903). */
const FETCH_VERSION = 15;
const LIST_OFFSETS_VERSION = 6;
const EARLIEST = -2;

type FetchResponse = ResponseBody<'Fetch'>;
type PartitionAnswer = FetchResponse['responses'][number]['partitions'][number];

export class LeaderFetcher {
  readonly leader: number;
  readonly #context: ReplicaContext;
  readonly #followers = new Map<string, Follower>();
  #running: Promise<void> | undefined;
  #inFlight: AbortController | undefined;
  #wake: (() => void) | undefined;
  #rounds = 0;
  #failures = 0;

  constructor(context: ReplicaContext, leader: number) {
    this.#context = context;
    this.leader = leader;
  }

  add(follower: Follower): void {
    this.#followers.set(follower.replica.key, follower);
    this.#hurry();
    this.#running ??= this.#run();
  }

  /** Nothing more is asked for it, and an answer under way is thrown away. */
  remove(follower: Follower): void {
    if (this.#followers.get(follower.replica.key) !== follower) return;
    this.#followers.delete(follower.replica.key);
    if (this.#followers.size === 0) this.#hurry();
  }

  /** Resolves when it asks nothing any more; for after all followers were removed. */
  async idle(): Promise<void> {
    await this.#running;
  }

  /** The partitions changed: a fetch that is held by the leader is not worth waiting for. */
  #hurry(): void {
    this.#inFlight?.abort();
    this.#wake?.();
  }

  /** Runs as long as there are followers. Never rejects. */
  async #run(): Promise<void> {
    while (this.#followers.size > 0) {
      const followers = [...this.#followers.values()];
      const unsynced = followers.filter((each) => !each.isClaimable);
      await Promise.all(unsynced.map((each) => each.makeClaimable()));
      const nowMs = this.#context.monotonicMs();
      const ready = followers.filter((each) => {
        return !each.stopped && each.isClaimable && each.retryAtMs <= nowMs;
      });
      const retryMs = this.#untilRetryMs(nowMs);
      if (ready.length === 0) await this.#pause(retryMs ?? 1);
      // Whoever waits for its turn does not wait for a leader that has nothing for the others.
      else await this.#round(ready, retryMs);
    }
    // In one step with the last look, so that whoever comes next begins anew.
    this.#running = undefined;
  }

  /** Until the first of those that pause is due; undefined: nobody pauses. */
  #untilRetryMs(nowMs: number): number | undefined {
    const due = [...this.#followers.values()].filter(({ retryAtMs }) => retryAtMs > nowMs);
    if (due.length === 0) return undefined;
    const earliest = Math.min(...due.map(({ retryAtMs }) => retryAtMs));
    return Math.max(Math.ceil(earliest - nowMs), 1);
  }

  async #pause(pauseMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, pauseMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }

  async #round(ready: readonly Follower[], atMostMs = Number.POSITIVE_INFINITY): Promise<void> {
    this.#rounds += 1;
    // Each begins once, so that no partition takes all the bytes of every answer.
    const first = this.#rounds % ready.length;
    const order = [...ready.slice(first), ...ready.slice(0, first)];
    const abort = new AbortController();
    this.#inFlight = abort;
    let response: FetchResponse;
    try {
      response = await this.#fetch(order, atMostMs, abort.signal);
    } catch {
      // Not reached, or not answered: who it is and why, the peer's connection says.
      if (!abort.signal.aborted) await this.#pause(this.#backoffMs());
      return;
    } finally {
      this.#inFlight = undefined;
    }
    if (response.errorCode !== 0) {
      await this.#pause(this.#backoffMs());
      return;
    }
    this.#failures = 0;
    await this.#takeAll(order, response);
  }

  #backoffMs(): number {
    const pauseMs = 10 * 2 ** Math.min(this.#failures, 20);
    this.#failures += 1;
    return Math.min(pauseMs, this.#context.settings.fetchBackoffMs);
  }

  #fetch(
    followers: readonly Follower[],
    atMostMs: number,
    signal: AbortSignal,
  ): Promise<FetchResponse> {
    const { peers, events, settings, brokerId, brokerEpoch } = this.#context;
    const topics = new Map<string, Follower[]>();
    for (const follower of followers) {
      const { topicId } = follower.replica;
      topics.set(topicId, [...(topics.get(topicId) ?? []), follower]);
    }
    const body = {
      replicaState: { replicaId: brokerId, replicaEpoch: brokerEpoch() },
      maxWaitMs: Math.min(settings.fetchWaitMaxMs, atMostMs),
      minBytes: 1,
      maxBytes: settings.fetchResponseMaxBytes,
      topics: [...topics].map(([topicId, each]) => ({
        topicId,
        partitions: each.map(({ replica, epoch }) => ({
          partition: replica.of.partition,
          currentLeaderEpoch: epoch,
          fetchOffset: replica.log.logEndOffset,
          lastFetchedEpoch: replica.lastEpoch,
          logStartOffset: replica.log.logStartOffset,
          partitionMaxBytes: settings.fetchMaxBytes,
        })),
      })),
    };
    events.flush();
    const timeoutMs = settings.fetchWaitMaxMs + settings.requestTimeoutMs;
    return peers.call(this.leader, 'Fetch', FETCH_VERSION, body, { timeoutMs, signal });
  }

  async #takeAll(followers: readonly Follower[], response: FetchResponse): Promise<void> {
    const answers = new Map<string, PartitionAnswer>();
    for (const { topicId, partitions } of response.responses) {
      const id = topicId.replaceAll('-', '');
      for (const each of partitions) answers.set(`${id} ${each.partitionIndex}`, each);
    }
    await Promise.all(
      followers.map((follower) => {
        const { topicId, of } = follower.replica;
        const answer = answers.get(`${topicId} ${of.partition}`);
        // Answers under way when the leader changed are of an epoch that is over.
        if (follower.stopped) return undefined;
        if (answer !== undefined) return this.#take(follower, answer);
        follower.failed(new Error(`the leader's answer says nothing of ${follower.replica.key}`));
        return undefined;
      }),
    );
  }

  async #take(follower: Follower, answer: PartitionAnswer): Promise<void> {
    const error = errorNameOf(answer.errorCode);
    if (error === 'OFFSET_OUT_OF_RANGE') return this.#outOfRange(follower);
    if (error !== 'NONE') {
      // One of the two has not heard of the newest leader epoch yet, and will.
      follower.failed(new Error(`${follower.replica.key}: the leader answered ${error}`));
      return undefined;
    }
    const taken: LeaderAnswer = {
      highWatermark: answer.highWatermark,
      logStartOffset: answer.logStartOffset,
      records: answer.records ?? Buffer.alloc(0),
      diverging: answer.divergingEpoch ?? undefined,
    };
    return follower.take(taken);
  }

  /** This log's end is not in the leader's: asks where that begins. */
  async #outOfRange(follower: Follower): Promise<void> {
    const { peers, settings, brokerId } = this.#context;
    const { topic, partition } = follower.replica.of;
    const asked = {
      partitionIndex: partition,
      currentLeaderEpoch: follower.epoch,
      timestamp: EARLIEST,
    };
    const body = { replicaId: brokerId, topics: [{ name: topic, partitions: [asked] }] };
    try {
      const timeoutMs = settings.requestTimeoutMs;
      const response = await peers.call(this.leader, 'ListOffsets', LIST_OFFSETS_VERSION, body, {
        timeoutMs,
      });
      const found = response.topics[0]?.partitions[0];
      if (found === undefined || found.errorCode !== 0 || found.offset < 0) {
        const code = errorNameOf(found?.errorCode ?? -1);
        throw new Error(
          `${follower.replica.key}: the leader's start is not known, it said ${code}`,
        );
      }
      await follower.beginAnewAt(found.offset);
    } catch (error) {
      follower.failed(error as Error);
    }
  }
}
