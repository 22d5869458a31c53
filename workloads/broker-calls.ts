// What the client of the workloads on the broker counts and names: the time that an operation has left, how one
// that failed is recorded, partitions and messages. Apart from it, because its membership needs the same.
import { BrokerError, type TopicPartition } from '../broker/client/index.ts';
import { type Message, topicOf } from '../history/messages.ts';
import type { OpResult } from '../history/plugin.ts';
import type { BrokerClientOptions } from './messaging.ts';

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

/** An operation that failed, with the broker that was asked and did not answer. Throws what is no BrokerError. */
export function failed(
  error: unknown,
  certain: boolean,
  { nodes, address }: Pick<BrokerClientOptions, 'nodes' | 'address'>,
): OpResult {
  if (!(error instanceof BrokerError)) throw error;
  const { name, message, silent } = error;
  const result: OpResult = { type: certain ? 'fail' : 'info', error: `${name}: ${message}` };
  const node = nodes.find((each) => {
    const { host, port } = address(each);
    return `${host}:${port}` === silent;
  });
  return node === undefined ? result : { ...result, node };
}

/** What a record's value says. */
export function messageOf(value: Buffer | null): Message {
  const text = value?.toString('utf8') ?? 'null';
  return /^\d{1,15}$/.test(text) ? Number(text) : text;
}
