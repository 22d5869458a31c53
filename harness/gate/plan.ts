// What a gate runs, round after round, and in which order: every cell of the matrix once or more in each
// round, with seeds that never come twice. Nothing here runs anything.
import { Random } from '../../history/random.ts';
import type { Cell } from './cells.ts';
import { fairOrder, type Shard, shardOf } from './order.ts';

/** One run to do. */
export interface Entry {
  cell: Cell;
  round: number;
  seed: number;
}

/** Seeds of a cell begin somewhere below; small enough to be typed. */
const SEED_START_MAX = 1_000_000_000;

/** Wall time of a run beside its fault phase, ms, until runs of its kind have shown theirs. */
const AROUND_MS: Readonly<Record<Cell['cluster'], number>> = {
  docker: 30_000,
  local: 20_000,
  sim: 3_000,
};
const SWARM_MS = 7_000;
/** The simulator is this much faster than the time that it simulates. */
const SIM_SPEED = 10;

/** Whether a cell's entries run beside each other in worker processes. */
export function isSimulated(cell: Cell): boolean {
  return cell.cluster === 'sim';
}

/** What a run of a cell takes before any of its kind was seen, ms. */
export function expectedMs(cell: Cell): number {
  if (cell.swarm) return SWARM_MS;
  const { cluster, timeLimitMs } = cell;
  return AROUND_MS[cluster] + (cluster === 'sim' ? timeLimitMs / SIM_SPEED : timeLimitMs);
}

/** What runs take: what their cell's runs were seen to take at most, until then what is expected. */
export class Costs {
  readonly #seen = new Map<string, number>();

  of({ cell }: Entry): number {
    return this.#seen.get(cell.id) ?? expectedMs(cell);
  }

  /** A run of the cell took this long. */
  note({ cell }: Entry, tookMs: number): void {
    this.#seen.set(cell.id, Math.max(tookMs, this.#seen.get(cell.id) ?? 0));
  }
}

/** What an order must be fair to. */
function traitsOf({ cell }: Entry): string[] {
  const { system, cluster, nemesis, workload = 'usual or drawn', nodes = 'drawn' } = cell;
  return [
    `system ${system}`,
    `cluster ${cluster}`,
    `nemesis ${nemesis}`,
    `workload ${workload}`,
    `nodes ${nodes}`,
  ];
}

/** The entries of one round in the order of the matrix; the same seed gives the same. */
export function entriesOf(cells: readonly Cell[], baseSeed: number, round: number): Entry[] {
  return cells.flatMap((cell) => {
    const start = new Random(baseSeed, `gate ${cell.id}`).int(1, SEED_START_MAX);
    return Array.from({ length: cell.seeds }, (_, i): Entry => {
      return { cell, round, seed: start + round * cell.seeds + i };
    });
  });
}

/** The entry with another seed, which no entry of a gate has. */
export function redrawn(entry: Entry): Entry {
  return { ...entry, seed: entry.seed + SEED_START_MAX };
}

/** A shard's entries of one round, of which every beginning is a fair sample. */
export function roundOf(
  cells: readonly Cell[],
  baseSeed: number,
  round: number,
  shard: Shard = { index: 1, count: 1 },
): Entry[] {
  const all = entriesOf(cells, baseSeed, round);
  const own = shardOf(all, shard, ({ cell }) => expectedMs(cell));
  return fairOrder(own, traitsOf);
}

/** Entries that run together: one on a real cluster, or simulated ones side by side. */
export interface Slice {
  simulated: boolean;
  entries: Entry[];
}

/** Workers that start and end for less than this do little else. */
const SLICE_MS = 30_000;

/**
 * Cuts a round into what runs together, for real clusters must have the machine to themselves. Simulated
 * entries gather until they are worth starting workers for; only the first of them do not wait.
 */
export function slicesOf(
  entries: readonly Entry[],
  jobs: number,
  costOf: (entry: Entry) => number,
): Slice[] {
  const slices: Slice[] = [];
  let gathered: Entry[] = [];
  let gatheredMs = 0;
  const flush = () => {
    if (gathered.length > 0) slices.push({ simulated: true, entries: gathered });
    gathered = [];
    gatheredMs = 0;
  };
  for (const entry of entries) {
    if (isSimulated(entry.cell)) {
      gathered.push(entry);
      gatheredMs += costOf(entry) / jobs;
      continue;
    }
    const first = !slices.some(({ simulated }) => simulated);
    if (first || gatheredMs >= SLICE_MS) flush();
    slices.push({ simulated: false, entries: [entry] });
  }
  flush();
  return slices;
}
