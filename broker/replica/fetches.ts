// Fetch requests, held until there is enough to answer or their time is over. A held one sleeps until one of its
// partitions changes, so that idle consumers and followers cost nothing.

import type { ErrorName } from '../../wire/kafka/error-codes.ts';
import type { FetchAsk, Fetched, FetchOptions, TopicPartition } from '../contract.ts';
import { answerFetch, isReadable, refusedFetch } from './fetch-answers.ts';
import type { Partition } from './partition.ts';

/** More than this are not held: they are answered with what there is. */
const HELD_MAX = 20_000;
/** Pause between two looks at a request that wants more than there is: each look reads all of it. */
const LOOK_PAUSE_MS = 10;

export interface FetchSource {
  /** The partition's replica here, or why it cannot be asked. */
  readonly find: (of: TopicPartition) => Partition | ErrorName;
  readonly monotonicMs: () => number;
}

/** What one look may read. */
interface Room {
  readonly maxBytes: number;
  /** Not even one batch may exceed them. */
  readonly strict: boolean;
  /** It is less than what was wanted. */
  readonly short: boolean;
}

export class Fetches {
  readonly #source: FetchSource;
  readonly #held = new Set<() => void>();
  #closed = false;

  constructor(source: FetchSource) {
    this.#source = source;
  }

  /** Never rejects. */
  async fetch(asks: readonly FetchAsk[], options: FetchOptions): Promise<Fetched[]> {
    const untilMs = this.#source.monotonicMs() + options.maxWaitMs;
    let arrived = true;
    for (;;) {
      const changes = this.#watch(asks);
      try {
        const room = await this.#room(asks, options);
        const answers = await this.#look(asks, options, { ...room, arrived });
        arrived = false;
        options.room?.built(bytesOf(answers));
        const leftMs = untilMs - this.#source.monotonicMs();
        if (this.#closed || leftMs <= 0 || isEnough(answers, options.minBytes)) return answers;
        // There may be as much as it wants, but not room for it.
        if (this.#held.size >= HELD_MAX || room.short) return answers;
        options.room?.built(0);
        await this.#hold(changes, leftMs, options.minBytes > 1 ? LOOK_PAUSE_MS : 0);
      } finally {
        changes.end();
      }
    }
  }

  /** Takes room for what there is to read; where there is nothing, nothing is waited for. */
  async #room(
    asks: readonly FetchAsk[],
    { replicaId, maxBytes, room }: FetchOptions,
  ): Promise<Room> {
    if (room === undefined) return { maxBytes, strict: false, short: false };
    const readable = asks.filter((ask) => {
      const found = this.#source.find(ask);
      return typeof found !== 'string' && isReadable(found, ask, replicaId);
    });
    if (readable.length === 0) return { maxBytes: 0, strict: true, short: false };
    const wanted = Math.min(
      maxBytes,
      readable.reduce((sum, ask) => sum + ask.maxBytes, 0),
    );
    // A consumer behind others loses time, a follower its place in the ISR.
    const granted = await room.take(wanted, replicaId < 0);
    if (granted === undefined) return { maxBytes: 0, strict: true, short: true };
    return { maxBytes: granted, strict: false, short: granted < wanted };
  }

  async #look(
    asks: readonly FetchAsk[],
    options: FetchOptions,
    { maxBytes, strict: onlyWithin, arrived }: Room & { readonly arrived: boolean },
  ): Promise<Fetched[]> {
    const answers: Fetched[] = [];
    let left = maxBytes;
    let strict = onlyWithin;
    for (const ask of asks) {
      const found = this.#source.find(ask);
      if (typeof found === 'string') {
        answers.push(refusedFetch(ask, found));
        continue;
      }
      const answer = await answerFetch(found, ask, options, { maxBytes: left, strict, arrived });
      answers.push(answer);
      for (const { length } of answer.records) {
        left -= length;
        // Only the first batch of an answer may be larger than what was asked for.
        strict = true;
      }
    }
    return answers;
  }

  /** Notices changes from before the look on, so that none falls between looking and holding. */
  #watch(asks: readonly FetchAsk[]): Changes {
    const changes = new Changes();
    for (const ask of asks) {
      const found = this.#source.find(ask);
      if (typeof found !== 'string') changes.add(found.replica.watch(() => changes.notice()));
    }
    return changes;
  }

  async #hold(changes: Changes, leftMs: number, pauseMs: number): Promise<void> {
    const wake = (): void => changes.notice();
    this.#held.add(wake);
    const timer = setTimeout(wake, leftMs);
    await changes.noticed;
    clearTimeout(timer);
    this.#held.delete(wake);
    if (pauseMs === 0 || this.#closed) return;
    await new Promise((resolve) => setTimeout(resolve, Math.min(pauseMs, leftMs)));
  }

  /** Answers everything that is held. */
  close(): void {
    this.#closed = true;
    for (const wake of [...this.#held]) wake();
  }
}

/** Whether a change was noticed, from the first moment of looking on. */
class Changes {
  readonly noticed: Promise<void>;
  readonly #notice: () => void;
  readonly #ends: (() => void)[] = [];

  constructor() {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.noticed = promise;
    this.#notice = resolve;
  }

  add(end: () => void): void {
    this.#ends.push(end);
  }

  notice(): void {
    this.#notice();
  }

  end(): void {
    for (const end of this.#ends) end();
  }
}

/** As in Kafka, an error is told at once, and so is a parting of logs. */
function isEnough(answers: readonly Fetched[], minBytes: number): boolean {
  for (const { error, diverging } of answers) {
    if (error !== undefined || diverging !== undefined) return true;
  }
  return bytesOf(answers) >= minBytes || answers.length === 0;
}

function bytesOf(answers: readonly Fetched[]): number {
  let bytes = 0;
  for (const { records } of answers) for (const { length } of records) bytes += length;
  return bytes;
}
