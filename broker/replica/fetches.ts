// Fetch requests, held until there is enough to answer or their time is over. A held one sleeps until one of its
// partitions changes, so that idle consumers and followers cost nothing.

import type { ErrorName } from '../../wire/kafka/error-codes.ts';
import type { FetchAsk, Fetched, FetchOptions, TopicPartition } from '../contract.ts';
import { answerFetch, refusedFetch } from './fetch-answers.ts';
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
        const answers = await this.#look(asks, options, arrived);
        arrived = false;
        const leftMs = untilMs - this.#source.monotonicMs();
        if (this.#closed || leftMs <= 0 || isEnough(answers, options.minBytes)) return answers;
        if (this.#held.size >= HELD_MAX) return answers;
        await this.#hold(changes, leftMs, options.minBytes > 1 ? LOOK_PAUSE_MS : 0);
      } finally {
        changes.end();
      }
    }
  }

  async #look(
    asks: readonly FetchAsk[],
    options: FetchOptions,
    arrived: boolean,
  ): Promise<Fetched[]> {
    const answers: Fetched[] = [];
    let left = options.maxBytes;
    let strict = false;
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
  let bytes = 0;
  for (const { error, diverging, records } of answers) {
    if (error !== undefined || diverging !== undefined) return true;
    for (const { length } of records) bytes += length;
  }
  return bytes >= minBytes || answers.length === 0;
}
