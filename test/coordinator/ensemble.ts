// An ensemble of coordinators as real processes, for tests: single servers are started and killed, and
// what they did is read from their own events. Waiting is always for something to become true.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type ClientOptions, CoordinatorClient } from '../../coordinator/client/index.ts';
import { bundlePrograms } from '../../harness/bundle.ts';
import { monotonicNs } from '../../harness/clock.ts';
import type { Cluster, ClusterDriver, InjectedFault } from '../../harness/cluster.ts';
import { localDriver } from '../../harness/clusters/local/driver.ts';
import { nodeNames } from '../../harness/config.ts';
import { readNodeLog } from '../../harness/node-logs.ts';
import { coordinator } from '../../harness/systems/coordinator.ts';
import { fourLetterWord } from '../../harness/systems/coordinator-view.ts';
import type { Fault } from '../../history/fault.ts';
import type { EventLevel, NodeEvent } from '../../history/node-event.ts';
import type { RunConfig } from '../../history/run-record.ts';

const UNTIL_MS = 30_000;
const POLL_MS = 15;
const LOG_TAIL_CHARS = 4_000;

/** All events of one name. */
export type EventOf<Name extends NodeEvent['ev']> = Extract<NodeEvent, { ev: Name }>;

export interface EnsembleOptions {
  size: number;
  /** Lines of zoo.cfg in place of the system's defaults. */
  systemOptions?: RunConfig['systemOptions'];
  eventLevel?: EventLevel;
  /** Default: local processes. */
  driver?: ClusterDriver;
}

/**
 * Calm timing for a busy machine: a server is given up after 3 s of silence, and a client may be away
 * for a minute. What dies is noticed at once all the same.
 */
export const PATIENT = {
  tickTime: 250,
  initLimit: 40,
  syncLimit: 12,
  heartbeatTimeout: 3_000,
  maxSessionTimeout: 60_000,
} as const;

/** Repeats a look until it is as wanted and returns it; throws with the last look after 30 s. */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  wanted: (seen: T) => boolean,
): Promise<T> {
  const deadline = performance.now() + UNTIL_MS;
  for (;;) {
    const seen = await look();
    if (wanted(seen)) return seen;
    if (performance.now() > deadline) {
      throw new Error(`${what}: not so after ${UNTIL_MS} ms; last seen: ${JSON.stringify(seen)}`);
    }
    await delay(POLL_MS);
  }
}

function configOf(options: EnsembleOptions, kind: string): RunConfig {
  return {
    name: 'test-coordinator',
    system: coordinator.name,
    workload: 'none',
    nemesis: 'none',
    cluster: kind,
    nodes: nodeNames(options.size),
    timeLimitMs: 0,
    ratePerSecond: 0,
    concurrency: 0,
    seed: 0,
    systemOptions: { ...coordinator.defaultOptions, ...options.systemOptions },
    workloadOptions: {},
    recoveryMsMax: 0,
    eventLevel: options.eventLevel ?? 'state',
  };
}

