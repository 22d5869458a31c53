// A coordinator and brokers as processes on loopback, for tests with clients that nobody here wrote. Each is its
// real program with a real configuration and disk; a test may kill one and start it again.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { BrokerClient } from '../../broker/client/index.ts';
import { freePorts } from '../../wire/free-ports.testing.ts';
import { until } from '../coordinator/ensemble.ts';

const METADATA_TIMEOUT_MS = 20_000;
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export class BrokerProcesses {
  readonly dir = mkdtempSync(path.join(tmpdir(), 'chaos-brokers-'));
  readonly #settings: Readonly<Record<string, string>>;
  readonly #processes = new Map<string, ChildProcess>();
  readonly #ports = new Map<number, { internal: number; external: number }>();
  readonly #outputs = new Map<string, string>();
  readonly #incarnations = new Map<string, number>();
  readonly #coordinator: Readonly<Record<string, string>>;
  #coordinatorPort = 0;

  /** With settings of the brokers and of the coordinator beside those that these tests share. */
  constructor(
    settings: Readonly<Record<string, string>> = {},
    coordinator: Readonly<Record<string, string>> = {},
  ) {
    this.#settings = settings;
    this.#coordinator = coordinator;
  }

  /** Starts a coordinator of one and `count` brokers, and waits until all of them serve and know each other. */
  async start(count = 3): Promise<this> {
    const [coordinator, ...ports] = await freePorts(1 + 2 * count);
    this.#coordinatorPort = coordinator as number;
    for (let id = 1; id <= count; id++) {
      const internal = ports[2 * id - 2] as number;
      this.#ports.set(id, { internal, external: ports[2 * id - 1] as number });
    }
    const config = this.#write('coordinator', [
      'tickTime=500',
      `dataDir=${path.join(this.dir, 'coordinator-data')}`,
      `clientPort=${coordinator}`,
      'clientPortAddress=127.0.0.1',
      ...Object.entries(this.#coordinator).map(([name, value]) => `${name}=${value}`),
    ]);
    await this.#run('coordinator', ['coordinator/server/main.ts', '--config', config], /listens/);
    const ids = [...this.#ports.keys()];
    await Promise.all(ids.map((id) => this.startBroker(id)));
    await Promise.all(ids.map((id) => this.#knowsAll(id)));
    return this;
  }

  /** Waits until a broker tells its clients of all brokers and of a controller among them. */
  async #knowsAll(id: number): Promise<void> {
    const { external } = this.portsOf(id);
    const bootstrap = [{ host: '127.0.0.1', port: external }];
    const client = new BrokerClient({ bootstrap, clientId: 'starting' });
    try {
      await until(
        `broker ${id} knows all brokers and the controller`,
        async () => {
          const { brokers, controller } = await client.metadata([], METADATA_TIMEOUT_MS);
          return { brokers: [...brokers.keys()], controller };
        },
        ({ brokers, controller }) =>
          brokers.length === this.#ports.size && brokers.includes(controller),
      );
    } finally {
      client.close();
    }
  }

  /** `host:port` of every broker, for clients. */
  get addresses(): string[] {
    return [...this.#ports.values()].map(({ external }) => `127.0.0.1:${external}`);
  }

  /** Starts a broker and waits until it serves. */
  async startBroker(id: number): Promise<void> {
    const { internal, external } = this.#ports.get(id) as { internal: number; external: number };
    // Brokers call each other by another name than clients do, so that a client that is told the wrong one fails.
    const listeners = `INTERNAL://127.0.0.1:${internal},EXTERNAL://127.0.0.1:${external}`;
    const settings = {
      'broker.id': String(id),
      listeners,
      'advertised.listeners': listeners.replace('127.0.0.1', 'localhost'),
      'inter.broker.listener.name': 'INTERNAL',
      'zookeeper.connect': `127.0.0.1:${this.#coordinatorPort}`,
      // Not so short that a busy disk or machine alone takes a leader from its partitions.
      'zookeeper.session.timeout.ms': '4000',
      'log.dirs': path.join(this.dir, `broker-${id}-data`),
      'offsets.topic.num.partitions': '4',
      'group.initial.rebalance.delay.ms': '100',
      'group.min.session.timeout.ms': '1000',
      'replica.lag.time.max.ms': '10000',
      ...this.#settings,
    };
    const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
    const name = `broker-${id}`;
    const config = this.#write(name, lines);
    const incarnation = (this.#incarnations.get(name) ?? 0) + 1;
    this.#incarnations.set(name, incarnation);
    const events = ['--events', this.#eventFile(id), '--event-level', 'all'];
    await this.#run(
      name,
      [
        'broker/server/main.ts',
        '--config',
        config,
        ...events,
        '--incarnation',
        String(incarnation),
      ],
      /listens on/,
    );
  }

  /** Where a broker keeps the log of a partition. */
  logDirOf(id: number, topic: string, partition: number): string {
    return path.join(this.dir, `broker-${id}-data`, `${topic}-${partition}`);
  }

  #eventFile(id: number): string {
    return path.join(this.dir, `broker-${id}-events.jsonl`);
  }

  /** What a broker said of its doing, in all its lives. */
  eventsOf(id: number): ({ ev: string } & Record<string, unknown>)[] {
    const lines = readFileSync(this.#eventFile(id), 'utf8').split('\n');
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line));
  }

  #write(name: string, lines: readonly string[]): string {
    const file = path.join(this.dir, `${name}.properties`);
    mkdirSync(this.dir, { recursive: true });
    writeFileSync(file, lines.join('\n'));
    return file;
  }

  #run(name: string, args: readonly string[], ready: RegExp): Promise<void> {
    const child = spawn(process.execPath, args, {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#processes.set(name, child);
    let said = '';
    return new Promise((resolve, reject) => {
      const hear = (chunk: Buffer): void => {
        said += chunk.toString();
        this.#outputs.set(name, said);
        if (ready.test(said)) resolve();
      };
      child.stdout?.on('data', hear);
      child.stderr?.on('data', hear);
      child.once('exit', (code) => {
        reject(new Error(`${name} ended with ${code} before it was ready: ${said}`));
      });
    });
  }

  /** Ports of a broker: for clients, and for the other brokers. */
  portsOf(id: number): { readonly internal: number; readonly external: number } {
    const ports = this.#ports.get(id);
    if (ports === undefined)
      throw new Error(`expected one of brokers ${[...this.#ports.keys()].join(', ')}, got ${id}`);
    return ports;
  }

  /** The process of a broker that runs. Throws where it has ended. */
  pidOf(id: number): number {
    const child = this.#processes.get(`broker-${id}`);
    const ended = child === undefined || child.exitCode !== null || child.signalCode !== null;
    if (ended || child.pid === undefined)
      throw new Error(`broker ${id} has ended: ${this.outputOf(id).slice(-4_000)}`);
    return child.pid;
  }

  /** What a process wrote to its output. */
  outputOf(id: number): string {
    return this.#outputs.get(`broker-${id}`) ?? '';
  }

  /** Ends a broker and waits until it is gone; resolves with its exit code, null after a signal. */
  async end(id: number, signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
    return this.#end(`broker-${id}`, signal);
  }

  async #end(name: string, signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
    const child = this.#processes.get(name);
    this.#processes.delete(name);
    if (child === undefined) return null;
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    child.kill(signal);
    const [code] = (await once(child, 'exit')) as [number | null];
    return code;
  }

  /** Ends everything and removes its files. */
  async stop(): Promise<void> {
    const names = [...this.#processes.keys()];
    await Promise.all(names.map((name) => this.#end(name, 'SIGKILL')));
    rmSync(this.dir, { recursive: true, force: true });
  }
}
