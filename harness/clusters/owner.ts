// Says which process a container or a child belongs to, so that what a dead harness left behind is
// told from what a living one uses. A pid alone is reused; a pid with its start time is not.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** A process by pid and start time, the latter in the words of the operating system. */
export interface ProcessStamp {
  pid: number;
  started: string;
}

/** The fields of /proc/<pid>/stat after the command's name, which may itself hold spaces. */
function linuxStat(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

function query(command: string, args: string[]): string | undefined {
  try {
    const stdio: ['ignore', 'pipe', 'ignore'] = ['ignore', 'pipe', 'ignore'];
    return execFileSync(command, args, { encoding: 'utf8', stdio }).trim() || undefined;
  } catch {
    return undefined;
  }
}

/** When a process started, or undefined if there is none of that pid (a zombie counts as none). */
export function startTime(pid: number): string | undefined {
  if (process.platform === 'linux') {
    const stat = linuxStat(pid);
    return stat === undefined || stat[0] === 'Z' || stat[0] === 'X' ? undefined : stat[19];
  }
  if (process.platform === 'win32') {
    const script = `(Get-Process -Id ${pid}).StartTime.ToFileTimeUtc()`;
    return query('powershell', ['-NoProfile', '-Command', script]);
  }
  return query('ps', ['-p', String(pid), '-o', 'lstart='])?.replaceAll(/\s+/g, ' ');
}

/** The scheduler's letter for a process (`R`, `S`, `T`, `D` …), or undefined if it is gone. */
export function processLetter(pid: number): string | undefined {
  if (process.platform === 'linux') return linuxStat(pid)?.[0];
  if (process.platform === 'win32') return startTime(pid) === undefined ? undefined : 'R';
  return query('ps', ['-p', String(pid), '-o', 'state='])?.[0];
}

/** A process of a group, and the scheduler's letter for it. */
export interface GroupMember extends ProcessStamp {
  letter: string;
}

/** The processes of a group (as `kill(-group)` reaches them), zombies left out. Linux only, else none. */
export function groupMembers(group: number): GroupMember[] {
  if (process.platform !== 'linux') return [];
  const members: GroupMember[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const { 0: letter = 'X', 2: itsGroup, 19: started = '' } = linuxStat(pid) ?? [];
    if (Number(itsGroup) === group && letter !== 'Z' && letter !== 'X')
      members.push({ pid, started, letter });
  }
  return members;
}

/**
 * Whether a process was started with `entry` (`NAME=value`) in its environment. False where the operating
 * system does not show it: for another user's process, one that is gone, and outside Linux.
 */
export function environmentHas(pid: number, entry: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(entry);
  } catch {
    return false;
  }
}

/** Stamps a process that is known to run. Throws if it is already gone. */
export function stampOf(pid: number): ProcessStamp {
  const started = startTime(pid);
  if (started === undefined) throw new Error(`expected process ${pid} to be running, it is gone`);
  return { pid, started };
}

/** Whether the stamped process still exists (a stopped one does, a zombie does not). */
export function isAlive(stamp: ProcessStamp): boolean {
  return startTime(stamp.pid) === stamp.started;
}

/** The stamp as one word, for labels: `<pid>:<start time>`. */
export function formatStamp(stamp: ProcessStamp): string {
  return `${stamp.pid}:${stamp.started}`;
}

/** Reads what formatStamp wrote; undefined if it is something else. */
export function parseStamp(text: string | undefined): ProcessStamp | undefined {
  const match = /^(\d+):(.+)$/.exec(text ?? '');
  return match === null ? undefined : { pid: Number(match[1]), started: match[2] as string };
}

/** Names the space in which this process' pid means something: the host and its pid namespace. */
export function pidSpace(): string {
  let namespace = '';
  try {
    namespace = readlinkSync('/proc/self/ns/pid');
  } catch {
    // Only Linux has pid namespaces; elsewhere the host's name says it all.
  }
  return `${hostname()} ${namespace}`.trim();
}
