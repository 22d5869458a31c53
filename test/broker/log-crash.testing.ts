// What a log must hold after a crash, from what its program told until then. A small oracle: it knows every batch
// ever appended where it stands, how much of it was durable, and what was being taken away.
import { headerAt } from '../../broker/log/batch-header.ts';
import type { Told } from './log-crash-program.testing.ts';

interface Known {
  readonly bytes: string;
  readonly base: number;
  readonly next: number;
}

export class CrashOracle {
  /** Batches in the log, as far as was told. */
  #batches: Known[] = [];
  /** A batch that was about to be written. */
  #coming: Known | undefined;
  /** Everything below is durable. */
  #floor = 0;
  /** Everything below was in the kernel's cache: a kill must not lose it. */
  #cached = 0;
  #start = 0;
  /** Where the log may begin as well, if it died while that was changed. */
  #startsAt: number | undefined;
  #renewing = false;
  #closing = false;
  /** What was found wrong, in words. */
  readonly faults: string[] = [];
  readonly seen = { opened: 0, clean: 0, lostTail: 0, keptUnflushed: 0, refused: 0, failed: 0 };

  /** The power went, and with it what only the kernel had. */
  powerLoss(): void {
    this.#cached = this.#floor;
  }

  tell(told: Told): void {
    switch (told.kind) {
      case 'opened':
        this.#opened(told);
        break;
      case 'appending':
        this.#coming = told;
        break;
      case 'appended':
        this.#batches.push(this.#coming as Known);
        this.#coming = undefined;
        this.#cached = told.offset;
        break;
      case 'flushed':
        // What is about to be cut may still be flushed before.
        this.#floor = Math.max(this.#floor, Math.min(told.offset, this.#cached));
        break;
      case 'cutting':
        this.#floor = Math.min(this.#floor, told.offset);
        this.#cached = Math.min(this.#cached, told.offset);
        // The batch around the offset goes as a whole.
        this.#floor = this.#lastBoundary(this.#floor);
        this.#cached = this.#lastBoundary(this.#cached);
        this.#startsAt = Math.min(this.#start, this.#cached);
        break;
      case 'cut':
        // With nothing to remove, nothing was made durable.
        if ((this.#batches.at(-1)?.next ?? 0) > told.offset) this.#floor = told.offset;
        this.#batches = this.#batches.filter(({ next }) => next <= told.offset);
        this.#cached = told.offset;
        this.#start = Math.min(this.#start, told.offset);
        this.#startsAt = undefined;
        break;
      case 'starting':
        this.#startsAt = told.offset;
        break;
      case 'started':
        this.#start = Math.max(this.#start, told.offset);
        this.#startsAt = undefined;
        break;
      case 'renewing':
        this.#startsAt = told.offset;
        this.#renewing = true;
        break;
      case 'renewed':
        this.#batches = [];
        this.#start = this.#floor = this.#cached = told.offset;
        this.#startsAt = undefined;
        this.#renewing = false;
        break;
      case 'refused':
        this.seen.refused++;
        break;
      case 'failed':
        this.seen.failed++;
        break;
      case 'closing':
        this.#closing = true;
        break;
      case 'closed':
        this.#floor = this.#cached;
        break;
    }
  }

  /** The last end of a batch at or below `limit`. */
  #lastBoundary(limit: number): number {
    const ends = this.#batches.map(({ next }) => next).filter((next) => next <= limit);
    return Math.max(0, ...ends, Math.min(this.#batches[0]?.base ?? limit, limit));
  }

  #opened(told: Told & { kind: 'opened' }): void {
    this.seen.opened++;
    if (told.clean) this.seen.clean++;
    if (told.clean && !this.#closing) this.faults.push('said to have been closed in order');
    const floor = this.#renewing ? told.start : this.#floor;
    const cached = this.#renewing ? told.start : this.#cached;
    if (told.start !== this.#start && told.start !== this.#startsAt) {
      this.faults.push(`begins at ${told.start}, expected ${this.#start} or ${this.#startsAt}`);
    }
    if (told.end < floor) this.faults.push(`ends at ${told.end}, but was flushed to ${floor}`);
    if (told.end < cached) {
      this.faults.push(`ends at ${told.end} after a kill, but ${cached} was written`);
    }
    const written = this.#batches.at(-1)?.next ?? told.start;
    if (told.end < written) this.seen.lostTail++;
    else if (told.end > this.#floor) this.seen.keptUnflushed++;
    this.#compare(told);
    this.#settle(told);
  }

  /** Every batch is one that was appended there, and they follow each other from start to end. */
  #compare(told: Told & { kind: 'opened' }): void {
    const known = new Map(this.#batches.map((each) => [each.base, each]));
    if (this.#coming !== undefined) known.set(this.#coming.base, this.#coming);
    let at: number | undefined;
    const epochs: { epoch: number; startOffset: number }[] = [];
    for (const bytes of told.content) {
      const header = headerAt(Buffer.from(bytes, 'latin1'), 0);
      if (typeof header === 'string') {
        this.faults.push(header);
        return;
      }
      const { baseOffset: base, leaderEpoch: epoch } = header;
      if (at !== undefined && base !== at) this.faults.push(`${base} follows ${at}`);
      if (at === undefined && base > told.start) this.faults.push(`${told.start} is missing`);
      if (known.get(base)?.bytes !== bytes) this.faults.push(`${base} is not what was appended`);
      at = header.nextOffset;
      if (epochs.at(-1)?.epoch !== epoch) {
        epochs.push({ epoch, startOffset: Math.max(base, told.start) });
      }
    }
    if (at !== undefined && at !== told.end) this.faults.push(`content ends at ${at}`);
    if (at === undefined && told.start !== told.end) this.faults.push('nothing can be read');
    if (JSON.stringify(told.epochs) !== JSON.stringify(epochs) && at !== undefined) {
      const [found, expected] = [told.epochs, epochs].map((each) => JSON.stringify(each));
      this.faults.push(`epochs ${found}, expected ${expected}`);
    }
    this.#compareProducers(told);
  }

  /** What is known of a producer ends with its batches in the log. */
  #compareProducers(told: Told & { kind: 'opened' }): void {
    const offsets = new Map<number, number[]>();
    for (const bytes of told.content) {
      const header = headerAt(Buffer.from(bytes, 'latin1'), 0);
      if (typeof header === 'string' || header.producerId < 0) continue;
      const theirs = offsets.get(header.producerId) ?? [];
      offsets.set(header.producerId, [...theirs, header.baseOffset]);
    }
    for (const [producerId, inLog] of offsets) {
      const found = told.producers.find((each) => each.producerId === producerId);
      const tail = inLog.slice(-5);
      if (String(found?.offsets.slice(-tail.length)) !== String(tail)) {
        this.faults.push(`producer ${producerId} is at ${found?.offsets}, in the log ${tail}`);
      }
    }
    for (const { offsets: known, producerId } of told.producers) {
      const beyond = known.filter((offset) => offset >= told.end);
      if (beyond.length > 0) this.faults.push(`producer ${producerId} wrote ${beyond}, not there`);
    }
  }

  /** What was found is durable, and where the next life goes on. */
  #settle(told: Told & { kind: 'opened' }): void {
    this.#batches = told.content.map((bytes) => {
      const header = headerAt(Buffer.from(bytes, 'latin1'), 0);
      if (typeof header === 'string') throw new Error(header);
      return { bytes, base: header.baseOffset, next: header.nextOffset };
    });
    this.#coming = this.#startsAt = undefined;
    this.#renewing = this.#closing = false;
    this.#start = told.start;
    this.#floor = this.#cached = told.end;
  }
}
