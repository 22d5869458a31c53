// The ways to make a schedule of faults smaller, as pure functions from rounds to rounds. What a shrinker
// tries, and in which order, follows from these alone.
import type { Round } from '../../nemesis/swarm.ts';

/** A round that nothing comes before may come this soon. */
const LEAD_MS = 500;
/** Draws, or halves of them, are used modulo numbers of nodes: modulo this they choose the same. */
const DRAWS = 2 * 2 * 2 * 3 * 3 * 5 * 7;

/** Whether the next round waits for this one to be healed; else it may strike meanwhile. */
const isWaitedFor = (round: Round): boolean => round.draw % 2 === 0;
const passesMs = (round: Round): number => round.waitMs + (isWaitedFor(round) ? round.holdMs : 0);

/** When each round begins, ms after the first may, if injecting takes no time. */
export function startsMs(rounds: readonly Round[]): number[] {
  let atMs = 0;
  return rounds.map((round) => {
    const startMs = atMs + round.waitMs;
    atMs += passesMs(round);
    return startMs;
  });
}

/** When the last heal is due, ms. */
export function lengthMs(rounds: readonly Round[]): number {
  const starts = startsMs(rounds);
  return Math.max(0, ...rounds.map((round, i) => (starts[i] as number) + round.holdMs));
}

/** Leaves out rounds without moving the others in time. */
export function without(rounds: readonly Round[], from: number, count: number): Round[] {
  const kept: Round[] = [];
  let lostMs = 0;
  for (const [i, round] of rounds.entries()) {
    if (i >= from && i < from + count) lostMs += passesMs(round);
    else {
      kept.push({ ...round, waitMs: round.waitMs + lostMs });
      lostMs = 0;
    }
  }
  return kept;
}

/** `count` rounds from `from`, moved to the beginning. */
export function windowOf(rounds: readonly Round[], from: number, count: number): Round[] {
  const kept = rounds.slice(from, from + count);
  return kept.map((round, i) =>
    i === 0 ? { ...round, waitMs: Math.min(round.waitMs, LEAD_MS) } : round,
  );
}

/** Windows of `count` rounds, the last ones first: a failure follows its causes closely. */
export function windows(rounds: readonly Round[], count: number, most: number): Round[][] {
  const last = rounds.length - count;
  if (last < 0 || count >= rounds.length) return [];
  return Array.from({ length: Math.min(most, last + 1) }, (_, i) =>
    windowOf(rounds, last - i, count),
  );
}

/** Leaves out each part of `size` rounds in turn; what comes after moves up, or keeps its time. */
export function leavingOut(rounds: readonly Round[], size: number): Round[][] {
  const smaller: Round[][] = [];
  for (let at = 0; at < rounds.length; at += size) {
    const closed = [...rounds.slice(0, at), ...rounds.slice(at + size)];
    smaller.push(at === 0 ? windowOf(rounds, size, rounds.length) : closed);
    smaller.push(without(rounds, at, size));
  }
  return smaller;
}

/** Draws are made small, which a person can read. */
export function plain(rounds: readonly Round[]): Round[] {
  return rounds.map((round) => ({ ...round, draw: round.draw % DRAWS }));
}

/** Kinds that are tried in place of one. */
const SIMPLER: Partial<Record<Round['kind'], readonly Round['kind'][]>> = {
  crash: ['kill', 'disk'],
  disk: ['kill', 'disk'],
  pause: ['kill'],
  ring: ['isolate'],
  'one-way': ['isolate'],
  slow: ['isolate'],
  lose: ['isolate'],
};

/** Simpler rounds in place of one round, simplest first. */
export function simpler(round: Round): Round[] {
  const { waitMs, holdMs, kind, victims, draw } = round;
  const bare = (SIMPLER[kind] ?? []).map((other) => ({
    waitMs,
    holdMs,
    kind: other,
    victims,
    draw,
  }));
  const replaced = bare.filter((other) => JSON.stringify(other) !== JSON.stringify(round));
  const sooner = waitMs > 2 * LEAD_MS ? [{ ...round, waitMs: LEAD_MS }] : [];
  const shorter = holdMs > 1_500 ? [{ ...round, holdMs: Math.ceil(holdMs / 2) }] : [];
  return [...replaced, ...sooner, ...shorter];
}
