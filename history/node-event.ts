// The line format of the nodes' own event logs: what a server did and when, in its own words. The
// election and log checkers live on them; a gap in their sequence makes a verdict unknown.

/** Every node event carries these. */
export interface NodeEventHeader {
  /** ns since the start of the run, from the unskewed monotonic clock. */
  t: number;
  node: string;
  /** Numbers the starts of this node, ascending. */
  inc: number;
  /** Numbers the events of one incarnation, from 0, without gaps. */
  seq: number;
}

/** Log levels: `state` leaves out what happens once per transaction. */
export type EventLevel = 'off' | 'state' | 'all';

/**
 * What a coordinator says. zxids are numbers, epoch·2^32 + counter; `sid` is a server's id; hashes
 * and digests are hexadecimal. Names follow the Zab papers. Level `all` only: append, fsync, propose,
 * ackReceived, commit, apply, ephemeralCreated, deleted, watchSet, watchFired.
 */
export type CoordinatorEvent =
  /** First of an incarnation, after recovery from disk. `applied` is the committed state recovered. */
  | {
      ev: 'start';
      sid: number;
      voters: number[];
      acceptedEpoch: number;
      currentEpoch: number;
      lastLogged: number;
      applied: number;
      digest: string;
      level: EventLevel;
    }
  /** The process is ending by its own decision; nothing follows. */
  | { ev: 'stop'; reason: string }
  /** A tenure ended: why this server stopped leading or following. */
  | { ev: 'left'; reason: string }
  | { ev: 'role'; role: 'looking' | 'following' | 'leading'; leader?: number; epoch?: number }
  /**
   * The ensemble changed: its voters since transaction `version`, and those of a later change that is
   * logged but not known to be committed: until then everything needs a quorum of both.
   */
  | {
      ev: 'ensemble';
      version: number;
      voters: number[];
      pending?: number;
      nextVoters?: number[];
    }
  /** A vote was cast or changed (before it is sent): proposed leader with its epoch and zxid. */
  | { ev: 'vote'; round: number; leader: number; epoch: number; zxid: number }
  /** The election decided. */
  | { ev: 'elected'; round: number; leader: number; epoch: number; zxid: number }
  /**
   * Leader: proposes a new epoch, from the accepted epochs of a quorum. Two servers may propose the
   * same one (the first may die before anybody heard it); at most one gets a quorum of ackEpochs.
   */
  | { ev: 'newEpoch'; epoch: number; acceptedEpochs: Record<string, number> }
  /** After acceptedEpoch is durable. */
  | { ev: 'acceptedEpoch'; epoch: number }
  /** After currentEpoch is durable. */
  | { ev: 'currentEpoch'; epoch: number }
  /** Follower: about to send ACKEPOCH. Not counting = it had accepted this epoch before. */
  | { ev: 'ackEpoch'; epoch: number; currentEpoch: number; zxid: number; counting: boolean }
  /** Leader: an ACKEPOCH counted; `from` is a sid (its own included). */
  | { ev: 'ackEpochCounted'; from: number; epoch: number; currentEpoch: number; zxid: number }
  /** Leader: begins to synchronise a learner whose last zxid is `peerZxid`. */
  | {
      ev: 'syncStart';
      peer: number;
      epoch: number;
      mode: 'diff' | 'trunc' | 'snap';
      peerZxid: number;
      /** What the learner keeps (diff, trunc: last common zxid; snap: the snapshot's zxid). */
      from: number;
      /** Last zxid of the synchronisation. */
      to: number;
    }
  /** Learner: records above `to` are gone from log, snapshots and memory, durably. */
  | { ev: 'trunc'; to: number }
  | { ev: 'snapSaved'; zxid: number; digest: string }
  /** A snapshot became the state (at start or by SNAP). */
  | { ev: 'snapLoaded'; zxid: number; digest: string }
  /** Learner: synced part and currentEpoch are durable; about to ack NEWLEADER. `zxid`: last synced. */
  | { ev: 'newLeaderAck'; epoch: number; zxid: number }
  /** Leader: NEWLEADER ack received; `from` is a sid (its own included). */
  | { ev: 'newLeaderAcked'; from: number; epoch: number; zxid: number }
  /** Leader: a quorum acked NEWLEADER; everything up to `zxid` is committed by that. */
  | { ev: 'established'; epoch: number; zxid: number }
  /** Learner: UPTODATE received and `zxid` applied; it serves clients from here. */
  | { ev: 'upToDate'; epoch: number; zxid: number }
  /** Written to the log's buffers, in log order. */
  | { ev: 'append'; zxid: number; hash: string }
  /** fsync returned: everything up to `upto` is durable. */
  | { ev: 'fsync'; upto: number }
  /** Leader: about to send a proposal. */
  | { ev: 'propose'; zxid: number; hash: string }
  /** Leader: cumulative ack; everything up to `zxid` of this epoch is durable at `from`. */
  | { ev: 'ackReceived'; from: number; zxid: number }
  /** Everything up to `zxid` is known committed here. */
  | { ev: 'commit'; zxid: number }
  /**
   * Applied to the tree; `digest` is the state's digest after it. `session` and `cxid` name the request
   * of a client that it answers; `refused` says that it changed nothing.
   */
  | {
      ev: 'apply';
      zxid: number;
      hash: string;
      digest: string;
      session?: string;
      cxid?: number;
      refused?: true;
    }
  /** An ephemeral node was made (level `all`). */
  | { ev: 'ephemeralCreated'; session: string; path: string; zxid: number }
  /** A node was deleted, alone or by its session's close (level `all`). */
  | { ev: 'deleted'; path: string; zxid: number }
  | { ev: 'sessionOpened'; session: string; timeoutMs: number; zxid: number }
  | { ev: 'sessionClosed'; session: string; zxid: number }
  /** Leader: a session's deadline passed; its close is proposed next. */
  | { ev: 'sessionExpired'; session: string; silentMs: number; timeoutMs: number }
  /** A client's connection took the session over at this server. */
  | { ev: 'sessionAttached'; session: string; lastZxidSeen: number; applied: number }
  /** Leader: a sync was confirmed by a quorum. */
  | { ev: 'syncConfirmed'; round: number; zxid: number; syncs: number }
  | { ev: 'watchSet'; session: string; path: string; kind: string; zxid: number }
  | { ev: 'watchFired'; session: string; path: string; kind: string; zxid: number }
  /** A client connection was closed by the server. */
  /** A client's request made no sense and was answered with an error; its connection goes on. */
  | { ev: 'requestRefused'; reason: string; session: string }
  | { ev: 'connectionClosed'; reason: string; session?: string };

export type NodeEvent = NodeEventHeader & CoordinatorEvent;

/** The 32-bit counter of a zxid. */
export function zxidCounter(zxid: number): number {
  return zxid >>> 0;
}

/** The epoch of a zxid. */
export function zxidEpoch(zxid: number): number {
  return Math.floor(zxid / 0x1_0000_0000);
}

/** A zxid as people write it: `(epoch,counter)`. */
export function formatZxid(zxid: number): string {
  return `(${zxidEpoch(zxid)},${zxidCounter(zxid)})`;
}