export class Ensemble implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly #runDir: string;
  readonly #clients = new Set<CoordinatorClient>();
  /** Servers that ended by themselves, with how. */
  readonly ended: string[] = [];

  constructor(cluster: Cluster, runDir: string) {
    this.cluster = cluster;
    this.#runDir = runDir;
    cluster.onUnexpectedExit((node, how) => {
      this.ended.push(`${node} ended by itself (${how}): ${this.#logTail(node)}`);
    });
  }

  /** Lays an ensemble out; no server is started yet. */
  static async create(options: EnsembleOptions): Promise<Ensemble> {
    const driver = options.driver ?? localDriver;
    const config = configOf(options, driver.kind);
    const runDir = await mkdtemp(join(tmpdir(), 'chaos-coordinator-'));
    const baseNs = monotonicNs();
    const cluster = await driver.create({
      runId: runDir.split('-').at(-1) ?? 'test',
      specs: coordinator.specs(config, await bundlePrograms(coordinator.programs)),
      runDir,
      launchArgs: (node, incarnation) => coordinator.launchArgs(node, incarnation, baseNs),
      log: () => undefined,
    });
    return new Ensemble(cluster, runDir);
  }

  /** An ensemble that serves: all servers started and ready. */
  static async serving(options: EnsembleOptions): Promise<Ensemble> {
    const ensemble = await Ensemble.create(options);
    try {
      await ensemble.startAll();
      return ensemble;
    } catch (error) {
      await ensemble.close();
      throw error;
    }
  }

  get nodes(): readonly string[] {
    return this.cluster.nodes;
  }

  start(...nodes: string[]): Promise<unknown> {
    return Promise.all(nodes.map((node) => this.cluster.start(node)));
  }

  /** Starts every server that is down and waits until all serve under one leader. */
  async startAll(): Promise<void> {
    await this.start(...this.nodes);
    await this.ready();
  }

  /** Waits until all servers serve under one leader. */
  async ready(): Promise<void> {
    const lookWhyNot = async () => {
      this.failIfEnded();
      return (await coordinator.notReady(this.cluster)) ?? '';
    };
    await until('all servers serve', lookWhyNot, (why) => why === '');
  }

  /** Throws if a server ended that nobody ended: what it said last is in the message. */
  failIfEnded(): void {
    if (this.ended.length > 0) throw new Error(this.ended.join('\n'));
  }

  /** SIGKILL, all of them at once; resolves when they are gone. */
  async kill(...nodes: string[]): Promise<void> {
    await this.inject({ kind: 'kill', nodes });
  }

  /** Puts a fault in place; throws when it cannot be verified. */
  async inject(fault: Fault): Promise<InjectedFault> {
    const injected = await this.cluster.inject(fault);
    const { verified, evidence } = injected.verification;
    if (!verified) throw new Error(`the fault did not take effect: ${evidence}`);
    return injected;
  }

  /** The node that leads, if any says so. */
  async leader(): Promise<string> {
    const look = () => coordinator.observe(this.cluster);
    const seen = await until('there is a leader', look, ({ roles }) => roles.leader?.length === 1);
    return seen.roles.leader?.[0] ?? '';
  }

  /** The answer to a four-letter word; waits until the server answers at all. */
  word(node: string, word: string): Promise<string> {
    const address = this.cluster.address(node, 'client');
    const ask = () => fourLetterWord(address, word).catch(() => '');
    return until(`${node} answers ${word}`, ask, (answer) => answer !== '');
  }

  /** What a line of `mntr` says; undefined when the server is not serving. */
  async mntr(node: string, name: string): Promise<string | undefined> {
    const lines = (await this.word(node, 'mntr')).split('\n');
    return lines.map((line) => line.split('\t')).find(([key]) => key === name)?.[1];
  }

  /** `host:port,host:port` of these nodes, in this order; default all. */
  connectString(nodes: readonly string[] = this.nodes): string {
    const addresses = nodes.map((node) => this.cluster.address(node, 'client'));
    return addresses.map(({ host, port }) => `${host}:${port}`).join(',');
  }

  /** A client of these nodes, closed with the ensemble at the latest. */
  client(nodes: readonly string[], options: Omit<ClientOptions, 'servers'> = {}) {
    const client = new CoordinatorClient({ servers: this.connectString(nodes), ...options });
    this.#clients.add(client);
    return client;
  }

  /** What a server told so far. Throws when its log has a gap. */
  events(node: string): NodeEvent[] {
    const path = join(this.cluster.nodeDir(node), 'events.jsonl');
    if (!existsSync(path)) return [];
    const { events, problems } = readNodeLog(path, node);
    const real = problems.filter((problem) => problem !== 'no event in it');
    if (real.length > 0) throw new Error(`the events of ${node}: ${real.join('; ')}`);
    return events as NodeEvent[];
  }

  /** A server's events of one name. */
  eventsOf<Name extends NodeEvent['ev']>(node: string, name: Name): EventOf<Name>[] {
    return this.events(node).filter((event): event is EventOf<Name> => event.ev === name);
  }

  /** Waits until a server has told something. */
  async told<Name extends NodeEvent['ev']>(
    node: string,
    name: Name,
    wanted: (event: EventOf<Name>) => boolean = () => true,
  ): Promise<EventOf<Name>> {
    let found: EventOf<Name> | undefined;
    const look = () => {
      this.failIfEnded();
      found = this.eventsOf(node, name).find(wanted);
      return found === undefined ? this.events(node).slice(-10) : [];
    };
    await until(`${node} tells ${name}`, look, () => found !== undefined);
    return found as EventOf<Name>;
  }

  #logTail(node: string): string {
    const path = join(this.cluster.nodeDir(node), 'log');
    return existsSync(path) ? readFileSync(path, 'utf8').slice(-LOG_TAIL_CHARS) : 'no log';
  }

  /**
   * Ends everything and removes the files, unless `keep` asks for them to be looked at: then says
   * where they are.
   */
  async close(keep = false): Promise<void> {
    for (const client of this.#clients) client.abandon();
    await this.cluster.close();
    if (keep) console.error(`the servers' files are kept in ${this.#runDir}`);
    else rmSync(this.#runDir, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
