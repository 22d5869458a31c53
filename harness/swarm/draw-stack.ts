// What a swarm seed draws for the stack: both services with their sizes, settings and workloads, and faults that
// know which service they strike. Everything drawn is kept in the configuration, as for the coordinator alone.
import { Random } from '../../history/random.ts';
import type { RunConfig, RunPart } from '../../history/run-record.ts';
import { drawStackRounds, type StackLimits } from '../../nemesis/stack-rounds.ts';
import { workloadName } from '../parts.ts';
import { workloads } from '../plugins.ts';
import type { SwarmLimits } from './draw.ts';

/** Virtual length of the fault phase: with warm-up and recovery a run is over a minute long. */
const FAULTS_MS = 58_000;
const RECOVERY_MS_MAX = 20_000;

/** How many seeds have brokers that do not sync every append. */
const RELAXED = 0.15;

/** Workloads of a service take turns in an order drawn for each round of them. */
function inTurn(seed: number, system: string, wanted: readonly string[]): string {
  const own = workloads.filter(({ systems }) => systems.includes(system)).map(({ name }) => name);
  const named = own.find((name) => wanted.includes(name));
  if (named !== undefined) return named;
  // Ranges of seeds begin with 1.
  const turn = Math.max(0, seed - 1);
  const order = new Random(Math.floor(turn / own.length), `workloads/${system}`).shuffle(own);
  return order[turn % own.length] as string;
}

function optionsOf(name: string): RunPart['workloadOptions'] {
  const workload = workloads.find((each) => each.name === name);
  return { ...workload?.defaultOptions };
}

/** The service's part of a seed, with nodes named as the stack names them. */
function part(
  system: string,
  prefix: string,
  size: number,
  workload: string,
  systemOptions: RunPart['systemOptions'],
): RunPart {
  const nodes = Array.from({ length: size }, (_, i) => `${prefix}${i + 1}`);
  return { system, workload, nodes, systemOptions, workloadOptions: optionsOf(workload) };
}

function coordinatorPart(random: Random, workload: string): RunPart {
  const size = random.pick([3, 3, 3, 3, 5]);
  return part('coordinator', 'c', size, workload, {
    tickTime: random.pick([100, 200, 400]),
    initLimit: random.pick([10, 20]),
    syncLimit: random.pick([4, 6, 8]),
    snapCount: random.pick([20, 60, 200, 1_000]),
    commitLogCount: random.pick([20, 100, 500]),
    preAllocSize: random.pick([64, 256]),
  });
}

function brokerPart(random: Random, workload: string, nodes: number | undefined): RunPart {
  const relaxed = random.bool(RELAXED);
  const size = random.pick(relaxed ? [3, 3, 3, 5] : [3, 3, 3, 3, 4, 5]);
  const drawn = part('broker', 'b', nodes ?? size, workload, {
    'zookeeper.session.timeout.ms': random.pick([1_000, 2_000, 4_000]),
    'replica.lag.time.max.ms': random.pick([500, 1_000, 2_000, 4_000]),
    'replica.fetch.wait.max.ms': random.pick([50, 200, 500]),
    'replica.fetch.max.bytes': random.pick([200, 2_000, 1_048_576]),
    'min.insync.replicas': 2,
    'log.segment.bytes': random.pick([2_048, 16_384, 1_073_741_824]),
    'log.index.interval.bytes': random.pick([256, 4_096]),
    'replica.high.watermark.checkpoint.interval.ms': random.pick([500, 5_000]),
    'log.flush.offset.checkpoint.interval.ms': random.pick([1_000, 60_000]),
    'offsets.topic.num.partitions': random.pick([1, 4]),
    'group.min.session.timeout.ms': 1_000,
    'group.initial.rebalance.delay.ms': random.pick([0, 100, 500]),
    'leader.imbalance.check.interval.seconds': random.pick([1, 5, 300]),
    'controlled.shutdown.retry.backoff.ms': 500,
  });
  drawn.workloadOptions.partitions = random.pick([1, 2, 4]);
  // Left to chance, an fsync comes late enough for a loss of power to take what was acknowledged.
  if (relaxed) {
    drawn.systemOptions['log.flush.interval.messages'] = 100_000;
    drawn.systemOptions['log.flush.interval.ms'] = random.pick([5_000, 60_000]);
  }
  return drawn;
}

/** What faults may not do to brokers that sync as these do. */
function limitsOf(parts: readonly RunPart[]): StackLimits {
  const { systemOptions = {} } = parts.find(({ system }) => system === 'broker') ?? {};
  if (systemOptions['log.flush.interval.messages'] === undefined) return {};
  return { lonelyAfterMs: Number(systemOptions['replica.lag.time.max.ms']) };
}

/** The configuration of one swarm seed of the stack. The same seed and limits give the same one. */
export function drawStack(seed: number, limits: SwarmLimits = {}): RunConfig {
  const random = new Random(seed, 'swarm/stack');
  const wanted = limits.workload?.split('+') ?? [];
  const parts = [
    coordinatorPart(random, inTurn(seed, 'coordinator', wanted)),
    brokerPart(random, inTurn(seed, 'broker', wanted), limits.nodes),
  ];
  const config: RunConfig = {
    name: 'swarm',
    system: 'stack',
    workload: workloadName(parts),
    nemesis: 'swarm',
    cluster: 'sim',
    nodes: parts.flatMap(({ nodes }) => nodes),
    timeLimitMs: FAULTS_MS,
    ratePerSecond: random.pick([50, 80, 120]),
    // Half of them are clients of the coordinators. Their sessions wander, so there are about two for each
    // server: with fewer, a server that is cut off has often nobody to be wrong to.
    concurrency: random.pick([16, 20, 24]),
    seed,
    systemOptions: {},
    workloadOptions: {},
    nemesisOptions: {
      rounds: JSON.stringify(
        drawStackRounds(new Random(seed, 'nemesis'), FAULTS_MS, limitsOf(parts)),
      ),
    },
    clusterOptions: {
      latencyMinMs: 0.1,
      latencyMaxMs: random.pick([0.5, 0.5, 2, 10]),
      loss: random.pick([0, 0, 0, 0.01]),
      rechunk: random.pick([0, 0.2, 0.6]),
    },
    recoveryMsMax: RECOVERY_MS_MAX,
    eventLevel: 'all',
    parts,
  };
  if (limits.mutant !== undefined) config.mutant = limits.mutant;
  return config;
}
