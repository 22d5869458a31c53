// What the client of the workloads on the broker counts and names: the time that an operation has left, and the
// parts of a partition's name. Apart from it, because its membership needs the same.
import type { TopicPartition } from '../broker/client/index.ts';
import { topicOf } from '../history/messages.ts';

/** A partition's name in its parts. */
export function partitionOf(key: string): TopicPartition {
  const topic = topicOf(key);
  return { topic, partition: Number(key.slice(topic.length + 1)) };
}

/** How long an operation may still take. */
export class Deadline {
  readonly #endMs: number;

  constructor(ms: number) {
    this.#endMs = performance.now() + ms;
  }

  get over(): boolean {
    return performance.now() >= this.#endMs;
  }

  /** Whole ms, at least 1. */
  get leftMs(): number {
    return Math.max(1, Math.ceil(this.#endMs - performance.now()));
  }
}
