// `chaos run --cluster sim --seeds A..B`: many swarm seeds on all cores, with a live line, the failing
// seeds by name, and how each is run again.
import { EXIT, worstExit } from '../../history/verdict.ts';
import { BadArguments } from '../names.ts';
import { drawSwarm, type SwarmLimits } from '../swarm/draw.ts';
import { type PoolResult, runPool } from '../swarm/pool.ts';
import { counts } from '../swarm/seed.ts';
import { Output, type Terminal } from './terminal.ts';

export interface SeedsRequest extends SwarmLimits {
  from: number;
  to: number;
  jobs?: number;
  /** Go on after the first failure. */
  keepGoing: boolean;
}

const SEEDS_MAX = 1_000_000;

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

/** Sums up a pool's results. */
export class SwarmTable {
  readonly failures: PoolResult[] = [];
  readonly exits: number[] = [];
  done = 0;
  valid = 0;
  unknown = 0;
  /** Valid, but with too little in it to count. */
  thin = 0;
  virtualMs = 0;
  readonly syncs = { diff: 0, trunc: 0, snap: 0 };

  add(outcome: PoolResult): boolean {
    this.done += 1;
    if (outcome.kind !== 'done') {
      this.failures.push(outcome);
      this.exits.push(EXIT.infrastructure);
      return true;
    }
    const { result } = outcome;
    this.virtualMs += result.virtualMs;
    for (const mode of ['diff', 'trunc', 'snap'] as const) this.syncs[mode] += result.syncs[mode];
    this.exits.push(result.exit);
    if (result.exit === EXIT.valid) {
      if (counts(result)) this.valid += 1;
      else this.thin += 1;
      return false;
    }
    if (result.exit === EXIT.unknown) {
      this.unknown += 1;
      return false;
    }
    this.failures.push(outcome);
    return true;
  }

  line(total: number): string {
    const { diff, trunc, snap } = this.syncs;
    return (
      `${this.done} of ${total} seeds: ${this.valid} valid, ${this.thin} thin, ${this.unknown} ` +
      `unknown, ${this.failures.length} failed; ${Math.round(this.virtualMs / 60_000)} virtual ` +
      `minutes; syncs ${diff} diff, ${trunc} trunc, ${snap} snap`
    );
  }
}

/** How a failed seed ended, in lines. */
export function describeFailure(outcome: PoolResult): string[] {
  const { seed } = outcome.config;
  if (outcome.kind === 'lost') return [`seed ${seed}: ${outcome.why}`];
  if (outcome.kind === 'nondeterministic') {
    return [`seed ${seed}: two runs, two traces: ${outcome.traces.join(' and ')}`];
  }
  const { result } = outcome;
  return [
    `seed ${seed}: ${result.outcome}, exit ${result.exit}`,
    ...result.errors.map((error) => `  ${error}`),
    ...result.findings.map(({ checker, outcome: said, why }) => `  ${checker} ${said}: ${why}`),
  ];
}

/** Runs the seeds; the worst exit code wins. */
export async function seedsCommand(
  request: SeedsRequest,
  json: boolean,
  terminal: Terminal,
): Promise<number> {
  const output = new Output(terminal, json);
  const { from, to, jobs, keepGoing, ...limits } = request;
  const total = to - from + 1;
  const table = new SwarmTable();
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  terminal.signal.addEventListener('abort', interrupt, { once: true });
  function* configs() {
    for (let seed = from; seed <= to; seed++) yield drawSwarm(seed, limits);
  }
  let shownMs = performance.now();
  await runPool(configs(), {
    ...(jobs === undefined ? {} : { jobs }),
    signal: stop.signal,
    onResult(outcome) {
      const failed = table.add(outcome);
      if (failed) for (const line of describeFailure(outcome)) output.line(line);
      if (performance.now() - shownMs > 5_000) {
        shownMs = performance.now();
        output.line(table.line(total));
      }
      if (failed && !keepGoing) stop.abort();
    },
  });
  terminal.signal.removeEventListener('abort', interrupt);
  output.line(table.line(total));
  for (const { config } of table.failures) {
    output.line(`reproduce: npx chaos run --cluster sim --swarm --seed ${config.seed}`);
  }
  const exit = terminal.signal.aborted ? EXIT.interrupted : worstExit(table.exits);
  const failed = table.failures.map(({ config }) => config.seed);
  const { done, valid, thin, unknown, syncs } = table;
  output.object({ exit, seeds: done, valid, thin, unknown, failed, syncs });
  return exit;
}
