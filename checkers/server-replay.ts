// Replays one server's events into its state: log, applied and committed zxid, epochs, whether it is
// an established leader. What contradicts the server's own earlier words is told to a listener.
import type { NodeEvent } from '../history/node-event.ts';
import { formatZxid, zxidCounter, zxidEpoch } from '../history/node-event.ts';
import type { PendingSync, ProblemListener, SyncStartEvent } from './node-log.ts';
import { follows, NodeLog, recover } from './node-log.ts';

type EventOf<K extends NodeEvent['ev']> = Extract<NodeEvent, { ev: K }>;

/** One server's state as its events tell it, step by step. */
export class ServerReplay {
  readonly log = new NodeLog();
  applied = 0;
  /** What the first start found on disk; nothing is known of how it came there. */
  foundAtFirst = 0;
  /** The epoch in which this server is an established leader now, and up to where that committed. */
  established: { epoch: number; zxid: number } | undefined;
  #started = false;
  #incarnationStart = 0;
  #lastProposed = 0;
  #lastCommitted = 0;
  /** When this server last acked NEWLEADER: an older synchronisation is complete in its events. */
  #syncedAt = -1;
  /** Entries of the log already reported by `newlyCommitted`. */
  #committedCount = 0;
  readonly #syncs: readonly SyncStartEvent[];
  readonly #problem: ProblemListener;

  /** `syncs`: what leaders began to send to this server, by time. */
  constructor(syncs: readonly SyncStartEvent[], problem: ProblemListener) {
    this.#syncs = syncs;
    this.#problem = problem;
  }

  step(event: NodeEvent): void {
    switch (event.ev) {
      case 'start':
        this.#start(event);
        break;
      case 'role':
        if (event.role !== 'leading') this.established = undefined;
        break;
      case 'newLeaderAck':
        this.#newLeaderAck(event);
        break;
      case 'established':
        this.established = { epoch: event.epoch, zxid: event.zxid };
        this.#lastProposed = 0;
        this.#lastCommitted = event.zxid;
        break;
      case 'append':
        this.#append(event);
        break;
      case 'fsync':
        this.#fsync(event);
        break;
      case 'trunc':
        this.#trunc(event);
        break;
      case 'snapSaved':
        this.log.cover(event.zxid, event.t);
        break;
      case 'snapLoaded':
        this.#snapLoaded(event);
        break;
      case 'propose':
        this.#propose(event);
        break;
      case 'commit':
        this.#commit(event);
        break;
      case 'apply':
        this.#apply(event);
        break;
      default:
        break;
    }
  }

  /** Records up to `zxid` of this leader's log that it had not committed as a leader before. */
  newlyCommitted(zxid: number): number[] {
    const { zxids } = this.log;
    const first = this.#committedCount;
    while (this.#committedCount < zxids.length && (zxids[this.#committedCount] as number) <= zxid) {
      this.#committedCount++;
    }
    return zxids.slice(first, this.#committedCount);
  }

  #start(event: EventOf<'start'>): void {
    if (this.#started) {
      const problem = recover(this.log, event.lastLogged, event.t, this.#pendingSync(event.t));
      if (problem !== undefined) this.#problem(problem.kind, problem.why, event);
    } else {
      this.#started = true;
      this.foundAtFirst = event.lastLogged;
      this.log.replaceBySnapshot(event.lastLogged);
      this.log.cover(event.lastLogged, event.t);
    }
    this.#incarnationStart = event.t;
    this.applied = event.applied;
    this.established = undefined;
    this.#clampCommitted();
  }

  /** The synchronisation that was under way when the last incarnation ended, if there was one. */
  #pendingSync(until: number): PendingSync | undefined {
    let pending: PendingSync | undefined;
    for (const sync of this.#syncs) {
      if (sync.t > until) break;
      if (sync.t >= this.#incarnationStart && sync.t > this.#syncedAt) {
        pending = { mode: sync.mode, from: sync.from };
      }
    }
    return pending;
  }

