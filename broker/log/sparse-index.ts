// Where in a segment to begin looking for an offset or a timestamp: an entry for every few kilobytes. It is
// only ever a hint, kept in memory and written beside the segment when that is finished; a file that is
// missing or not whole is built again from the segment.
import fs from 'node:fs';
import { crc32c } from '../../wire/crc32c.ts';
import { TMP_SUFFIX } from '../../wire/durable-files.ts';

/** What a segment says of itself beside its entries; an index of another size is not its index. */
export interface IndexedExtent {
  readonly baseOffset: number;
  readonly endOffset: number;
  readonly sizeBytes: number;
}

/** A batch to begin at. */
export interface Place {
  readonly offset: number;
  readonly position: number;
}

export const NO_TIMESTAMP = -1;

const OFFSET_ENTRY_BYTES = 8;
const TIME_ENTRY_BYTES = 12;
const TRAILER_BYTES = 12;

export class SparseIndex {
  readonly #baseOffset: number;
  readonly #intervalBytes: number;
  #offsets: number[] = [];
  #positions: number[] = [];
  /** The largest timestamp of the segment before each entry's batch. */
  #maxBefore: number[] = [];
  #maxTimestamp = NO_TIMESTAMP;

  constructor(baseOffset: number, intervalBytes: number) {
    this.#baseOffset = baseOffset;
    this.#intervalBytes = intervalBytes;
  }

  /** Largest timestamp of the segment, ms since 1970; −1: none. */
  get maxTimestamp(): number {
    return this.#maxTimestamp;
  }

  get entries(): number {
    return this.#offsets.length;
  }

  /** Takes note of the batch that stands next in the segment. */
  note(offset: number, position: number, maxTimestamp: number): void {
    const last = this.#positions.at(-1);
    if (last === undefined || position - last >= this.#intervalBytes) {
      this.#offsets.push(offset);
      this.#positions.push(position);
      this.#maxBefore.push(this.#maxTimestamp);
    }
    this.#maxTimestamp = Math.max(this.#maxTimestamp, maxTimestamp);
  }

  /** The last known batch that begins at or below `offset`. */
  floor(offset: number): Place {
    return this.#place(lastAtMost(this.#offsets, offset));
  }

  /** The last known batch before which every timestamp is below `timestamp`. */
  beforeTime(timestamp: number): Place {
    return this.#place(lastAtMost(this.#maxBefore, timestamp - 1));
  }

  #place(index: number): Place {
    return {
      offset: this.#offsets[index] ?? this.#baseOffset,
      position: this.#positions[index] ?? 0,
    };
  }

  /** Forgets what begins at or above `offset`; the largest timestamp left has to be told. */
  truncate(offset: number, maxTimestamp: number): void {
    const count = lastAtMost(this.#offsets, offset - 1) + 1;
    this.#offsets.length = this.#positions.length = this.#maxBefore.length = count;
    this.#maxTimestamp = maxTimestamp;
  }

  /** The largest timestamp before the place that `floor(offset)` gives. */
  maxTimestampBefore(offset: number): number {
    return this.#maxBefore[lastAtMost(this.#offsets, offset)] ?? NO_TIMESTAMP;
  }

  /** Writes both files; not durable, since losing them loses nothing. */
  save(indexFile: string, timeIndexFile: string, extent: IndexedExtent): void {
    const count = this.#offsets.length;
    const index = Buffer.alloc(count * OFFSET_ENTRY_BYTES + TRAILER_BYTES);
    const times = Buffer.alloc((count + 1) * TIME_ENTRY_BYTES + TRAILER_BYTES);
    for (let i = 0; i < count; i++) {
      const relative = (this.#offsets[i] as number) - this.#baseOffset;
      index.writeUInt32BE(relative, i * OFFSET_ENTRY_BYTES);
      index.writeUInt32BE(this.#positions[i] as number, i * OFFSET_ENTRY_BYTES + 4);
      writeTime(times, i, this.#maxBefore[i] as number, relative);
    }
    // As in Kafka, the last entry is what the whole segment holds.
    writeTime(times, count, this.#maxTimestamp, extent.endOffset - this.#baseOffset);
    writeSealed(indexFile, index, extent);
    writeSealed(timeIndexFile, times, extent);
  }

  /** The index that `save` wrote for just this extent; undefined when there is none or it is not whole. */
  static load(
    indexFile: string,
    timeIndexFile: string,
    extent: IndexedExtent,
    intervalBytes: number,
  ): SparseIndex | undefined {
    const index = readSealed(indexFile, extent);
    const times = readSealed(timeIndexFile, extent);
    if (index === undefined || times === undefined) return undefined;
    const count = index.length / OFFSET_ENTRY_BYTES;
    if (times.length !== (count + 1) * TIME_ENTRY_BYTES) return undefined;
    const loaded = new SparseIndex(extent.baseOffset, intervalBytes);
    for (let i = 0; i < count; i++) {
      loaded.#offsets.push(extent.baseOffset + index.readUInt32BE(i * OFFSET_ENTRY_BYTES));
      loaded.#positions.push(index.readUInt32BE(i * OFFSET_ENTRY_BYTES + 4));
      loaded.#maxBefore.push(Number(times.readBigInt64BE(i * TIME_ENTRY_BYTES)));
    }
    loaded.#maxTimestamp = Number(times.readBigInt64BE(count * TIME_ENTRY_BYTES));
    return loaded;
  }
}

function writeTime(times: Buffer, at: number, timestamp: number, relative: number): void {
  times.writeBigInt64BE(BigInt.asIntN(64, BigInt(timestamp)), at * TIME_ENTRY_BYTES);
  times.writeUInt32BE(relative, at * TIME_ENTRY_BYTES + 8);
}

/** The trailer: the extent indexed, and a checksum over everything before it. */
function writeSealed(file: string, data: Buffer, extent: IndexedExtent): void {
  const at = data.length - TRAILER_BYTES;
  data.writeUInt32BE(extent.endOffset - extent.baseOffset, at);
  data.writeUInt32BE(extent.sizeBytes, at + 4);
  data.writeUInt32BE(crc32c(data, 0, 0, at + 8), at + 8);
  fs.writeFileSync(file + TMP_SUFFIX, data);
  fs.renameSync(file + TMP_SUFFIX, file);
}

function readSealed(file: string, extent: IndexedExtent): Buffer | undefined {
  let data: Buffer;
  try {
    data = fs.readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const at = data.length - TRAILER_BYTES;
  if (at < 0 || data.readUInt32BE(at + 8) !== crc32c(data, 0, 0, at + 8)) return undefined;
  if (data.readUInt32BE(at) !== extent.endOffset - extent.baseOffset) return undefined;
  if (data.readUInt32BE(at + 4) !== extent.sizeBytes) return undefined;
  return data.subarray(0, at);
}

/** Index of the last element that is at most `value` in an ascending list; −1: none. */
function lastAtMost(ascending: readonly number[], value: number): number {
  let low = -1;
  let high = ascending.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((ascending[middle] as number) <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}
