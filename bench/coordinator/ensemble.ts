// Three servers on loopback, ours or Debian's ZooKeeper, started alike and measured alike: same ports'
// layout, same disk, data directories of their own, ended by their pids.
import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundle } from '../../harness/bundle.ts';
import { nodeBinary } from '../../harness/clusters/bundle.ts';
import { fourLetterWord } from '../../harness/systems/coordinator-view.ts';

export type Side = 'ours' | 'zookeeper';

const JAVA_JARS = '/usr/share/java';
const READY_MS_MAX = 60_000;
const SIZE = 3;

/** The command that starts one server. */
export type Launch = (configFile: string, dir: string) => [string, string[]];

/** ZooKeeper's jars, as Debian's package starts it. Throws with what to install. */
function zookeeper(): Launch {
  const jar = join(JAVA_JARS, 'zookeeper.jar');
  if (!existsSync(jar)) throw new Error('no ZooKeeper here: apt-get install zookeeper');
  const environment = readFileSync('/etc/zookeeper/conf/environment', 'utf8');
  const classpath = /^CLASSPATH="(.*)"$/m.exec(environment)?.[1];
  if (classpath === undefined) throw new Error('no CLASSPATH in /etc/zookeeper/conf/environment');
  const main = 'org.apache.zookeeper.server.quorum.QuorumPeerMain';
  return (config) => ['java', ['-Xmx1000m', '-cp', classpath, main, config]];
}

async function ours(): Promise<Launch> {
  const program = await bundle({ entry: 'coordinator/server/main.ts', name: 'bench-coordinator' });
  // As the operator's guide has it.
  return (config) => [nodeBinary(), ['--max-semi-space-size=8', program, '--config', config]];
}

export class Ensemble {
  readonly side: Side;
  readonly ports: number[];
  readonly #launch: Launch;
  readonly #folder: string;
  readonly #children: (ChildProcess | undefined)[] = [];
  #ended: ((error: Error) => void) | undefined;

  private constructor(side: Side, launch: Launch, base: number) {
    this.side = side;
    this.#launch = launch;
    this.#folder = mkdtempSync(join(process.env.CHAOS_BENCH_DIR ?? tmpdir(), `bench-${side}-`));
    this.ports = Array.from({ length: SIZE }, (_, i) => base + i);
    const servers = this.ports.map(
      (port, i) => `server.${i + 1}=127.0.0.1:${port + 100}:${port + 200}`,
    );
    for (let i = 0; i < SIZE; i++) {
      const dir = join(this.#folder, `n${i + 1}`);
      mkdirSync(join(dir, 'data'), { recursive: true });
      writeFileSync(join(dir, 'data', 'myid'), `${i + 1}\n`);
      const lines = [
        'tickTime=2000',
        'initLimit=10',
        'syncLimit=5',
        `dataDir=${join(dir, 'data')}`,
        `clientPort=${this.ports[i]}`,
        ...(side === 'zookeeper' ? ['4lw.commands.whitelist=*', 'admin.enableServer=false'] : []),
        ...servers,
      ];
      writeFileSync(join(dir, 'zoo.cfg'), `${lines.join('\n')}\n`);
    }
  }

  /** `base`: first of the client ports; 100 and 200 above it lie the servers' own. */
  static async create(side: Side, base: number): Promise<Ensemble> {
    return new Ensemble(side, side === 'ours' ? await ours() : zookeeper(), base);
  }

  start(i: number): void {
    const dir = join(this.#folder, `n${i + 1}`);
    const [command, args] = this.#launch(join(dir, 'zoo.cfg'), dir);
    const out = openSync(join(dir, 'log'), 'a');
    const child = spawn(command, args, { cwd: dir, stdio: ['ignore', out, out] });
    closeSync(out);
    this.#children[i] = child;
    child.once('exit', (code) => {
      if (code === null) return;
      const said = readFileSync(join(dir, 'log'), 'utf8').slice(-1_000);
      this.#ended?.(new Error(`server ${i + 1} of ${this.side} ended with ${code}: ${said}`));
    });
  }

  /** Rejects when a server ends by itself. */
  failure(): Promise<never> {
    return new Promise((_resolve, reject) => {
      this.#ended = reject;
    });
  }

  startAll(): void {
    for (let i = 0; i < SIZE; i++) this.start(i);
  }

  pid(i: number): number {
    const pid = this.#children[i]?.pid;
    if (pid === undefined) throw new Error(`server ${i + 1} of ${this.side} never started`);
    return pid;
  }

  signal(i: number, signal: NodeJS.Signals): void {
    process.kill(this.pid(i), signal);
  }

  async #states(): Promise<string[]> {
    return Promise.all(
      this.ports.map(async (port) => {
        const said = await fourLetterWord({ host: '127.0.0.1', port }, 'srvr').catch(() => '');
        return /^Mode: (\w+)$/m.exec(said)?.[1] ?? 'down';
      }),
    );
  }

  /** Waits until one leads and the others follow. Rejects after a minute. */
  async ready(): Promise<void> {
    const deadline = performance.now() + READY_MS_MAX;
    for (;;) {
      const states = await this.#states();
      const serving = states.filter((s) => s === 'leader' || s === 'follower').length;
      if (serving === SIZE && states.includes('leader')) return;
      if (performance.now() > deadline) throw new Error(`${this.side}: ${states.join(', ')}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async leader(): Promise<number> {
    const at = (await this.#states()).indexOf('leader');
    if (at < 0) throw new Error(`${this.side} has no leader`);
    return at;
  }

  /** The epoch that the leader is in: it ascends with every election. */
  async epoch(): Promise<number> {
    const port = this.ports[await this.leader()] as number;
    const said = await fourLetterWord({ host: '127.0.0.1', port }, 'srvr');
    const zxid = /^Zxid: 0x([0-9a-f]+)$/m.exec(said)?.[1];
    if (zxid === undefined) throw new Error(`expected a zxid of ${this.side}, got: ${said}`);
    return Number(BigInt(`0x${zxid}`) >> 32n);
  }

  /** Resident memory of each server, MB. */
  residentMb(): number[] {
    return this.ports.map((_, i) => {
      const status = readFileSync(`/proc/${this.pid(i)}/status`, 'utf8');
      return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
    });
  }

  /** CPU seconds used so far by all servers. */
  cpuSeconds(): number {
    const ticks = this.ports.map((_, i) => {
      const stat = readFileSync(`/proc/${this.pid(i)}/stat`, 'utf8')
        .split(') ')[1]
        ?.split(' ');
      return Number(stat?.[11]) + Number(stat?.[12]);
    });
    return ticks.reduce((a, b) => a + b, 0) / 100;
  }

  async stop(): Promise<void> {
    for (const child of this.#children) {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) continue;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
