// Which servers make up the ensemble, and what a quorum of them is. While a change of it is logged and not
// known to be committed, everything needs a quorum of the servers before it and of those after it, so
// that nobody can decide without somebody who knows of the change.
// Source: "Dynamic Reconfiguration of Primary/Backup Clusters" (USENIX ATC 2012).
import type { TxnRecord } from '../txn.ts';
import type { Zxid } from '../zxid.ts';
import type { Peer } from './context.ts';
import {
  describeEnsemble,
  type EnsembleConfig,
  ensembleIfLater,
  ensembleIn,
  ensembleOf,
} from './members.ts';
import { quorumSize } from './vote.ts';

export interface MembershipOptions {
  /** Servers of the configuration file; they count until the first change. */
  peers: readonly Peer[];
  /** What `keep` was given last; empty: nothing. */
  kept: string;
  /** Makes the committed ensemble durable; returns when it is. */
  keep(text: string): void;
}

/** The ensemble as one server knows it. */
export class Membership {
  readonly #keep: (text: string) => void;
  /** Known to be committed. */
  #current: EnsembleConfig;
  /** Logged later, and perhaps never committed. */
  #pending: EnsembleConfig | undefined;
  #inForce: readonly EnsembleConfig[];
  #voters: ReadonlySet<number>;
  /** Told after every change. */
  onChange: () => void = () => {};

  constructor({ peers, kept, keep }: MembershipOptions) {
    this.#keep = keep;
    this.#current = ensembleIfLater(kept) ?? ensembleOf(peers, 0);
    this.#inForce = [this.#current];
    this.#voters = new Set(this.#current.voters);
  }

  get current(): EnsembleConfig {
    return this.#current;
  }

  get pending(): EnsembleConfig | undefined {
    return this.#pending;
  }

  /** Every one of these needs a quorum of its own. */
  get inForce(): readonly EnsembleConfig[] {
    return this.#inForce;
  }

  /** Everybody who belongs, or may soon. */
  get peers(): readonly Peer[] {
    if (this.#pending === undefined) return this.#current.members;
    const known = new Set(this.#pending.members.map(({ sid }) => sid));
    const leaving = this.#current.members.filter(({ sid }) => !known.has(sid));
    return [...this.#pending.members, ...leaving];
  }

  /** Whether the server's word counts in any configuration in force. */
  isVoter(sid: number): boolean {
    return this.#voters.has(sid);
  }

  /** Whether the server is there only to follow. */
  isObserver(sid: number): boolean {
    return !this.isVoter(sid) && this.peers.some((peer) => peer.sid === sid && peer.observer);
  }

  /** Whether those for whom `has` is true are a quorum of every configuration in force. */
  hasQuorum(has: (sid: number) => boolean): boolean {
    return this.#inForce.every(({ voters }) => isQuorum(voters, has));
  }

  /** A record was added to the log. */
  logged(record: TxnRecord): void {
    const config = ensembleIn(record);
    if (config === undefined || config.version <= this.#current.version) return;
    // A leader proposes no change before the one before it is committed.
    if (this.#pending !== undefined) this.#current = this.#pending;
    this.#pending = config;
    this.#changed();
  }

  /** Everything above `to` left the log. */
  truncated(to: Zxid): void {
    if (this.#pending === undefined || this.#pending.version <= to) return;
    this.#pending = undefined;
    this.#changed();
  }

  /** The state was replaced, log and all, by one that says `text` of the ensemble. */
  replaced(text: string): void {
    this.#pending = undefined;
    this.#changed();
    this.committed(ensembleIfLater(text));
  }

  /** This configuration is known to be committed: it is made durable and then acts. */
  committed(config: EnsembleConfig | undefined): boolean {
    if (config === undefined || config.version <= this.#current.version) return false;
    this.#keep(describeEnsemble(config.members, config.version));
    this.#current = config;
    if (this.#pending !== undefined && this.#pending.version <= config.version) {
      this.#pending = undefined;
    }
    this.#changed();
    return true;
  }

  #changed(): void {
    const { current, pending } = { current: this.#current, pending: this.#pending };
    this.#inForce = pending === undefined ? [current] : [current, pending];
    this.#voters = new Set(this.#inForce.flatMap(({ voters }) => voters));
    this.onChange();
  }
}

/** Whether those of the voters for whom `has` is true are more than half of them. */
export function isQuorum(voters: readonly number[], has: (sid: number) => boolean): boolean {
  let count = 0;
  for (const sid of voters) if (has(sid)) count += 1;
  return count >= quorumSize(voters.length);
}
