// What a broker says of its own doing, in the same lines as a coordinator's events: the replication and
// group checkers live on them. `tp` is `topic-partition`; what is said to be stored or durable was so before.
import type { EventLevel, NodeEventHeader } from './node-event.ts';

/**
 * Level `all` only: logAppend, logFlushed, highWatermark, fetchIn, acked, offsetCommitted. Names follow
 * Kafka's; offsets are those of a partition's log.
 */
export type BrokerEvent =
  /** First of an incarnation, after recovery. `clean`: the last one ended in order. */
  | { ev: 'brokerStart'; broker: number; clean: boolean; lossy: boolean; level: EventLevel }
  /** The process is ending by its own decision; nothing follows. */
  | { ev: 'brokerStop'; reason: string }
  /** Its registration stands; `epoch` is the czxid of it, `session` the owner in hexadecimal. */
  | { ev: 'registered'; broker: number; epoch: number; session: string }
  /**
   * At its start it ended the session (hexadecimal) that an earlier life of it had left open. `over`: it had
   * ended by then; `unknown`: nobody answered, and it ends by its timeout.
   */
  | { ev: 'earlierSessionEnded'; session: string; outcome: 'closed' | 'over' | 'unknown' }
  /** Another session (hexadecimal) still holds its registration; it waits for that to end. */
  | { ev: 'registrationWaits'; broker: number; owner: string }
  /** A znode says what nobody here writes there: it counts as absent, all others go on. */
  | { ev: 'znodeRefused'; path: string; reason: string }
  /** The coordinator closed its session: it is registered no more. */
  | { ev: 'sessionLost'; session: string }
  | { ev: 'controllerElected'; controllerEpoch: number }
  | { ev: 'controllerResigned'; controllerEpoch: number; reason: string }
  /** Something it does as controller, or to become it, failed; it tries again. */
  | { ev: 'controllerFailed'; reason: string }
  /** A partition's state was stored by this broker, as controller or as leader (`by`). */
  | {
      ev: 'stateStored';
      tp: string;
      by: 'controller' | 'leader';
      leader: number;
      leaderEpoch: number;
      isr: number[];
      /**
       * Who besides the ISR has all that was committed and may be elected (KIP-966): those who left it while
       * it was smaller than min.insync.replicas. Absent: nobody.
       */
      elr?: number[];
      controllerEpoch: number;
      version: number;
      /** An election outside the ISR, where that is allowed. */
      unclean?: true;
      /** The write was not answered; what stands is what it was to be, by whomever it was stored. */
      inferred?: true;
    }
  /** It leads from here on: epoch stamped into its log, whose end is `leo`. */
  | { ev: 'becameLeader'; tp: string; leaderEpoch: number; leo: number; hw: number; isr: number[] }
  | {
      ev: 'becameFollower';
      tp: string;
      leaderEpoch: number;
      leader: number;
      leo: number;
      hw: number;
    }
  /** It has no replica any more, or nobody leads. */
  | { ev: 'leftPartition'; tp: string; reason: string }
  /**
   * A batch was appended, as leader or as follower. `hash`: CRC32C of its records, hexadecimal; `pseq`: its
   * first sequence number (`seq` is the event's own).
   */
  | {
      ev: 'logAppend';
      tp: string;
      epoch: number;
      from: number;
      to: number;
      hash: string;
      pid?: number;
      pepoch?: number;
      pseq?: number;
    }
  /** Everything below `upto` is durable. */
  | { ev: 'logFlushed'; tp: string; upto: number }
  /** Everything from `to` on is gone, durably. */
  | { ev: 'logTruncated'; tp: string; to: number; leaderEpoch: number }
  /** The log begins at `from` now. */
  | { ev: 'logStart'; tp: string; from: number }
  /**
   * Leader: `isr` is the maximal ISR it was computed from, `version` that of the newest stored state that it
   * knew of.
   */
  | {
      ev: 'highWatermark';
      tp: string;
      hw: number;
      leaderEpoch: number;
      isr: number[];
      version: number;
    }
  /** Leader: a follower's fetch counted; it has everything below `offset`. */
  | { ev: 'fetchIn'; tp: string; from: number; leaderEpoch: number; offset: number }
  /** Leader: about to acknowledge everything below `offset` of one produce request. */
  | { ev: 'acked'; tp: string; acks: number; from: number; offset: number; leaderEpoch: number }
  | { ev: 'groupGeneration'; group: string; generation: number; members: string[] }
  /** The leader's assignment is stored, and answered from here on. */
  | {
      ev: 'groupAssigned';
      group: string;
      generation: number;
      assignment: Record<string, string[]>;
    }
  | {
      ev: 'offsetCommitted';
      group: string;
      generation: number;
      member: string;
      tp: string;
      offset: number;
    }
  /** A request made no sense and its connection was closed, or it was answered with an error. */
  | { ev: 'requestRefused'; reason: string; client?: string }
  | { ev: 'connectionClosed'; reason: string; client?: string };

export type BrokerNodeEvent = NodeEventHeader & BrokerEvent;

/** Every kind of event that only a broker says; the compiler holds it against BrokerEvent. */
const KINDS: Readonly<Record<BrokerEvent['ev'], true>> = {
  brokerStart: true,
  brokerStop: true,
  registered: true,
  earlierSessionEnded: true,
  registrationWaits: true,
  znodeRefused: true,
  sessionLost: true,
  controllerElected: true,
  controllerResigned: true,
  controllerFailed: true,
  stateStored: true,
  becameLeader: true,
  becameFollower: true,
  leftPartition: true,
  logAppend: true,
  logFlushed: true,
  logTruncated: true,
  logStart: true,
  highWatermark: true,
  fetchIn: true,
  acked: true,
  groupGeneration: true,
  groupAssigned: true,
  offsetCommitted: true,
  requestRefused: true,
  connectionClosed: true,
};

/** Kinds that both a broker and a coordinator know: who says them is told by the log they stand in. */
const SHARED: ReadonlySet<string> = new Set(['requestRefused', 'connectionClosed']);

/** Whether only a broker says this: one such event shows whose log it is. */
export function isBrokersOwn(ev: string): boolean {
  return Object.hasOwn(KINDS, ev) && !SHARED.has(ev);
}
