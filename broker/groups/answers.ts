// What a group's coordinator is asked and answers, free of wire versions: handlers translate. Every answer is
// a value with Kafka's name of an error, for to a coordinator refusing is everyday business.
import type { ErrorName } from '../../wire/kafka/error-codes.ts';

export interface Protocol {
  readonly name: string;
  readonly metadata: Buffer;
}

export interface JoinAsk {
  readonly group: string;
  /** Empty: not a member yet. */
  readonly memberId: string;
  readonly instanceId: string | null;
  /** From JoinGroup 4 on a new member first gets its id, so that lost answers leave no ghosts (KIP-394). */
  readonly needsKnownId: boolean;
  /** From JoinGroup 9 on a leader can be told not to assign (KIP-814). */
  readonly canSkipAssignment: boolean;
  readonly clientId: string;
  readonly clientHost: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly protocolType: string;
  readonly protocols: readonly Protocol[];
}

export interface JoinAnswer {
  readonly error: ErrorName;
  readonly generation: number;
  readonly protocolType: string | null;
  readonly protocol: string | null;
  readonly leader: string;
  readonly memberId: string;
  readonly skipAssignment: boolean;
  /** To the leader alone. */
  readonly members: readonly {
    readonly memberId: string;
    readonly instanceId: string | null;
    readonly metadata: Buffer;
  }[];
}

/** A refused join. */
export function joinRefused(error: ErrorName, memberId = ''): JoinAnswer {
  return {
    error,
    generation: -1,
    protocolType: null,
    protocol: null,
    leader: '',
    memberId,
    skipAssignment: false,
    members: [],
  };
}

/** Who speaks: a member in a generation. */
export interface MemberAsk {
  readonly group: string;
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly generation: number;
}

export interface SyncAsk extends MemberAsk {
  /** Null where the version does not say. */
  readonly protocolType: string | null;
  readonly protocol: string | null;
  /** The leader's alone. */
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Buffer }[];
}

export interface SyncAnswer {
  readonly error: ErrorName;
  readonly protocolType: string | null;
  readonly protocol: string | null;
  readonly assignment: Buffer;
}

/** A refused sync. */
export function syncRefused(error: ErrorName): SyncAnswer {
  return { error, protocolType: null, protocol: null, assignment: Buffer.alloc(0) };
}

export interface LeaveAsk {
  readonly group: string;
  readonly members: readonly { readonly memberId: string; readonly instanceId: string | null }[];
}

export interface CommitAsk extends MemberAsk {
  readonly offsets: readonly {
    readonly topic: string;
    readonly partition: number;
    readonly offset: number;
    readonly leaderEpoch: number;
    readonly metadata: string;
  }[];
}

/** A group for those who look at it. */
export interface GroupDescription {
  readonly error: ErrorName;
  readonly group: string;
  readonly state: string;
  readonly protocolType: string;
  readonly protocol: string;
  readonly members: readonly {
    readonly memberId: string;
    readonly instanceId: string | null;
    readonly clientId: string;
    readonly clientHost: string;
    readonly metadata: Buffer;
    readonly assignment: Buffer;
  }[];
}
