// Leading: agree on a new epoch with a quorum, bring every learner's log to a prefix of ours, then
// order all writes and commit what a quorum has on disk. One instance a tenure.
// Source: Zab 1.0 phases 1–3, leader side; rules I-Z1, I-Z3, I-Z5, I-Z9 to I-Z11, I-Z13, I-Z16.
import type net from 'node:net';
import type { ClientRequest } from '../contract.ts';
import type { Zxid } from '../zxid.ts';
import { EPOCH_MAX } from '../zxid.ts';
import { Broadcast } from './broadcast.ts';
import type { TenureContext } from './context.ts';
import { Link } from './link.ts';
import { SID_MAX } from './members.ts';
import {
  LEADER_MESSAGES,
  LEARNER_MESSAGES,
  type Message,
  PEER_PROTOCOL_VERSION,
} from './messages.ts';
import { synchronise } from './synchronise.ts';

export type LearnerMessage = Message<typeof LEARNER_MESSAGES>;
export type LeaderLink = Link<typeof LEARNER_MESSAGES, typeof LEADER_MESSAGES>;

/** What the leader knows of one learner. */
export interface LearnerHandle {
  sid: number;
  link: LeaderLink;
  /** In order: told its accepted epoch; acked ours; is sent our log; has it durably; serves. */
  phase: 'info' | 'epochAcked' | 'synchronising' | 'newLeaderAcked' | 'upToDate';
  /** Its last zxid before synchronisation. */
  lastZxid: Zxid;
  /** Everything up to here is durable there. */
  acked: Zxid;
  /** Last zxid of the records sent to it. */
  sentTo: Zxid;
  /** It asked for committed transactions alone. */
  observer: boolean;
  /** It was told our epoch. */
  greeted: boolean;
  heardMs: number;
}

/** Connections on the peer port that have not said who they are. */
const ANONYMOUS_MAX = 256;

/** A few may be late before silence counts. */
const PINGS_IN_SILENCE = 5;

export class Leader {
  readonly #context: TenureContext;
  readonly #learners = new Map<number, LearnerHandle>();
  readonly #anonymous = new Set<LeaderLink>();
  readonly #acceptedEpochs = new Map<number, number>();
  readonly #epochAcks = new Set<number>();
  readonly #newLeaderAcks = new Set<number>();
  readonly #broadcast: Broadcast;
  readonly #deadline: NodeJS.Timeout;
  #ticker: NodeJS.Timeout | undefined;
  #tickedMs = 0;
  #phase: 'discovery' | 'synchronisation' | 'established' = 'discovery';
  #epoch = 0;
  #stopped = false;

