// The established leader at work: gives every write its place, sends it to all, commits what a quorum
// has on disk, confirms syncs with a quorum, and keeps the sessions' time.
// Source: Zab 1.0 phase 3; rules I-Z7 to I-Z9, I-C5, I-C7.
import type { ClientRequest, Preparer, SessionTracker } from '../contract.ts';
import { ErrorCode, Op } from '../protocol/codes.ts';
import { encodeBody, text } from '../protocol/jute.ts';
import { atTurnEnd } from '../turn.ts';
import { hashHex, sealTxn, type TxnBody, type TxnRecord } from '../txn.ts';
import { COUNTER_MAX, counterOf, epochOf, makeZxid, type Zxid } from '../zxid.ts';
import type { TenureContext } from './context.ts';
import { DEFAULT_REAP_LIMITS, describing, Reaper } from './housekeeping.ts';
import type { LearnerHandle } from './leader.ts';
import { encodeMessage, LEADER_MESSAGES } from './messages.ts';
import { planReconfig } from './reconfig.ts';
import { sendRecords } from './synchronise.ts';
import { quorumSize } from './vote.ts';

interface PendingSync {
  origin: number;
  request: number;
}

/** One confirmation round: serves every sync that arrived before it started. */
interface ConfirmationRound {
  number: number;
  /** Last committed zxid, read when the round started. */
  zxid: Zxid;
  syncs: PendingSync[];
  confirmedBy: Set<number>;
}

export class Broadcast {
  readonly #context: TenureContext;
  readonly #learners: ReadonlyMap<number, LearnerHandle>;
  readonly #reconfigured: () => void;
  readonly #preparer: Preparer;
  readonly #sessions: SessionTracker;
  #epoch = 0;
  #counter = 0;
  #ownDurable: Zxid = 0;
  #committed: Zxid = 0;
  /** Everything up to here was sent to those that log proposals. */
  #proposedTo: Zxid = 0;
  #batch: TxnRecord[] = [];
  #batchScheduled = false;
  #pendingSyncs: PendingSync[] = [];
  #round: ConfirmationRound | undefined;
  #rounds = 0;
  /** Numbers the leader's own requests, downwards: a front's go up. */
  #own = 0;
  readonly #reaper: Reaper;
  #stopped = false;

  /** `reconfigured`: a change of the ensemble was committed after `start`. */
  constructor(
    context: TenureContext,
    learners: ReadonlyMap<number, LearnerHandle>,
    reconfigured: () => void,
  ) {
    this.#context = context;
    this.#learners = learners;
    this.#reconfigured = reconfigured;
    this.#preparer = context.makePreparer();
    this.#sessions = context.makeSessionTracker();
    const limits = context.config.reaping ?? DEFAULT_REAP_LIMITS;
    this.#reaper = new Reaper(limits, this.#preparer, context.nowMs());
  }

