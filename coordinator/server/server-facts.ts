// What a server tells its operator of itself, gathered once for four-letter words, metrics and health.
// Nothing here is computed before somebody asks.
import type { ServerStatus } from '../contract.ts';
import type { LatencyHistogram, Traffic } from './traffic.ts';

/** The release whose protocol and formats are spoken here. */
export const SERVER_VERSION = '3.8.0-chaos';

/** One open connection. */
export interface ConnectionFacts {
  /** host:port. */
  peer: string;
  session: number;
  timeoutMs: number;
  queued: number;
  traffic: Traffic;
  /** Of the last answer; −1 and NA before the first. */
  lastXid: number;
  lastZxid: number;
  lastOp: string;
  lastAnswerMs: number;
  establishedMs: number;
}

/** What the server as a whole reports. */
export interface ServerFacts {
  serving: boolean;
  /** Without a quorum, reads alone are served, to clients that asked for no more. */
  readOnly: boolean;
  status: ServerStatus;
  lastApplied: number;
  digest: string;
  uptimeMs: number;
  traffic: Traffic;
  reads: LatencyHistogram;
  writes: LatencyHistogram;
  outstanding: number;
  unsentBytes: number;
  connectionCount: number;
  /** Connections that a bound refused, and that were closed with a reason, since the start. */
  refused: number;
  closed: number;
  nodes: number;
  ephemerals: number;
  sessions: number;
  dataBytes: number;
  watches: number;
}

/** What only the program knows that the front is part of. */
export interface OperatorView {
  /** `key=value` lines of the configuration in force. */
  configuration(): string;
  /** Sizes on disk, bytes. */
  diskBytes(): { snapshots: number; logs: number };
  /** One line for the server's log. */
  log(line: string): void;
}

/** leader, follower, observer, read-only or looking, as ZooKeeper's tools know them. */
export function modeOf({ status, readOnly }: Pick<ServerFacts, 'status' | 'readOnly'>): string {
  const { role } = status;
  if (readOnly) return 'read-only';
  const modes = { leading: 'leader', following: 'follower', observing: 'observer' } as const;
  return role === 'looking' ? role : modes[role];
}
