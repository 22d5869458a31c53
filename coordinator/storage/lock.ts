// Keeps two servers off one data directory: each would cut the other's log. The lock is a file that
// names its holder so exactly that a dead one is always recognised, and never a living one taken
// for dead.
//
// Node has no flock. A socket in the directory would need the event loop before recovery, and paths
// longer than 107 bytes would not do. A pid alone is not enough: in a container every server is pid
// 1. So the file names boot, pid namespace, pid and start time, which together no two processes
// share. A holder of another boot or with another start time is dead. One of another pid namespace
// cannot be seen from here; it is taken for dead, because a container that was killed and made
// again must start. Two containers on one volume are therefore not told apart; their orchestrator
// has to. Where there is no /proc the pid alone decides, and a holder with our own pid is an
// earlier life of ours.
import fs from 'node:fs';
import path from 'node:path';

const NAME = 'server.lock';

/** Directories that this very process holds: it looks like its own earlier life otherwise. */
const held = new Set<string>();

interface Holder {
  pid: number;
  bootId: string;
  pidNamespace: string;
  /** Clock ticks from boot to the start of the process. */
  startTicks: string;
}

/** Another server holds the directory. */
export class DirectoryInUseError extends Error {
  override name = 'DirectoryInUseError';
}

/** What /proc says. */
function readText(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8').trim();
  } catch {
    // No /proc on this system, or no such process: an empty value matches nothing but another one.
    return '';
  }
}

/** The lock's text; empty when it is gone. A disk that cannot read it does not say that nobody holds it. */
function readLock(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

function pidNamespace(): string {
  try {
    return fs.readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}

/** State letter and start time of a process; empty when it is not there. */
function processFacts(pid: number | 'self'): { state: string; startTicks: string } {
  const stat = readText(`/proc/${pid}/stat`);
  // The name, in parentheses, may itself contain spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', startTicks: fields[19] ?? '' };
}

function self(): Holder {
  return {
    pid: process.pid,
    bootId: readText('/proc/sys/kernel/random/boot_id'),
    pidNamespace: pidNamespace(),
    startTicks: processFacts('self').startTicks,
  };
}

function parseHolder(text: string): Holder | null {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return null;
    const { pid, bootId, pidNamespace, startTicks } = value as Record<string, unknown>;
    if (typeof pid !== 'number' || typeof bootId !== 'string') return null;
    if (typeof pidNamespace !== 'string' || typeof startTicks !== 'string') return null;
    return { pid, bootId, pidNamespace, startTicks };
  } catch {
    // Torn by a crash while it was written: whoever wrote it is gone.
    return null;
  }
}

function isAlive(holder: Holder, us: Holder): boolean {
  if (holder.bootId !== us.bootId || holder.pidNamespace !== us.pidNamespace) return false;
  if (us.startTicks !== '') {
    const { state, startTicks } = processFacts(holder.pid);
    return startTicks === holder.startTicks && state !== 'Z' && state !== 'X';
  }
  if (holder.pid === us.pid) return false;
  try {
    process.kill(holder.pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Takes the directory for this process and returns what gives it back. Throws DirectoryInUseError
 * when another server that runs has it. A lock of a dead process is taken over.
 */
export function lockDirectory(dir: string): () => void {
  const real = fs.realpathSync(dir);
  const file = path.join(real, NAME);
  const us = self();
  for (;;) {
    try {
      if (held.has(real)) throw inUse(real, us.pid, file);
      fs.writeFileSync(file, JSON.stringify(us), { flag: 'wx' });
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const holder = parseHolder(readLock(file));
    if (holder !== null && isAlive(holder, us)) throw inUse(real, holder.pid, file);
    fs.rmSync(file, { force: true });
  }
  held.add(real);
  return () => {
    if (held.delete(real)) fs.rmSync(file, { force: true });
  };
}

function inUse(dir: string, pid: number, file: string): DirectoryInUseError {
  return new DirectoryInUseError(
    `${dir} is in use by the server with pid ${pid}: stop it, or give this server a dataDir of its ` +
      `own. If no such server runs, remove ${file}.`,
  );
}
