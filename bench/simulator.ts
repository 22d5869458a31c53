// How fast the simulator is: messages of an echo a second, how much faster than the clock three servers
// run under 200 operations a second (a minute from a cold start, bundling included; five minutes with all
// or no events of the servers, the bundles made before), and what a swarm seed costs with its judging.
// Run with `node bench/simulator.ts`; each round in a fresh process, since one round's memory and compiled
// code must not help the next.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { simulateRun } from '../harness/clusters/sim/run.ts';
import { swarmResolved } from '../harness/config.ts';
import { TIMING } from '../harness/interpreter.ts';
import { registry } from '../harness/registry.ts';
import { drawSwarm } from '../harness/swarm/draw.ts';
import { runSeed } from '../harness/swarm/seed.ts';
import type { RunConfig } from '../history/run-record.ts';
import { loadProgram, simulate } from '../simulator/index.ts';

const ROUNDS = 3;
const CONNECTIONS = 10;
const ECHOES = 200_000;
const LOAD_MS = 60_000;
const LONG_MS = 300_000;
const OPS_PER_SECOND = 200;
const WANTED_RATIO = 20;
/** Swarm seeds of one round, in one process as a worker of the swarm runs them. */
const SEEDS = [1, 2, 3, 4, 5];

interface Round {
  /** Messages, virtual ms, or seeds. */
  work: number;
  wallMs: number;
  /** CPU time of this process, all threads, ms. */
  cpuMs: number;
  rssMaxMb: number;
  heapMb: number;
  events: number;
  hash: string;
}

/** Small messages to and fro on several connections: each side waits for the other. */
async function echo(): Promise<Done> {
  const server = await loadProgram({
    source: `
      import net from 'node:net';
      net.createServer((socket) => socket.on('data', (data) => socket.write(data))).listen(1);
    `,
  });
  const client = await loadProgram({
    source: `
      import net from 'node:net';
      for (let i = 0; i < ${CONNECTIONS}; i++) {
        let left = ${ECHOES / CONNECTIONS};
        const socket = net.connect(1, 'server', () => socket.write('x'));
        socket.on('data', () => { if (--left > 0) socket.write('x'); else socket.destroy(); });
      }
    `,
  });
  const sim = simulate({
    seed: 1,
    processes: { server: { program: server }, client: { program: client } },
  });
  sim.start('server');
  await sim.runFor(100);
  sim.start('client');
  await sim.runUntil(() => !sim.process('client').running);
  const { hash, events } = sim.summary();
  return { work: 2 * ECHOES, hash, events };
}

type Done = Pick<Round, 'work' | 'events' | 'hash'>;

async function coordinator(
  directory: string,
  loadMs: number,
  eventLevel: RunConfig['eventLevel'],
): Promise<Done> {
  const config: RunConfig = {
    name: 'bench',
    system: 'coordinator',
    workload: 'register',
    nemesis: 'none',
    cluster: 'sim',
    nodes: ['n1', 'n2', 'n3'],
    timeLimitMs: loadMs,
    ratePerSecond: OPS_PER_SECOND,
    concurrency: 10,
    seed: 1,
    systemOptions: { tickTime: 250, initLimit: 20, syncLimit: 6, snapCount: 10_000 },
    workloadOptions: {
      ...registry.workloads.find(({ name }) => name === 'register')?.defaultOptions,
    },
    recoveryMsMax: 15_000,
    eventLevel,
  };
  const timing = { ...TIMING, faultsMs: loadMs, recoveryMsMax: config.recoveryMsMax };
  const run = await simulateRun(swarmResolved(config, registry), timing, directory, {
    ownCode: true,
  });
  if (run.errors.length > 0) throw new Error(run.errors.join('\n'));
  return { work: run.virtualMs, hash: run.trace.hash, events: run.trace.events };
}

/** Swarm seeds, run and judged. */
async function swarm(): Promise<Done> {
  const hashes: string[] = [];
  let events = 0;
  for (const seed of SEEDS) {
    const result = await runSeed(drawSwarm(seed));
    if (result.outcome !== 'valid') {
      const why = [...result.errors, ...result.findings.map((finding) => finding.why)];
      throw new Error(
        `expected seed ${seed} to be valid, got ${result.outcome}: ${why.join('; ')}`,
      );
    }
    hashes.push(result.trace);
    events += result.events;
  }
  return { work: SEEDS.length, events, hash: hashes.join(' ') };
}

