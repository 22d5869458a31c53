// `chaos run --cluster sim --seeds A..B`: many swarm seeds on all cores, the failing ones by name with all
// that they drew, each kept as a whole run with its report, and how it is run again.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, worstExit } from '../../history/verdict.ts';
import { makeWithParents } from '../../wire/durable-files.ts';
import { errorLine } from '../clock.ts';
import { swarmResolved } from '../config.ts';
import { BadArguments } from '../names.ts';
import type { Registry } from '../registry-types.ts';
import { runToEnd } from '../run.ts';
import { FILES } from '../store.ts';
import { drawSwarm, type SwarmLimits } from '../swarm/draw.ts';
import { describeDrawn, drawnJson } from '../swarm/drawn.ts';
import { type PoolResult, runPool } from '../swarm/pool.ts';
import { SwarmTable } from '../swarm/table.ts';
import { SeedsView, totals } from './seeds-view.ts';
import { Output, type Terminal } from './terminal.ts';

export interface SeedsRequest extends SwarmLimits {
  from: number;
  to: number;
  jobs?: number;
  /** Go on after the first failure. */
  keepGoing: boolean;
}

const SEEDS_MAX = 1_000_000;
/** Failing seeds that are kept as runs; of more than these nobody reads the reports. */
const KEPT_MAX = 20;

/** Parses `1..500` or a single number. */
export function seedRange(text: string): { from: number; to: number } {
  const match = /^(\d{1,15})(?:\.\.(\d{1,15}))?$/.exec(text);
  const from = Number(match?.[1]);
  const to = Number(match?.[2] ?? match?.[1]);
  if (match === null || to < from || to - from >= SEEDS_MAX) {
    throw new BadArguments(
      `expected --seeds to be a range like 1..500 of at most ${SEEDS_MAX}, got "${text}"`,
    );
  }
  return { from, to };
}

/** How a failed seed ended, in lines; the second is all that it drew. */
export function describeFailure(outcome: PoolResult): string[] {
  const { seed } = outcome.config;
  const drawn = `  drew ${describeDrawn(outcome.config)}`;
  switch (outcome.kind) {
    case 'changed':
      return [`seed ${seed}: ${outcome.why}`];
    case 'lost':
      return [`seed ${seed}: ${outcome.why}`, drawn];
    case 'nondeterministic': {
      const { event, first, second } = outcome.difference;
      const where = event === undefined ? 'did not differ again' : `differ first at event ${event}`;
      const said = `seed ${seed}: two runs of one seed, in two processes, ${where}:`;
      return [said, `  ${first}`, `  ${second}`, drawn];
    }
    case 'done': {
      const { result } = outcome;
      return [
        `seed ${seed}: ${result.outcome}, exit ${result.exit}`,
        drawn,
        ...result.errors.map((error) => `  ${error}`),
        ...result.findings.map(({ checker, outcome: said, why }) => `  ${checker} ${said}: ${why}`),
      ];
    }
  }
}

/** A seed's line in `--json` and in the store. */
export function seedJson(outcome: PoolResult): object {
  const { config, kind } = outcome;
  const drawn = drawnJson(config);
  if (outcome.kind !== 'done') return { seed: config.seed, ended: kind, drawn };
  const { exit, ops, faults, faultKinds, syncs, trace, virtualMs } = outcome.result;
  const told = { exit, ops, faults, faultKinds, syncs, trace, virtualMs };
  return { seed: config.seed, ended: kind, outcome: outcome.result.outcome, ...told, drawn };
}

interface Kept {
  seed: number;
  run: string;
}

/** Runs failing seeds again as runs of the store. A trace that is another one is an error. */
class Keeper {
  readonly kept: Kept[] = [];
  readonly errors: string[] = [];
  readonly #terminal: Terminal;
  readonly #registry: Registry;

  constructor(terminal: Terminal, registry: Registry) {
    this.#terminal = terminal;
    this.#registry = registry;
  }

