// The operator's view of the front: what it counts, what it tells the log of connections, and what
// four-letter words and metrics are answered from. Nothing that a client is told depends on it.
import { BoundedLog, printable } from '../../wire/server-log.ts';
import type { ClientConnection } from './connection.ts';
import type { ClientFlow } from './flow.ts';
import type { WatchesBySession, WordSource } from './four-letter-words.ts';
import type { FrontParts } from './front-parts.ts';
import type { Outstanding } from './pipeline.ts';
import type { ConnectionFacts, ServerFacts } from './server-facts.ts';
import { LatencyHistogram, Traffic } from './traffic.ts';
import { hex } from './word-formats.ts';

/** What the front has that its operator is told of. */
export interface AccountedFront {
  readonly connections: ReadonlySet<ClientConnection>;
  readonly flow: Pick<ClientFlow, 'underWay' | 'unsentBytes'>;
  readonly sessions: { readonly serving: boolean; readonly readOnly: boolean };
}

export class OperatorAccount implements WordSource {
  readonly #parts: FrontParts;
  readonly #front: AccountedFront;
  readonly #log: BoundedLog;
  readonly #startedMs: number;
  readonly #reads = new LatencyHistogram();
  readonly #writes = new LatencyHistogram();
  readonly traffic = new Traffic();
  #refused = 0;
  #closed = 0;

  constructor(parts: FrontParts, front: AccountedFront) {
    this.#parts = parts;
    this.#front = front;
    this.#startedMs = performance.now();
    this.#log = new BoundedLog(parts.operator.log, () => performance.now());
  }

  // What the front reports.

  line(text: string): void {
    this.#log.line(text);
  }

  /** A request was answered. */
  answered({ receivedMs, work: { kind } }: Outstanding): void {
    const elapsedMs = this.#parts.now() - receivedMs;
    this.traffic.answered(elapsedMs);
    if (kind === 'write' || kind === 'sync') this.#writes.add(elapsedMs);
    else this.#reads.add(elapsedMs);
  }

  /** Somebody was not let in. */
  refused(peer: string, why: string): void {
    this.#refused++;
    this.#told(peer, 0, `refused: ${why}`);
  }

  /** A connection was closed; `session` is 0 when it had none. */
  closed(peer: string, session: number, reason: string): void {
    this.#closed++;
    this.#told(peer, session, reason);
  }

  /** Why a connection ended, in the server's log and in its events. */
  #told(peer: string, session: number, text: string): void {
    const reason = printable(text);
    const of = session === 0 ? '' : ` of session 0x${hex(session)}`;
    this.#log.line(`closed ${peer}${of}: ${reason}`);
    this.#parts.events.emit({
      ev: 'connectionClosed',
      reason,
      ...(session === 0 ? {} : { session: hex(session) }),
    });
  }

  // What four-letter words and metrics ask.

  get words(): ReadonlySet<string> {
    return this.#parts.config.words;
  }

  get operator(): FrontParts['operator'] {
    return this.#parts.operator;
  }

  facts(): ServerFacts {
    const { tree, consensus } = this.#parts;
    const { flow, sessions } = this.#front;
    return {
      serving: sessions.serving,
      readOnly: sessions.readOnly,
      status: consensus.status(),
      lastApplied: tree.lastApplied,
      digest: tree.digest(),
      uptimeMs: performance.now() - this.#startedMs,
      traffic: this.traffic,
      reads: this.#reads,
      writes: this.#writes,
      outstanding: flow.underWay,
      unsentBytes: flow.unsentBytes,
      connectionCount: this.#open().length,
      refused: this.#refused,
      closed: this.#closed,
      ...tree.counts(),
      watches: tree.watches.size,
    };
  }

  connections(): ConnectionFacts[] {
    return this.#open().map((each) => each.facts());
  }

  sessions(): Iterable<{ id: number; timeoutMs: number }> {
    return this.#parts.tree.sessions();
  }

  ephemerals(session: number): ReadonlySet<string> {
    return this.#parts.tree.ephemerals(session);
  }

  watches(): WatchesBySession {
    const watches = this.#open().map((each) => {
      return [each.session, this.#parts.tree.watches.pathsOf(each)] as const;
    });
    return new Map(watches.filter(([, paths]) => paths.size > 0));
  }

  resetTraffic(): void {
    this.traffic.reset();
  }

  resetConnections(): void {
    for (const connection of this.#front.connections) connection.resetTraffic();
  }

  #open(): ClientConnection[] {
    return [...this.#front.connections].filter((each) => each.open);
  }
}
