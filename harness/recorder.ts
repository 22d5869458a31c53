// Records the history: numbers and stamps each event, keeps it for judging and streams it to a file.
// The file is written in whole chunks at least every 100 ms, so a killed harness leaves a readable
// history that lacks only its last moments.
import { closeSync, openSync, writeSync } from 'node:fs';
import type { Event } from '../history/event.ts';
import type { RunClock } from './clock.ts';

/** Where lines go. Both calls are synchronous and throw when the disk refuses. */
export interface LineSink {
  append(text: string): void;
  close(): void;
}

/** An append-only file, created if need be. */
export function fileSink(path: string): LineSink {
  const fd = openSync(path, 'a');
  return {
    append(text) {
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    },
    close: () => closeSync(fd),
  };
}

/** An event as callers give it; index and time are the recorder's. */
export type EventFields = Omit<Event, 'index' | 'time'>;

const FLUSH_MS = 100;
const PENDING_MAX = 4096;

/** The one history of a run. */
export class Recorder {
  /** All events so far, in order. */
  readonly events: Event[] = [];
  /** Outcomes of client operations so far. */
  readonly counts = { ok: 0, fail: 0, info: 0 };
  readonly #clock: RunClock;
  readonly #sink: LineSink;
  readonly #timer: NodeJS.Timeout;
  #written = 0;
  #failure: unknown;
  #closed = false;

  constructor(clock: RunClock, sink: LineSink) {
    this.#clock = clock;
    this.#sink = sink;
    this.#timer = setInterval(() => this.#tryFlush(), FLUSH_MS);
    this.#timer.unref?.();
  }

  /** Appends an event, stamped now. Keys whose value is undefined are left out. */
  record(fields: EventFields): Event {
    if (this.#closed) throw new Error(`event ${fields.f} came after the history was closed`);
    const event = { index: this.events.length, time: this.#clock.now() } as Event;
    for (const key in fields) {
      const value = fields[key as keyof EventFields];
      if (value !== undefined) (event as unknown as Record<string, unknown>)[key] = value;
    }
    this.events.push(event);
    if (typeof event.process === 'number' && event.type !== 'invoke') this.counts[event.type]++;
    if (this.events.length - this.#written >= PENDING_MAX) this.#tryFlush();
    return event;
  }

  /** Writes what is pending. Throws when this or an earlier write failed: the file has a hole then. */
  flush(): void {
    this.#tryFlush();
    if (this.#failure !== undefined) {
      throw new Error('the history could not be written', { cause: this.#failure });
    }
  }

  /** Flushes and closes the file. Nothing is recorded after it. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    try {
      this.flush();
    } finally {
      this.#sink.close();
    }
  }

  /** A failed write is kept for `flush`: a timer has nobody to throw to, and the run can still heal. */
  #tryFlush(): void {
    if (this.#failure !== undefined || this.#written === this.events.length) return;
    let text = '';
    for (let i = this.#written; i < this.events.length; i++) {
      text += `${JSON.stringify(this.events[i])}\n`;
    }
    try {
      this.#sink.append(text);
      this.#written = this.events.length;
    } catch (error) {
      this.#failure = error;
    }
  }
}
