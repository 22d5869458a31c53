// The learner's side of a synchronisation: replays one server and compares what it did with what its
// leader sent. Split from the checker because it steps through a server's whole life, the leader's not.
import type { NodeEvent } from '../history/node-event.ts';
import { formatZxid, zxidEpoch } from '../history/node-event.ts';
import type { Findings } from './evidence.ts';
import { nameEvent, upperBound } from './evidence.ts';
import type { Records } from './log-difference.ts';
import { difference, isHidden } from './log-difference.ts';
import type { SyncStartEvent } from './node-log.ts';
import { ServerReplay } from './server-replay.ts';
import type { ServerView, ZabView } from './zab-view.ts';

type EventOf<K extends NodeEvent['ev']> = Extract<NodeEvent, { ev: K }>;

/** One synchronisation as its leader began it, with a copy of the leader's log at that moment. */
export interface SentSync {
  event: SyncStartEvent;
  leader: string;
  log: Records;
}

/** What leaders did for their learners, by time. */
export interface Synchronisations {
  /** Learner's sid → what was sent to it. */
  syncs: Map<number, SentSync[]>;
  /** `sid/epoch` → when a leader could send UPTODATE, and what it had committed by then. */
  uptodates: Map<string, { t: number; committed: number; leader: string }[]>;
}

/** The list of a learner's synchronisations, made on first use. */
export function syncsOf(synchronisations: Synchronisations, sid: number): SentSync[] {
  const known = synchronisations.syncs.get(sid);
  if (known !== undefined) return known;
  const syncs: SentSync[] = [];
  synchronisations.syncs.set(sid, syncs);
  return syncs;
}

/** Signals end a server because somebody asked; every other reason is its own. */
const ASKED_TO_STOP = /^SIG[A-Z]+$/;

/** Judges one server as a learner; `damaged`: its disk was tampered with, so it may refuse to go on. */
export function judgeLearner(
  view: ZabView,
  server: ServerView,
  synchronisations: Synchronisations,
  damaged: boolean,
  findings: Findings,
): void {
  const learner = new Learner(view, server, synchronisations, damaged, findings);
  for (const event of server.events) learner.step(event);
}

/** A tenure as a learner, from the ack of the epoch on. */
interface Joining {
  epoch: number;
  /** The sync it acked, once it did. */
  acked: SentSync | undefined;
  /** Whether a record that the leader forwarded after the sync was logged already. */
  forwarded: boolean;
}

class Learner {
  readonly #view: ZabView;
  readonly #server: ServerView;
  readonly #syncs: readonly SentSync[];
  readonly #uptodates: Synchronisations['uptodates'];
  readonly #damaged: boolean;
  readonly #findings: Findings;
  readonly #replay: ServerReplay;
  #joining: Joining | undefined;
  #serving = false;
  /** Records cut from the log and not logged again since, with the cut. */
  readonly #gone = new Map<number, NodeEvent>();

