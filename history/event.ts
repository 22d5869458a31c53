// The line format of `history.jsonl`: what one process did or saw, and when. Everything that judges
// or draws a run starts from these, so the format is plain data and says nothing of any system.

/** Who acted: a client process by number, the nemesis, or the harness itself (phases). */
export type ProcessId = number | 'nemesis' | 'harness';

/** ok = it happened, fail = it certainly did not, info = nobody knows. */
export type EventType = 'invoke' | 'ok' | 'fail' | 'info';

/** One line of `history.jsonl`. Times are integer nanoseconds since the start of the run. */
export interface Event {
  /** Position in the history, from 0, without gaps. */
  index: number;
  time: number;
  /** When an open-loop schedule wanted it sent (invocations of clients only). */
  due?: number;
  process: ProcessId;
  type: EventType;
  /** What was done: `read`, `write`, `cas`, …; `inject`, `heal` (nemesis); `phase` (harness). */
  f: string;
  /** The independent object concerned (a register's path, a partition). */
  key?: string;
  value?: unknown;
  /** The node spoken to. */
  node?: string;
  /** Why it failed or is unknown: an error's name, then details after a colon. */
  error?: string;
  /** zxid of the reply's header. */
  zxid?: number;
  /** zxid of the last change of the node read or written, from its Stat. */
  mzxid?: number;
  /** Data version from the Stat. */
  version?: number;
  /** For a read that is sync + get: zxid of the sync's reply. */
  syncZxid?: number;
  /** Session the operation ran in, as hexadecimal. */
  session?: string;
  /** Which connection of its client the reply came by, from 1. */
  connection?: number;
  /** The number that the request had in its session, where its outcome is unknown. */
  cxid?: number;
  /** Watch notifications that came before this operation's reply and after the one before it. */
  heard?: Heard[];
  offset?: number;
  leaderEpoch?: number;
}

/** A watch notification as a client got it, in the order of the wire. */
export interface Heard {
  type: 'created' | 'deleted' | 'dataChanged' | 'childrenChanged';
  path: string;
  /** Which connection of its session it came by. */
  connection: number;
}

/** The phases of a run, in order; recorded as `info` events of process `harness`, f `phase`. */
export type Phase = 'boot' | 'setup' | 'warmup' | 'faults' | 'heal' | 'final' | 'done';

export const PHASES: readonly Phase[] = [
  'boot',
  'setup',
  'warmup',
  'faults',
  'heal',
  'final',
  'done',
];
