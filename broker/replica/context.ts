// What every part of replication needs of the broker around it: who it is, whom it may ask, where it says
// what it does. Handed down, so that several brokers can live in one process.
import type { EventSink, Metadata, Peers } from '../contract.ts';
import type { ReplicaSettings } from './settings.ts';

export interface ReplicaContext {
  readonly brokerId: number;
  /** The epoch of this broker's own registration; −1 while it has none. */
  readonly brokerEpoch: () => number;
  readonly metadata: Metadata;
  readonly peers: Peers;
  readonly events: EventSink;
  readonly settings: ReplicaSettings;
  /** Milliseconds that only ascend, such as performance.now(): no clock that anybody sets. */
  readonly monotonicMs: () => number;
  /** The log of this partition is damaged, or no longer: nothing is served from a damaged one. */
  readonly onDamage: (tp: string, damaged: boolean) => void;
  /** The disk failed: what the broker promised stands, but it has to stop. */
  readonly onFatal: (error: Error) => void;
}
