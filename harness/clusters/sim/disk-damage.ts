// Disk faults that stand for a while: what they strike, how often they did, and whether a server's end is
// what such a fault makes of an honest server, which stops and says why.
import type { DiskEffect, DiskFault } from '../../../history/fault.ts';
import type { SimulatedDisk } from '../../../simulator/fs/disk.ts';
import type { DiskFault as SimulatedFault } from '../../../simulator/fs/faults.ts';

/** Effects under which a server goes on, or stops with an error. */
export type Damage = Exclude<DiskEffect, 'power-loss'>;

const SLOW_FSYNC_MS = 100;

/** A server reads its disk when it starts: these faults start it again. */
const AT_START: ReadonlySet<DiskEffect> = new Set<DiskEffect>(['rotten-read', 'misdirected-read']);

/** A coordinator's words for a damaged file that it read, and a broker's. */
const DAMAGE_NAMED =
  /The server does not start on it|\bis corrupt at byte \d+: .* Nothing was changed/;

/**
 * What a server says when it stops because of the fault. One that ends without these words has met
 * something else, or hides what it met: neither is the fault's doing.
 */
const CLEAR_ERROR: Record<Damage, RegExp> = {
  eio: /\bEIO\b/,
  enospc: /\bENOSPC\b/,
  // Nothing fails for being late.
  'slow-fsync': /^(?!)/,
  'rotten-read': DAMAGE_NAMED,
  'misdirected-read': DAMAGE_NAMED,
};

/** Whether the nodes are started again when the fault is in place. */
export function strikesAtStart(effect: DiskEffect): boolean {
  return AT_START.has(effect);
}

/** The fault as the simulated disk knows it. */
function simulated(fault: DiskFault, effect: Damage, dir: string): SimulatedFault {
  const { probability = 1, nth } = fault;
  const aim = { paths: [dir], probability, ...(nth === undefined ? {} : { nth }) };
  switch (effect) {
    case 'eio':
      return { kind: effect, operations: ['read', 'write', 'fsync', 'metadata'], ...aim };
    case 'slow-fsync':
      return { kind: effect, delayMs: fault.delayMs ?? SLOW_FSYNC_MS, ...aim };
    default:
      return { kind: effect, ...aim };
  }
}

/** One fault on one node's disk. */
export class DiskDamage {
  readonly effect: Damage;
  readonly #disk: SimulatedDisk;
  readonly #fault: SimulatedFault;
  readonly #remove: () => void;

  /** Puts the fault in force on everything beneath `dir`, an absolute path that ends in `/`. */
  constructor(disk: SimulatedDisk, fault: DiskFault, effect: Damage, dir: string) {
    this.effect = effect;
    this.#disk = disk;
    this.#fault = simulated(fault, effect, dir);
    this.#remove = disk.setFault(this.#fault);
  }

  /** What the disk itself has counted; undefined when the fault is not in force. */
  get counts(): { matched: number; struck: number } | undefined {
    return this.#disk.faultReport().find(({ fault }) => fault === this.#fault);
  }

  /** Whether a server that ended with this code after these words did so because of the fault. */
  explains(code: number | null, said: readonly string[]): boolean {
    if (code === null || code === 0 || (this.counts?.struck ?? 0) === 0) return false;
    return said.some((line) => CLEAR_ERROR[this.effect].test(line));
  }

  remove(): void {
    this.#remove();
  }
}
