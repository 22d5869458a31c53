// Following: find the leader, accept its epoch, synchronise with its log, then log and acknowledge
// what it proposes and apply what it commits. One instance a tenure; it never outlives its link.
// Source: Zab 1.0 phases 1–3, follower side; rules I-Z3, I-Z10 to I-Z13.
import type { ClientRequest } from '../contract.ts';
import { hashHex, openTxn, type TxnRecord } from '../txn.ts';
import { epochOf, type Zxid, zxidHex } from '../zxid.ts';
import type { Peer, TenureContext } from './context.ts';
import { Link } from './link.ts';
import {
  LEADER_MESSAGES,
  LEARNER_MESSAGES,
  type Message,
  PEER_PROTOCOL_VERSION,
  UNKNOWN_HASH,
} from './messages.ts';

type LeaderMessage = Message<typeof LEADER_MESSAGES>;
type LearnerLink = Link<typeof LEADER_MESSAGES, typeof LEARNER_MESSAGES>;

/** How often a leader that does not answer yet is dialled again, ms. */
const REDIAL_MS = 25;

/** Phases of a follower, in order. */
type Phase = 'connecting' | 'discovery' | 'synchronising' | 'persisting' | 'acked' | 'serving';

export class Learner {
  readonly #context: TenureContext;
  readonly #leader: Peer;
  #link: LearnerLink | undefined;
  #phase: Phase = 'connecting';
  #epoch = 0;
  #deadline: NodeJS.Timeout;
  #redial: NodeJS.Timeout | undefined;
  #stopped = false;
  /** Last zxid of the synchronisation, once NEWLEADER came. */
  #syncedTo: Zxid = 0;
  /** Proposals that came before currentEpoch was durable: logging them earlier would break I-Z2. */
  #held: Buffer[] = [];
  #snapshot: { zxid: Zxid; digest: string; chunks: Buffer[]; count: number } | undefined;
  readonly #touched = new Set<number>();

