// What a swarm seed draws: size of the ensemble, its timeouts and limits, load, network and schedule of
// faults. Limits are low enough that DIFF, TRUNC and SNAP all happen; everything drawn is kept in the
// configuration, so a seed's run can be repeated, printed and shrunk.
import { Random } from '../../history/random.ts';
import type { RunConfig } from '../../history/run-record.ts';
import { drawRounds } from '../../nemesis/swarm.ts';
import { workloads } from '../plugins.ts';
import { drawStack } from './draw-stack.ts';

/** Virtual length of the fault phase: with warm-up and recovery a run is over a minute long. */
const FAULTS_MS = 58_000;
const RECOVERY_MS_MAX = 20_000;

const SYSTEM = 'coordinator';
const drawn = workloads.filter(({ systems }) => systems.includes(SYSTEM));

/**
 * Workloads take turns in an order drawn for each round of them: so many seeds in a row have as many of each,
 * and none is left out by chance.
 */
function workloadOf(seed: number): string {
  // Ranges of seeds begin with 1.
  const turn = Math.max(0, seed - 1);
  const round = Math.floor(turn / drawn.length);
  const order = new Random(round, 'workloads').shuffle(drawn);
  return (order[turn % drawn.length] as (typeof order)[number]).name;
}

/** A leader mostly keeps its epoch, and sometimes uses it up in the midst of the load. */
const TRANSACTIONS_PER_EPOCH = [4_294_967_295, 4_294_967_295, 4_294_967_295, 2_000, 400];

/** Systems that seeds can draw. */
export const SWARM_SYSTEMS = ['stack', 'coordinator'] as const;
export type SwarmSystem = (typeof SWARM_SYSTEMS)[number];

/** What may be fixed instead of drawn. */
export interface SwarmLimits {
  /** Default: the coordinator alone. */
  system?: SwarmSystem;
  workload?: string;
  nodes?: number;
  mutant?: string;
}

/** The configuration of one swarm seed. The same seed and limits give the same configuration. */
export function drawSwarm(seed: number, limits: SwarmLimits = {}): RunConfig {
  if (limits.system === 'stack') return drawStack(seed, limits);
  const random = new Random(seed, 'swarm');
  const size = random.pick([3, 3, 3, 3, 3, 3, 5, 5, 4]);
  const nodes = Array.from({ length: limits.nodes ?? size }, (_, i) => `n${i + 1}`);
  const workloadName = workloadOf(seed);
  const workload = drawn.find(({ name }) => name === (limits.workload ?? workloadName));
  if (workload === undefined) throw new Error(`no workload ${limits.workload ?? workloadName}`);
  const snapCount = random.pick([20, 60, 200, 1_000]);
  const systemOptions = {
    tickTime: random.pick([100, 200, 400]),
    initLimit: random.pick([10, 20]),
    syncLimit: random.pick([4, 6, 8]),
    snapCount,
    commitLogCount: random.pick([5, 20, 100, 500]),
    preAllocSize: random.pick([64, 256]),
    transactionsPerEpoch: new Random(seed, 'epochs').pick(TRANSACTIONS_PER_EPOCH),
  };
  const clusterOptions = {
    latencyMinMs: 0.1,
    latencyMaxMs: random.pick([0.5, 0.5, 2, 10]),
    loss: random.pick([0, 0, 0, 0.01]),
    rechunk: random.pick([0, 0.2, 0.6]),
  };
  const config: RunConfig = {
    name: 'swarm',
    system: SYSTEM,
    workload: workload.name,
    nemesis: 'swarm',
    cluster: 'sim',
    nodes,
    timeLimitMs: FAULTS_MS,
    ratePerSecond: random.pick([60, 100, 200]),
    concurrency: random.pick([6, 9, 12]),
    seed,
    systemOptions,
    workloadOptions: { ...workload.defaultOptions },
    nemesisOptions: {
      rounds: JSON.stringify(drawRounds(new Random(seed, 'nemesis'), FAULTS_MS)),
    },
    clusterOptions,
    recoveryMsMax: RECOVERY_MS_MAX,
    eventLevel: 'all',
  };
  if (limits.mutant !== undefined) config.mutant = limits.mutant;
  return config;
}
