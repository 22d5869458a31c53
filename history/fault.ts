// Faults as plain data: what a nemesis asks for, what a history records, what a scenario replays.
// They name nodes, never containers or pids, so that the same fault means the same in every cluster.

/** The end of a link that is no node: where the harness' clients are, whichever node they speak with. */
export const CLIENTS = 'clients';

/** A one-way link between two nodes, or a node and its `CLIENTS`: packets `from` → `to`. */
export interface Link {
  from: string;
  to: string;
}

/** Nothing passes on the links; each stalls until healed. */
export interface CutFault {
  kind: 'cut';
  links: Link[];
}
/** SIGKILL; healing starts the node again on the disk it left. */
export interface KillFault {
  kind: 'kill';
  nodes: string[];
}
/** The process is stopped and keeps its sockets; healing continues it. */
export interface PauseFault {
  kind: 'pause';
  nodes: string[];
}
/** Every packet on the links is late by `delayMs` ± `jitterMs`. */
export interface SlowFault {
  kind: 'slow';
  links: Link[];
  delayMs: number;
  jitterMs: number;
}
/** Each packet on the links is lost with `probability` (0 to 1). */
export interface LoseFault {
  kind: 'lose';
  links: Link[];
  probability: number;
}
/** At most `bytesPerSecond` on each link. */
export interface ThrottleFault {
  kind: 'throttle';
  links: Link[];
  bytesPerSecond: number;
}
/** The nodes' wall clocks jump by `offsetMs`; then both their clocks run at `rate` (1 is true time). */
export interface SkewFault {
  kind: 'skew';
  nodes: string[];
  offsetMs: number;
  rate: number;
}
/**
 * What a disk does to its node. `power-loss`: the node dies, and of what was not synced a random part is
 * gone, the last write torn perhaps; healing starts it. All others strike the node's data directory while
 * they last, and healing starts the node again if it gave up because of them. `eio`: reads, writes, syncs
 * and changes of names fail. `enospc`: writes and new files fail. `slow-fsync`: every sync takes `delayMs`
 * longer. `rotten-read`, `misdirected-read`: what is read has flipped bits or is another part of the file,
 * while the disk keeps the right bytes; the node is started again under it, since that is when it reads.
 */
export const DISK_EFFECTS = [
  'power-loss',
  'eio',
  'enospc',
  'slow-fsync',
  'rotten-read',
  'misdirected-read',
] as const;

export type DiskEffect = (typeof DISK_EFFECTS)[number];

/** Disk damage on the nodes. */
export interface DiskFault {
  kind: 'disk';
  nodes: string[];
  effect: DiskEffect;
  /** Share of the operations that are struck, 0 to 1; all when left out. Not for power-loss. */
  probability?: number;
  /** Only this one of the operations from now on, from 1. Not for power-loss. */
  nth?: number;
  /** slow-fsync only. */
  delayMs?: number;
}

/** The nodes die inside one of their next system calls, which does not return; healing starts them. */
export interface CrashFault {
  kind: 'crash';
  nodes: string[];
  /** Which matching call from now on, from 1. */
  call: number;
  /** Only calls whose name starts so: `fs.`, `fs.fdatasync`, `net.`. */
  match: string;
  /** `power` also loses what the disk had not synced. */
  how: 'kill' | 'power';
}

export type Fault =
  | CutFault
  | KillFault
  | PauseFault
  | SlowFault
  | LoseFault
  | ThrottleFault
  | SkewFault
  | DiskFault
  | CrashFault;

export type FaultKind = Fault['kind'];

/** What a cluster may be able to do: a kind of fault, and of disk faults each effect by itself. */
export type Capability = Exclude<FaultKind, 'disk'> | `disk:${DiskEffect}`;

/** The capability that a fault needs. */
export function capabilityOf(fault: Fault): Capability {
  return fault.kind === 'disk' ? `disk:${fault.effect}` : fault.kind;
}

/** Independent evidence that a fault or its heal took effect. */
export interface Verification {
  verified: boolean;
  /** One line a person can read: which probes failed and worked, counters, process states. */
  evidence: string;
}

/** A fault's life, as the nemesis' events in the history tell it. Times in ns since run start. */
export interface FaultRecord {
  id: number;
  fault: Fault;
  /** When the injection began and when it was in place. */
  injectStart: number;
  injected: number;
  injection: Verification;
  /** When the heal began and when it was complete; absent if it never was. */
  healStart?: number;
  healed?: number;
  heal?: Verification;
}

/** All nodes a fault touches; clients are none. */
export function faultNodes(fault: Fault): string[] {
  if ('nodes' in fault) return [...fault.nodes];
  const ends = fault.links.flatMap((l) => [l.from, l.to]);
  return [...new Set(ends)].filter((end) => end !== CLIENTS);
}

/** Whether clients are at one end of a link. */
export function isClientLink({ from, to }: Link): boolean {
  return from === CLIENTS || to === CLIENTS;
}

/** Links in both directions between every node of `a` and every node of `b`. */
export function linksBetween(a: readonly string[], b: readonly string[]): Link[] {
  return a.flatMap((x) =>
    b.flatMap((y) => [
      { from: x, to: y },
      { from: y, to: x },
    ]),
  );
}

/** A short name for tables: `cut n1-n2 n1→n3`, `cut n1→clients`, `kill n2`. */
export function describeFault(fault: Fault): string {
  if ('nodes' in fault) {
    const effect = fault.kind === 'disk' ? ` ${fault.effect}` : '';
    return `${fault.kind}${effect} ${fault.nodes.join(' ')}`;
  }
  const has = new Set(fault.links.map((l) => `${l.from}>${l.to}`));
  const ends = [...faultNodes(fault).sort(), CLIENTS];
  const parts: string[] = [];
  for (const [i, a] of ends.entries()) {
    for (const b of ends.slice(i + 1)) {
      const there = has.has(`${a}>${b}`);
      const back = has.has(`${b}>${a}`);
      if (there && back) parts.push(`${a}-${b}`);
      else if (there) parts.push(`${a}→${b}`);
      else if (back) parts.push(`${b}→${a}`);
    }
  }
  return `${fault.kind} ${parts.join(' ')}`;
}
