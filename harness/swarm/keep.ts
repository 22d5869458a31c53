// Makes a scenario of a shrunk run: tries how many seeds show the failure, makes it show more often if
// few do, and notes what it shows. A scenario that one seed in eight shows would not outlive the next change.
import type { RunConfig } from '../../history/run-record.ts';
import { EXIT } from '../../history/verdict.ts';
import { firstAnomaly } from './moment.ts';
import { type JudgedRun, judgeOnce } from './replay.ts';
import { roundsOf, type Scenario, withRounds } from './scenario.ts';
import { breaks, cleanOf, FAULTS_WANTED } from './shrink.ts';
import type { Trials } from './trials.ts';

/** Seeds of a scenario. */
const SEEDS = 8;
/** A scenario that this many of its seeds show is good enough as it is. */
const HITS_WANTED = 3;

interface Tried {
  config: RunConfig;
  seeds: number[];
  foundBy: number[];
}

/** Runs a configuration with consecutive seeds. */
async function tryOut(
  config: RunConfig,
  checkers: readonly string[],
  trials: Trials,
  count: number,
): Promise<Tried> {
  const all = Array.from({ length: count }, (_, i) => ({ ...config, seed: config.seed + i }));
  const ended = await trials.all(all);
  const foundBy = ended.filter((o) => breaks(o, checkers)).map((o) => o.config.seed);
  return { config, seeds: all.map(({ seed }) => seed), foundBy };
}

/** Leaves out the seeds that the clean server does not pass, if there is a clean server. */
async function withoutFailing({ config, seeds, foundBy }: Tried, trials: Trials): Promise<Tried> {
  if (config.mutant === undefined) return { config, seeds, foundBy };
  const clean = await trials.all(seeds.map((seed) => cleanOf({ ...config, seed })));
  const passed = new Set(
    clean.flatMap((o) => (o.kind === 'done' && o.result.exit === EXIT.valid ? o.config.seed : [])),
  );
  const kept = (each: number[]) => each.filter((seed) => passed.has(seed));
  return { config, seeds: kept(seeds), foundBy: kept(foundBy) };
}

/** What may make a failure show with more seeds, the least change first. */
function stronger(config: RunConfig): RunConfig[] {
  const rounds = roundsOf(config);
  const { timeLimitMs, clusterOptions } = config;
  const longer = rounds.map((round) => ({ ...round, holdMs: round.holdMs * 2 }));
  const variants: RunConfig[] = [
    { ...config, timeLimitMs: timeLimitMs + 3_000 },
    { ...config, ratePerSecond: 100, concurrency: Math.max(6, config.concurrency) },
    { ...config, ratePerSecond: 200, concurrency: 9 },
    { ...withRounds(config, longer), timeLimitMs: timeLimitMs * 2 },
    { ...config, clusterOptions: { ...clusterOptions, latencyMaxMs: 10 } },
    {
      ...config,
      ratePerSecond: 200,
      concurrency: 9,
      clusterOptions: { ...clusterOptions, latencyMaxMs: 10 },
    },
  ];
  if (rounds.length > 0 && rounds.length * 2 <= FAULTS_WANTED) {
    const twice = withRounds(config, [...rounds, ...rounds]);
    variants.push({ ...twice, timeLimitMs: timeLimitMs * 2 });
  }
  return variants;
}

/** The configuration, or one close to it, that most seeds show. */
async function mostShown(
  config: RunConfig,
  checkers: readonly string[],
  trials: Trials,
  count: number,
): Promise<Tried> {
  let best = await tryOut(config, checkers, trials, count);
  for (const variant of stronger(config)) {
    if (best.foundBy.length >= Math.min(HITS_WANTED, count)) break;
    const tried = await tryOut(variant, checkers, trials, count);
    if (tried.foundBy.length > best.foundBy.length) best = tried;
  }
  return withoutFailing(best, trials);
}

export interface KeepOptions {
  name: string;
  /** Checkers of which one must say invalid. */
  checkers: readonly string[];
  guarantee?: string;
  trials: Trials;
  /** Seeds to try; default 8. */
  seedCount?: number;
}

/**
 * The scenario of a run that fails, with its record for a story. Throws when no seed that the clean
 * server passes shows it.
 */
export async function keep(
  shrunk: RunConfig,
  options: KeepOptions,
): Promise<{ scenario: Scenario; judged: JudgedRun }> {
  const { name, checkers, guarantee, trials, seedCount = SEEDS } = options;
  const { config: best, seeds, foundBy } = await mostShown(shrunk, checkers, trials, seedCount);
  const seed = foundBy[0];
  if (seed === undefined) {
    throw new Error(
      `${name}: no seed from ${shrunk.seed} on shows it that the clean server passes`,
    );
  }
  const config: RunConfig = { ...best, name, seed };
  const judged = await judgeOnce(config);
  const { record, results, simulated, errors } = judged;
  const said = results.verdicts.filter(({ outcome }) => outcome === 'invalid');
  const first = firstAnomaly(record, results.verdicts, checkers);
  const scenario: Scenario = {
    name,
    shows: first?.anomaly.why ?? errors[0] ?? '',
    expects: 'invalid',
    checkers: said.map(({ checker }) => checker),
    ...(guarantee === undefined ? {} : { guarantee }),
    seeds: [seed, ...seeds.filter((other) => other !== seed)],
    foundBy,
    rounds: roundsOf(config),
    config,
    trace: simulated.trace.hash,
    programs: simulated.programs,
  };
  return { scenario, judged };
}
