// The bytes of one version of a file, in pages that two versions may share. A file has a version in
// the page cache and one on the platter; most of their pages are the same, and are stored once.

export const PAGE_BYTES = 4096;

const ZERO_PAGE = new Uint8Array(PAGE_BYTES);

/** null is a page of zeros. A page that the other version also holds is copied before a change. */
type Page = Uint8Array | null;

function isZero(bytes: Uint8Array): boolean {
  return Buffer.compare(bytes, ZERO_PAGE.subarray(0, bytes.length)) === 0;
}

export class PagedContent {
  #pages: Page[] = [];
  #size = 0;

  /** Bytes. */
  get size(): number {
    return this.#size;
  }

  /** Bytes of the pages that hold data. */
  get storedBytes(): number {
    return this.#pages.reduce((sum, page) => (page === null ? sum : sum + PAGE_BYTES), 0);
  }

  /** Copies what is at `position` into `target`; returns how many bytes there were. */
  read(target: Uint8Array, position: number): number {
    const length = Math.max(0, Math.min(target.length, this.#size - position));
    for (let done = 0; done < length; ) {
      const within = (position + done) % PAGE_BYTES;
      const count = Math.min(PAGE_BYTES - within, length - done);
      const page = this.#pages[Math.floor((position + done) / PAGE_BYTES)] ?? ZERO_PAGE;
      target.set(page.subarray(within, within + count), done);
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
      const within = (position + done) % PAGE_BYTES;
      const count = Math.min(PAGE_BYTES - within, data.length - done);
      const index = Math.floor((position + done) / PAGE_BYTES);
      const piece = data.subarray(done, done + count);
      if ((this.#pages[index] ?? null) !== null || !isZero(piece)) {
        this.#own(index, twin).set(piece, within);
      }
      done += count;
    }
  }

  /** Cuts off, or grows with zeros. */
  resize(size: number, twin: PagedContent): void {
    if (size < this.#size) {
      const within = size % PAGE_BYTES;
      const last = Math.floor(size / PAGE_BYTES);
      this.#pages.length = Math.min(this.#pages.length, Math.ceil(size / PAGE_BYTES));
      // What is past the end must be zero, or a later growth would bring it back.
      if (within > 0 && this.#pages[last]) this.#own(last, twin).fill(0, within);
    }
    this.#size = size;
    this.#fill();
  }

  /** Takes over the pages of `other` that hold the bytes from `start` to `end`, and its size. */
  share(other: PagedContent, start = 0, end = Math.max(this.#size, other.#size)): void {
    this.#size = other.#size;
    this.#pages.length = Math.min(this.#pages.length, Math.ceil(this.#size / PAGE_BYTES));
    this.#fill();
    const last = Math.min(Math.ceil(end / PAGE_BYTES), this.#pages.length);
    for (let index = Math.floor(start / PAGE_BYTES); index < last; index++) {
      this.#pages[index] = other.#pages[index] ?? null;
    }
  }

  /** Flips the bits of `mask` in the byte at `position`; a page that is shared stays shared. */
  flip(position: number, mask: number): void {
    const page = this.#pages[Math.floor(position / PAGE_BYTES)];
    if (page) page[position % PAGE_BYTES] = (page[position % PAGE_BYTES] as number) ^ mask;
  }

  /** Whether both versions hold the very same page there, which is what a read brings from disk. */
  shares(other: PagedContent, position: number): boolean {
    const index = Math.floor(position / PAGE_BYTES);
    return (this.#pages[index] ?? null) !== null && this.#pages[index] === other.#pages[index];
  }

  #own(index: number, twin: PagedContent): Uint8Array {
    const page = this.#pages[index] ?? null;
    if (page !== null && twin.#pages[index] !== page) return page;
    const copy = page === null ? new Uint8Array(PAGE_BYTES) : page.slice();
    this.#pages[index] = copy;
    return copy;
  }

  /** A gap in the array would make it slow, so holes are written out as null. */
  #fill(): void {
    const count = Math.ceil(this.#size / PAGE_BYTES);
    if (this.#pages.length < count) {
      const from = this.#pages.length;
      this.#pages.length = count;
      this.#pages.fill(null, from);
    }
  }
}
