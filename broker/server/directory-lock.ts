// Refuses to open a log directory that another living process has open: two brokers on one directory would destroy
// each other's logs. Node cannot lock files, so the holder is named by what the kernel gives to one process only.
import fs from 'node:fs';
import path from 'node:path';
import { makeDirectoryOf } from '../../wire/durable-files.ts';

/** Kafka's name of it. */
export const LOCK_NAME = '.lock';
/** Places in /proc/PID/stat, counted from behind the name, which may contain anything. */
const STATE = 0;
const START_TIME = 19;
const ENDED_STATES = ['Z', 'X'];

/** A process for good: ids are given again, but not with the same start, boot and namespace. */
interface Holder {
  readonly pid: number;
  readonly startTime: string;
  readonly boot: string;
  readonly namespace: string;
}

/**
 * Takes the directory for this process, until it ends; makes it if need be. Where the kernel does not say
 * who lives (not Linux), nothing is refused. Throws when another living process has it, when it cannot be
 * made, and what the disk throws.
 */
export function lockDirectory(dir: string): void {
  makeDirectoryOf('log.dirs', dir);
  const self = holder();
  if (self === undefined) return;
  const file = path.join(dir, LOCK_NAME);
  const other = readHolder(file);
  if (other !== undefined && other.pid !== self.pid && lives(other, self)) {
    throw new Error(
      `the log directory ${dir} is in use by process ${other.pid}: expected to be the only one, ` +
        'stop that process or give this broker another log.dirs',
    );
  }
  // What a crash leaves of it, torn or old, names nobody that lives.
  fs.writeFileSync(file, `${JSON.stringify(self)}\n`);
}

function holder(): Holder | undefined {
  try {
    const stat = statOf(process.pid);
    if (stat === undefined) return undefined;
    return {
      pid: process.pid,
      startTime: stat[START_TIME] as string,
      boot: fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
      namespace: fs.readlinkSync('/proc/self/ns/pid'),
    };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    return undefined;
  }
}

/** What /proc says of a process from its state on; undefined: there is none, or no /proc. */
function statOf(pid: number): string[] | undefined {
  try {
    const text = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    return undefined;
  }
}

function lives(other: Holder, self: Holder): boolean {
  // Of another machine's processes, or another container's, nothing can be seen from here.
  if (other.boot !== self.boot || other.namespace !== self.namespace) return false;
  const stat = statOf(other.pid);
  if (stat === undefined || ENDED_STATES.includes(stat[STATE] as string)) return false;
  return stat[START_TIME] === other.startTime;
}

function readHolder(file: string): Holder | undefined {
  try {
    const said: unknown = JSON.parse(fs.readFileSync(file, 'utf8'));
    const { pid, startTime, boot, namespace } = Object(said) as Record<string, unknown>;
    if (typeof pid !== 'number' || !Number.isSafeInteger(pid)) return undefined;
    if (typeof startTime !== 'string' || typeof boot !== 'string') return undefined;
    return typeof namespace === 'string' ? { pid, startTime, boot, namespace } : undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof SyntaxError || code === 'ENOENT') return undefined;
    throw error;
  }
}