  #newLeaderAck(event: EventOf<'newLeaderAck'>): void {
    this.#syncedAt = event.t;
    if (this.log.durable < event.zxid) {
      this.#problem(
        'ack-before-durable',
        `it acked NEWLEADER of epoch ${event.epoch} with ${formatZxid(event.zxid)}, but only ` +
          `${formatZxid(this.log.durable)} was durable there`,
        event,
      );
    }
  }

  #append(event: EventOf<'append'>): void {
    const { last } = this.log;
    if (event.zxid <= last) {
      this.#problem(
        'log-not-increasing',
        `it appended ${formatZxid(event.zxid)} after ${formatZxid(last)}; zxids in a log must increase`,
        event,
      );
    } else if (!follows(last, event.zxid)) {
      this.#problem(
        'log-gap',
        `it appended ${formatZxid(event.zxid)} after ${formatZxid(last)}; within an epoch zxids are ` +
          'contiguous and begin at 1',
        event,
      );
    }
    this.log.append(event.zxid, event.hash);
    this.#clampCommitted();
  }

  /** What was cut off may not reach the disk after all (I-Z12). */
  #fsync(event: EventOf<'fsync'>): void {
    if (!this.log.contains(event.upto)) {
      this.#problem(
        'fsync-of-unlogged',
        `it made ${formatZxid(event.upto)} durable, which is not in its log any more (the log ends at ` +
          `${formatZxid(this.log.last)})`,
        event,
      );
    }
    this.log.fsync(event.upto, event.t);
  }

  #trunc(event: EventOf<'trunc'>): void {
    if (event.to < this.applied) {
      this.#problem(
        'committed-truncated',
        `it truncated its log to ${formatZxid(event.to)} although it had applied ${formatZxid(this.applied)}`,
        event,
      );
      this.applied = event.to;
    }
    this.log.truncate(event.to);
    this.#clampCommitted();
  }

  /** A snapshot read from its own disk changes nothing; one sent by a leader replaces everything. */
  #snapLoaded(event: EventOf<'snapLoaded'>): void {
    if (this.#pendingSync(event.t)?.mode !== 'snap') return;
    this.log.replaceBySnapshot(event.zxid);
    this.applied = event.zxid;
    this.#clampCommitted();
  }

  #propose(event: EventOf<'propose'>): void {
    const epoch = zxidEpoch(event.zxid);
    const { established } = this;
    if (established?.epoch !== epoch) {
      this.#problem(
        'proposed-before-established',
        `it proposed ${formatZxid(event.zxid)} without being the established leader of epoch ${epoch}`,
        event,
      );
    } else if (this.#lastProposed === 0 && this.applied < established.zxid) {
      this.#problem(
        'proposed-before-applied',
        `it made its first proposal ${formatZxid(event.zxid)} having applied ${formatZxid(this.applied)}, ` +
          `but its establishment had committed everything up to ${formatZxid(established.zxid)}`,
        event,
      );
    }
    const expected =
      zxidEpoch(this.#lastProposed) === epoch ? zxidCounter(this.#lastProposed) + 1 : 1;
    if (zxidCounter(event.zxid) !== expected) {
      this.#problem(
        'proposal-gap',
        `it proposed ${formatZxid(event.zxid)} where counter ${expected} was next in epoch ${epoch}`,
        event,
      );
    }
    this.#lastProposed = event.zxid;
  }

  #commit(event: EventOf<'commit'>): void {
    if (this.established === undefined) return;
    if (event.zxid < this.#lastCommitted) {
      this.#problem(
        'commit-order',
        `as leader it committed ${formatZxid(event.zxid)} after ${formatZxid(this.#lastCommitted)}; ` +
          'commits follow the order of proposals',
        event,
      );
    }
    if (event.zxid > this.log.last) {
      this.#problem(
        'commit-of-unlogged',
        `as leader it committed ${formatZxid(event.zxid)}, but its own log ends at ${formatZxid(this.log.last)}`,
        event,
      );
    }
    this.#lastCommitted = Math.max(this.#lastCommitted, event.zxid);
  }

  #apply(event: EventOf<'apply'>): void {
    const next = this.log.after(this.applied);
    const index = this.log.indexOf(event.zxid);
    const hash = index === undefined ? undefined : this.log.hashes[index];
    if (event.zxid <= this.applied) {
      this.#problem(
        'apply-order',
        `it applied ${formatZxid(event.zxid)} after ${formatZxid(this.applied)}`,
        event,
      );
    } else if (!this.log.contains(event.zxid)) {
      this.#problem(
        'applied-unlogged',
        `it applied ${formatZxid(event.zxid)}, which is not in its log (the log ends at ${formatZxid(this.log.last)})`,
        event,
      );
    } else if (next === 'hidden' ? !follows(this.applied, event.zxid) : next !== event.zxid) {
      const due = typeof next === 'number' ? formatZxid(next) : 'the one after';
      this.#problem(
        'apply-gap',
        `it applied ${formatZxid(event.zxid)} after ${formatZxid(this.applied)}; ${due} was next in its log`,
        event,
      );
    } else if (hash !== undefined && hash !== event.hash) {
      this.#problem(
        'apply-differs-from-log',
        `it applied ${formatZxid(event.zxid)} with hash ${event.hash}, but its log holds ${hash} there`,
        event,
      );
    }
    this.applied = event.zxid;
  }

  #clampCommitted(): void {
    this.#committedCount = Math.min(this.#committedCount, this.log.zxids.length);
  }
}
