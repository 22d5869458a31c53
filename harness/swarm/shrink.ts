// Shrinks a failing simulated run: fewer faults, then fewer servers and processes, then less time and load,
// as long as the same guarantee breaks. Every candidate is a whole run, so what is left really fails.
import type { RunConfig } from '../../history/run-record.ts';
import { EXIT } from '../../history/verdict.ts';
import type { Round } from '../../nemesis/swarm.ts';
import { failedAtMs } from './moment.ts';
import { leavingOut, lengthMs, plain, simpler, startsMs, windows } from './reduce.ts';
import { judgeOnce } from './replay.ts';
import { roundsOf, withRounds } from './scenario.ts';
import type { Trial, Trials } from './trials.ts';

export interface ShrinkOptions {
  trials: Trials;
  /** Checkers of which one must still say invalid; empty: any end that is not valid. */
  checkers: readonly string[];
  /** Runs at most; then what was reached is the answer. Default 1,000. */
  runsMax?: number;
  say(line: string): void;
}

const RUNS_MAX = 1_000;
/** Faults that a scenario should do with. */
export const FAULTS_WANTED = 5;
const WINDOWS_MAX = 16;
const NODES = [3, 4];
const CONCURRENCIES = [3, 6];
const RATES = [50, 100];
/** After the last fault the run still needs its tail: the damage may show late. */
const TAILS_MS = [1_500, 3_500, 8_000];
const FAULTS_MS_MIN = 4_000;

/** Whether a run broke what it was to break. */
export function breaks(outcome: Trial, checkers: readonly string[]): boolean {
  if (outcome.kind !== 'done') return false;
  const { findings, exit } = outcome.result;
  if (checkers.length === 0) return exit !== EXIT.valid && exit !== EXIT.unknown;
  return findings.some((f) => f.outcome === 'invalid' && checkers.includes(f.checker));
}

/** The same configuration on the server without its planted bug. */
export function cleanOf({ mutant: _planted, ...config }: RunConfig): RunConfig {
  return config;
}

class Shrinker {
  readonly #options: ShrinkOptions;
  readonly #runsMax: number;
  #best: RunConfig;

  constructor(config: RunConfig, options: ShrinkOptions) {
    this.#best = config;
    this.#options = options;
    this.#runsMax = options.trials.runs + (options.runsMax ?? RUNS_MAX);
  }

  get best(): RunConfig {
    return this.#best;
  }

  get #rounds(): Round[] {
    return roundsOf(this.#best);
  }

  /**
   * Takes the first candidate, in their order, that still fails; all with one seed, then all with the
   * next. A schedule that is changed meets other chances of network and disk, and the failure may need
   * one of them and not the fault that was left out. With a planted bug the clean server must pass.
   */
  async #first(candidates: readonly RunConfig[], seeds: number): Promise<boolean> {
    const { trials, checkers, say } = this.#options;
    const left = Math.max(0, this.#runsMax - trials.runs);
    const distinct = [...new Map(candidates.map((each) => [JSON.stringify(each), each])).values()];
    const all = Array.from({ length: seeds }, (_, i) =>
      distinct.map((each) => ({ ...each, seed: each.seed + i })),
    ).flat();
    const hit = await trials.first(all.slice(0, left), async (outcome, run) => {
      if (!breaks(outcome, checkers)) return false;
      if (outcome.config.mutant === undefined) return true;
      const clean = await run(cleanOf(outcome.config));
      if (clean.kind === 'done' && clean.result.outcome === 'invalid') {
        say(`the clean server fails too: ${JSON.stringify(clean.result.findings)}`);
      }
      return clean.kind === 'done' && clean.result.exit === EXIT.valid;
    });
    if (hit === undefined) return false;
    this.#best = hit.config;
    return true;
  }

  /** These rounds with no more time than they need, for each of the tails. */
  #timed(rounds: readonly Round[], tails: readonly number[] = [TAILS_MS[1] as number]) {
    const { timeLimitMs } = this.#best;
    return tails.map((tailMs) => {
      const neededMs = Math.max(FAULTS_MS_MIN, lengthMs(rounds) + tailMs);
      const config = withRounds(this.#best, rounds);
      return { ...config, timeLimitMs: Math.min(timeLimitMs, neededMs) };
    });
  }

