// A row of the matrix multiplied out into cells, each of which can be run. What of a product cannot be is
// left out, but a name that no run would ever use is a mistake of the configuration and is refused.
import { composition } from '../config.ts';
import { BadArguments, lookUp } from '../names.ts';
import type { Registry } from '../registry-types.ts';
import { SWARM_SYSTEMS } from '../swarm/draw.ts';
import type { ClusterKind } from './config.ts';

/** One point of the matrix; its entries differ in their seeds. */
export interface Cell {
  /** Unique in the matrix, for people. */
  id: string;
  /** Everything but the system is drawn from the seed, in the simulator. */
  swarm: boolean;
  system: string;
  /** Undefined: drawn, or without a swarm the system's usual one. */
  workload: string | undefined;
  nemesis: string;
  cluster: ClusterKind;
  /** Undefined: drawn. */
  nodes: number | undefined;
  timeLimitMs: number;
  ratePerSecond: number;
  concurrency: number;
  /** Entries in every round. */
  seeds: number;
}

/** A row whose values are whole and in range, every name still to be looked up. */
export interface CheckedRow {
  /** Where it stands, for messages: `profiles.pr.matrix[2]`. */
  at: string;
  swarm: boolean;
  systems: string[];
  /** Left open: undefined. */
  workloads: (string | undefined)[];
  nemeses: string[];
  clusters: ClusterKind[];
  nodes: (number | undefined)[];
  timeLimitMs: number;
  ratePerSecond: number;
  concurrency: number;
  seeds: number;
}

type Combination = Pick<Cell, 'system' | 'workload' | 'nemesis' | 'cluster' | 'nodes'>;

const byName = (entry: { name: string }): string => entry.name;

/** Why a combination cannot be run; undefined when it can. All names are known. */
function refusal(it: Combination, registry: Registry): string | undefined {
  const system = lookUp('system', it.system, registry.systems, byName);
  const nemesis = lookUp('nemesis', it.nemesis, registry.nemeses, byName);
  const driver = lookUp('cluster', it.cluster, registry.drivers, ({ kind }) => kind);
  if (system.clusters !== undefined && !system.clusters.includes(it.cluster)) {
    return (
      `system ${it.system} does not run on the ${it.cluster} cluster, only on ` +
      system.clusters.join(', ')
    );
  }
  if (nemesis.systems?.includes(it.system) === false) {
    return (
      `nemesis ${it.nemesis} finds nothing to break on ${it.system}, only on ` +
      nemesis.systems.join(', ')
    );
  }
  const lacking = nemesis.needs.filter((kind) => !driver.supports.has(kind));
  if (lacking.length > 0) {
    return `nemesis ${it.nemesis} needs ${lacking.join(', ')}, which the ${it.cluster} cluster cannot do`;
  }
  return undefined;
}

/** Why a system cannot be loaded so, or broken so with so few servers. */
function misfit(it: Combination, registry: Registry): string | undefined {
  const system = lookUp('system', it.system, registry.systems, byName);
  const nemesis = lookUp('nemesis', it.nemesis, registry.nemeses, byName);
  const { workload, nodes: count = nemesis.nodesMin } = it;
  try {
    const wanted = { nodes: count, ...(workload === undefined ? {} : { workload }) };
    const { nodes } = composition(system, wanted, registry);
    if (nodes.length >= nemesis.nodesMin) return undefined;
    return `nemesis ${it.nemesis} needs at least ${nemesis.nodesMin} nodes, got ${nodes.length}`;
  } catch (error) {
    if (error instanceof BadArguments) return error.message;
    throw error;
  }
}

function checkNames(row: CheckedRow, registry: Registry): void {
  const known = <T>(
    what: string,
    names: readonly (string | undefined)[],
    all: readonly T[],
    nameOf: (entry: T) => string,
  ) => {
    for (const name of names) {
      if (name !== undefined) lookUp(what, name, all, nameOf);
    }
  };
  try {
    known('system', row.systems, registry.systems, byName);
    if (row.swarm) known('system of the swarm', row.systems, SWARM_SYSTEMS, (name) => name);
    // `register+log`: both at once.
    const workloads = row.workloads.flatMap((names) => names?.split('+'));
    known('workload', workloads, registry.workloads, byName);
    known('nemesis', row.nemeses, registry.nemeses, byName);
    known('cluster', row.clusters, registry.drivers, ({ kind }) => kind);
  } catch (error) {
    if (!(error instanceof BadArguments)) throw error;
    throw new BadArguments(`${row.at}: ${error.message}`);
  }
}

/** The identity of a cell, in words. */
function idOf(row: CheckedRow, it: Combination): string {
  const words = [it.cluster, it.system, it.workload, row.swarm ? 'swarm' : it.nemesis];
  if (it.nodes !== undefined) words.push(`${it.nodes} nodes`);
  return words.filter((word) => word !== undefined).join(' ');
}

function* product(row: CheckedRow): Generator<Combination> {
  for (const system of row.systems) {
    for (const cluster of row.clusters) {
      for (const nodes of row.nodes) {
        for (const workload of row.workloads) {
          for (const nemesis of row.nemeses) yield { system, workload, nemesis, cluster, nodes };
        }
      }
    }
  }
}

/** The cells of a row. Throws BadArguments on unknown names and on those that no cell can use. */
export function cellsOf(row: CheckedRow, registry: Registry): Cell[] {
  checkNames(row, registry);
  const { timeLimitMs, ratePerSecond, concurrency, seeds, swarm } = row;
  const cells: Cell[] = [];
  const useless = new Map<string, string>();
  const used = new Set<string>();
  for (const it of product(row)) {
    const names = [
      `system ${it.system}`,
      `workload ${it.workload}`,
      `nemesis ${it.nemesis}`,
      `cluster ${it.cluster}`,
      `nodes ${it.nodes}`,
    ];
    const why = refusal(it, registry) ?? misfit(it, registry);
    for (const name of names) {
      if (why === undefined) used.add(name);
      else useless.set(name, why);
    }
    if (why !== undefined) continue;
    const id = idOf(row, it);
    cells.push({ id, swarm, ...it, timeLimitMs, ratePerSecond, concurrency, seeds });
  }
  for (const [name, why] of useless) {
    if (!used.has(name)) throw new BadArguments(`${row.at}: no run can use ${name}: ${why}`);
  }
  return cells;
}
