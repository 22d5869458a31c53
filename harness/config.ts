// Turns what was asked for into the complete configuration of a run, and refuses what cannot be.
// After this nothing is drawn or defaulted, so the printed command runs the same again.
import { randomInt } from 'node:crypto';
import type { Nemesis, Workload } from '../history/plugin.ts';
import type { RunConfig, RunPart } from '../history/run-record.ts';
import type { Mutant } from '../mutants/mutant.ts';
import type { ClusterDriver } from './cluster.ts';
import { BadArguments, lookUp } from './names.ts';
import { partsFor, workloadFor, workloadName, workloadOf } from './parts.ts';
import type { Registry } from './registry-types.ts';
import { drawSwarm, SWARM_SYSTEMS } from './swarm/draw.ts';
import { type System, SystemUnavailable } from './system.ts';

/** A run as asked for. */
export interface RunRequest {
  system: string;
  /** Undefined: the system's usual one. */
  workload?: string;
  nemesis: string;
  /** Undefined: docker where a daemon answers, local elsewhere. */
  cluster?: string;
  nodes: number;
  timeLimitMs: number;
  ratePerSecond: number;
  concurrency: number;
  /** Undefined: drawn. */
  seed?: number;
  mutant?: string;
  name?: string;
  /** Simulator: everything but the seed is drawn from the seed. */
  swarm?: boolean;
}

/** A run resolved: its configuration and the plug-ins that it names. */
export interface ResolvedRun {
  config: RunConfig;
  system: System;
  workload: Workload;
  nemesis: Nemesis;
  driver: ClusterDriver;
  mutant?: Mutant;
}

const RECOVERY_MS_MAX = 15_000;
const NODES_MAX = 9;

/** Names of `count` nodes: n1, n2 … Throws BadArguments outside 1 to 9. */
export function nodeNames(count: number): string[] {
  if (!Number.isInteger(count) || count < 1 || count > NODES_MAX) {
    throw new BadArguments(`expected 1 to ${NODES_MAX} nodes, got ${count}`);
  }
  return Array.from({ length: count }, (_, i) => `n${i + 1}`);
}

/**
 * The driver for a kind of cluster, or the best one here; logs why it is not the first choice. Throws
 * BadArguments on an unknown kind and ClusterUnavailable when the one asked for does not work.
 */
export async function pickCluster(
  kind: string | undefined,
  registry: Registry,
  log: (line: string) => void,
): Promise<ClusterDriver> {
  const known =
    kind === undefined
      ? undefined
      : lookUp('cluster', kind, registry.drivers, (driver) => driver.kind).kind;
  const { driver, line } = await registry.chooseCluster(known);
  if (line !== undefined) log(line);
  return driver;
}

/**
 * The driver for a system: the kind asked for, or else the best one here that the system runs on.
 * Throws as pickCluster, and BadArguments on a kind that the system does not run on.
 */
export async function pickClusterFor(
  system: System,
  kind: string | undefined,
  registry: Registry,
  log: (line: string) => void,
): Promise<ClusterDriver> {
  const { clusters, name } = system;
  const wanted = kind ?? (clusters?.length === 1 ? clusters[0] : undefined);
  const driver = await pickCluster(wanted, registry, log);
  if (clusters === undefined || clusters.includes(driver.kind)) return driver;
  throw new BadArguments(
    `system ${name} does not run on the ${driver.kind} cluster, only on ${clusters.join(', ')}`,
  );
}

/** Throws SystemUnavailable when what a system needs is not installed here. */
export function refuseAbsent(system: System): void {
  const here = system.available?.() ?? { ok: true };
  if (!here.ok) throw new SystemUnavailable(system.name, here.reason, here.remedy);
}

/** A length of time as people write it: `30s`, `250ms`. */
export function formatDuration(ms: number): string {
  const units: [number, string][] = [
    [3_600_000, 'h'],
    [60_000, 'm'],
    [1_000, 's'],
  ];
  const unit = units.find(([size]) => ms >= size && ms % size === 0);
  return unit === undefined ? `${ms}ms` : `${ms / unit[0]}${unit[1]}`;
}

