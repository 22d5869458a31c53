// What a simulated module (net, fs, timers, dns …) gets from the kernel for one life of one process.
// Modules see the world through this alone, so that a dead process can touch nothing.

/** A deterministic stream of random numbers; each named stream is independent of all the others. */
export interface RandomStream {
  /** A number in [0, 1). */
  float(): number;
  /** An integer in [0, below); `below` from 1 to 2^32. */
  int(below: number): number;
  /** `size` random bytes. */
  bytes(size: number): Buffer;
}

/** An event that waits in the kernel's heap. */
export interface Scheduled {
  /** Takes it back; nothing happens when it has run already. */
  cancel(): void;
}

/** One life of one simulated process, as its modules see it. */
export interface HostInterface {
  /** The process's name; stays the same over restarts. */
  readonly processName: string;
  /** The name of the machine it runs on; the disk and the address belong to the machine. */
  readonly hostName: string;
  /** Virtual time in integer ns since the start of the simulation; never skewed. */
  nowNs(): number;
  /** The process's own wall clock (skewed as told) in integer ms since 1970: for file times. */
  wallMs(): number;
  /**
   * Runs `fn` as an event of this process after `delayNs` of virtual time (0 is allowed: a later
   * event at the same time). Dropped when the process dies, held back while it is paused. It keeps
   * the process from ending by itself as long as it waits. `kind` names it in the trace; '' leaves
   * it out, for an event that begins with a system call.
   */
  schedule(delayNs: number, fn: () => void, kind?: string): Scheduled;
  /** A stream named `<stream>` of this process, the same in every life ('disk', 'net' …). */
  random(stream: string): RandomStream;
  /**
   * To be called first in every simulated system call, synchronous ones included (`fs.writeSync`,
   * `net.connect`). Writes the trace, unless `detail` is null: for the part of a call of which the
   * trace tells already. Is a possible crash point.
   * @throws {ProcessDeath} when the process dies in this call or is dead already: let it pass.
   */
  syscall(name: string, detail?: string | null): void;
  /** False from the moment of death on; asynchronous work checks it before it takes effect. */
  readonly alive: boolean;
  /** Called once when this life ends, however it ends; for what the operating system would free. */
  onDeath(fn: () => void): void;
}

/**
 * Thrown out of a simulated call that does not return because its process has died. A program may
 * catch it, but nothing that it does afterwards has any effect: every further call throws it again.
 */
export class ProcessDeath extends Error {
  override readonly name = 'ProcessDeath';

  constructor(processName: string) {
    super(`the simulated process '${processName}' is dead: this call does not return`);
  }
}
