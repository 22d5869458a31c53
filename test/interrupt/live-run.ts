// A `chaos` command as a process of its own, for tests that interrupt or kill it, and what the machine
// still holds of it. A run is told from others by its owner's stamp and by its folder in the store.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import Docker from 'dockerode';
import type { RunJson } from '../../harness/cli/run-command.ts';
import type { Cluster } from '../../harness/cluster.ts';
import { formatStamp, stampOf } from '../../harness/clusters/owner.ts';
import { readHistory } from '../../harness/store.ts';

const CHAOS = fileURLToPath(new URL('../../harness/cli/bin.js', import.meta.url));
const UNTIL_MS = 90_000;
const POLL_MS = 20;

type Kind = Cluster['kind'];

/** Who runs the command; undefined: the user of the test. */
export interface User {
  uid: number;
  gid: number;
}

/** Polls until `look` gives something; throws with `what` and `otherwise` when nothing comes. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  otherwise: () => string = () => '',
): Promise<T> {
  const deadline = performance.now() + UNTIL_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) {
      throw new Error(`${what} did not come within ${UNTIL_MS} ms; ${otherwise()}`);
    }
    await delay(POLL_MS);
  }
}

/** How a command ended. */
export interface Ended {
  exit: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Runs a `chaos` command to its end, in `folder`. */
export async function chaos(folder: string, ...args: string[]): Promise<Ended> {
  return await new Command(folder, args).ended;
}

/** A command that runs. */
export class Command {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  stdout = '';
  stderr = '';

  constructor(folder: string, args: readonly string[], user?: User) {
    this.child = spawn(process.execPath, [CHAOS, ...args], { cwd: folder, ...user });
    this.child.stdout?.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()));
    this.child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.ended = new Promise((resolve, reject) => {
      this.child.once('error', reject);
      this.child.once('close', (exit, signal) =>
        resolve({ exit, signal, stdout: this.stdout, stderr: this.stderr }),
      );
    });
  }

  get over(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

/** What is left of a run: containers and networks by name, processes by pid and command line. */
export interface Remains {
  containers: string[];
  networks: string[];
  processes: string[];
}

export const NOTHING: Remains = { containers: [], networks: [], processes: [] };

/** A run on a real cluster, in a store of `<folder>/store`, under a name of its own. */
export class LiveRun extends Command {
  readonly kind: Kind;
  readonly folder: string;
  readonly owner: string;
  /** The run's name has a folder of its own in the store. */
  readonly #shelf: string;

  constructor(folder: string, kind: Kind, name: string, options: readonly string[], user?: User) {
    super(
      folder,
      ['run', '--json', '--system', 'coordinator', '--cluster', kind, '--name', name, ...options],
      user,
    );
    this.kind = kind;
    this.folder = folder;
    this.#shelf = join(folder, 'store', name);
    this.owner = formatStamp(stampOf(this.child.pid as number));
  }

  /** The run's folder, once it is there. */
  get dir(): string | undefined {
    if (!existsSync(this.#shelf)) return undefined;
    const [run] = readdirSync(this.#shelf);
    return run === undefined ? undefined : join(this.#shelf, run);
  }

  /** Waits for something of the run; throws at once when the run ends before. */
  async awaits<T>(
    what: string,
    look: () => T | undefined | false | Promise<T | undefined | false>,
  ) {
    const said = () => `${this.stderr}${this.stdout}`;
    return await until(
      what,
      async () => {
        const found = await look();
        if ((found === undefined || found === false) && this.over) {
          throw new Error(`the run ended before ${what}: ${said()}`);
        }
        return found;
      },
      said,
    );
  }

  /** Waits until the progress on stderr says that a phase has begun. */
  async reaches(phase: string): Promise<void> {
    const line = new RegExp(`^[0-9.]+ s ${phase}:`, 'm');
    await this.awaits(`phase ${phase}`, () => line.test(this.stderr));
  }

  /** Waits until a fault is in place, as the history on the disk tells. */
  async faultInPlace(): Promise<void> {
    await this.reaches('faults');
    await this.awaits('a fault', () => {
      const last = readHistory(join(this.dir as string, 'history.jsonl'))
        .filter(({ process }) => process === 'nemesis')
        .at(-1);
      return last?.f === 'inject' && last.type === 'ok';
    });
  }

  /** Waits until the first server runs, while the harness still boots. */
  async serverStarted(): Promise<void> {
    await this.awaits('a server', async () => {
      if (this.kind === 'local') return this.serverPids().length > 0;
      const { containers } = await this.remains();
      return containers.some((name) => /-n\d-\d$/.test(name));
    });
  }

  /** Pids of the servers that a local run has listed. */
  serverPids(): number[] {
    const file = join(this.dir ?? '', 'processes.json');
    if (!existsSync(file)) return [];
    const { processes } = JSON.parse(readFileSync(file, 'utf8')) as {
      processes: { pid: number }[];
    };
    return processes.map(({ pid }) => pid);
  }

  /** What the machine holds of this run just now. */
  async remains(): Promise<Remains> {
    const processes = processesNaming(this.#shelf);
    if (this.kind !== 'docker') return { ...NOTHING, processes };
    const docker = new Docker();
    const filters = { label: ['chaos=1', `chaos.owner=${this.owner}`] };
    const [containers, networks] = await Promise.all([
      docker.listContainers({ all: true, filters }),
      docker.listNetworks({ filters }),
    ]);
    return {
      containers: containers.map(({ Names, Id }) => Names[0] ?? Id),
      networks: networks.map(({ Name }) => Name),
      processes,
    };
  }

  /** Containers that hold the servers' networks. */
  async holders(): Promise<Docker.Container[]> {
    const docker = new Docker();
    const filters = { label: ['chaos.role=holder', `chaos.owner=${this.owner}`] };
    const found = await docker.listContainers({ filters });
    return found.map(({ Id }) => docker.getContainer(Id));
  }
}

/** Processes whose command line names something below a path: the servers of a local run do. */
function processesNaming(path: string): string[] {
  return commandLines().filter((line) => line.includes(`${path}/`));
}

/** `<pid> <command line>` of every process. */
function commandLines(): string[] {
  if (process.platform !== 'linux') {
    return execFileSync('ps', ['-A', '-ww', '-o', 'pid=,args='], { encoding: 'utf8' }).split('\n');
  }
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return `${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')}`;
      } catch {
        return ''; // It ended while we looked.
      }
    });
}

/** The object that a command printed last. Throws with what it said instead. */
export function lastObject({ stdout, stderr }: Ended): RunJson {
  const line = stdout.trimEnd().split('\n').at(-1) ?? '';
  if (!line.startsWith('{')) throw new Error(`expected an object at the end, got: ${stderr}`);
  return JSON.parse(line) as RunJson;
}

/** Files and folders below a folder that belong to somebody else. */
export function foreignFiles(folder: string, owner: User): string[] {
  const below = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return below.filter((name) => {
    const { uid, gid } = statSync(join(folder, name));
    return uid !== owner.uid || gid !== owner.gid;
  });
}