  constructor(
    view: ZabView,
    server: ServerView,
    synchronisations: Synchronisations,
    damaged: boolean,
    findings: Findings,
  ) {
    this.#view = view;
    this.#server = server;
    this.#syncs = (synchronisations.syncs.get(server.sid) ?? []).sort(
      (a, b) => a.event.t - b.event.t,
    );
    this.#uptodates = synchronisations.uptodates;
    this.#damaged = damaged;
    this.#findings = findings;
    this.#replay = new ServerReplay(server.syncs, () => undefined);
  }

  step(event: NodeEvent): void {
    if (event.ev === 'trunc') this.#trunc(event);
    this.#replay.step(event);
    switch (event.ev) {
      case 'start':
        this.#start(event);
        break;
      case 'role':
        if (event.role === 'looking') this.#end();
        break;
      case 'left':
        this.#end();
        break;
      case 'ackEpoch':
        this.#joining = { epoch: event.epoch, acked: undefined, forwarded: false };
        break;
      case 'append':
        this.#append(event);
        break;
      case 'currentEpoch':
        this.#currentEpoch(event);
        break;
      case 'newLeaderAck':
        this.#newLeaderAck(event);
        break;
      case 'upToDate':
        this.#upToDate(event);
        break;
      case 'established':
        this.#serving = true;
        break;
      case 'sessionAttached':
        this.#attached(event);
        break;
      case 'snapSaved':
      case 'snapLoaded':
        this.#snapshot(event);
        break;
      case 'stop':
        this.#stop(event);
        break;
      default:
        break;
    }
  }

  #report(kind: string, why: string, ...events: NodeEvent[]): void {
    this.#findings.addNodeAnomaly(kind, `${this.#server.node} ${why}.`, events);
  }

  #end(): void {
    this.#joining = undefined;
    this.#serving = false;
  }

  /** The newest synchronisation of this epoch that its leader had begun by `t`. */
  #sync(epoch: number, t: number): SentSync | undefined {
    return this.#syncs.findLast(({ event }) => event.epoch === epoch && event.t <= t);
  }

  #start(event: EventOf<'start'>): void {
    this.#end();
    const { log } = this.#replay;
    // Replayed after a kill in the middle of a sync: what it brought is in the log again, lawfully.
    for (const zxid of this.#gone.keys()) {
      if (log.contains(zxid) && this.#wasSent(zxid, event.t)) this.#gone.delete(zxid);
    }
    this.#cameBack(event, event.lastLogged, 'started with a log that ends at');
    if (event.applied !== event.lastLogged) {
      this.#cameBack(event, event.applied, 'started with the state of');
    }
  }

  /** Whether a sync begun since the cut may have brought the record again. */
  #wasSent(zxid: number, t: number): boolean {
    const cut = this.#gone.get(zxid)?.t ?? 0;
    return this.#syncs.some(({ event, log }) => {
      if (event.t < cut || event.t > t || event.to < zxid) return false;
      return log.zxids[upperBound(log.zxids, zxid) - 1] === zxid || isHidden(log, zxid);
    });
  }

  /** I-Z12: what was cut is gone from log, snapshots and state alike. */
  #cameBack(event: NodeEvent, zxid: number, did: string): void {
    const cut = this.#gone.get(zxid);
    if (cut === undefined) return;
    this.#report(
      'truncated-came-back',
      `${did} ${formatZxid(zxid)} at ${nameEvent(event)}, a record that it had cut away at ${nameEvent(cut)} and ` +
        'not logged again',
      cut,
      event,
    );
  }

  #trunc(event: EventOf<'trunc'>): void {
    this.#findings.count('truncations');
    const { zxids } = this.#replay.log;
    const cut = zxids.slice(upperBound(zxids, event.to));
    this.#findings.count('recordsTruncated', cut.length);
    for (const zxid of cut) this.#gone.set(zxid, event);
    const lost = cut.filter((zxid) => {
      const commit = this.#view.commits.get(zxid);
      return commit !== undefined && commit.t <= event.t;
    });
    const [first] = lost;
    if (first === undefined) return;
    const commit = this.#view.commits.get(first)?.event;
    this.#report(
      'truncated-committed',
      `cut its log to ${formatZxid(event.to)} at ${nameEvent(event)} and with it ${lost.length} committed ` +
        `transactions, the first ${formatZxid(first)}, committed by ${commit?.node}`,
      ...(commit === undefined ? [event] : [event, commit]),
    );
  }

  #snapshot(event: EventOf<'snapSaved'> | EventOf<'snapLoaded'>): void {
    if (event.ev === 'snapLoaded') {
      this.#findings.count('snapshotsLoaded');
      for (const zxid of this.#gone.keys()) {
        if (zxid <= event.zxid && this.#wasSent(zxid, event.t)) this.#gone.delete(zxid);
      }
    }
    const did = event.ev === 'snapSaved' ? 'saved a snapshot of' : 'loaded a snapshot of';
    // A snapshot from the leader is saved before it is loaded, and may hold what was cut before.
    if (!this.#wasSent(event.zxid, event.t)) this.#cameBack(event, event.zxid, did);
  }

  #append(event: EventOf<'append'>): void {
    this.#gone.delete(event.zxid);
    const joining = this.#joining;
    if (joining === undefined) return;
    const { epoch, acked } = joining;
    if (acked === undefined) {
      const sync = this.#sync(epoch, event.t);
      if (sync === undefined || event.zxid <= sync.event.to) return;
      this.#report(
        'proposal-before-ack',
        `logged ${formatZxid(event.zxid)} at ${nameEvent(event)} before it had acked NEWLEADER of epoch ${epoch}; ` +
          `the synchronisation ends at ${formatZxid(sync.event.to)}`,
        sync.event,
        event,
      );
      return;
    }
    if (joining.forwarded) return;
    joining.forwarded = true;
    this.#findings.count('firstForwarded');
    const { to } = acked.event;
    const next = zxidEpoch(to) === epoch ? to + 1 : epoch * 0x1_0000_0000 + 1;
    if (event.zxid === next) return;
    this.#report(
      'forwarding-gap',
      `logged ${formatZxid(event.zxid)} at ${nameEvent(event)} as the first record after its synchronisation up ` +
        `to ${formatZxid(to)}; ${formatZxid(next)} was next, and every proposal above the cut comes exactly once`,
      acked.event,
      event,
    );
  }

  /** I-Z10: the epoch vouches for a history, so that history is on disk before it. */
  #currentEpoch(event: EventOf<'currentEpoch'>): void {
    if (this.#joining?.epoch !== event.epoch) return;
    const sync = this.#sync(event.epoch, event.t);
    if (sync === undefined) return;
    this.#findings.count('epochsPersisted');
    const { durable } = this.#replay.log;
    if (durable >= sync.event.to) return;
    this.#report(
      'epoch-before-records',
      `set currentEpoch ${event.epoch} at ${nameEvent(event)} when only ${formatZxid(durable)} was durable; the ` +
        `synchronisation up to ${formatZxid(sync.event.to)} has to be on disk first`,
      sync.event,
      event,
    );
  }

  /** I-Z11: after the ack the log is the leader's, exactly. */
  #newLeaderAck(event: EventOf<'newLeaderAck'>): void {
    const sync = this.#sync(event.epoch, event.t);
    if (sync === undefined) {
      this.#report(
        'ack-without-sync',
        `acked NEWLEADER of epoch ${event.epoch} at ${nameEvent(event)}, but no leader of that epoch had ` +
          'synchronised it',
        event,
      );
      return;
    }
    this.#joining = { epoch: event.epoch, acked: sync, forwarded: false };
    this.#findings.count('logsCompared');
    const { log } = this.#replay;
    const { to } = sync.event;
    const why =
      event.zxid !== to
        ? `acked ${formatZxid(event.zxid)} where the synchronisation ends at ${formatZxid(to)}`
        : log.last !== to
          ? `has a log that ends at ${formatZxid(log.last)}, not at ${formatZxid(to)}`
          : difference(log, sync.log, to, this.#findings);
    if (why === undefined) return;
    this.#report(
      'log-not-leaders',
      `${why}, when it acked NEWLEADER of epoch ${event.epoch} at ${nameEvent(event)}; its log must then equal ` +
        `that of ${sync.leader}`,
      sync.event,
      event,
    );
  }

  #upToDate(event: EventOf<'upToDate'>): void {
    this.#serving = true;
    this.#findings.count('upToDates');
    if (this.#joining?.acked?.event.epoch !== event.epoch) {
      this.#report(
        'served-before-ack',
        `began to serve in epoch ${event.epoch} at ${nameEvent(event)} without having acked its NEWLEADER`,
        event,
      );
    }
    const points = this.#uptodates.get(`${this.#server.sid}/${event.epoch}`) ?? [];
    const sent = points.findLast((point) => point.t <= event.t);
    if (sent === undefined || event.zxid >= sent.committed) return;
    this.#report(
      'uptodate-behind',
      `began to serve at ${nameEvent(event)} with ${formatZxid(event.zxid)}, although ${sent.leader} had committed ` +
        `${formatZxid(sent.committed)} before it told so; the commits between never reach it`,
      event,
    );
  }

  #attached(event: EventOf<'sessionAttached'>): void {
    this.#findings.count('sessionsAttached');
    if (this.#serving) return;
    this.#report(
      'served-before-synchronised',
      `took session ${event.session} at ${nameEvent(event)} while it neither led nor was up to date with a leader`,
      event,
    );
  }

  /** A learner that finds its leader's stream impossible ends itself, which is loud but no lawful sync. */
  #stop(event: EventOf<'stop'>): void {
    const joining = this.#joining;
    if (this.#damaged || ASKED_TO_STOP.test(event.reason) || joining === undefined) return;
    const sync = joining.acked ?? this.#sync(joining.epoch, event.t);
    if (sync === undefined || joining.forwarded) return;
    this.#report(
      'learner-stopped',
      `ended itself at ${nameEvent(event)} while ${sync.leader} was synchronising it: ${event.reason}`,
      sync.event,
      event,
    );
  }
}