  async keep(outcome: PoolResult, say: (line: string) => void): Promise<void> {
    if (outcome.kind !== 'done') return;
    const { config, result } = outcome;
    const { storeDir, signal } = this.#terminal;
    const { dir, run } = await runToEnd(swarmResolved(config, this.#registry), {
      registry: this.#registry,
      storeDir,
      signal,
      log: () => {},
    });
    if (signal.aborted) return;
    this.kept.push({ seed: config.seed, run: dir });
    say(`seed ${config.seed}: report ${join(dir, FILES.report)}`);
    say(`  npx chaos replay ${dir}`);
    say(`  npx chaos shrink ${dir}`);
    const trace = run.info.simulation?.trace;
    if (trace === result.trace) return;
    this.errors.push(
      `seed ${config.seed}: the run kept has trace ${trace}, the one that failed ${result.trace}: ` +
        'the sources changed, or the simulator is not deterministic; `chaos replay` tells which',
    );
  }
}

/** The command that runs a seed again with what was fixed for it. */
function again(seed: number, { system, workload, nodes, mutant }: SwarmLimits): string {
  const flags = Object.entries({ system, workload, nodes, mutant })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` --${name} ${value}`);
  return `npx chaos run --cluster sim --seeds ${seed}${flags.join('')}`;
}

/** Runs the seeds; the worst exit code wins. */
export async function seedsCommand(
  request: SeedsRequest,
  json: boolean,
  terminal: Terminal,
  registry: Registry,
): Promise<number> {
  const output = new Output(terminal, json);
  const { from, to, jobs, keepGoing, ...limits } = request;
  const total = to - from + 1;
  const table = new SwarmTable();
  const seeds: object[] = [];
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  terminal.signal.addEventListener('abort', interrupt, { once: true });
  function* configs() {
    for (let seed = from; seed <= to; seed++) yield drawSwarm(seed, limits);
  }
  const list = seedsFile(terminal.storeDir, from, to);
  const view = new SeedsView(terminal, output, table, total);
  try {
    await runPool(configs(), {
      ...(jobs === undefined ? {} : { jobs }),
      signal: stop.signal,
      onRunning: (running) => view.running(running),
      onResult(outcome) {
        if (stop.signal.aborted) return;
        const failed = table.add(outcome);
        seeds.push(seedJson(outcome));
        appendSeed(list, outcome);
        if (failed) for (const line of describeFailure(outcome)) view.line(line);
        view.progress();
        if (outcome.kind === 'changed' || (failed && !keepGoing)) stop.abort();
      },
    });
  } finally {
    view.stop();
    terminal.signal.removeEventListener('abort', interrupt);
  }
  for (const line of totals(table, total, view.elapsedMs)) output.line(line);
  for (const line of table.vacuous()) output.line(`note: ${line}`);
  const keeper = await keepFailures(table, limits, { output, terminal, registry });
  output.line(`all seeds, with what they drew: ${list}`);
  for (const error of keeper.errors) output.problem(error);
  if (keeper.errors.length > 0) table.exits.push(EXIT.infrastructure);
  const exit = terminal.signal.aborted ? EXIT.interrupted : worstExit(table.exits);
  const failed = table.failures.map(({ config }) => config.seed);
  const { done, valid, thin, unknown, lost, syncs, faults, rounds } = table;
  const vacuous = table.vacuous();
  const counted = { valid, thin, unknown, lost, failed, syncs, faults, rounds, vacuous };
  output.object({ exit, seeds: done, ...counted, kept: keeper.kept, list, runs: seeds });
  return exit;
}

async function keepFailures(
  table: SwarmTable,
  limits: SwarmLimits,
  { output, terminal, registry }: { output: Output; terminal: Terminal; registry: Registry },
): Promise<Keeper> {
  const keeper = new Keeper(terminal, registry);
  for (const [i, outcome] of table.failures.entries()) {
    if (terminal.signal.aborted) break;
    output.line(`reproduce: ${again(outcome.config.seed, limits)}`);
    if (i >= KEPT_MAX) continue;
    try {
      await keeper.keep(outcome, (line) => output.line(line));
    } catch (error) {
      keeper.errors.push(`seed ${outcome.config.seed} could not be kept: ${errorLine(error)}`);
    }
  }
  return keeper;
}

/** A file of the store with a line for each seed: its whole configuration and how it ended. */
function seedsFile(storeDir: string, from: number, to: number): string {
  const time = new Date().toISOString().replaceAll(/[-:]/g, '').replace('.', '');
  const folder = join(storeDir, 'seeds');
  makeWithParents(folder);
  const path = join(folder, `${time}-${from}-${to}.jsonl`);
  writeFileSync(path, '');
  return path;
}

function appendSeed(path: string, outcome: PoolResult): void {
  writeFileSync(path, `${JSON.stringify(outcome)}\n`, { flag: 'a' });
}