interface Measurement {
  /** Not measured. */
  prepare?: (directory: string) => Promise<unknown>;
  measure: (directory: string) => Promise<Done>;
}

const bundle = (directory: string) => coordinator(directory, 1, 'off');
const MEASURES = {
  echo: { measure: echo },
  coordinator: { measure: (directory) => coordinator(directory, LOAD_MS, 'all') },
  long: { prepare: bundle, measure: (directory) => coordinator(directory, LONG_MS, 'all') },
  'long-no-events': {
    prepare: bundle,
    measure: (directory) => coordinator(directory, LONG_MS, 'off'),
  },
  swarm: { measure: swarm },
} satisfies Record<string, Measurement>;
type Measure = keyof typeof MEASURES;

async function round(measure: Measure): Promise<Round> {
  const directory = mkdtempSync(join(tmpdir(), 'chaos-bench-'));
  try {
    const measurement: Measurement = MEASURES[measure];
    await measurement.prepare?.(directory);
    const cpu = process.cpuUsage();
    const from = performance.now();
    const done = await measurement.measure(directory);
    const wallMs = performance.now() - from;
    const { user, system } = process.cpuUsage(cpu);
    return {
      ...done,
      wallMs,
      cpuMs: (user + system) / 1000,
      rssMaxMb: process.resourceUsage().maxRSS / 1024,
      heapMb: process.memoryUsage().heapUsed / 2 ** 20,
    };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

/** The rounds of one measure; the same seed must have given the same trace in each. */
function rounds(measure: Measure): Round[] {
  const all = Array.from({ length: ROUNDS }, (_, i) => {
    const output = execFileSync(process.execPath, [import.meta.filename, measure], {
      encoding: 'utf8',
    });
    const one = JSON.parse(output) as Round;
    console.log(
      `${measure} ${i + 1}: ${Math.round(one.wallMs)} ms, CPU ${Math.round(one.cpuMs)} ms, ` +
        `${one.events} trace events, at most ${Math.round(one.rssMaxMb)} MB, trace ${one.hash.slice(0, 12)}`,
    );
    return one;
  });
  const hashes = new Set(all.map(({ hash }) => hash));
  if (hashes.size !== 1) throw new Error(`expected one trace, got ${[...hashes].join(', ')}`);
  return all;
}

function report(measure: 'coordinator' | 'long' | 'long-no-events'): number {
  const runs = rounds(measure);
  const ratio = median(runs.map(({ work, wallMs }) => work / wallMs));
  const cpuRatio = median(runs.map(({ work, cpuMs }) => work / cpuMs));
  const rss = median(runs.map(({ rssMaxMb }) => rssMaxMb));
  const heap = median(runs.map(({ heapMb }) => heapMb));
  console.log(
    `median of ${measure}: ${ratio.toFixed(1)} virtual s in a second, ${cpuRatio.toFixed(1)} in a ` +
      `second of CPU (wanted: at least ${WANTED_RATIO}); at most ${Math.round(rss)} MB, heap ` +
      `${Math.round(heap)} MB`,
  );
  return ratio;
}

const [chosen] = process.argv.slice(2);
if (chosen !== undefined && Object.hasOwn(MEASURES, chosen)) {
  console.log(JSON.stringify(await round(chosen as Measure)));
} else if (chosen !== undefined) {
  const known = Object.keys(MEASURES).join(', ');
  throw new Error(`expected one of ${known}, or nothing for all, got '${chosen}'`);
} else {
  const messages = median(rounds('echo').map(({ work, wallMs }) => (work / wallMs) * 1000));
  console.log(`median: ${Math.round(messages)} messages/s (echo)`);
  report('coordinator');
  const ratio = report('long');
  report('long-no-events');
  const swarms = rounds('swarm');
  const seedMs = median(swarms.map(({ work, cpuMs }) => cpuMs / work));
  const swarmRss = median(swarms.map(({ rssMaxMb }) => rssMaxMb));
  console.log(
    `median: ${(seedMs / 1000).toFixed(1)} s of CPU a swarm seed, judged; after ${SEEDS.length} of them ` +
      `at most ${Math.round(swarmRss)} MB`,
  );
  process.exitCode = ratio >= WANTED_RATIO ? 0 : 1;
}
