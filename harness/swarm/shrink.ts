// Shrinks a failing simulated run: fewer faults, then fewer processes, then less time and load, as long as
// the same guarantee breaks. Every candidate is a whole run, so what is left really fails.
import type { RunConfig } from '../../history/run-record.ts';
import type { Round } from '../../nemesis/swarm.ts';
import { type PoolResult, runPool } from './pool.ts';
import { roundsOf, withRounds } from './scenario.ts';

export interface ShrinkOptions {
  /** Checkers of which one must still say invalid; empty: any end that is not valid. */
  checkers: readonly string[];
  jobs?: number;
  say(line: string): void;
}

/** Candidates that are tried at most. */
const CANDIDATES_MAX = 1_500;
const SEEDS_A_CANDIDATE = 4;
const CONCURRENCIES = [3, 4, 6];
const RATES = [20, 50, 100];
/** After the last fault the run still needs its tail. */
const TAIL_MS = 3_500;

function fails(outcome: PoolResult, checkers: readonly string[]): boolean {
  if (outcome.kind !== 'done') return false;
  const { findings, exit } = outcome.result;
  if (checkers.length === 0) return exit !== 0 && exit !== 2;
  return findings.some((f) => f.outcome === 'invalid' && checkers.includes(f.checker));
}

/** Leaves out rounds without moving the others in time. */
export function without(rounds: readonly Round[], from: number, count: number): Round[] {
  const kept: Round[] = [];
  let lostMs = 0;
  for (const [i, round] of rounds.entries()) {
    if (i >= from && i < from + count) {
      lostMs += round.waitMs + (round.draw % 2 === 0 ? round.holdMs : 0);
    } else {
      kept.push({ ...round, waitMs: round.waitMs + lostMs });
      lostMs = 0;
    }
  }
  return kept;
}

function lengthMs(rounds: readonly Round[]): number {
  let atMs = 0;
  let endMs = 0;
  for (const round of rounds) {
    atMs += round.waitMs;
    endMs = Math.max(endMs, atMs + round.holdMs);
    if (round.draw % 2 === 0) atMs += round.holdMs;
  }
  return endMs;
}

class Shrinker {
  readonly #options: ShrinkOptions;
  #best: RunConfig;
  #tried = 0;

  constructor(config: RunConfig, options: ShrinkOptions) {
    this.#best = config;
    this.#options = options;
  }

  get best(): RunConfig {
    return this.#best;
  }

  /**
   * Tries candidates side by side, each with several seeds, and takes the first, in their order, that
   * still fails. A schedule that is changed meets other chances of network and disk; the failure may
   * need one of them and not the fault that was left out.
   */
  async #first(schedules: RunConfig[]): Promise<boolean> {
    const { checkers, jobs } = this.#options;
    const candidates = schedules.flatMap((each) =>
      Array.from({ length: SEEDS_A_CANDIDATE }, (_, i) => ({ ...each, seed: each.seed + i })),
    );
    const left = candidates.slice(0, Math.max(0, CANDIDATES_MAX - this.#tried));
    this.#tried += left.length;
    const enough = new AbortController();
    const failing = new Set<RunConfig>();
    await runPool(left, {
      ...(jobs === undefined ? {} : { jobs }),
      twice: 0,
      signal: enough.signal,
      onResult: (outcome) => {
        if (outcome.kind === 'changed') throw new Error(outcome.why);
        if (!fails(outcome, checkers)) return;
        failing.add(outcome.config);
        enough.abort();
      },
    });
    const found = left.find((candidate) => failing.has(candidate));
    if (found === undefined) return false;
    this.#best = found;
    return true;
  }

  /** Halves, quarters … single rounds are left out while the failure stays. */
  async faults(): Promise<void> {
    const rounds = () => roundsOf(this.#best);
    for (let size = Math.ceil(rounds().length / 2); size >= 1; ) {
      const starts = Array.from({ length: Math.ceil(rounds().length / size) }, (_, i) => i * size);
      const candidates = starts.map((at) => withRounds(this.#best, without(rounds(), at, size)));
      const shorter = candidates.filter((c) => roundsOf(c).length < rounds().length);
      if (shorter.length > 0 && (await this.#first(shorter))) {
        this.#options.say(`${rounds().length} faults left`);
        size = Math.min(size, Math.max(1, Math.ceil(rounds().length / 2)));
      } else if (size === 1) return;
      else size = Math.floor(size / 2);
    }
  }

  async load(): Promise<void> {
    const { concurrency, ratePerSecond, timeLimitMs } = this.#best;
    const fewer = CONCURRENCIES.filter((n) => n < concurrency);
    if (await this.#first(fewer.map((n) => ({ ...this.#best, concurrency: n })))) {
      this.#options.say(`${this.#best.concurrency} processes left`);
    }
    const slower = RATES.filter((n) => n < ratePerSecond);
    if (await this.#first(slower.map((n) => ({ ...this.#best, ratePerSecond: n })))) {
      this.#options.say(`${this.#best.ratePerSecond} operations a second left`);
    }
    const shortMs = Math.max(5_000, lengthMs(roundsOf(this.#best)) + TAIL_MS);
    if (shortMs < timeLimitMs) {
      if (await this.#first([{ ...this.#best, timeLimitMs: shortMs }])) {
        this.#options.say(`${shortMs} ms left`);
      }
    }
  }
}

/** The smallest configuration found that still fails. */
export async function shrink(config: RunConfig, options: ShrinkOptions): Promise<RunConfig> {
  const shrinker = new Shrinker(config, options);
  await shrinker.faults();
  await shrinker.load();
  return shrinker.best;
}
