// Fast leader election: servers that look for a leader exchange votes until a quorum holds the same
// one. Synchronous and without a network, so that any order of notifications can be tried in a test.
// Source: FastLeaderElection of ZooKeeper 3.8; rule I-Z4.
import type { EventSink } from '../contract.ts';
import type { PeerState } from './messages.ts';
import { beats, sameVote, type Vote } from './vote.ts';

/** What a server is for that may not be voted for. */
const NOBODY: Vote = { leader: 0, epoch: -1, zxid: 0 };

/** What a server tells the others about its state and its vote. */
export interface Notification {
  sid: number;
  state: PeerState;
  round: number;
  vote: Vote;
}

export interface ElectionOptions {
  sid: number;
  /** Whose votes count; the others only want to know whom to follow. */
  isVoter(sid: number): boolean;
  hasQuorum(has: (sid: number) => boolean): boolean;
  events: EventSink;
  /** How long a quorum waits for a better vote, ms. */
  finalizeWaitMs: number;
  /** How often the vote is told again while looking, ms. */
  repeatMs: number;
  /** Tells every other server. */
  broadcast(): void;
  /** Tells one server. */
  tell(sid: number): void;
  /** Servers that can be heard just now (without self): their votes are worth waiting for. */
  reachable(): readonly number[];
  decided(vote: Vote, round: number): void;
}

/** One server's part in elections. Rounds are counted over its life. */
export class Election {
  readonly #options: ElectionOptions;
  #round = 0;
  #state: PeerState = 'looking';
  #own: Vote;
  #vote: Vote;
  #received = new Map<number, Vote>();
  #settled = new Map<number, Notification>();
  #finalize: NodeJS.Timeout | undefined;
  #repeat: NodeJS.Timeout | undefined;
  #looking = false;
  #refuted = false;
  /** While leading: voters that went on to another vote since they elected us. */
  readonly #dissenting = new Set<number>();

  constructor(options: ElectionOptions) {
    this.#options = options;
    this.#own = { leader: options.sid, epoch: 0, zxid: 0 };
    this.#vote = this.#own;
  }

  /** What this server tells others just now. */
  get notification(): Notification {
    return {
      sid: this.#options.sid,
      state: this.#state,
      round: this.#round,
      vote: this.#vote,
    };
  }

  /**
   * Whether the leader decided on has said since that it does not lead; of ourselves, whether too many went
   * on to another vote for the rest to be a quorum.
   */
  get refuted(): boolean {
    return this.#refuted;
  }

  get looking(): boolean {
    return this.#looking;
  }

  /** Begins a round with a vote for itself; `epoch` and `zxid` are its last durable ones. */
  look(epoch: number, zxid: number): void {
    this.stop();
    this.#looking = true;
    this.#state = 'looking';
    const { sid } = this.#options;
    // Who has no vote has no rounds either, and goes along with those of the others.
    this.#round = this.#votes ? this.#round + 1 : 0;
    this.#own = this.#votes ? { leader: sid, epoch, zxid } : NOBODY;
    this.#received.clear();
    this.#settled.clear();
    this.#adopt(this.#own);
    this.#repeat = setInterval(() => this.#options.broadcast(), this.#options.repeatMs);
    this.#tryDecide();
  }

