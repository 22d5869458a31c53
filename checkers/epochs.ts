// Follows one server's epochs through its events: what it accepted, what it acked, and as a leader
// whose acks it counted. The election checker steps every server through it (I-Z2, I-Z3, I-Z5).
import type { NodeEvent } from '../history/node-event.ts';
import { formatZxid, zxidEpoch } from '../history/node-event.ts';
import type { Findings } from './evidence.ts';
import { nameEvent, quorumOf } from './evidence.ts';

type EventOf<K extends NodeEvent['ev']> = Extract<NodeEvent, { ev: K }>;

/** What followers said they acked, for comparison with what leaders counted. */
export interface FollowerAcks {
  /** `sid/epoch` → ackEpoch events. */
  epoch: Map<string, EventOf<'ackEpoch'>[]>;
  /** `sid/epoch` → the first newLeaderAck event. */
  newLeader: Map<string, EventOf<'newLeaderAck'>>;
}

/** What one incarnation has gathered as the would-be leader of an epoch. */
interface Candidacy {
  /** Counted ACKEPOCHs in order, the first of each sid. */
  acks: Map<number, EventOf<'ackEpochCounted'>>;
  newLeaderAcks: Set<number>;
  /** It began to act on the quorum of ACKEPOCHs. */
  begun: boolean;
}

/** One server's epochs, step by step, each step judged. */
export class EpochReplay {
  readonly #acks: FollowerAcks;
  readonly #findings: Findings;
  #sid = 0;
  #voters: number[] = [];
  #accepted = 0;
  #current = 0;
  #started = false;
  /** Between ACKEPOCH and the ack of NEWLEADER: synced txns are on disk before currentEpoch is. */
  #joining = false;
  #candidacies = new Map<number, Candidacy>();

  constructor(acks: FollowerAcks, findings: Findings) {
    this.#acks = acks;
    this.#findings = findings;
  }

  step(event: NodeEvent): void {
    switch (event.ev) {
      case 'start':
        this.#start(event);
        break;
      case 'acceptedEpoch':
        this.#acceptedEpoch(event);
        break;
      case 'currentEpoch':
        this.#currentEpoch(event);
        break;
      case 'append':
        this.#append(event);
        break;
      case 'newEpoch':
        this.#newEpoch(event);
        break;
      case 'ensemble':
        this.#voters = event.voters;
        break;
      case 'ackEpoch':
        this.#ackEpoch(event);
        break;
      case 'ackEpochCounted':
        this.#ackEpochCounted(event);
        break;
      case 'syncStart':
        this.#beginEpoch(event);
        break;
      case 'newLeaderAck':
        this.#newLeaderAck(event);
        break;
      case 'newLeaderAcked':
        this.#newLeaderAcked(event);
        break;
      case 'established':
        this.#established(event);
        break;
      default:
        break;
    }
  }