  constructor(context: TenureContext) {
    this.#context = context;
    const { config, epochs } = context;
    this.#broadcast = new Broadcast(context, this.#learners, () => this.#reconfigured());
    this.#deadline = setTimeout(
      () => context.leave('no quorum followed within initLimit'),
      config.tickMs * config.initLimit,
    );
    this.#acceptedEpochs.set(config.sid, epochs.accepted);
    this.#tickedMs = context.nowMs();
    const everyMs = Math.min(config.tickMs / 2, config.silenceMsMax / PINGS_IN_SILENCE);
    this.#ticker = setInterval(() => context.guard(() => this.#tick()), everyMs);
  }

  /** Starts to act; apart from the constructor, because a lone server is established at once. */
  begin(): void {
    this.#tryNewEpoch();
  }

  get epoch(): number {
    return this.#epoch;
  }

  get established(): boolean {
    return this.#phase === 'established';
  }

  /** Learners in step with us: those that vote, and the others. */
  synced(voting: boolean): number {
    let count = 0;
    for (const { sid, phase } of this.#learners.values()) {
      if (phase === 'upToDate' && this.#isVoter(sid) === voting) count += 1;
    }
    return count;
  }

  /** Whether the server, ourselves included, is in step with us. */
  readonly #inStep = (sid: number): boolean =>
    sid === this.#context.config.sid || this.#learners.get(sid)?.phase === 'upToDate';

  /** Ends the tenure without telling the replica. */
  stop(reason: string): void {
    this.#stopped = true;
    clearTimeout(this.#deadline);
    clearInterval(this.#ticker);
    this.#broadcast.stop();
    for (const { link } of this.#learners.values()) link.close(reason);
    for (const link of this.#anonymous) link.close(reason);
  }

  #leave(reason: string): void {
    if (!this.#stopped) this.#context.leave(reason);
  }

  #isVoter(sid: number): boolean {
    return this.#context.membership.isVoter(sid);
  }

  /** Whether the server may follow: a member, or where members can change, one that may become one. */
  #mayFollow(sid: number): boolean {
    const { config, membership } = this.#context;
    if (sid === config.sid || sid < 1 || sid > SID_MAX) return false;
    return config.reconfigEnabled === true || membership.peers.some((peer) => peer.sid === sid);
  }

  /** Takes a connection that came in on the peer port. */
  accept(socket: net.Socket): void {
    let learner: LearnerHandle | undefined;
    if (this.#anonymous.size >= ANONYMOUS_MAX) {
      socket.destroy();
      return;
    }
    const { tickMs, initLimit } = this.#context.config;
    // Who does not say who it is holds a place that a server may need.
    const patience = setTimeout(() => link.abort('did not say who it is'), tickMs * initLimit);
    const link: LeaderLink = new Link({
      socket,
      incoming: LEARNER_MESSAGES,
      outgoing: LEADER_MESSAGES,
      events: this.#context.events,
      onMessage: (message) => {
        this.#context.guard(() => {
          if (learner !== undefined) this.#receive(learner, message);
          else {
            clearTimeout(patience);
            learner = this.#introduce(link, message);
          }
        });
      },
      onClose: (reason) => {
        clearTimeout(patience);
        this.#anonymous.delete(link);
        if (learner !== undefined) this.#lost(learner, reason);
      },
    });
    this.#anonymous.add(link);
  }

  #introduce(link: LeaderLink, message: LearnerMessage): LearnerHandle | undefined {
    if (message.type !== 'followerInfo') {
      link.close(`expected followerInfo first, got ${message.type}`);
      return undefined;
    }
    const { sid, version, acceptedEpoch, observer } = message;
    if (version !== PEER_PROTOCOL_VERSION || !this.#mayFollow(sid)) {
      link.close(`server ${sid} with protocol ${version} is not of this ensemble`);
      return undefined;
    }
    this.#anonymous.delete(link);
    const heardMs = this.#context.nowMs();
    const begun = { phase: 'info', lastZxid: 0, acked: 0, sentTo: 0, greeted: false } as const;
    const learner: LearnerHandle = { sid, link, observer, heardMs, ...begun };
    const earlier = this.#learners.get(sid);
    this.#learners.set(sid, learner);
    earlier?.link.abort('replaced by a newer connection');
    if (this.#epoch !== 0 && acceptedEpoch > this.#epoch) {
      // It can never follow this epoch; only a later one brings all voters together.
      const reason = `server ${sid} accepted epoch ${acceptedEpoch}, ours is ${this.#epoch}`;
      if (this.#isVoter(sid)) this.#leave(reason);
      else link.close(reason);
    } else if (this.#epoch === 0 && this.#isVoter(sid)) {
      this.#acceptedEpochs.set(sid, acceptedEpoch);
      this.#tryNewEpoch();
    } else this.#greet(learner);
    return learner;
  }

  /**
   * Tells the learner our epoch, once there is one. Who has no vote learns only of an epoch that a quorum
   * accepted: of another one it would be the only witness, and no later leader would pass it by.
   */
  #greet(learner: LearnerHandle): void {
    const due = this.#isVoter(learner.sid) ? this.#epoch !== 0 : this.established;
    if (!due || learner.greeted) return;
    learner.greeted = true;
    learner.link.send({ type: 'leaderInfo', epoch: this.#epoch });
  }

  #lost(learner: LearnerHandle, reason: string): void {
    if (this.#stopped || this.#learners.get(learner.sid) !== learner) return;
    this.#learners.delete(learner.sid);
    if (this.#phase === 'discovery') this.#acceptedEpochs.delete(learner.sid);
    this.#checkQuorum(`lost server ${learner.sid}: ${reason}`);
  }

  /** I-Z16: an established leader without a quorum of learners that serve steps down at once. */
  #checkQuorum(why: string): void {
    if (this.#phase !== 'established') return;
    if (!this.#context.membership.hasQuorum(this.#inStep)) {
      this.#leave(`no quorum: ${why}`);
    }
  }

  /** A change of the ensemble is committed and acts. */
  #reconfigured(): void {
    if (this.#stopped) return;
    if (!this.#isVoter(this.#context.config.sid)) this.#leave('no longer a voter of the ensemble');
    else this.#checkQuorum('too few of its voters are in step');
  }

  /** Phase 1: a quorum has said which epochs it accepted; ours is one above them all (I-Z3). */
  #tryNewEpoch(): void {
    const { config, epochs, events, membership } = this.#context;
    if (this.#phase !== 'discovery' || this.#epoch !== 0) return;
    if (!membership.hasQuorum((sid) => this.#acceptedEpochs.has(sid))) return;
    const epoch = 1 + Math.max(...this.#acceptedEpochs.values());
    if (epoch > EPOCH_MAX) throw new Error(`epoch ${epoch} is past the largest, ${EPOCH_MAX}`);
    this.#epoch = epoch;
    const acceptedEpochs = Object.fromEntries(this.#acceptedEpochs);
    events.emit({ ev: 'newEpoch', epoch, acceptedEpochs });
    epochs.setAccepted(epoch);
    events.emit({ ev: 'acceptedEpoch', epoch });
    for (const learner of this.#learners.values()) this.#greet(learner);
    this.#countEpochAck(config.sid, epochs.current, this.#context.log.lastLogged);
  }

  #countEpochAck(from: number, currentEpoch: number, zxid: Zxid): void {
    const { config, epochs, events, log, membership } = this.#context;
    if (this.#phase !== 'discovery') return;
    events.emit({ ev: 'ackEpochCounted', from, epoch: this.#epoch, currentEpoch, zxid });
    const newer =
      currentEpoch > epochs.current || (currentEpoch === epochs.current && zxid > log.lastLogged);
    if (newer) {
      this.#leave(`server ${from} has a newer history than the elected leader`);
      return;
    }
    this.#epochAcks.add(from);
    if (!membership.hasQuorum((sid) => this.#epochAcks.has(sid))) return;
    this.#phase = 'synchronisation';
    epochs.setCurrent(this.#epoch);
    events.emit({ ev: 'currentEpoch', epoch: this.#epoch });
    this.#countNewLeaderAck(config.sid, log.lastLogged);
    for (const learner of this.#learners.values()) {
      if (learner.phase === 'epochAcked') this.#synchronise(learner);
    }
  }

  /** Phase 2. No await between cutting the log and joining the stream of proposals (I-Z13). */
  #synchronise(learner: LearnerHandle): void {
    this.#broadcast.flushProposals();
    learner.phase = 'synchronising';
    const { recent } = this.#context;
    const to = this.#broadcast.informs(learner) ? this.#broadcast.committed : recent.last;
    synchronise(this.#context, learner, this.#epoch, to);
  }

  #countNewLeaderAck(from: number, zxid: Zxid): void {
    const { membership, events } = this.#context;
    if (!this.#isVoter(from)) return;
    events.emit({ ev: 'newLeaderAcked', from, epoch: this.#epoch, zxid });
    this.#newLeaderAcks.add(from);
    if (this.#phase !== 'synchronisation') return;
    if (membership.hasQuorum((sid) => this.#newLeaderAcks.has(sid))) this.#establish();
  }

  /** Phase 3 begins: our whole log is committed by the quorum that has it. */
  #establish(): void {
    const { events, front, recent } = this.#context;
    clearTimeout(this.#deadline);
    this.#phase = 'established';
    const zxid = recent.last;
    events.emit({ ev: 'established', epoch: this.#epoch, zxid });
    this.#broadcast.start(this.#epoch);
    for (const learner of this.#learners.values()) {
      if (learner.phase === 'newLeaderAcked') this.#upToDate(learner);
    }
    // Some that acknowledged may be gone again: their acks count for the log, not for the quorum.
    // And a change of the ensemble that was under way is done with.
    this.#reconfigured();
    if (this.#stopped) return;
    front.serve();
    for (const learner of this.#learners.values()) this.#greet(learner);
  }

  #upToDate(learner: LearnerHandle): void {
    learner.phase = 'upToDate';
    learner.link.send({ type: 'upToDate', zxid: this.#broadcast.committed });
    this.#broadcast.joined(learner);
  }

  #receive(learner: LearnerHandle, message: LearnerMessage): void {
    learner.heardMs = this.#context.nowMs();
    switch (message.type) {
      case 'followerInfo':
        learner.link.close('a second followerInfo');
        break;
      case 'ackEpoch':
        this.#ackEpoch(learner, message.counting, message.currentEpoch, message.zxid);
        break;
      case 'newLeaderAck':
        if (learner.phase !== 'synchronising' || message.epoch !== this.#epoch) {
          learner.link.close(`NEWLEADER ack of epoch ${message.epoch} in phase ${learner.phase}`);
          break;
        }
        learner.phase = 'newLeaderAcked';
        this.#countNewLeaderAck(learner.sid, message.zxid);
        if (this.established) {
          if (learner.phase === 'newLeaderAcked') this.#upToDate(learner);
          this.#broadcast.acknowledge(learner, message.zxid);
        }
        break;
      case 'ack':
        if (this.established) this.#broadcast.acknowledge(learner, message.zxid);
        break;
      case 'request':
        this.submit({ ...message, origin: learner.sid, body: Buffer.from(message.body) });
        break;
      case 'sync':
        this.#broadcast.sync(learner.sid, message.request);
        break;
      case 'attach':
        this.#broadcast.attach(learner.sid, message.request, message.session);
        break;
      case 'confirmAck':
        this.#broadcast.confirmed(learner.sid, message.round);
        break;
      case 'pong':
        for (const session of message.touched) this.#broadcast.touch(session);
        break;
    }
  }

  #ackEpoch(learner: LearnerHandle, counting: boolean, current: number, zxid: Zxid): void {
    if (learner.phase !== 'info' || this.#epoch === 0) {
      learner.link.close(`epoch ack in phase ${learner.phase}`);
      return;
    }
    learner.phase = 'epochAcked';
    learner.lastZxid = zxid;
    if (counting && this.#isVoter(learner.sid)) this.#countEpochAck(learner.sid, current, zxid);
    if (this.#stopped) return;
    if (this.#phase !== 'discovery' && learner.phase === 'epochAcked') this.#synchronise(learner);
  }

  /** At least twice a tick: greet everybody, let go of the silent, expire sessions, check for a quorum. */
  #tick(): void {
    const { config, nowMs, events } = this.#context;
    const now = nowMs();
    const limitMs = config.silenceMsMax;
    const sinceMs = now - this.#tickedMs;
    this.#tickedMs = now;
    if (this.established && sinceMs > limitMs) {
      this.#leave(`stood still for ${Math.round(sinceMs)} ms, longer than ${limitMs}`);
      return;
    }
    if (this.#phase === 'discovery' && this.#context.leaderRefuted()) {
      this.#leave('too many voted for another meanwhile');
      return;
    }
    const sentMs = Math.round(now);
    for (const learner of [...this.#learners.values()]) {
      const patienceMs = learner.phase === 'upToDate' ? limitMs : config.tickMs * config.initLimit;
      if (now - learner.heardMs > patienceMs) learner.link.abort('silent');
      else learner.link.send({ type: 'ping', sentMs });
      if (this.#stopped) return;
    }
    if (!this.established) return;
    // After a pause the touches of living sessions still wait unread in the sockets.
    if (sinceMs <= config.tickMs * 2) this.#broadcast.expireSessions(now);
    this.#broadcast.reap(now);
    events.flush();
  }

  /** A write of our own front or of a learner's. */
  submit(request: ClientRequest): void {
    this.#broadcast.submit(request);
  }

  sync(request: number): void {
    this.#broadcast.sync(this.#context.config.sid, request);
  }

  attach(request: number, session: number): void {
    this.#broadcast.attach(this.#context.config.sid, request, session);
  }

  touch(session: number): void {
    this.#broadcast.touch(session);
  }

  /** Everything up to `zxid` is durable in our own log. */
  durable(zxid: Zxid): void {
    if (this.established) this.#broadcast.durable(zxid);
  }
}