/** The command that runs the same again. */
export function reproduction(config: RunConfig): string {
  if (config.name === 'swarm') {
    const mutant = config.mutant === undefined ? '' : ` --mutant ${config.mutant}`;
    return `npx chaos run --system ${config.system} --cluster sim --swarm --seed ${config.seed}${mutant}`;
  }
  if (config.nemesisOptions?.rounds !== undefined) {
    const folder = config.name === config.mutant ? 'scenarios/mutants' : 'scenarios';
    return `npx chaos replay ${folder}/${config.name}.json`;
  }
  const options: [string, string | number][] = [
    ['system', config.system],
    ['workload', config.workload],
    ['nemesis', config.nemesis],
    ['cluster', config.cluster],
    ['nodes', config.parts?.[0]?.nodes.length ?? config.nodes.length],
    ['time-limit', formatDuration(config.timeLimitMs)],
    ['rate', config.ratePerSecond],
    ['concurrency', config.concurrency],
    ['seed', config.seed],
  ];
  if (config.mutant !== undefined) options.push(['mutant', config.mutant]);
  return `npx chaos run ${options.map(([name, value]) => `--${name} ${value}`).join(' ')}`;
}

/**
 * Resolves a request. Throws BadArguments on unknown names and on combinations that cannot work,
 * and ClusterUnavailable when the cluster asked for is not to be had here.
 */
export async function resolveRun(
  request: RunRequest,
  registry: Registry,
  log: (line: string) => void,
): Promise<ResolvedRun> {
  const byName = (entry: { name: string }) => entry.name;
  const system = lookUp('system', request.system, registry.systems, byName);
  const nemesis = lookUp('nemesis', request.nemesis, registry.nemeses, byName);
  const { nodes, workload, parts } = composition(system, request, registry);
  refuseAbsent(system);
  if (nemesis.systems?.includes(system.name) === false) {
    throw new BadArguments(
      `nemesis ${nemesis.name} finds nothing to break on ${system.name}, only on ` +
        `${nemesis.systems.join(', ')}`,
    );
  }
  if (nodes.length < nemesis.nodesMin) {
    throw new BadArguments(
      `nemesis ${nemesis.name} needs at least ${nemesis.nodesMin} nodes, got ${nodes.length}`,
    );
  }
  const mutant =
    request.mutant === undefined
      ? undefined
      : lookUp('mutant', request.mutant, registry.mutants, (entry) => entry.id);
  const driver = await pickClusterFor(system, request.cluster, registry, log);
  const lacking = nemesis.needs.filter((kind) => !driver.supports.has(kind));
  if (lacking.length > 0) {
    throw new BadArguments(
      `nemesis ${nemesis.name} needs ${lacking.join(', ')}, which the ${driver.kind} cluster cannot ` +
        `do; it can: ${[...driver.supports].join(', ')}`,
    );
  }
  const config: RunConfig = {
    name: request.name ?? `${system.name}-${workload.name}-${nemesis.name}`,
    system: system.name,
    workload: workload.name,
    nemesis: nemesis.name,
    cluster: driver.kind,
    nodes,
    timeLimitMs: request.timeLimitMs,
    ratePerSecond: request.ratePerSecond,
    concurrency: request.concurrency,
    seed: request.seed ?? randomInt(1, 2 ** 32),
    systemOptions: { ...system.defaultOptions },
    workloadOptions: { ...workload.defaultOptions },
    recoveryMsMax: RECOVERY_MS_MAX,
    eventLevel: system.eventLevel ?? 'all',
    ...(parts === undefined ? {} : { parts }),
  };
  if (nemesis.narrows === true) {
    config.nemesisOptions = { supports: [...driver.supports].join(' ') };
  }
  if (request.swarm === true) {
    return swarmRun(config.seed, system.name, driver, mutant, registry);
  }
  const resolved: ResolvedRun = { config, system, workload, nemesis, driver };
  if (mutant !== undefined) {
    config.mutant = mutant.id;
    resolved.mutant = mutant;
  }
  return resolved;
}

/** What a run is made on and of. Throws BadArguments on names and numbers that do not fit. */
export function composition(
  system: System,
  request: Pick<RunRequest, 'nodes' | 'workload'>,
  { workloads }: Registry,
): { nodes: string[]; workload: Workload; parts?: RunPart[] } {
  const { services } = system;
  const nodes = nodeNames(request.nodes);
  if (services === undefined) {
    return { nodes, workload: workloadFor(system, request.workload, workloads) };
  }
  const parts = partsFor({ ...system, services }, request.workload, nodes.length, workloads);
  const config = { workload: workloadName(parts), parts };
  return {
    nodes: parts.flatMap((part) => part.nodes),
    workload: workloadOf(config, workloads),
    parts,
  };
}

