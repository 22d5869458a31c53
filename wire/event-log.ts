// A server's own account of what it does, one JSON object a line, for checkers and people. An event is
// on the file descriptor before any message or reply that depends on it leaves this process.
import { closeSync, openSync, writeSync } from 'node:fs';

/** Where a server says what it does. */
export interface EventSink {
  /** Whether events that come once per record or message are wanted. */
  readonly detailed: boolean;
  emit(event: { ev: string } & Record<string, unknown>): void;
  flush(): void;
}

export type EventLevel = 'off' | 'state' | 'all';

export interface EventLogOptions {
  /** File to append to. */
  path: string;
  level: EventLevel;
  node: string;
  /** Numbers the starts of this node. */
  incarnation: number;
  /** Value of the monotonic clock, ns, that counts as time 0. */
  baseNs: bigint;
}

/** Where the agent keeps the monotonic clock that no clock fault touches. */
const MONOTONIC = Symbol.for('chaos.monotonic');

/** The unskewed monotonic clock, ns. */
export function monotonicNs(): bigint {
  const kept = (globalThis as Record<symbol, unknown>)[MONOTONIC];
  return typeof kept === 'function' ? (kept() as bigint) : process.hrtime.bigint();
}

/** How long an event may wait in memory when nothing is sent, ms. */
const FLUSH_MS = 50;

/** Writes events to a file. */
export class EventLog implements EventSink {
  readonly detailed: boolean;
  readonly #options: EventLogOptions;
  readonly #fd: number;
  readonly #timer: NodeJS.Timeout;
  readonly #header: string;
  #pending = '';
  #seq = 0;
  #closed = false;

  constructor(options: EventLogOptions) {
    this.#options = options;
    this.detailed = options.level === 'all';
    this.#fd = openSync(options.path, 'a');
    this.#header = `"node":${JSON.stringify(options.node)},"inc":${options.incarnation}`;
    this.#timer = setInterval(() => this.flush(), FLUSH_MS).unref();
  }

  emit(event: { ev: string } & Record<string, unknown>): void {
    if (this.#closed) return;
    const t = Number(monotonicNs() - this.#options.baseNs);
    const fields = JSON.stringify(event).slice(1);
    this.#pending += `{"t":${t},${this.#header},"seq":${this.#seq},${fields}\n`;
    this.#seq += 1;
  }

  flush(): void {
    if (this.#pending === '') return;
    const bytes = Buffer.from(this.#pending);
    this.#pending = '';
    let written = 0;
    while (written < bytes.length) written += writeSync(this.#fd, bytes, written);
  }

  /** Writes what is left; later events are dropped. */
  close(): void {
    if (this.#closed) return;
    this.flush();
    this.#closed = true;
    clearInterval(this.#timer);
    closeSync(this.#fd);
  }
}

/** For a server that nobody watches. */
export const NO_EVENTS: EventSink = {
  detailed: false,
  emit() {},
  flush() {},
};