  constructor(context: TenureContext, leader: Peer) {
    this.#context = context;
    this.#leader = leader;
    const { tickMs, initLimit } = context.config;
    this.#deadline = setTimeout(
      () => this.#leave(`no synchronisation with ${leader.sid} within initLimit`),
      tickMs * initLimit,
    );
    this.#dial();
  }

  get epoch(): number {
    return this.#epoch;
  }

  get serving(): boolean {
    return this.#phase === 'serving';
  }

  /** Ends the tenure without telling the replica. */
  stop(reason: string): void {
    this.#stopped = true;
    clearTimeout(this.#deadline);
    clearTimeout(this.#redial);
    this.#link?.close(reason);
  }

  #leave(reason: string): void {
    if (!this.#stopped) this.#context.leave(reason);
  }

  #dial(): void {
    const { config, events, epochs, membership, transport } = this.#context;
    let dialled = false;
    const socket = transport.dial({ host: this.#leader.host, port: this.#leader.peerPort });
    const link: LearnerLink = new Link({
      socket,
      incoming: LEADER_MESSAGES,
      outgoing: LEARNER_MESSAGES,
      events,
      onMessage: (message) => this.#context.guard(() => this.#receive(message)),
      onClose: (reason) => this.#closed(reason),
    });
    this.#link = link;
    socket.once(transport.dialled, () => {
      dialled = true;
      const acceptedEpoch = epochs.accepted;
      const version = PEER_PROTOCOL_VERSION;
      const { sid } = config;
      const observer = membership.isObserver(sid);
      link.send({ type: 'followerInfo', sid, version, acceptedEpoch, observer });
    });
    // A dial into a cut hangs for as long as the kernel likes; try anew instead.
    this.#redial = setTimeout(() => {
      if (!dialled) link.abort('dial timed out');
    }, config.tickMs * 2);
  }

  #closed(reason: string): void {
    if (this.#stopped) return;
    clearTimeout(this.#redial);
    // The chosen leader may not have noticed yet that it was chosen: dial until the deadline.
    if (this.#phase === 'connecting' && !this.#context.leaderRefuted()) {
      this.#redial = setTimeout(() => this.#dial(), REDIAL_MS);
    } else this.#leave(`link to leader ${this.#leader.sid}: ${reason}`);
  }

  /** The leader was heard: silence counts from here. */
  #heard(): void {
    const { silenceMsMax } = this.#context.config;
    if (this.#phase !== 'serving' && this.#phase !== 'acked') return;
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#leave('leader silent'), silenceMsMax);
  }

  #receive(message: LeaderMessage): void {
    this.#heard();
    switch (message.type) {
      case 'leaderInfo':
        this.#acceptEpoch(message.epoch);
        break;
      case 'diff':
        this.#phase = 'synchronising';
        break;
      case 'trunc':
        this.#phase = 'synchronising';
        this.#truncate(message.to, message.hash);
        break;
      case 'snapBegin':
        this.#phase = 'synchronising';
        this.#snapshot = { ...message, chunks: [], count: message.chunks };
        if (message.chunks === 0) this.#installSnapshot();
        break;
      case 'snapChunk':
        // The frame's memory is shared with the socket; a snapshot outlives it.
        this.#snapshot?.chunks.push(Buffer.from(message.chunk));
        if (this.#snapshot?.chunks.length === this.#snapshot?.count) this.#installSnapshot();
        break;
      case 'records':
        if (this.#phase === 'persisting') {
          for (const bytes of message.records) this.#held.push(Buffer.from(bytes));
        } else this.#log(message.records);
        break;
      case 'newLeader':
        this.#newLeader(message.epoch, message.zxid);
        break;
      case 'upToDate':
        this.#upToDate(message.zxid);
        break;
      case 'commit':
        this.#context.commitUpTo(message.zxid);
        break;
      case 'synced':
        this.#context.front.synced(message.request, message.zxid);
        break;
      case 'attached':
        this.#context.front.attached(message.request, message.timeoutMs);
        break;
      case 'confirm':
        this.#link?.send({ type: 'confirmAck', round: message.round });
        break;
      case 'ping':
        this.#link?.send({ type: 'pong', touched: [...this.#touched] });
        this.#touched.clear();
        break;
    }
  }

  #acceptEpoch(epoch: number): void {
    const { epochs, events, log } = this.#context;
    this.#phase = 'discovery';
    if (epoch < epochs.accepted) {
      this.#leave(`leader proposes epoch ${epoch}, already accepted ${epochs.accepted}`);
      return;
    }
    const counting = epoch > epochs.accepted;
    if (counting) {
      epochs.setAccepted(epoch);
      events.emit({ ev: 'acceptedEpoch', epoch });
    }
    this.#epoch = epoch;
    const zxid = log.lastLogged;
    const currentEpoch = epochs.current;
    events.emit({ ev: 'ackEpoch', epoch, currentEpoch, zxid, counting });
    this.#link?.send({ type: 'ackEpoch', counting, currentEpoch, zxid });
  }

  #truncate(to: Zxid, hash: number): void {
    const { recent, log, snapshots, tree, events, membership } = this.#context;
    if (tree.lastApplied > to) {
      throw new Error(
        `leader ${this.#leader.sid} asks to drop everything above ${zxidHex(to)}, but up to ` +
          `${zxidHex(tree.lastApplied)} was committed here; refusing to lose committed data`,
      );
    }
    const common = recent.at(to);
    if (common !== undefined && hash !== UNKNOWN_HASH && common.hash !== hash) {
      throw new Error(`log differs from the leader's at ${zxidHex(to)}; refusing to follow it`);
    }
    if (common === undefined && recent.floor !== to) {
      throw new Error(
        `leader ${this.#leader.sid} takes ${zxidHex(to)} for common, this log does not have it`,
      );
    }
    log.truncate(to);
    snapshots.deleteAbove(to);
    recent.truncate(to);
    membership.truncated(to);
    events.emit({ ev: 'trunc', to });
  }

  #installSnapshot(): void {
    const snapshot = this.#snapshot;
    if (snapshot === undefined) return;
    this.#snapshot = undefined;
    const { snapshots, log, tree, recent, events, membership } = this.#context;
    const { zxid, chunks, digest } = snapshot;
    snapshots.installSync(zxid, chunks, digest);
    events.emit({ ev: 'snapSaved', zxid, digest });
    log.reset(zxid);
    snapshots.deleteAbove(zxid);
    tree.load(chunks);
    recent.reset(zxid);
    membership.replaced(tree.configuration());
    events.emit({ ev: 'snapLoaded', zxid, digest: tree.digest() });
  }

  #log(encoded: readonly Buffer[]): void {
    if (encoded.length === 0) return;
    const { recent, log, tree, events, membership } = this.#context;
    const records: TxnRecord[] = [];
    for (const bytes of encoded) {
      const record = openTxn(Buffer.from(bytes));
      recent.add(record);
      membership.logged(record);
      records.push(record);
    }
    if (events.detailed) {
      for (const { txn, hash } of records)
        events.emit({ ev: 'append', zxid: txn.zxid, hash: hashHex(hash) });
    }
    log.append(records, tree.lastApplied);
  }

  #newLeader(epoch: number, zxid: Zxid): void {
    const { recent } = this.#context;
    if (epoch !== this.#epoch || recent.last !== zxid) {
      throw new Error(
        `expected NEWLEADER of epoch ${this.#epoch} at ${zxidHex(recent.last)}, ` +
          `got epoch ${epoch} at ${zxidHex(zxid)}`,
      );
    }
    this.#syncedTo = zxid;
    this.#phase = 'persisting';
    this.#context.log.drained().then(
      () => this.#context.guard(() => this.#acknowledgeLeader()),
      (error: Error) => this.#leave(error.message),
    );
  }

  /** The synchronised part is durable: now, and only now, the new epoch may be (I-Z10, Z13). */
  #acknowledgeLeader(): void {
    if (this.#stopped) return;
    const { epochs, events } = this.#context;
    const epoch = this.#epoch;
    const zxid = this.#syncedTo;
    if (epochs.current !== epoch) {
      epochs.setCurrent(epoch);
      events.emit({ ev: 'currentEpoch', epoch });
    }
    events.emit({ ev: 'newLeaderAck', epoch, zxid });
    this.#link?.send({ type: 'newLeaderAck', epoch, zxid });
    this.#phase = 'acked';
    this.#heard();
    const held = this.#held;
    this.#held = [];
    this.#log(held);
  }

  #upToDate(zxid: Zxid): void {
    const { front, events, commitUpTo } = this.#context;
    if (this.#phase !== 'acked') throw new Error(`UPTODATE in phase ${this.#phase}`);
    commitUpTo(zxid);
    this.#phase = 'serving';
    this.#heard();
    events.emit({ ev: 'upToDate', epoch: this.#epoch, zxid });
    front.serve();
  }

  /** Everything up to `zxid` is durable here. */
  durable(zxid: Zxid): void {
    if (this.#phase !== 'acked' && this.#phase !== 'serving') return;
    if (epochOf(zxid) === this.#epoch) this.#link?.send({ type: 'ack', zxid });
  }

  submit(request: ClientRequest): void {
    this.#touched.add(request.session);
    const { request: number, session, cxid, op, body } = request;
    const identities = [...(request.identities ?? [])];
    this.#link?.send({ type: 'request', request: number, session, cxid, op, body, identities });
  }

  sync(request: number, session: number): void {
    this.#link?.send({ type: 'sync', request, session });
  }

  attach(request: number, session: number): void {
    this.#link?.send({ type: 'attach', request, session });
  }

  touch(session: number): void {
    this.#touched.add(session);
  }
}
