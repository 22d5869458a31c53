// Brokers with their coordinator and other people's clients, all of them simulated processes, under the faults of
// a nemesis: for tests that want clients in the simulator that no one here wrote.
import { join } from 'node:path';
import { ROOT } from '../../harness/bundle.ts';
import { SimCluster } from '../../harness/clusters/sim/cluster.ts';
import { systemPrograms } from '../../harness/clusters/sim/programs.ts';
import { broker } from '../../harness/systems/broker.ts';
import { isBrokersOwn } from '../../history/broker-event.ts';
import type { Verification } from '../../history/fault.ts';
import type { ClusterView, Completion, Plan } from '../../history/plan.ts';
import type { Nemesis } from '../../history/plugin.ts';
import { Random } from '../../history/random.ts';
import type { RunConfig } from '../../history/run-record.ts';
import { loadProgram, type Simulation, simulate } from '../../simulator/index.ts';

const NODES = ['n1', 'n2', 'n3'];
const LOOK_MS = 20;
const REGISTERED_MS = 60_000;

/** Three brokers, one coordinator, and clients by name. */
export class Stage {
  readonly sim: Simulation;
  readonly cluster: SimCluster;
  readonly #seed: number;
  /** Lines of the clients, as they came. */
  readonly lines: { client: string; text: string; atMs: number }[] = [];
  readonly verifications: Verification[] = [];

  private constructor(seed: number, sim: Simulation, cluster: SimCluster) {
    this.#seed = seed;
    this.sim = sim;
    this.cluster = cluster;
  }

  static async build(seed: number): Promise<Stage> {
    const programs = await systemPrograms(broker.programs, undefined);
    const named = Object.fromEntries([...programs.keys()].map((name) => [name, name]));
    const config = {
      nodes: NODES,
      systemOptions: broker.defaultOptions,
      eventLevel: 'state',
    } as Partial<RunConfig> as RunConfig;
    const sim = simulate({ seed });
    const cluster = new SimCluster(sim, {
      specs: broker.specs(config, named),
      programs,
      ownCode: false,
      launchArgs: (node, incarnation) => broker.launchArgs(node, incarnation, 0n),
    });
    for (const node of cluster.nodes) cluster.start(node);
    const stage = new Stage(seed, sim, cluster);
    // Clients make topics with a replica on each broker.
    await stage.until('three registered brokers', () => stage.#allRegistered(), REGISTERED_MS);
    return stage;
  }

  #allRegistered(): boolean {
    return NODES.every((node) =>
      this.sim.disk(node).contentOf('/node/events.jsonl')?.includes('"ev":"registered"'),
    );
  }

  /** What clients are told to connect to. */
  get addresses(): string {
    return NODES.map((node) => {
      const { host, port } = this.cluster.address(node, broker.clientPort);
      return `${host}:${port}`;
    }).join(',');
  }

  /** Starts a client; `entry` is its file in test/. */
  async client(name: string, entry: string, ...argv: string[]): Promise<void> {
    const program = await loadProgram(join(ROOT, 'test', entry));
    const onLine = ({ text }: { text: string }) => {
      this.lines.push({ client: name, text, atMs: this.sim.nowMs });
    };
    this.sim.add(name, { program, argv: [this.addresses, ...argv], onLine });
    this.sim.start(name);
  }

  /** Who leads a partition in which epoch, as the brokers' own logs say. */
  leaderOf(tp: string): { node: string; leaderEpoch: number } | undefined {
    let newest: { node: string; leaderEpoch: number } | undefined;
    for (const node of NODES) {
      const text = this.sim.disk(node).contentOf('/node/events.jsonl')?.toString() ?? '';
      for (const line of text.split('\n')) {
        if (!line.includes('"becameLeader"') || !line.endsWith('}')) continue;
        const event = JSON.parse(line);
        if (!isBrokersOwn(event.ev) || event.tp !== tp) continue;
        if (newest === undefined || event.leaderEpoch > newest.leaderEpoch) newest = event;
      }
    }
    return newest;
  }

  #view(tp: string): ClusterView {
    const leader = this.leaderOf(tp);
    return { nodes: [...NODES], roles: { leader: leader === undefined ? [] : [leader.node] } };
  }

  /** Lets a nemesis strike the leader of a partition for that long, and everything heal. */
  async under(nemesis: Nemesis, tp: string, timeLimitMs: number): Promise<void> {
    const random = new Random(this.#seed, 'nemesis');
    // The coordinator is among them: a leader that still has its session is not replaced.
    const nodes = [...this.cluster.nodes];
    const plan: Plan = nemesis.plan({ nodes, random, timeLimitMs, options: {} });
    const standing: Awaited<ReturnType<SimCluster['inject']>>[] = [];
    let step = plan.next();
    while (step.done !== true) {
      let completion: Completion;
      const { value } = step;
      if (value.kind === 'sleep') {
        await this.sim.runFor(value.ms);
        completion = { kind: 'slept' };
      } else if (value.kind === 'observe') {
        completion = { kind: 'observed', view: this.#view(tp) };
      } else if (value.kind === 'inject') {
        const injected = await this.cluster.inject(value.fault);
        const { verification } = injected;
        this.verifications.push(verification);
        completion = { kind: 'injected', id: standing.push(injected) - 1, verification };
      } else if (value.kind === 'heal') {
        const verification = await standing[value.id]!.heal();
        this.verifications.push(verification);
        completion = { kind: 'healed', id: value.id, verification };
      } else throw new Error(`expected a step of a nemesis, got ${value.kind}`);
      step = plan.next(completion);
    }
  }

  /** The rest of every line that a client wrote and that begins with a word. */
  said(word: string): string[] {
    const mark = `${word} `;
    return this.lines
      .filter(({ text }) => text.startsWith(mark))
      .map(({ text }) => text.slice(mark.length));
  }

  /** Lets time pass until the clients' lines show what is waited for. */
  async until(what: string, shown: () => boolean, limitMs: number): Promise<void> {
    const deadlineMs = this.sim.nowMs + limitMs;
    while (!shown()) {
      if (this.sim.nowMs > deadlineMs) {
        const last = this.lines.slice(-5).map(({ client, text }) => `${client}: ${text}`);
        throw new Error(`${what} not within ${limitMs} ms; last were ${last.join(' | ')}`);
      }
      await this.sim.runFor(LOOK_MS);
    }
  }
}
