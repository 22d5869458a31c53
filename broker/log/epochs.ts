// Which leader epoch wrote which part of the log: for each epoch the offset at which it began. A replica that
// has to find out where its log parts from the leader's asks for the end of an epoch (KIP-101, KIP-279).
//
// The file is durable before the log counts as durable beyond what it says, so below the flushed mark it is
// exact; above it, recovery reads the epochs from the batches themselves.
import path from 'node:path';
import { replaceFile, replaceFileLater } from '../../wire/durable-files.ts';
import { encodeCheckpoint, readCheckpoint } from './checkpoint.ts';
import { CorruptLogError } from './errors.ts';

export const EPOCHS_NAME = 'leader-epoch-checkpoint';

export interface EpochStart {
  readonly epoch: number;
  readonly startOffset: number;
}

/** The answer to OffsetForLeaderEpoch: where the largest epoch at most as large as the asked one ends. */
export interface EpochEnd {
  readonly epoch: number;
  /** Exclusive. */
  readonly endOffset: number;
}

export class EpochCache {
  readonly #file: string;
  /** Ascending in both fields. */
  #entries: EpochStart[];
  #dirty = false;

  constructor(dir: string, entries: readonly EpochStart[] = []) {
    this.#file = path.join(dir, EPOCHS_NAME);
    this.#entries = [...entries];
  }

  /** Reads the cache of a log; empty where there is no file. Throws CorruptLogError. */
  static load(dir: string): EpochCache {
    const file = path.join(dir, EPOCHS_NAME);
    const entries = (readCheckpoint(file) ?? []).map(([epoch = -1, startOffset = -1]) => {
      return { epoch, startOffset };
    });
    for (const [index, { epoch, startOffset }] of entries.entries()) {
      const before = entries[index - 1] ?? { epoch: -1, startOffset: -1 };
      if (!(epoch > before.epoch && startOffset > before.startOffset)) {
        throw new CorruptLogError(file, 0, `epoch ${epoch} at ${startOffset} is out of order`);
      }
    }
    return new EpochCache(dir, entries);
  }

  get entries(): readonly EpochStart[] {
    return this.#entries;
  }

  /** The last epoch known; undefined: none yet. */
  get latest(): EpochStart | undefined {
    return this.#entries.at(-1);
  }

  /** Whether the file does not say what this says. */
  get dirty(): boolean {
    return this.#dirty;
  }

  /** The epoch that wrote the record at `offset`; undefined before the first one known. */
  epochFor(offset: number): number | undefined {
    return this.#entries.findLast(({ startOffset }) => startOffset <= offset)?.epoch;
  }

  /**
   * `epoch` writes from `startOffset` on: to be told by a new leader before it writes anything, and by
   * the first batch of an epoch. Epochs that began there and wrote nothing are forgotten. Nothing
   * changes when the epoch is known already.
   * @throws Error for an epoch that is older than records below.
   */
  assign(epoch: number, startOffset: number): void {
    const { latest } = this;
    if (latest !== undefined && latest.epoch === epoch && latest.startOffset <= startOffset) return;
    const kept = this.#entries.filter((entry) => entry.startOffset < startOffset);
    const before = kept.at(-1);
    if (before !== undefined && before.epoch > epoch) {
      throw new Error(
        `expected leader epoch ${before.epoch} or later at offset ${startOffset}, got ${epoch}`,
      );
    }
    if (before?.epoch !== epoch) kept.push({ epoch, startOffset });
    this.#entries = kept;
    this.#dirty = true;
  }

  /** Where the largest epoch at most `epoch` ends, in a log that ends at `logEndOffset`. */
  endOffsetFor(epoch: number, logEndOffset: number): EpochEnd | undefined {
    const { latest } = this;
    // An epoch that this replica has not heard of: it cannot say anything about it.
    if (latest === undefined || epoch > latest.epoch || epoch < 0) return undefined;
    if (epoch === latest.epoch) return { epoch, endOffset: logEndOffset };
    const next = this.#entries.find((entry) => entry.epoch > epoch) as EpochStart;
    const floor = this.#entries.findLast((entry) => entry.epoch <= epoch);
    // As in Kafka, an epoch from before the log's beginning ends where the log begins.
    return { epoch: floor?.epoch ?? epoch, endOffset: next.startOffset };
  }

  /** Forgets epochs that began at or above `endOffset`: the log ends there. */
  truncateFromEnd(endOffset: number): void {
    this.#keep(this.#entries.filter(({ startOffset }) => startOffset < endOffset));
  }

  /** The log begins at `startOffset`: older epochs are forgotten, the one in force there stays. */
  truncateFromStart(startOffset: number): void {
    const after = this.#entries.filter((entry) => entry.startOffset > startOffset);
    const inForce = this.#entries.findLast((entry) => entry.startOffset <= startOffset);
    if (inForce === undefined) return;
    const moved = { epoch: inForce.epoch, startOffset };
    if (inForce.startOffset === startOffset) this.#keep([inForce, ...after]);
    else {
      this.#entries = [moved, ...after];
      this.#dirty = true;
    }
  }

  clear(): void {
    this.#keep([]);
  }

  #keep(entries: EpochStart[]): void {
    if (entries.length === this.#entries.length) return;
    this.#entries = entries;
    this.#dirty = true;
  }

  #encoded(): Buffer {
    return encodeCheckpoint(this.#entries.map(({ epoch, startOffset }) => [epoch, startOffset]));
  }

  /** Durable when it returns. */
  save(): void {
    replaceFile(this.#file, this.#encoded());
    this.#dirty = false;
  }

  /** Durable when it resolves, as it was when it was called. */
  async saveLater(): Promise<void> {
    const encoded = this.#encoded();
    this.#dirty = false;
    await replaceFileLater(this.#file, encoded);
  }
}
