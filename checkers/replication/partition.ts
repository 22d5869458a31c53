// What all replicas of a partition did, in the order of time: who led, what is committed, and which batches
// there ever were. It only keeps the books; replication/rules compares them.
import { upperBound } from '../evidence.ts';
import { type AppendEvent, type BrokerEventOf, ReplicaLog } from './replica-log.ts';

/** A broker's time as leader of one epoch. */
export interface Tenure {
  epoch: number;
  /** Where its log ended when it began: all that was committed before is below. */
  start: number;
  hw: number;
  /** The most that each follower's counted fetches claimed since its log may last have become shorter, by broker. */
  fetched: Map<number, number>;
  /** Which of the follower's spells that claim is from. */
  fetchedIn: Map<number, number>;
}

export interface LossyLeader {
  event: BrokerEventOf<'becameLeader'>;
  /** Who was lossy when it began to lead: from then on the others catch up with it. */
  lossy: ReadonlySet<string>;
}

export class PartitionBooks {
  readonly tp: string;
  readonly #replicas = new Map<string, ReplicaLog>();
  readonly tenures = new Map<string, Tenure>();
  /** Who led first in an epoch. */
  readonly leaders = new Map<number, BrokerEventOf<'becameLeader'>>();
  /** How often each node took up or left a role, or cut its log: only then may its log become shorter. */
  readonly #spells = new Map<string, number>();
  /** Every batch by epoch and first offset, as it was told of first, with the batch before it. */
  readonly #batches = new Map<
    number,
    Map<number, { event: AppendEvent; previous?: AppendEvent }>
  >();
  /** Committed batches in order, and their first offsets. */
  readonly #committed: AppendEvent[] = [];
  readonly #committedFroms: number[] = [];
  /** The highest high watermark that any leader had, and since when it was passed. */
  trueHw = 0;
  /** The highest of each leader epoch. */
  readonly #hwOf = new Map<number, number>();
  readonly #hwTimes: number[] = [];
  readonly #hwValues: number[] = [];
  /** Brokers that must not lead before they have caught up (KIP-966). */
  readonly lossy = new Set<string>();
  /** Stored states by version, and the high watermarks that say they were counted on one that is not told yet. */
  readonly states = new Map<number, BrokerEventOf<'stateStored'>>();
  readonly countedOn = new Map<number, BrokerEventOf<'highWatermark'>[]>();
  /** Lossy brokers that lead an epoch, until it is told whom its election chose from. */
  readonly lossyLeaders = new Map<number, LossyLeader>();

  constructor(tp: string) {
    this.tp = tp;
  }

  get replicas(): IterableIterator<ReplicaLog> {
    return this.#replicas.values();
  }

  replica(node: string): ReplicaLog {
    let replica = this.#replicas.get(node);
    if (replica === undefined) {
      replica = new ReplicaLog(node);
      this.#replicas.set(node, replica);
    }
    return replica;
  }

  /** The first telling of a batch, if there was one; it is kept otherwise. */
  identify(
    event: AppendEvent,
    previous: AppendEvent | undefined,
  ): { event: AppendEvent; previous?: AppendEvent } | undefined {
    let epoch = this.#batches.get(event.epoch);
    if (epoch === undefined) this.#batches.set(event.epoch, (epoch = new Map()));
    const known = epoch.get(event.from);
    if (known === undefined) epoch.set(event.from, { event, ...(previous && { previous }) });
    else if (known.previous === undefined && previous !== undefined) known.previous = previous;
    return known;
  }

  /** The high watermark of a leader of this epoch rose: what its log holds below is committed. */
  commit(hw: number, epoch: number, log: ReplicaLog, t: number): void {
    this.#hwOf.set(epoch, Math.max(hw, this.#hwOf.get(epoch) ?? 0));
    if (hw <= this.trueHw) return;
    for (let at = this.trueHw; at < hw; ) {
      const batch = log.at(at);
      if (batch === undefined) break;
      this.#committed.push(batch);
      this.#committedFroms.push(batch.from);
      at = batch.to + 1;
    }
    this.trueHw = hw;
    this.#hwTimes.push(t);
    this.#hwValues.push(hw);
  }

  /** A node's log may be shorter from now on than what it claimed before. */
  beginSpell(node: string): void {
    this.#spells.set(node, this.spellOf(node) + 1);
  }

  spellOf(node: string): number {
    return this.#spells.get(node) ?? 0;
  }

  /** Everything below was committed in epochs before this one. */
  hwBefore(epoch: number): number {
    const earlier = [...this.#hwOf].filter(([of]) => of < epoch);
    return Math.max(0, ...earlier.map(([, hw]) => hw));
  }

  /** The committed batch that holds an offset, if it is known. */
  committedAt(offset: number): AppendEvent | undefined {
    const batch = this.#committed[upperBound(this.#committedFroms, offset) - 1];
    return batch !== undefined && offset <= batch.to ? batch : undefined;
  }

  /** Whether a committed batch stands where this one stands, and is this one. */
  isCommitted(batch: AppendEvent): boolean {
    const committed = this.committedAt(batch.from);
    return committed?.from === batch.from && committed.epoch === batch.epoch;
  }

  /** When an offset was first below a leader's high watermark, ns; undefined: never. */
  readableSince(offset: number): number | undefined {
    return this.#hwTimes[upperBound(this.#hwValues, offset)];
  }
}
