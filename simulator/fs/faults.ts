// Faults of a simulated disk as plain data, and the decision whether one strikes a given operation.
// Plain data, because a schedule of faults is stored in a run, replayed and shrunk.
import type { RandomStream } from '../host.ts';

/** What an operation does to the disk, as a fault may choose its victims. */
export type DiskOperation = 'read' | 'write' | 'fsync' | 'metadata';

/** Which operations a fault strikes; what is left out does not narrow it. */
export interface FaultAim {
  /**
   * Absolute paths; one that ends in `/` means everything beneath it, and `*` any text. A renamed
   * open file keeps the path under which it was opened.
   */
  readonly paths?: readonly string[];
  /** Of each operation that the rest matches, in [0, 1]; 1 when left out. */
  readonly probability?: number;
  /** Only the nth matching operation from now on, counted from 1. */
  readonly nth?: number;
  /** How often it strikes before it is used up; without limit when left out. */
  readonly times?: number;
}

export type DiskFault = FaultAim &
  (
    | {
        /** The operation fails with EIO. A write has no effect, an fsync some, as in Linux. */
        readonly kind: 'eio';
        /** Reads, writes and fsyncs when left out. */
        readonly operations?: readonly DiskOperation[];
      }
    /** Writes and creations fail with ENOSPC. */
    | { readonly kind: 'enospc' }
    /** Asynchronous fsyncs take that much longer; a synchronous call takes no virtual time. */
    | { readonly kind: 'slow-fsync'; readonly delayMs: number }
    /** A sector that is read has lost a bit, for good. Only what is on the platter can rot. */
    | { readonly kind: 'bit-rot' }
    /** A sector that is read comes with a flipped bit; the disk keeps the right one. */
    | { readonly kind: 'rotten-read' }
    /** A read brings another part of the same file. The file is not changed. */
    | { readonly kind: 'misdirected-read' }
  );

export type DiskFaultKind = DiskFault['kind'];

const KINDS: Record<DiskFaultKind, readonly DiskOperation[]> = {
  eio: ['read', 'write', 'fsync'],
  enospc: ['write', 'metadata'],
  'slow-fsync': ['fsync'],
  'bit-rot': ['read'],
  'rotten-read': ['read'],
  'misdirected-read': ['read'],
};

interface ActiveFault {
  readonly fault: DiskFault;
  readonly patterns: readonly RegExp[] | null;
  matched: number;
  struck: number;
}

export class DiskFaults {
  readonly #active = new Set<ActiveFault>();

  /** Puts a fault in force and returns what heals it. Throws when its data make no sense. */
  add(fault: DiskFault): () => void {
    validate(fault);
    const patterns = fault.paths?.map(pathPattern) ?? null;
    const active: ActiveFault = { fault, patterns, matched: 0, struck: 0 };
    this.#active.add(active);
    return () => this.#active.delete(active);
  }

  clear(): void {
    this.#active.clear();
  }

  /** What is in force and how often it struck: the proof that a fault took effect. */
  report(): { fault: DiskFault; matched: number; struck: number }[] {
    return [...this.#active].map(({ fault, matched, struck }) => ({ fault, matched, struck }));
  }

  /** The first fault of a kind that strikes this operation, if any does. */
  strike<K extends DiskFaultKind>(
    kind: K,
    operation: DiskOperation,
    path: string,
    random: RandomStream,
  ): Extract<DiskFault, { kind: K }> | null {
    for (const active of this.#active) {
      const { fault } = active;
      if (fault.kind !== kind || !this.#matches(active, operation, path)) continue;
      active.matched++;
      if (fault.nth !== undefined && active.matched !== fault.nth) continue;
      if (fault.probability !== undefined && random.float() >= fault.probability) continue;
      active.struck++;
      return fault as Extract<DiskFault, { kind: K }>;
    }
    return null;
  }

  /** Whether a fault of the kind is in force at all: spares the hot path the search. */
  has(kind: DiskFaultKind): boolean {
    for (const { fault } of this.#active) if (fault.kind === kind) return true;
    return false;
  }

  #matches({ fault, patterns, struck }: ActiveFault, operation: DiskOperation, path: string) {
    const chosen = fault.kind === 'eio' ? fault.operations : undefined;
    if (!(chosen ?? KINDS[fault.kind]).includes(operation)) return false;
    if (fault.times !== undefined && struck >= fault.times) return false;
    return patterns === null || patterns.some((pattern) => pattern.test(path));
  }
}

function pathPattern(path: string): RegExp {
  const literal = path.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
  return new RegExp(path.endsWith('/') ? `^${literal}` : `^${literal}$`, 's');
}

function validate(fault: DiskFault): void {
  if (!(fault.kind in KINDS)) {
    throw new Error(
      `unknown disk fault '${String(fault.kind)}': known are ${Object.keys(KINDS).join(', ')}`,
    );
  }
  const { probability, nth, times } = fault;
  if (probability !== undefined && !(probability >= 0 && probability <= 1)) {
    throw new Error(`probability of '${fault.kind}' is ${probability}, expected 0 to 1`);
  }
  for (const [name, count] of Object.entries({ nth, times })) {
    if (count !== undefined && !(Number.isInteger(count) && count >= 1)) {
      throw new Error(`${name} of '${fault.kind}' is ${count}, expected a whole number from 1`);
    }
  }
  if (fault.kind === 'slow-fsync' && !(fault.delayMs >= 0)) {
    throw new Error(`delayMs of 'slow-fsync' is ${fault.delayMs}, expected 0 or more`);
  }
}
