// The bytes of one version of a file, in cells that two versions may share. A file has a version in
// the page cache and one on the platter; most of their cells are the same, and are stored once.

/** What a disk hands out. */
export const PAGE_BYTES = 4096;

/** Of what two versions share or not: small, since after every fsync the next write copies one. */
const CELL_BYTES = 512;
const ZEROS = new Uint8Array(CELL_BYTES);

/** null is a cell of zeros. A cell that the other version also holds is copied before a change. */
type Cell = Uint8Array | null;

function isZero(bytes: Uint8Array): boolean {
  return Buffer.compare(bytes, ZEROS.subarray(0, bytes.length)) === 0;
}

export class PagedContent {
  #cells: Cell[] = [];
  #size = 0;

  /** Bytes. */
  get size(): number {
    return this.#size;
  }

  /** Bytes of the pages that hold data. */
  get storedBytes(): number {
    const stored = new Set<number>();
    for (const [index, cell] of this.#cells.entries()) {
      if (cell !== null) stored.add(Math.floor((index * CELL_BYTES) / PAGE_BYTES));
    }
    return stored.size * PAGE_BYTES;
  }

  /** Copies what is at `position` into `target`; returns how many bytes there were. */
  read(target: Uint8Array, position: number): number {
    const length = Math.max(0, Math.min(target.length, this.#size - position));
    for (let done = 0; done < length; ) {
      const within = (position + done) % CELL_BYTES;
      const count = Math.min(CELL_BYTES - within, length - done);
      const whole = count === CELL_BYTES;
      const cell = this.#cells[Math.floor((position + done) / CELL_BYTES)] ?? null;
      if (cell === null) target.fill(0, done, done + count);
      else target.set(whole ? cell : cell.subarray(within, within + count), done);
      done += count;
    }
    return length;
  }

  /** Writes `data` at `position`, growing with zeros in between. `twin` is the other version. */
  write(data: Uint8Array, position: number, twin: PagedContent): void {
    if (data.length === 0) return;
    this.#size = Math.max(this.#size, position + data.length);
    this.#fill();
    for (let done = 0; done < data.length; ) {
      const within = (position + done) % CELL_BYTES;
      const count = Math.min(CELL_BYTES - within, data.length - done);
      const index = Math.floor((position + done) / CELL_BYTES);
      const piece = count === data.length ? data : data.subarray(done, done + count);
      if ((this.#cells[index] ?? null) !== null || !isZero(piece)) {
        this.#own(index, twin).set(piece, within);
      }
      done += count;
    }
  }

  /** Cuts off, or grows with zeros. */
  resize(size: number, twin: PagedContent): void {
    if (size < this.#size) {
      const within = size % CELL_BYTES;
      const last = Math.floor(size / CELL_BYTES);
      this.#cells.length = Math.min(this.#cells.length, Math.ceil(size / CELL_BYTES));
      // What is past the end must be zero, or a later growth would bring it back.
      if (within > 0 && this.#cells[last]) this.#own(last, twin).fill(0, within);
    }
    this.#size = size;
    this.#fill();
  }

  /** Takes over the cells of `other` that hold the bytes from `start` to `end`, and its size. */
  share(other: PagedContent, start = 0, end = Math.max(this.#size, other.#size)): void {
    this.#size = other.#size;
    this.#cells.length = Math.min(this.#cells.length, Math.ceil(this.#size / CELL_BYTES));
    this.#fill();
    const last = Math.min(Math.ceil(end / CELL_BYTES), this.#cells.length);
    for (let index = Math.floor(start / CELL_BYTES); index < last; index++) {
      this.#cells[index] = other.#cells[index] ?? null;
    }
  }

  /** Flips the bits of `mask` in the byte at `position`; a cell that is shared stays shared. */
  flip(position: number, mask: number): void {
    const cell = this.#cells[Math.floor(position / CELL_BYTES)];
    if (cell) cell[position % CELL_BYTES] = (cell[position % CELL_BYTES] as number) ^ mask;
  }

  /** Whether both versions hold the very same cell there, which is what a read brings from disk. */
  shares(other: PagedContent, start: number, end: number): boolean {
    for (let index = Math.floor(start / CELL_BYTES); index * CELL_BYTES < end; index++) {
      const cell = this.#cells[index] ?? null;
      if (cell === null || cell !== other.#cells[index]) return false;
    }
    return true;
  }

  #own(index: number, twin: PagedContent): Uint8Array {
    const cell = this.#cells[index] ?? null;
    if (cell !== null && twin.#cells[index] !== cell) return cell;
    const copy = cell === null ? new Uint8Array(CELL_BYTES) : cell.slice();
    this.#cells[index] = copy;
    return copy;
  }

  /** A gap in the array would make it slow, so holes are written out as null. */
  #fill(): void {
    const count = Math.ceil(this.#size / CELL_BYTES);
    if (this.#cells.length < count) {
      const from = this.#cells.length;
      this.#cells.length = count;
      this.#cells.fill(null, from);
    }
  }
}
