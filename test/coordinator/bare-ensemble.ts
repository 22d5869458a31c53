// An ensemble of coordinators as an operator starts it: plain processes with a zoo.cfg each, all of
// whose ports a test can reach. For what the harness' clusters hide: peer ports, TLS, metrics.
import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundlePrograms } from '../../harness/bundle.ts';
import { nodeBinary } from '../../harness/clusters/bundle.ts';
import { coordinator } from '../../harness/systems/coordinator.ts';
import { fourLetterWord } from '../../harness/systems/coordinator-view.ts';
import { freePorts } from '../../wire/free-ports.testing.ts';
import { until } from './ensemble.ts';

const HOST = '127.0.0.1';
const PORTS = ['client', 'peer', 'election', 'secure', 'metrics'] as const;
const LOG_TAIL_CHARS = 4_000;

export type Ports = Record<(typeof PORTS)[number], number>;

export interface BareServer {
  sid: number;
  dir: string;
  dataDir: string;
  ports: Ports;
}

export interface BareOptions {
  size: number;
  /** Lines of zoo.cfg beside the ports and the servers. */
  lines?: (server: BareServer) => string[];
  /** participant or observer; default participant. */
  role?: (server: BareServer) => string;
  /** The servers that a server's file names; default all. */
  members?: (server: BareServer, all: readonly BareServer[]) => readonly BareServer[];
}

/** How a server is written in a zoo.cfg. */
export function memberLine({ sid, ports }: BareServer, role = 'participant'): string {
  return `server.${sid}=${HOST}:${ports.peer}:${ports.election}:${role}`;
}

export class BareEnsemble implements AsyncDisposable {
  readonly servers: readonly BareServer[];
  readonly #dir: string;
  readonly #program: string;
  readonly #options: BareOptions;
  readonly #children = new Map<number, ChildProcess>();
  /** Servers that ended although nobody asked, with how. */
  readonly ended: string[] = [];
  #closing = false;

  private constructor(dir: string, servers: BareServer[], program: string, options: BareOptions) {
    this.#dir = dir;
    this.servers = servers;
    this.#program = program;
    this.#options = options;
  }

  /** Writes every server's configuration; nothing is started yet. */
  static async create(options: BareOptions): Promise<BareEnsemble> {
    const dir = mkdtempSync(join(tmpdir(), 'chaos-bare-'));
    const ports = await freePorts(options.size * PORTS.length);
    const servers = Array.from({ length: options.size }, (_, at): BareServer => {
      const own = ports.slice(at * PORTS.length, (at + 1) * PORTS.length);
      const named = Object.fromEntries(PORTS.map((name, i) => [name, own[i]])) as Ports;
      const home = join(dir, `s${at + 1}`);
      return { sid: at + 1, dir: home, dataDir: join(home, 'data'), ports: named };
    });
    return new BareEnsemble(
      dir,
      servers,
      (await bundlePrograms(coordinator.programs)).coordinator ?? '',
      options,
    );
  }

  /** An ensemble that serves. */
  static async serving(options: BareOptions): Promise<BareEnsemble> {
    const ensemble = await BareEnsemble.create(options);
    try {
      for (const server of ensemble.servers) ensemble.start(server);
      await ensemble.ready();
      return ensemble;
    } catch (error) {
      await ensemble.close();
      throw error;
    }
  }

  start(server: BareServer): void {
    mkdirSync(server.dataDir, { recursive: true });
    const named = this.#options.members?.(server, this.servers) ?? this.servers;
    const members = named.map((each) => memberLine(each, this.#options.role?.(each)));
    const lines = [
      'tickTime=250',
      'initLimit=40',
      'syncLimit=20',
      '4lw.commands.whitelist=*',
      'maxClientCnxns=0',
      `dataDir=${server.dataDir}`,
      `clientPort=${server.ports.client}`,
      `clientPortAddress=${HOST}`,
      ...(this.servers.length > 1 ? members : []),
      ...(this.#options.lines?.(server) ?? []),
    ];
    writeFileSync(join(server.dir, 'zoo.cfg'), `${lines.join('\n')}\n`);
    const log = openSync(join(server.dir, 'log'), 'a');
    const args = [this.#program, '--config', join(server.dir, 'zoo.cfg'), '--myid'];
    const child = spawn(nodeBinary(), [...args, String(server.sid)], {
      cwd: server.dir,
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    this.#children.set(server.sid, child);
    child.once('exit', (code, signal) => {
      this.#children.delete(server.sid);
      if (!this.#closing) {
        this.ended.push(`server ${server.sid} ended (${signal ?? code}): ${this.log(server)}`);
      }
    });
  }

  /** Waits until these (default all) serve under one leader. */
  async ready(servers: readonly BareServer[] = this.servers): Promise<void> {
    const states = () => {
      this.failIfEnded();
      return Promise.all(servers.map((server) => this.state(server)));
    };
    const wanted = (all: string[]) =>
      all.filter((state) => state === 'leader').length === 1 &&
      all.every((state) => ['leader', 'follower', 'observer'].includes(state));
    await until('all servers serve', states, wanted);
  }

  /** leader, follower, or why neither. */
  async state(server: BareServer): Promise<string> {
    return (await this.figures(server)).get('server_state') ?? 'not serving';
  }

  async leader(): Promise<BareServer> {
    for (const server of this.servers) {
      if ((await this.state(server)) === 'leader') return server;
    }
    throw new Error('expected a leader, found none');
  }

  word(server: BareServer, word: string): Promise<string> {
    return fourLetterWord({ host: HOST, port: server.ports.client }, word);
  }

  /** What mntr says, without its prefix; empty when there is no answer. */
  async figures(server: BareServer): Promise<Map<string, string>> {
    const text = await this.word(server, 'mntr').catch(() => '');
    const rows = text.split('\n').map((line) => line.split('\t'));
    return new Map(rows.map(([name, value]) => [(name ?? '').replace('zk_', ''), value ?? '']));
  }

  get connectString(): string {
    return this.servers.map(({ ports }) => `${HOST}:${ports.client}`).join(',');
  }

  /** The end of a server's log. */
  log(server: BareServer): string {
    return readFileSync(join(server.dir, 'log'), 'utf8').slice(-LOG_TAIL_CHARS);
  }

  failIfEnded(): void {
    if (this.ended.length > 0) throw new Error(this.ended.join('\n'));
  }

  /** SIGKILL; resolves when it is gone. */
  async kill(server: BareServer, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#children.get(server.sid);
    if (child === undefined) return;
    child.removeAllListeners('exit');
    this.#children.delete(server.sid);
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await gone;
  }

  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.servers.map((server) => this.kill(server)));
    rmSync(this.#dir, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
