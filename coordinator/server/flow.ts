// When output leaves and input goes on, for all connections of a server together. What is said in one turn
// of the event loop leaves in one write a connection, and who was left unread goes on when there is room.
import type { EventSink } from '../contract.ts';
import { atTurnEnd } from '../turn.ts';
import type { ClientLimits } from './limits.ts';

/** A connection as the flow knows it. */
export interface FlowingConnection {
  /** Writes everything put so far. */
  flush(): void;
  /** Takes the frames left waiting. */
  proceed(): void;
}

export class ClientFlow {
  readonly #limits: ClientLimits;
  readonly #events: EventSink;
  readonly #unflushed = new Set<FlowingConnection>();
  /** Who was left unread because of what is under way or unsent. */
  readonly #left = new Set<FlowingConnection>();
  #flushing = false;
  #underWay = 0;
  #unsentBytes = 0;

  constructor(limits: ClientLimits, events: EventSink) {
    this.#limits = limits;
    this.#events = events;
  }

  /** Requests taken and not yet answered. */
  get underWay(): number {
    return this.#underWay;
  }

  get unsentBytes(): number {
    return this.#unsentBytes;
  }

  /** Whether as many requests are under way as may be. */
  get busy(): boolean {
    return this.#underWay >= this.#limits.outstandingMax;
  }

  /** Whether as many bytes are unsent as may be. */
  get clogged(): boolean {
    return this.#unsentBytes >= this.#limits.totalOutputBytesMax;
  }

  /** Whether connections leave their input unread. */
  get full(): boolean {
    return this.busy || this.clogged;
  }

  /** It has frames left unread because the flow is full; it proceeds when that ends. */
  leftWaiting(connection: FlowingConnection): void {
    this.#left.add(connection);
  }

  /** Counts requests under way, by how much they changed. */
  tookOn(requests: number): void {
    this.#underWay += requests;
    if (requests < 0) this.resumeSoon();
  }

  /** Counts bytes unsent, by how much they changed. */
  unsent(bytes: number): void {
    this.#unsentBytes += bytes;
    if (bytes < 0) this.resumeSoon();
  }

  /** It has output, which leaves when this turn of the event loop is over. */
  outputWaits(connection: FlowingConnection): void {
    this.#unflushed.add(connection);
    this.#flushSoon();
  }

  /** It ended: it takes no more. What was said to it may still leave. */
  ended(connection: FlowingConnection): void {
    this.#left.delete(connection);
  }

  /** Connections left unread may go on in the next turn, when there is room again. */
  resumeSoon(): void {
    if (this.#mayResume) this.#flushSoon();
  }

  /** One write a connection for everything said in this turn of the event loop. */
  flush(): void {
    this.#flushing = true;
    // Whoever reads our events must find the cause of anything a client saw.
    this.#events.flush();
    const connections = [...this.#unflushed];
    this.#unflushed.clear();
    for (const connection of connections) connection.flush();
    this.#resumeLeft();
    // What this brought forth waits for the next turn, so that other sockets have theirs between.
    this.#flushing = this.#unflushed.size > 0 || this.#mayResume;
    if (this.#flushing) setImmediate(() => this.flush());
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    atTurnEnd(() => this.flush());
  }

  get #mayResume(): boolean {
    return this.#left.size > 0 && !this.full;
  }

  /** Lets connections that were left unread go on, in the order they were left, while there is room. */
  #resumeLeft(): void {
    if (this.#left.size === 0) return;
    for (const connection of [...this.#left]) {
      if (this.full) return;
      this.#left.delete(connection);
      connection.proceed();
    }
  }
}