  #report(kind: string, why: string, ...events: NodeEvent[]): void {
    this.#findings.addNodeAnomaly(kind, why, events);
  }

  #candidacy(epoch: number): Candidacy {
    let candidacy = this.#candidacies.get(epoch);
    if (candidacy === undefined) {
      candidacy = { acks: new Map(), newLeaderAcks: new Set(), begun: false };
      this.#candidacies.set(epoch, candidacy);
    }
    return candidacy;
  }

  #start(event: EventOf<'start'>): void {
    this.#findings.count('starts');
    if (this.#started) {
      this.#monotone('acceptedEpoch', this.#accepted, event.acceptedEpoch, event);
      this.#monotone('currentEpoch', this.#current, event.currentEpoch, event);
    }
    const logEpoch = zxidEpoch(event.lastLogged);
    if (logEpoch > event.currentEpoch || event.currentEpoch > event.acceptedEpoch) {
      this.#report(
        'epochs-disordered',
        `${event.node} started at ${nameEvent(event)} with its log in epoch ${logEpoch}, currentEpoch ` +
          `${event.currentEpoch} and acceptedEpoch ${event.acceptedEpoch}; each must be at most the next, ` +
          'else it must refuse to start.',
        event,
      );
    }
    this.#started = true;
    this.#sid = event.sid;
    this.#voters = event.voters;
    this.#accepted = event.acceptedEpoch;
    this.#current = event.currentEpoch;
    this.#joining = false;
    this.#candidacies = new Map();
  }

  #monotone(name: string, before: number, now: number, event: NodeEvent): void {
    if (now >= before) return;
    this.#report(
      'epoch-regressed',
      `${name} of ${event.node} went back from ${before} to ${now} at ${nameEvent(event)}; it had said ` +
        'that the higher one was on disk.',
      event,
    );
  }

  #acceptedEpoch(event: EventOf<'acceptedEpoch'>): void {
    this.#monotone('acceptedEpoch', this.#accepted, event.epoch, event);
    this.#accepted = event.epoch;
  }

  #currentEpoch(event: EventOf<'currentEpoch'>): void {
    this.#monotone('currentEpoch', this.#current, event.epoch, event);
    if (event.epoch > this.#accepted) {
      this.#report(
        'epochs-disordered',
        `${event.node} set currentEpoch ${event.epoch} at ${nameEvent(event)} while its acceptedEpoch was ` +
          `${this.#accepted}; an epoch is accepted before it is current.`,
        event,
      );
    }
    this.#current = event.epoch;
  }

  #append(event: EventOf<'append'>): void {
    const epoch = zxidEpoch(event.zxid);
    const limit = this.#joining ? this.#accepted : this.#current;
    if (epoch <= limit) return;
    this.#report(
      'epochs-disordered',
      `${event.node} logged ${formatZxid(event.zxid)} at ${nameEvent(event)} while its currentEpoch was ` +
        `${this.#current} and its acceptedEpoch ${this.#accepted}; a log is never ahead of them.`,
      event,
    );
  }

  /** I-Z3: one above the highest epoch that a quorum, this server included, had accepted. */
  #newEpoch(event: EventOf<'newEpoch'>): void {
    this.#findings.count('newEpochs');
    const sids = Object.keys(event.acceptedEpochs).map(Number);
    const voters = sids.filter((sid) => this.#voters.includes(sid));
    const highest = Math.max(0, ...Object.values(event.acceptedEpochs));
    if (event.epoch !== highest + 1) {
      this.#report(
        'wrong-epoch',
        `${event.node} proposed epoch ${event.epoch} at ${nameEvent(event)}; the highest accepted epoch of ` +
          `its quorum was ${highest}, so ${highest + 1} was due.`,
        event,
      );
    }
    if (voters.length < quorumOf(this.#voters) || !voters.includes(this.#sid)) {
      this.#report(
        'epoch-without-quorum',
        `${event.node} proposed epoch ${event.epoch} at ${nameEvent(event)} from the accepted epochs of ` +
          `servers ${sids.join(', ') || 'none'}; a quorum of ${quorumOf(this.#voters)} voters with itself was needed.`,
        event,
      );
    }
  }

  #ackEpoch(event: EventOf<'ackEpoch'>): void {
    this.#joining = true;
    if (this.#accepted === event.epoch) return;
    this.#report(
      'ack-before-persist',
      `${event.node} acked epoch ${event.epoch} at ${nameEvent(event)} while its durable acceptedEpoch was ` +
        `${this.#accepted}; a server persists an epoch before it acks it.`,
      event,
    );
  }

  #ackEpochCounted(event: EventOf<'ackEpochCounted'>): void {
    this.#findings.count('epochAcksCounted');
    const { acks } = this.#candidacy(event.epoch);
    if (!acks.has(event.from)) acks.set(event.from, event);
    if (event.from === this.#sid) {
      if (this.#accepted < event.epoch) {
        this.#report(
          'ack-before-persist',
          `${event.node} counted itself for epoch ${event.epoch} at ${nameEvent(event)} while its durable ` +
            `acceptedEpoch was ${this.#accepted}.`,
          event,
        );
      }
      return;
    }
    const sent = (this.#acks.epoch.get(`${event.from}/${event.epoch}`) ?? []).filter(
      (ack) => ack.t <= event.t && ack.counting,
    );
    if (sent.some((ack) => ack.currentEpoch === event.currentEpoch && ack.zxid === event.zxid))
      return;
    this.#report(
      'ack-not-given',
      `${event.node} counted an ack of epoch ${event.epoch} from server ${event.from} at ${nameEvent(event)} with ` +
        `currentEpoch ${event.currentEpoch} and zxid ${formatZxid(event.zxid)}, but that server had sent no ` +
        'such counting ack.',
      event,
      ...sent,
    );
  }

  /**
   * The quorum of ACKEPOCHs must be there now, and none in it ahead of this leader (I-Z5). Acks after
   * the quorum are not held against it: the quorum alone already holds all that was committed.
   */
  #beginEpoch(event: EventOf<'syncStart'> | EventOf<'newLeaderAcked'>): void {
    const candidacy = this.#candidacy(event.epoch);
    if (candidacy.begun) return;
    candidacy.begun = true;
    const quorum = quorumOf(this.#voters);
    const counted = [...candidacy.acks.values()].filter((ack) => this.#voters.includes(ack.from));
    if (counted.length < quorum) {
      this.#report(
        'epoch-without-quorum',
        `${event.node} began to lead epoch ${event.epoch} at ${nameEvent(event)} with ${counted.length} ` +
          `counted acks of the epoch; ${quorum} of ${this.#voters.length} voters were needed.`,
        event,
      );
    }
    const own = candidacy.acks.get(this.#sid);
    if (own === undefined) return;
    for (const ack of counted.slice(0, quorum)) {
      const ahead =
        ack.currentEpoch > own.currentEpoch ||
        (ack.currentEpoch === own.currentEpoch && ack.zxid > own.zxid);
      if (!ahead) continue;
      this.#report(
        'leader-behind',
        `${event.node} went on to lead epoch ${event.epoch} at ${nameEvent(event)} with currentEpoch ` +
          `${own.currentEpoch} and zxid ${formatZxid(own.zxid)}, although server ${ack.from}, whose ack it ` +
          `counted, had currentEpoch ${ack.currentEpoch} and zxid ${formatZxid(ack.zxid)}; it must abdicate.`,
        event,
        own,
        ack,
      );
    }
  }

  #newLeaderAck(event: EventOf<'newLeaderAck'>): void {
    this.#joining = false;
    this.#needsCurrentEpoch(event);
  }

  /** I-Z10: who acks NEWLEADER has that epoch on disk as its current one. */
  #needsCurrentEpoch(event: EventOf<'newLeaderAck'> | EventOf<'newLeaderAcked'>): void {
    if (this.#current === event.epoch) return;
    this.#report(
      'ack-before-persist',
      `${event.node} acked NEWLEADER of epoch ${event.epoch} at ${nameEvent(event)} while its durable ` +
        `currentEpoch was ${this.#current}.`,
      event,
    );
  }

  #newLeaderAcked(event: EventOf<'newLeaderAcked'>): void {
    this.#beginEpoch(event);
    this.#candidacy(event.epoch).newLeaderAcks.add(event.from);
    if (event.from === this.#sid) {
      this.#joining = false;
      this.#needsCurrentEpoch(event);
      return;
    }
    const sent = this.#acks.newLeader.get(`${event.from}/${event.epoch}`);
    if (sent !== undefined && sent.t <= event.t) return;
    this.#report(
      'ack-not-given',
      `${event.node} counted server ${event.from}'s ack of NEWLEADER of epoch ${event.epoch} at ` +
        `${nameEvent(event)}, but that server had not sent one by then.`,
      event,
    );
  }

  #established(event: EventOf<'established'>): void {
    this.#findings.count('established');
    const quorum = quorumOf(this.#voters);
    const voters = [...this.#candidacy(event.epoch).newLeaderAcks].filter((sid) =>
      this.#voters.includes(sid),
    );
    if (voters.length >= quorum) return;
    this.#report(
      'established-without-quorum',
      `${event.node} was established as leader of epoch ${event.epoch} at ${nameEvent(event)} with ` +
        `${voters.length} acks of NEWLEADER (servers ${voters.join(', ') || 'none'}); ${quorum} of ` +
        `${this.#voters.length} voters were needed.`,
      event,
    );
  }
}
