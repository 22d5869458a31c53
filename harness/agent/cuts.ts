// The cuts that concern one node, and what they have held back. Connections ask here whether bytes
// may flow, and are told when that changes.

/** A one-way link that is cut. */
export interface CutLink {
  from: string;
  to: string;
}

/** Something that acts when cuts change. */
export interface CutListener {
  refresh(): void;
}

const keyOf = (from: string, to: string): string => `${from}>${to}`;

/** The cuts as one node sees them. */
export class Cuts {
  readonly #self: string;
  /** Number of things held back, by cut link. */
  #held = new Map<string, number>();
  readonly #listeners = new Set<CutListener>();

  constructor(self: string) {
    this.#self = self;
  }

  /** Whether bytes to `peer` are cut. */
  outgoing(peer: string): boolean {
    return this.#held.has(keyOf(this.#self, peer));
  }

  /** Whether bytes from `peer` are cut. */
  incoming(peer: string): boolean {
    return this.#held.has(keyOf(peer, this.#self));
  }

  /** Whether nothing new can be established with `peer`: a handshake needs both directions. */
  either(peer: string): boolean {
    return this.outgoing(peer) || this.incoming(peer);
  }

  /** Counts a write, connect or accept that was held back. */
  countOutgoing(peer: string): void {
    this.#count(keyOf(this.#self, peer));
  }

  /** Counts a read, connect or accept that was held back. */
  countIncoming(peer: string): void {
    this.#count(keyOf(peer, this.#self));
  }

  #count(key: string): void {
    const held = this.#held.get(key);
    if (held !== undefined) this.#held.set(key, held + 1);
  }

  /** Makes exactly these links cut. A cut that stays keeps its count. */
  set(links: readonly CutLink[]): void {
    const next = new Map<string, number>();
    for (const { from, to } of links) {
      if (from !== this.#self && to !== this.#self) continue;
      next.set(keyOf(from, to), this.#held.get(keyOf(from, to)) ?? 0);
    }
    this.#held = next;
    for (const listener of [...this.#listeners]) listener.refresh();
  }

  /** What each cut has held back, by `from>to`. */
  counts(): Record<string, number> {
    return Object.fromEntries(this.#held);
  }

  add(listener: CutListener): void {
    this.#listeners.add(listener);
  }

  remove(listener: CutListener): void {
    this.#listeners.delete(listener);
  }
}