  get committed(): Zxid {
    return this.#committed;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** The epoch is established: everything in the log is committed, and sessions start anew. */
  start(epoch: number): void {
    const { recent, tree, nowMs } = this.#context;
    this.#epoch = epoch;
    this.#ownDurable = recent.last;
    this.#proposedTo = recent.last;
    this.#commit(recent.last);
    const now = nowMs();
    for (const { id, timeoutMs } of tree.sessions()) this.#sessions.track(id, timeoutMs, now);
    this.#startRound();
    const description = describing(this.#context.membership.current, this.#preparer);
    if (description !== undefined) this.#submitOwn(description);
  }

  #submitOwn({ op, body }: Pick<ClientRequest, 'op' | 'body'>, session = 0): void {
    this.#own += 1;
    const { sid: origin } = this.#context.config;
    this.submit({ origin, request: -this.#own, session, cxid: OWN_CXID, op, body });
  }

  /** Gives the request its place in the order. Its proposal leaves at the end of this turn. */
  submit(request: ClientRequest): void {
    if (this.#stopped || this.#epoch === 0) return;
    const { session } = request;
    if (session !== 0) this.touch(session);
    const owner = this.#sessions.owner(session);
    const moved = owner !== undefined && owner !== request.origin && request.cxid !== OWN_CXID;
    const { transactionsPerEpochMax = COUNTER_MAX } = this.#context.config;
    if (this.#counter >= transactionsPerEpochMax) {
      this.#context.leave('the counter of this epoch is used up');
      return;
    }
    const zxid = makeZxid(this.#epoch, this.#counter + 1);
    const timeMs = this.#context.wallMs();
    const body: TxnBody = moved
      ? { type: 'error', error: ErrorCode.SessionMoved }
      : this.#decide(request, zxid, timeMs);
    this.#counter += 1;
    const { cxid, origin, op } = request;
    this.#propose(
      sealTxn({ zxid, session, cxid, origin, request: request.request, op, timeMs, body }),
    );
  }

  #decide(request: ClientRequest, zxid: Zxid, timeMs: number): TxnBody {
    if (request.op !== Op.reconfig || request.session === 0) {
      return this.#preparer.prepare(request, zxid, timeMs);
    }
    const { config, membership } = this.#context;
    const inStep = (sid: number): boolean =>
      sid === config.sid || this.#learners.get(sid)?.phase === 'upToDate';
    const terms = { membership, enabled: config.reconfigEnabled === true, inStep };
    const plan = planReconfig(request.body, terms, zxid);
    if ('error' in plan) return { type: 'error', error: plan.error };
    const body = encodeBody(text, plan.text);
    return this.#preparer.prepare({ ...request, body }, zxid, timeMs);
  }

  #propose(record: TxnRecord): void {
    this.#context.recent.add(record);
    this.#context.membership.logged(record);
    this.#batch.push(record);
    if (this.#batchScheduled) return;
    this.#batchScheduled = true;
    atTurnEnd(() => this.#context.guard(() => this.flushProposals()));
  }

  /** Sends the proposals of this turn to everybody and to our own disk, in parallel. */
  flushProposals(): void {
    this.#batchScheduled = false;
    if (this.#stopped || this.#batch.length === 0) return;
    const { events, log, recent } = this.#context;
    const batch = this.#batch;
    this.#batch = [];
    if (events.detailed) {
      for (const { txn, hash } of batch) {
        events.emit({ ev: 'propose', zxid: txn.zxid, hash: hashHex(hash) });
        events.emit({ ev: 'append', zxid: txn.zxid, hash: hashHex(hash) });
      }
    }
    log.append(batch, this.#committed);
    const records = batch.map((record) => record.bytes);
    const frame = encodeMessage(LEADER_MESSAGES, { type: 'records', records });
    const from = this.#proposedTo;
    this.#proposedTo = (batch.at(-1) as TxnRecord).txn.zxid;
    for (const learner of this.#learners.values()) {
      const { phase } = learner;
      if (phase === 'synchronising' || phase === 'newLeaderAcked' || phase === 'upToDate') {
        if (this.informs(learner)) continue;
        // One that was only informed so far lacks what is under way, and its ack may now be needed.
        if (learner.sentTo < from) sendRecords(learner, recent.after(learner.sentTo));
        else learner.link.sendEncoded(frame);
        learner.sentTo = this.#proposedTo;
      }
    }
  }

  /** Whether the learner is only told what is committed. */
  informs({ sid, observer }: LearnerHandle): boolean {
    const { membership } = this.#context;
    return !membership.isVoter(sid) && (observer || membership.isObserver(sid));
  }

  /** Our own log is durable up to `zxid`. */
  durable(zxid: Zxid): void {
    if (epochOf(zxid) !== this.#epoch) return;
    this.#ownDurable = zxid;
    this.#noteAck(this.#context.config.sid, zxid);
    this.#advance();
  }

  /** A learner's log is durable up to `zxid`. */
  acknowledge(learner: LearnerHandle, zxid: Zxid): void {
    if (zxid <= learner.acked) return;
    learner.acked = zxid;
    this.#noteAck(learner.sid, zxid);
    this.#advance();
  }

  #noteAck(from: number, zxid: Zxid): void {
    const { events, membership } = this.#context;
    if (!events.detailed || !membership.isVoter(from)) return;
    events.emit({ ev: 'ackReceived', from, zxid });
  }

  /** Commits what quorums have on disk (I-Z9): a change of the ensemble lets a further step follow. */
  #advance(): void {
    const { membership } = this.#context;
    for (;;) {
      const zxid = this.#committable();
      if (zxid <= this.#committed || epochOf(zxid) !== this.#epoch) return;
      const before = membership.current;
      const informing = this.#informing(zxid);
      this.#commit(zxid);
      const frame = encodeMessage(LEADER_MESSAGES, { type: 'commit', zxid });
      for (const [learner, records] of informing) {
        sendRecords(learner, records);
        learner.sentTo = zxid;
      }
      for (const { phase, link } of this.#learners.values()) {
        if (phase === 'upToDate') link.sendEncoded(frame);
      }
      if (membership.current === before) return;
      this.#reconfigured();
      if (this.#stopped) return;
    }
  }

  /** What the learners lack that are told of commits alone; taken before old records are let go. */
  #informing(zxid: Zxid): [LearnerHandle, TxnRecord[]][] {
    const informing: [LearnerHandle, TxnRecord[]][] = [];
    for (const learner of this.#learners.values()) {
      const { phase, sentTo } = learner;
      if (phase === 'info' || phase === 'epochAcked' || sentTo >= zxid) continue;
      if (!this.informs(learner)) continue;
      informing.push([learner, this.#context.recent.between(sentTo, zxid)]);
    }
    return informing;
  }

  /**
   * The largest zxid that may be committed: a quorum has it, and from a change of the ensemble on a quorum
   * of the servers after it, too.
   */
  #committable(): Zxid {
    const { current, pending } = this.#context.membership;
    const zxid = this.#durableAt(current.voters);
    if (pending === undefined || zxid < pending.version) return zxid;
    const after = this.#durableAt(pending.voters);
    if (after >= pending.version) return Math.min(zxid, after);
    return counterOf(pending.version) > 1 ? pending.version - 1 : 0;
  }

  /** The largest zxid that a quorum of these has on disk. */
  #durableAt(voters: readonly number[]): Zxid {
    const { sid: own } = this.#context.config;
    const durable: Zxid[] = [];
    for (const sid of voters) {
      durable.push(sid === own ? this.#ownDurable : (this.#learners.get(sid)?.acked ?? 0));
    }
    const quorum = quorumSize(voters.length);
    durable.sort((a, b) => b - a);
    const zxid = durable[quorum - 1] as Zxid;
    return zxid;
  }

  #commit(zxid: Zxid): void {
    this.#committed = zxid;
    const now = this.#context.nowMs();
    this.#context.commitUpTo(zxid, ({ txn }) => {
      const { body } = txn;
      if (body.type === 'createSession') {
        this.#sessions.track(txn.zxid, body.timeoutMs, now);
        this.#sessions.attach(txn.zxid, txn.origin);
      } else if (body.type === 'closeSession') {
        this.#sessions.untrack(body.session);
      }
    });
    this.#preparer.applied(zxid);
  }

  /** A quorum sync: answered after a confirmation round that starts from now on. */
  sync(origin: number, request: number): void {
    this.#pendingSyncs.push({ origin, request });
    this.#startRound();
  }

  #startRound(): void {
    if (this.#round !== undefined || this.#pendingSyncs.length === 0) return;
    if (this.#stopped || this.#epoch === 0) return;
    this.#rounds += 1;
    const syncs = this.#pendingSyncs;
    this.#pendingSyncs = [];
    const round = { number: this.#rounds, zxid: this.#committed, syncs };
    this.#round = { ...round, confirmedBy: new Set() };
    const frame = encodeMessage(LEADER_MESSAGES, { type: 'confirm', round: round.number });
    for (const { phase, link } of this.#learners.values()) {
      if (phase === 'upToDate') link.sendEncoded(frame);
    }
    this.confirmed(this.#context.config.sid, round.number);
  }

  /** A learner begins to serve: a round under way may need its word, if others fell away. */
  joined(learner: LearnerHandle): void {
    if (this.#round === undefined) return;
    learner.link.send({ type: 'confirm', round: this.#round.number });
  }

  /** A voter still follows us in this epoch, asked after the round began. */
  confirmed(from: number, number: number): void {
    const round = this.#round;
    if (round === undefined || round.number !== number) return;
    round.confirmedBy.add(from);
    const { membership } = this.#context;
    if (!membership.hasQuorum((sid) => round.confirmedBy.has(sid))) return;
    const { events } = this.#context;
    const { zxid, syncs } = round;
    events.emit({ ev: 'syncConfirmed', round: number, zxid, syncs: syncs.length });
    this.#round = undefined;
    for (const sync of syncs) this.#answer(sync.origin, { request: sync.request, zxid });
    this.#startRound();
  }

  #answer(origin: number, answer: { request: number; zxid: Zxid }): void {
    const { config, front } = this.#context;
    if (origin === config.sid) front.synced(answer.request, answer.zxid);
    else this.#linkOf(origin)?.send({ type: 'synced', ...answer });
  }

  #linkOf(sid: number): LearnerHandle['link'] | undefined {
    return this.#learners.get(sid)?.link;
  }

  /** A client came back with a session at server `origin`. */
  attach(origin: number, request: number, session: number): void {
    const { config, front, tree } = this.#context;
    let timeoutMs = tree.session(session)?.timeoutMs ?? 0;
    // Its close or its creation is under way: only what is committed may be told.
    if (this.#preparer.closing(session) || session > tree.lastApplied) timeoutMs = -1;
    if (timeoutMs > 0) {
      this.#sessions.attach(session, origin);
      this.touch(session);
    }
    if (origin === config.sid) front.attached(request, timeoutMs);
    else this.#linkOf(origin)?.send({ type: 'attached', request, timeoutMs });
  }

  touch(session: number): void {
    this.#sessions.touch(session, this.#context.nowMs());
  }

  /** Proposes the end of containers and nodes whose time is over. */
  reap(nowMs: number): void {
    for (const each of this.#reaper.due(nowMs, this.#context.wallMs())) this.#submitOwn(each);
  }

  /** Proposes the close of every session whose time is over. */
  expireSessions(nowMs: number): void {
    const { events } = this.#context;
    for (const { id, silentMs, timeoutMs } of this.#sessions.expired(nowMs)) {
      // The close before this one may have used up the epoch: the next leader counts the time anew.
      if (this.#stopped) return;
      const session = id.toString(16);
      events.emit({ ev: 'sessionExpired', session, silentMs: Math.round(silentMs), timeoutMs });
      this.#submitOwn({ op: Op.closeSession, body: Buffer.alloc(0) }, id);
    }
  }
}

/** The cxid of the leader's own requests: to close an expired session, and housekeeping.ts. */
const OWN_CXID = -1;