/** A swarm seed as a run. Throws BadArguments on another cluster than the simulator. */
function swarmRun(
  seed: number,
  name: string,
  driver: ClusterDriver,
  mutant: Mutant | undefined,
  registry: Registry,
): ResolvedRun {
  if (driver.kind !== 'sim') {
    throw new BadArguments(`--swarm needs --cluster sim, got ${driver.kind}`);
  }
  const system = lookUp('system of swarm seeds', name, SWARM_SYSTEMS, (each) => each);
  return swarmResolved(
    drawSwarm(seed, { system, ...(mutant === undefined ? {} : { mutant: mutant.id }) }),
    registry,
  );
}

/** A complete configuration of a simulated run with the plug-ins that it names. */
export function swarmResolved(config: RunConfig, registry: Registry): ResolvedRun {
  const byName = (entry: { name: string }) => entry.name;
  const resolved: ResolvedRun = {
    config,
    system: lookUp('system', config.system, registry.systems, byName),
    workload: workloadOf(config, registry.workloads),
    nemesis: lookUp('nemesis', config.nemesis, registry.nemeses, byName),
    driver: lookUp('cluster', config.cluster, registry.drivers, (driver) => driver.kind),
  };
  if (config.mutant !== undefined) {
    resolved.mutant = lookUp('mutant', config.mutant, registry.mutants, (each) => each.id);
  }
  return resolved;
}

/** One fault of the usual rhythm, with an election under it, does not fit into less. */
const FAULT_PHASE_MS_MIN = 5_000;
/** Fewer processes at a key hardly ever race. */
const KEY_PROCESSES_MIN = 3;

/** What of a configuration leaves little to judge, however well the system does. */
export function doubts(config: RunConfig, nemesis: Pick<Nemesis, 'needs'>): string[] {
  const lines: string[] = [];
  const { concurrency, nodes, timeLimitMs } = config;
  const faults = nemesis.needs.length > 0;
  if (concurrency < nodes.length && faults) {
    lines.push(
      `--concurrency ${concurrency} leaves servers without a client, and faults of those prove ` +
        `nothing: expect unknown, or give ${Math.max(KEY_PROCESSES_MIN, nodes.length)} or more`,
    );
  } else if (concurrency < KEY_PROCESSES_MIN) {
    lines.push(
      `--concurrency ${concurrency} makes for little contention; ${KEY_PROCESSES_MIN} or more ` +
        'processes use a key at once',
    );
  }
  if (timeLimitMs < FAULT_PHASE_MS_MIN && faults) {
    lines.push(
      `--time-limit ${formatDuration(timeLimitMs)} ends faults before much can happen under them: ` +
        `expect unknown, or give ${formatDuration(FAULT_PHASE_MS_MIN)} or more`,
    );
  }
  return lines;
}

/** The configuration as lines for people, nothing left out. */
export function describeConfig(config: RunConfig): string[] {
  const options = (given: RunConfig['systemOptions']) =>
    Object.entries(given)
      .map(([name, value]) => `${name}=${value}`)
      .join(' ');
  const load =
    config.ratePerSecond === 0 ? 'closed loop' : `${config.ratePerSecond} operations/s, open loop`;
  const services = config.parts ?? [config];
  const lines: [string, string][] = [
    ['run', config.name],
    ...services.flatMap(({ system, workload, nodes, ...each }): [string, string][] => [
      ['system', `${system} on ${nodes.join(' ')} (${options(each.systemOptions)})`],
      ['workload', `${workload} (${options(each.workloadOptions)})`],
    ]),
    ['load', `${load}, ${config.concurrency} processes`],
    ['nemesis', `${config.nemesis} for ${formatDuration(config.timeLimitMs)}`],
    ['cluster', config.cluster],
    ['seed', String(config.seed)],
    ['recovery', `within ${formatDuration(config.recoveryMsMax)}`],
    ['events', config.eventLevel],
  ];
  if (config.mutant !== undefined) lines.push(['mutant', config.mutant]);
  return lines.map(([name, value]) => `${name.padEnd(10)}${value}`);
}
