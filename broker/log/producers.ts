// What a partition knows of the idempotent producers that write to it (KIP-98): the epoch of each and its last
// five batches, so that a batch sent again is answered with the offset it has and a gap is refused. A function
// of the log alone, so that every replica comes to the same.
import type { BatchHeader } from './batch-header.ts';

/** As many batches as a client may have under way. */
export const BATCHES_KEPT = 5;
/** Of more producers the one not heard of for longest is forgotten, and told so when it comes back. */
const PRODUCERS_MAX = 100_000;
const SEQUENCES = 2 ** 31;

export interface ProducerBatch {
  readonly baseSequence: number;
  readonly lastSequence: number;
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly maxTimestamp: number;
}

export interface ProducerEntry {
  readonly producerId: number;
  readonly epoch: number;
  /** Oldest first, at most BATCHES_KEPT. */
  readonly batches: readonly ProducerBatch[];
  /** When this broker heard of it last, ms since 1970. */
  readonly seenAtMs: number;
}

/** Kafka's names of what a producer may have done wrong. */
export type ProducerError =
  | 'OUT_OF_ORDER_SEQUENCE_NUMBER'
  | 'INVALID_PRODUCER_EPOCH'
  | 'UNKNOWN_PRODUCER_ID'
  | 'INVALID_RECORD';

export type ProducerCheck =
  | { readonly kind: 'next' }
  | { readonly kind: 'duplicate'; readonly batch: ProducerBatch }
  | { readonly kind: 'refused'; readonly error: ProducerError; readonly message: string };

/** The sequence number `steps` after `sequence`: after 2^31 − 1 comes 0. */
export function laterSequence(sequence: number, steps: number): number {
  return (sequence + steps) % SEQUENCES;
}

function batchOf(header: BatchHeader): ProducerBatch {
  return {
    baseSequence: header.baseSequence,
    lastSequence: laterSequence(header.baseSequence, header.recordCount - 1),
    baseOffset: header.baseOffset,
    lastOffset: header.nextOffset - 1,
    maxTimestamp: header.maxTimestampMs,
  };
}

function refused(error: ProducerError, message: string): ProducerCheck {
  return { kind: 'refused', error, message };
}

export class ProducerStates {
  /** In the order in which they were heard of, so that the first is the one silent for longest. */
  readonly #entries = new Map<number, ProducerEntry>();
  readonly #expirationMs: number;

  constructor(expirationMs: number, entries: Iterable<ProducerEntry> = []) {
    this.#expirationMs = expirationMs;
    for (const entry of entries) this.#entries.set(entry.producerId, entry);
  }

  get size(): number {
    return this.#entries.size;
  }

  /** All of them, those silent for longest first. */
  entries(): Iterable<ProducerEntry> {
    return this.#entries.values();
  }

  get(producerId: number): ProducerEntry | undefined {
    return this.#entries.get(producerId);
  }

  /**
   * What a leader makes of a batch before it is appended. Unlike Kafka since 2.5 an unknown producer has
   * to begin with sequence 0: if its state was forgotten, nobody can tell a gap or a repetition
   * (KAFKA-5793), and its client begins a new epoch.
   */
  check(header: BatchHeader, nowMs: number): ProducerCheck {
    if (header.producerId < 0) return { kind: 'next' };
    if (header.producerEpoch < 0 || header.baseSequence < 0) {
      return refused(
        'INVALID_RECORD',
        `expected epoch and sequence of producer ${header.producerId} from 0, got ` +
          `${header.producerEpoch} and ${header.baseSequence}`,
      );
    }
    this.expire(nowMs);
    const entry = this.#entries.get(header.producerId);
    if (entry === undefined) return this.#checkUnknown(header);
    if (header.producerEpoch < entry.epoch) {
      return refused(
        'INVALID_PRODUCER_EPOCH',
        `producer ${header.producerId} has epoch ${entry.epoch}, got a batch of ${header.producerEpoch}`,
      );
    }
    if (header.producerEpoch > entry.epoch) return inOrder(header, 0);
    const same = batchOf(header);
    const batch = entry.batches.find((each) => {
      return each.baseSequence === same.baseSequence && each.lastSequence === same.lastSequence;
    });
    if (batch !== undefined) return { kind: 'duplicate', batch };
    const last = entry.batches.at(-1)?.lastSequence ?? -1;
    return inOrder(header, laterSequence(last, 1));
  }

  #checkUnknown(header: BatchHeader): ProducerCheck {
    if (header.baseSequence === 0) return { kind: 'next' };
    return refused(
      'UNKNOWN_PRODUCER_ID',
      `nothing is known of producer ${header.producerId} (any more), expected its first batch with ` +
        `sequence 0, got ${header.baseSequence}`,
    );
  }

  /** A batch has been appended, here or by the leader. */
  update(header: BatchHeader, nowMs: number): void {
    const { producerId, producerEpoch } = header;
    if (producerId < 0 || header.baseSequence < 0) return;
    const known = this.#entries.get(producerId);
    const before = known?.epoch === producerEpoch ? known.batches : [];
    const batches = [...before.slice(1 - BATCHES_KEPT), batchOf(header)];
    this.#entries.delete(producerId);
    this.#entries.set(producerId, { producerId, epoch: producerEpoch, batches, seenAtMs: nowMs });
    if (this.#entries.size > PRODUCERS_MAX) this.#forgetFirst();
  }

  #forgetFirst(): void {
    const [first] = this.#entries.keys();
    if (first !== undefined) this.#entries.delete(first);
  }

  /** Forgets producers that were silent for longer than `producer.id.expiration.ms`. */
  expire(nowMs: number): void {
    for (const { producerId, seenAtMs } of this.#entries.values()) {
      if (nowMs - seenAtMs <= this.#expirationMs) return;
      this.#entries.delete(producerId);
    }
  }
}

function inOrder(header: BatchHeader, expected: number): ProducerCheck {
  if (header.baseSequence === expected) return { kind: 'next' };
  return refused(
    'OUT_OF_ORDER_SEQUENCE_NUMBER',
    `expected sequence ${expected} of producer ${header.producerId} in epoch ` +
      `${header.producerEpoch}, got ${header.baseSequence}`,
  );
}
