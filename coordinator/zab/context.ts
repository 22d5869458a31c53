// What a tenure (leading or following) works with: the server's disk, state, front and clock. The
// replica owns these for the life of the process; a tenure borrows them and must stop when told.
import type { EventSink, Front, Preparer, SessionTracker, StateMachine } from '../contract.ts';
import type { TxnRecord } from '../txn.ts';
import type { Zxid } from '../zxid.ts';
import type { ReapLimits } from './housekeeping.ts';
import type { Membership } from './membership.ts';
import type { RecentLog } from './recent-log.ts';
import type { PeerTransport } from './transport.ts';

/** The transaction log as consensus uses it (storage/txn-log.ts). */
export interface DurableLog {
  readonly lastLogged: Zxid;
  append(records: readonly TxnRecord[], committed: Zxid): void;
  onDurable: (zxid: Zxid) => void;
  onFailure: (error: Error) => void;
  drained(): Promise<void>;
  truncate(to: Zxid): void;
  reset(after: Zxid): void;
  roll(): void;
  purge(keepFrom: Zxid): number;
  close(): Promise<void>;
}

/** Snapshots as consensus uses them (storage/snapshots.ts). */
export interface DurableSnapshots {
  save(
    zxid: Zxid,
    chunks: readonly Buffer[] | Promise<readonly Buffer[]>,
    digest: string,
  ): Promise<void>;
  installSync(zxid: Zxid, chunks: readonly Buffer[], digest: string): void;
  deleteAbove(zxid: Zxid): void;
  /** Keeps the newest ones; returns the zxid of the oldest kept. */
  purge(): Promise<Zxid>;
}

/** The two epochs on disk (storage/epochs.ts). Setters return when the value is durable. */
export interface DurableEpochs {
  readonly accepted: number;
  readonly current: number;
  setAccepted(epoch: number): void;
  setCurrent(epoch: number): void;
}

export interface Peer {
  sid: number;
  host: string;
  peerPort: number;
  electionPort: number;
  /** Where its clients find it, `host:port`, if that is told. */
  clientAddress?: string;
  /** It follows and never votes. */
  observer?: true;
}

export interface ZabConfig {
  sid: number;
  /** The servers that the configuration file names, this one among them. */
  peers: readonly Peer[];
  tickMs: number;
  /** Ticks to find, agree with and synchronise with a leader. */
  initLimit: number;
  /** Silence after which leader and learner let go of each other, ms. */
  silenceMsMax: number;
  /** Whether clients may change the ensemble (reconfigEnabled). */
  reconfigEnabled?: boolean;
  /** Whether clients are served without a quorum (readonlymode.enabled). */
  readOnlyMode?: boolean;
  /** Transactions after which a leader gives up its epoch; default what a zxid can count. */
  transactionsPerEpochMax?: number;
  /** How nodes are ended that no session owns; default ZooKeeper's. */
  reaping?: ReapLimits;
}

export interface TenureContext {
  config: ZabConfig;
  events: EventSink;
  front: Front;
  tree: StateMachine;
  log: DurableLog;
  snapshots: DurableSnapshots;
  epochs: DurableEpochs;
  recent: RecentLog;
  membership: Membership;
  /** Monotonic milliseconds. */
  nowMs(): number;
  /** Milliseconds since 1970. */
  wallMs(): number;
  /** How other servers are reached. */
  transport: PeerTransport;
  makePreparer(): Preparer;
  makeSessionTracker(): SessionTracker;
  /** Applies everything logged up to `zxid`, which must be committed. */
  commitUpTo(zxid: Zxid, each?: (record: TxnRecord) => void): void;
  /** Runs a step of this tenure: nothing happens once it is over, a broken invariant is fatal. */
  guard(step: () => void): void;
  /** Whether the leader that was elected has said since, or been told, that it does not lead. */
  leaderRefuted(): boolean;
  /** Ends this tenure; the replica looks for a leader again. Idempotent within a tenure. */
  leave(reason: string): void;
}
