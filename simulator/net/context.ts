// What the sockets of one life of a process need beyond the common host interface: the machine whose
// ports they use, and a say in whether the process may end by itself.
import type { HostInterface, Scheduled } from '../host.ts';
import type { FailingOwner } from '../kernel.ts';
import type { Machine } from '../machine.ts';

export interface NetContext extends HostInterface {
  readonly machine: Machine;
  readonly owner: FailingOwner;
  /** As `schedule`, for what does not keep the process from ending. */
  scheduleUnref(delayNs: number, fn: () => void, kind?: string): Scheduled;
  /** Keeps the process from ending by itself until what it returns is called. */
  hold(): () => void;
  /** Writes a line of the trace. */
  note(kind: string, detail: string): void;
}