  #tell(): void {
    const { timeLimitMs, nodes, concurrency, ratePerSecond, seed } = this.#best;
    this.#options.say(
      `${this.#rounds.length} faults in ${(timeLimitMs / 1000).toFixed(1)} s, ${nodes.length} servers, ` +
        `${concurrency} processes, ${ratePerSecond} operations a second, seed ${seed} ` +
        `(${this.#options.trials.runs} runs)`,
    );
  }

  /** Ends the run soon after what was first found in it. */
  async shorten(): Promise<void> {
    const { record, results } = await judgeOnce(this.#best);
    const atMs = failedAtMs(record, results.verdicts, this.#options.checkers);
    if (atMs === undefined) return;
    const starts = startsMs(this.#rounds);
    const rounds = this.#rounds.filter((_, i) => (starts[i] as number) < atMs);
    const candidates = TAILS_MS.map((tailMs) => ({
      ...withRounds(this.#best, rounds),
      timeLimitMs: Math.min(this.#best.timeLimitMs, Math.ceil(atMs) + tailMs),
    }));
    if (await this.#first(candidates, 2)) this.#tell();
  }

  /** A few rounds in a row, moved to the beginning, are often enough. */
  async excerpt(sizes: readonly number[], seeds: number): Promise<void> {
    for (const size of sizes) {
      if (size >= this.#rounds.length) return;
      const candidates = windows(this.#rounds, size, WINDOWS_MAX).flatMap((r) => this.#timed(r));
      if (await this.#first(candidates, seeds)) return this.#tell();
    }
  }

  /** Halves, quarters … single rounds are left out while the failure stays. */
  async faults(seeds: number): Promise<void> {
    for (let size = Math.ceil(this.#rounds.length / 2); size >= 1; ) {
      const smaller = leavingOut(this.#rounds, size).flatMap((rounds) => this.#timed(rounds));
      if (this.#rounds.length > 0 && (await this.#first(smaller, seeds))) {
        this.#tell();
        size = Math.min(size, Math.max(1, Math.ceil(this.#rounds.length / 2)));
      } else if (size === 1) return;
      else size = Math.floor(size / 2);
    }
  }

  /** Each round that is left becomes as simple as it can. */
  async simplify(): Promise<void> {
    await this.#first([withRounds(this.#best, plain(this.#rounds))], 1);
    for (let i = 0; i < this.#rounds.length; i++) {
      const variants = simpler(this.#rounds[i] as Round);
      const candidates = variants.flatMap((round) =>
        this.#timed(this.#rounds.map((each, at) => (at === i ? round : each))),
      );
      await this.#first(candidates, 1);
    }
    this.#tell();
  }

  /** Fewer servers, clients and operations, and the time that the rounds need. */
  async load(): Promise<void> {
    const { nodes, concurrency, ratePerSecond } = this.#best;
    // Nodes of several services are not equals, and a topic has three replicas.
    const smaller = this.#best.parts === undefined ? NODES.filter((n) => n < nodes.length) : [];
    await this.#first(
      smaller.map((n) => ({ ...this.#best, nodes: nodes.slice(0, n) })),
      4,
    );
    const fewer = CONCURRENCIES.filter((n) => n < concurrency && n >= this.#best.nodes.length);
    await this.#first(
      fewer.map((n) => ({ ...this.#best, concurrency: n })),
      1,
    );
    const slower = RATES.filter((n) => n < ratePerSecond);
    await this.#first(
      slower.map((n) => ({ ...this.#best, ratePerSecond: n })),
      1,
    );
    await this.#first(
      this.#timed(this.#rounds, TAILS_MS).filter((c) => c.timeLimitMs < this.#best.timeLimitMs),
      1,
    );
    this.#tell();
  }
}

/** Shrinks the schedule of one failing run; what is left may still be too much. */
async function shorter(config: RunConfig, options: ShrinkOptions): Promise<Shrinker> {
  const shrinker = new Shrinker(config, options);
  const length = () => roundsOf(shrinker.best).length;
  await shrinker.shorten();
  await shrinker.excerpt([1, 2, 3], 2);
  await shrinker.faults(3);
  if (length() > FAULTS_WANTED) {
    await shrinker.excerpt([3, 4, 5], 6);
    await shrinker.faults(8);
  }
  return shrinker;
}

/**
 * The smallest configuration found that still fails. Further starts are shrunk only while too many
 * faults are left of those before. The same starts give the same answer, however many workers there are.
 */
export async function shrink(
  starts: Iterable<RunConfig> | AsyncIterable<RunConfig>,
  options: ShrinkOptions,
): Promise<RunConfig> {
  let best: Shrinker | undefined;
  const length = (each: Shrinker | undefined) =>
    each === undefined ? Number.POSITIVE_INFINITY : roundsOf(each.best).length;
  for await (const config of starts) {
    const shrinker = await shorter(config, options);
    if (length(shrinker) < length(best)) best = shrinker;
    if (length(best) <= FAULTS_WANTED) break;
  }
  if (best === undefined) throw new Error('expected a failing run to shrink, got none');
  await best.simplify();
  await best.load();
  return best.best;
}
