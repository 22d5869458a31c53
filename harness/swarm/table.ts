// What many seeds came to: how they ended, and how often the things happened that the checks are about. A
// guarantee that nothing ever put to the test has not been tested, so what never happened is named.
import type { Capability } from '../../history/fault.ts';
import { EXIT } from '../../history/verdict.ts';
import { DRAWN_CAPABILITIES } from '../../nemesis/swarm.ts';
import type { PoolResult } from './pool.ts';
import { roundsOf } from './scenario.ts';
import { counts, type SeedResult } from './seed.ts';

/** Fewer seeds than this may miss a thing by chance. */
const SEEDS_TELLING = 50;
const MODES = ['diff', 'trunc', 'snap'] as const;

/** Sums up a pool's results. */
export class SwarmTable {
  readonly failures: PoolResult[] = [];
  readonly exits: number[] = [];
  done = 0;
  valid = 0;
  unknown = 0;
  /** Valid, but with too little in it to count. */
  thin = 0;
  /** Killed, or their worker died. */
  lost = 0;
  virtualMs = 0;
  readonly syncs: SeedResult['syncs'] = { diff: 0, trunc: 0, snap: 0 };
  /** Injected faults by kind; those of the swarm that never came are 0. */
  readonly faults: Partial<Record<Capability, number>> = Object.fromEntries(
    DRAWN_CAPABILITIES.map((kind) => [kind, 0]),
  );
  /** Rounds drawn, by kind. */
  readonly rounds: Record<string, number> = {};

  /** Seeds that failed and were not lost. */
  get failed(): number {
    return this.failures.length - this.lost;
  }

  /** Takes a result in; true when the seed failed. */
  add(outcome: PoolResult): boolean {
    this.done += 1;
    if (outcome.kind !== 'done') {
      if (outcome.kind === 'lost') this.lost += 1;
      this.failures.push(outcome);
      this.exits.push(EXIT.infrastructure);
      return true;
    }
    const { result, config } = outcome;
    this.virtualMs += result.virtualMs;
    for (const mode of MODES) this.syncs[mode] += result.syncs[mode];
    for (const [kind, n] of Object.entries(result.faultKinds) as [Capability, number][]) {
      this.faults[kind] = (this.faults[kind] ?? 0) + n;
    }
    for (const { kind } of roundsOf(config)) this.rounds[kind] = (this.rounds[kind] ?? 0) + 1;
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

  /** `17 of 500 seeds: 14 valid, …`. */
  outcomes(total: number): string {
    return (
      `${this.done} of ${total} seeds: ${this.valid} valid, ${this.thin} thin, ${this.unknown} ` +
      `unknown, ${this.failed} failed, ${this.lost} lost`
    );
  }

  /** `17 virtual minutes, 21.3 times real time`. */
  speed(elapsedMs: number): string {
    const times = elapsedMs > 0 ? this.virtualMs / elapsedMs : 0;
    return `${Math.round(this.virtualMs / 60_000)} virtual minutes, ${times.toFixed(1)} times real time`;
  }

  /** `12 diff, 3 trunc, 4 snap`. */
  syncModes(): string {
    return MODES.map((mode) => `${this.syncs[mode]} ${mode}`).join(', ');
  }

  /** `40 cut, 12 kill, …`. */
  faultKinds(): string {
    return byCount(this.faults);
  }

  /** What never happened in enough seeds, so that checks of it said nothing; each in a sentence. */
  vacuous(): string[] {
    if (this.done < SEEDS_TELLING) return [];
    const modes = MODES.filter((mode) => this.syncs[mode] === 0).map(
      (mode) => `no ${mode.toUpperCase()} synchronisation ever happened`,
    );
    const faults = Object.entries(this.faults)
      .filter(([, n]) => n === 0)
      .map(([kind]) => `no fault of kind ${kind} was ever injected`);
    return [...modes, ...faults].map(
      (what) => `${what} in ${this.done} seeds: checks of it are vacuous`,
    );
  }
}

/** `40 cut, 12 kill`, the most frequent first. */
export function byCount(counted: Readonly<Partial<Record<string, number>>>): string {
  const sorted = Object.entries(counted) as [string, number][];
  sorted.sort(([a, m], [b, n]) => n - m || a.localeCompare(b));
  return sorted.map(([kind, n]) => `${n} ${kind}`).join(', ') || 'none';
}