  /** Ends looking, keeping round and vote for those who ask. */
  stop(): void {
    this.#looking = false;
    clearTimeout(this.#finalize);
    clearInterval(this.#repeat);
    this.#finalize = undefined;
  }

  /** Takes notice of another server's state and vote. */
  receive(n: Notification): void {
    const { isVoter } = this.#options;
    if (!isVoter(n.sid)) {
      // It only asks. While nothing is settled it hears what everybody is told.
      if (n.state === 'looking' && !this.#looking) this.#options.tell(n.sid);
      return;
    }
    if (!isVoter(n.vote.leader)) return;
    if (!this.#looking) {
      if (n.state === 'looking') this.#options.tell(n.sid);
      if (this.#state === 'leading') this.#countDissent(n);
      else if (this.#contradicts(n)) this.#refuted = true;
      return;
    }
    if (n.state === 'looking') this.#hearLooking(n);
    else this.#hearSettled(n);
  }

  /** A voter became unreachable: a quorum need not wait for it any longer. */
  reachabilityChanged(): void {
    if (this.#looking && this.#finalize !== undefined) this.#tryDecide();
  }

  get #votes(): boolean {
    return this.#options.isVoter(this.#options.sid);
  }

  /** The server we follow says that it does not lead: it went on to another vote or round. */
  #contradicts(n: Notification): boolean {
    if (n.sid !== this.#vote.leader) return false;
    if (n.round > this.#round) return n.state !== 'leading';
    return n.round === this.#round && n.vote.leader !== n.sid;
  }

  #countDissent(n: Notification): void {
    const elsewhere = n.round === this.#round && n.vote.leader !== this.#options.sid;
    if (n.round > this.#round || elsewhere) this.#dissenting.add(n.sid);
    else if (n.round === this.#round) this.#dissenting.delete(n.sid);
    this.#refuted = !this.#options.hasQuorum((sid) => !this.#dissenting.has(sid));
  }

  #adopt(vote: Vote): void {
    this.#vote = vote;
    this.#received.set(this.#options.sid, vote);
    if (this.#votes) this.#options.events.emit({ ev: 'vote', round: this.#round, ...vote });
    this.#options.broadcast();
  }

  #hearLooking(n: Notification): void {
    this.#settled.delete(n.sid);
    if (n.round < this.#round) {
      if (this.#votes) this.#options.tell(n.sid);
      return;
    }
    if (n.round > this.#round) {
      this.#round = n.round;
      this.#received.clear();
      this.#adopt(beats(n.vote, this.#own) ? n.vote : this.#own);
    } else if (beats(n.vote, this.#vote)) {
      this.#adopt(n.vote);
    }
    this.#received.set(n.sid, n.vote);
    this.#tryDecide();
  }

  /** Decides when a quorum holds our vote and nobody who can be heard may still bring a better one. */
  #tryDecide(): void {
    clearTimeout(this.#finalize);
    this.#finalize = undefined;
    const { isVoter, hasQuorum, finalizeWaitMs } = this.#options;
    const agrees = (sid: number): boolean => {
      const vote = this.#received.get(sid);
      return vote !== undefined && sameVote(vote, this.#vote);
    };
    if (!hasQuorum(agrees)) return;
    const outstanding = this.#options
      .reachable()
      .filter((sid) => isVoter(sid) && !this.#received.has(sid) && !this.#settled.has(sid));
    if (outstanding.length === 0) {
      this.#decide(this.#vote);
      return;
    }
    this.#finalize = setTimeout(() => this.#decide(this.#vote), finalizeWaitMs);
  }

  /** A server that follows or leads: a vote like others in our round, else a leader to join. */
  #hearSettled(n: Notification): void {
    this.#settled.set(n.sid, n);
    if (n.round === this.#round) {
      if (beats(n.vote, this.#vote)) this.#adopt(n.vote);
      this.#received.set(n.sid, n.vote);
      this.#tryDecide();
      if (!this.#looking) return;
    }
    // Out of our round: a quorum must follow that leader, and it must say itself that it leads.
    const { leader } = n.vote;
    if (leader === this.#options.sid || this.#settled.get(leader)?.state !== 'leading') return;
    if (!this.#options.hasQuorum((sid) => this.#settled.get(sid)?.vote.leader === leader)) return;
    this.#round = n.round;
    this.#decide(n.vote);
  }

  #decide(vote: Vote): void {
    this.stop();
    this.#refuted = false;
    this.#dissenting.clear();
    this.#vote = vote;
    this.#state = vote.leader === this.#options.sid ? 'leading' : 'following';
    this.#options.events.emit({ ev: 'elected', round: this.#round, ...vote });
    this.#options.broadcast();
    this.#options.decided(vote, this.#round);
  }
}
