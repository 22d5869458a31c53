// Finds and reads chaos.config.ts and refuses what is wrong with it, naming the place, before anything
// starts: a gate that runs less than was meant would be green for nothing.
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT } from '../bundle.ts';
import { duration } from '../cli/options.ts';
import { errorLine } from '../clock.ts';
import { BadArguments, lookUp, suggestion } from '../names.ts';
import type { Registry } from '../registry-types.ts';
import { type Cell, type CheckedRow, cellsOf } from './cells.ts';
import type { ClusterKind } from './config.ts';

export const CONFIG_FILE = 'chaos.config.ts';

const SEEDS_MAX = 1_000;
const CELLS_MAX = 2_000;
const RUN_KEYS = [
  'system',
  'workload',
  'nemesis',
  'cluster',
  'nodes',
  'timeLimit',
  'rate',
  'concurrency',
  'seeds',
] as const;
const SWARM_KEYS = ['swarm', 'workload', 'nodes', 'seeds'] as const;

/** A profile with its matrix multiplied out. */
export interface GateProfile {
  name: string;
  budgetMs: number;
  cells: Cell[];
}

function lengthOfTime(what: string, given: unknown): number {
  if (typeof given === 'string') return duration(what, given);
  throw new BadArguments(`expected ${what} to be like '20m', got ${JSON.stringify(given)}`);
}

type Fields = Record<string, unknown>;

function fields(what: string, given: unknown, known?: readonly string[]): Fields {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new BadArguments(`expected ${what} to be an object, got ${JSON.stringify(given)}`);
  }
  for (const key of Object.keys(given)) {
    if (known === undefined || known.includes(key)) continue;
    const hint = suggestion(key, known) || ';';
    throw new BadArguments(`${what}: unknown field "${key}"${hint} known: ${known.join(', ')}`);
  }
  return given as Fields;
}

function whole(what: string, given: unknown, min: number, max: number): number {
  if (Number.isSafeInteger(given) && Number(given) >= min && Number(given) <= max) {
    return Number(given);
  }
  throw new BadArguments(
    `expected ${what} to be a whole number from ${min} to ${max}, got ${JSON.stringify(given)}`,
  );
}

function oneOrMore<T>(
  what: string,
  given: unknown,
  each: (what: string, value: unknown) => T,
): T[] {
  const all: unknown[] = Array.isArray(given) ? given : [given];
  if (all.length === 0) throw new BadArguments(`expected ${what} to name at least one, got none`);
  return [
    ...new Set(all.map((value, i) => each(Array.isArray(given) ? `${what}[${i}]` : what, value))),
  ];
}

function text(what: string, value: unknown): string {
  if (typeof value === 'string' && value !== '') return value;
  throw new BadArguments(`expected ${what} to be a name, got ${JSON.stringify(value)}`);
}

function runRow(at: string, given: unknown): CheckedRow {
  const row = fields(at, given, RUN_KEYS);
  const names = (field: string) => oneOrMore(`${at}.${field}`, row[field], text);
  return {
    at,
    swarm: false,
    systems: names('system'),
    workloads: row.workload === undefined ? [undefined] : names('workload'),
    nemeses: names('nemesis'),
    clusters: names('cluster') as ClusterKind[],
    nodes: oneOrMore(`${at}.nodes`, row.nodes ?? 3, (what, n) => whole(what, n, 1, 9)),
    timeLimitMs: lengthOfTime(`${at}.timeLimit`, row.timeLimit ?? '10s'),
    ratePerSecond: whole(`${at}.rate`, row.rate ?? 200, 0, 100_000),
    concurrency: whole(`${at}.concurrency`, row.concurrency ?? 10, 1, 1_000),
    seeds: whole(`${at}.seeds`, row.seeds ?? 1, 1, SEEDS_MAX),
  };
}

function swarmRow(at: string, given: unknown): CheckedRow {
  const row = fields(at, given, SWARM_KEYS);
  return {
    at,
    swarm: true,
    systems: [text(`${at}.swarm`, row.swarm)],
    workloads: [row.workload === undefined ? undefined : text(`${at}.workload`, row.workload)],
    nemeses: ['swarm'],
    clusters: ['sim'],
    nodes: [row.nodes === undefined ? undefined : whole(`${at}.nodes`, row.nodes, 3, 9)],
    timeLimitMs: 0,
    ratePerSecond: 0,
    concurrency: 0,
    seeds: whole(`${at}.seeds`, row.seeds ?? 10, 1, SEEDS_MAX),
  };
}

/** Checks a profile and multiplies out its matrix. Throws BadArguments, naming the place. */
function checkProfile(name: string, given: unknown, registry: Registry): GateProfile {
  const at = `profiles.${name}`;
  const { budget, matrix } = fields(at, given, ['budget', 'matrix']);
  const budgetMs = lengthOfTime(`${at}.budget`, budget);
  if (!Array.isArray(matrix) || matrix.length === 0) {
    throw new BadArguments(`expected ${at}.matrix to be a list of at least one row`);
  }
  const cells = matrix.flatMap((row: unknown, i) => {
    const place = `${at}.matrix[${i}]`;
    const swarm = 'swarm' in fields(place, row);
    return cellsOf(swarm ? swarmRow(place, row) : runRow(place, row), registry);
  });
  if (cells.length > CELLS_MAX) {
    throw new BadArguments(
      `${at}.matrix has ${cells.length} combinations, expected at most ${CELLS_MAX}; name fewer`,
    );
  }
  const seen = new Set<string>();
  for (const { id } of cells) {
    if (seen.has(id)) {
      throw new BadArguments(`${at}.matrix has "${id}" twice; give it more seeds in one row`);
    }
    seen.add(id);
  }
  return { name, budgetMs, cells };
}

/** Checks all of a configuration and gives the profile asked for. Throws BadArguments. */
export function profileOf(config: unknown, wanted: string, registry: Registry): GateProfile {
  const { profiles } = fields('the configuration', config, ['profiles']);
  const all = Object.entries(fields('profiles', profiles)).map(([name, profile]) =>
    checkProfile(name, profile, registry),
  );
  return lookUp('profile', wanted, all, ({ name }) => name);
}

/** The configuration's file: the one given, the working folder's, or this project's own. */
function configFile(given: string | undefined): string {
  if (given !== undefined) {
    if (existsSync(resolve(given))) return resolve(given);
    throw new BadArguments(`there is no configuration ${resolve(given)}`);
  }
  const places = [...new Set([resolve(CONFIG_FILE), join(ROOT, CONFIG_FILE)])];
  const found = places.find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new BadArguments(`there is no ${places.join(' nor ')}; write one, or give --config FILE`);
}

/** Reads the configuration and gives the profile asked for, with the file's path. Throws BadArguments. */
export async function loadProfile(
  given: string | undefined,
  wanted: string,
  registry: Registry,
): Promise<{ file: string; profile: GateProfile }> {
  const file = configFile(given);
  let loaded: { default?: unknown };
  try {
    loaded = (await import(pathToFileURL(file).href)) as { default?: unknown };
  } catch (error) {
    throw new BadArguments(`${file} cannot be read: ${errorLine(error)}`);
  }
  if (loaded.default === undefined) {
    throw new BadArguments(`${file}: expected \`export default defineConfig({ … })\``);
  }
  try {
    return { file, profile: profileOf(loaded.default, wanted, registry) };
  } catch (error) {
    if (!(error instanceof BadArguments)) throw error;
    throw new BadArguments(`${file}: ${error.message}`);
  }
}
