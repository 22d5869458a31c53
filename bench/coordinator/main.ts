// The coordinator beside Debian's ZooKeeper 3.8: throughput, latency, failover, cold start and memory,
// both on loopback with their defaults, alternating in one run. Run: node bench/coordinator/main.ts.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { nodeBinary } from '../../harness/clusters/bundle.ts';
import { Ensemble, type Side } from './ensemble.ts';
import type { LoadOp, LoadOrder, LoadResult } from './load.ts';

const LOAD = fileURLToPath(new URL('./load.ts', import.meta.url));
const BASE: Record<Side, number> = { ours: 24_100, zookeeper: 25_100 };
const SESSION_FREE_MS = 1_000;

/** Runs one load; `struck` is called when measuring begins. */
async function load(order: LoadOrder, struck?: () => Promise<void>): Promise<LoadResult> {
  const child = spawn(nodeBinary(), [LOAD, JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let said = '';
  let striking: Promise<void> | undefined;
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
    if (said.includes('measuring\n') && struck !== undefined) striking ??= struck();
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  await striking;
  if (code !== 0) throw new Error(`the load ended with ${code}: ${said}`);
  return JSON.parse(out) as LoadResult;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '3' },
    warmup: { type: 'string', default: '15' },
    only: { type: 'string' },
    sides: { type: 'string', default: 'ours,zookeeper' },
    /** `steady` (not by default) loads ours for so many minutes and counts elections. */
    parts: { type: 'string', default: 'start,load,memory,kill,pause' },
    'steady-minutes': { type: 'string', default: '10' },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const sides = values.sides.split(',') as Side[];
const parts = new Set(values.parts.split(','));

const ROWS: { op: LoadOp; connections: number; depth: number }[] = (
  [
    { op: 'set', connections: 16, depth: 16 },
    { op: 'create', connections: 16, depth: 16 },
    { op: 'get', connections: 16, depth: 16 },
    { op: 'set', connections: 1, depth: 1 },
    { op: 'set', connections: 4, depth: 4 },
    { op: 'get', connections: 1, depth: 1 },
  ] as const
).filter(({ op }) => values.only === undefined || values.only.split(',').includes(op));

let runs = 0;
function order(ensemble: Ensemble, part: Partial<LoadOrder>): LoadOrder {
  runs += 1;
  return {
    ports: ensemble.ports,
    op: 'set',
    connections: 16,
    depth: 16,
    bytes: 100,
    keys: 1000,
    seconds,
    warmupSeconds: 1,
    root: `/bench${runs}`,
    ...part,
  };
}

/** From nothing to the first acknowledged write, ms. */
async function coldStart(side: Side): Promise<number> {
  const ensemble = await Ensemble.create(side, BASE[side] + 10);
  const fromMs = Date.now();
  try {
    ensemble.startAll();
    const one = { connections: 1, depth: 1, keys: 1, seconds: 0.01, warmupSeconds: 0 };
    const first = load(order(ensemble, { ...one, survive: true }));
    return (await Promise.race([first, ensemble.failure()])).firstAckMs - fromMs;
  } finally {
    await ensemble.stop();
  }
}

async function failover(ensemble: Ensemble, how: 'SIGKILL' | 'SIGSTOP'): Promise<LoadResult> {
  const leader = await ensemble.leader();
  const long = how === 'SIGSTOP' ? 20 : 6;
  const result = await load(
    order(ensemble, { connections: 16, depth: 4, seconds: long, warmupSeconds: 2, survive: true }),
    async () => {
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      ensemble.signal(leader, how);
    },
  );
  if (how === 'SIGSTOP') ensemble.signal(leader, 'SIGCONT');
  else ensemble.start(leader);
  await ensemble.ready();
  return result;
}

function show(label: string, results: Record<Side, number[]>, unit: string): void {
  const text = sides.map((side) => `${side} ${median(results[side])} [${results[side].join(' ')}]`);
  const ratio = median(results.ours) / median(results.zookeeper);
  console.log(`${label} (${unit}): ${text.join('; ')}; ratio ${ratio.toFixed(2)}`);
}

if (parts.has('start')) {
  const results: Record<Side, number[]> = { ours: [], zookeeper: [] };
  for (let i = 0; i < rounds; i++) {
    for (const side of sides) results[side].push(Math.round(await coldStart(side)));
  }
  show('cold start to first write', results, 'ms');
}

const ensembles = new Map<Side, Ensemble>();
try {
  for (const side of sides) {
    const ensemble = await Ensemble.create(side, BASE[side]);
    ensembles.set(side, ensemble);
    ensemble.startAll();
    await ensemble.ready();
  }
  const each = async (run: (ensemble: Ensemble) => Promise<void>): Promise<void> => {
    for (const side of sides) await run(ensembles.get(side) as Ensemble);
  };
  const warmupSeconds = Number(values.warmup);
  if (warmupSeconds > 0) {
    await each(async (ensemble) => void (await load(order(ensemble, { warmupSeconds }))));
    await each(async (ensemble) => void (await load(order(ensemble, { op: 'get' }))));
  }
  if (parts.has('memory')) {
    await each(async (ensemble) => {
      console.log(`${ensemble.side}: resident ${ensemble.residentMb().join(', ')} MB after set`);
    });
  }
  for (const row of parts.has('load') ? ROWS : []) {
    const rates: Record<Side, number[]> = { ours: [], zookeeper: [] };
    const slow: Record<Side, number[]> = { ours: [], zookeeper: [] };
    for (let i = 0; i < rounds; i++) {
      await each(async (ensemble) => {
        const before = ensemble.cpuSeconds();
        const result = await load(order(ensemble, row));
        rates[ensemble.side].push(result.perSecond);
        slow[ensemble.side].push(result.p99Us);
        if (result.errors > 0) console.log(`${ensemble.side}: ${result.errors} errors`);
        const cpu = (ensemble.cpuSeconds() - before) / (seconds + 1);
        console.log(
          `  ${ensemble.side} ${row.op} ${JSON.stringify(result)} cores ${cpu.toFixed(2)}`,
        );
      });
    }
    const label = `${row.op} ${row.connections}x${row.depth} 100 B`;
    show(label, rates, 'per second');
    show(`${label} p99`, slow, 'us');
  }
  if (parts.has('steady')) {
    const ours = ensembles.get('ours') as Ensemble;
    const from = await ours.epoch();
    const minutes = Number(values['steady-minutes']);
    const result = await load(order(ours, { depth: 4, seconds: minutes * 60, survive: true }));
    const elections = (await ours.epoch()) - from;
    console.log(`${elections} elections in ${minutes} minutes of load; ${JSON.stringify(result)}`);
  }
  for (const [part, how] of [
    ['kill', 'SIGKILL'],
    ['pause', 'SIGSTOP'],
  ] as const) {
    if (!parts.has(part)) continue;
    const gaps: Record<Side, number[]> = { ours: [], zookeeper: [] };
    for (let i = 0; i < rounds; i++) {
      await each(async (ensemble) => {
        await new Promise((resolve) => setTimeout(resolve, SESSION_FREE_MS));
        gaps[ensemble.side].push((await failover(ensemble, how)).gapMsMax);
      });
    }
    show(`leader ${how}: longest gap in acknowledged writes`, gaps, 'ms');
  }
} finally {
  for (const ensemble of ensembles.values()) await ensemble.stop();
}
