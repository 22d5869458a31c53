// When faults come and go: rounds of fault and recovery that fill the fault phase, drawn from the seed.
// Every nemesis shares the rhythm, so that runs under different faults are comparable.
import { type Fault, linksBetween } from '../history/fault.ts';
import type { Completion, Plan, Step } from '../history/plan.ts';
import type { NemesisContext } from '../history/plugin.ts';

/** Warm-up went before, so the first fault comes soon. */
const FIRST_MS = 1_000;
/** A round long enough that a new leader is elected, serves for a while, and the old one returns. */
const ROUND_MS = 7_000;
/** Short phases are packed tighter down to this: two shorter faults show more than one long one. */
const SHORT_ROUND_MS = 4_400;
/** What observing, injecting, verifying and healing take in all, as far as a plan can know. */
const CALLS_MS = 900;
/** The least part of a round that a fault lasts: long enough for others to take over and serve. */
const HOLD_PART_MIN = 0.52;
const LEADERLESS_PAUSE_MS = 200;
const LEADERLESS_TRIES = 25;

/** How many rounds the fault phase holds: at least one. */
export function roundCount(timeLimitMs: number): number {
  const leftMs = timeLimitMs - FIRST_MS;
  const long = Math.floor(leftMs / ROUND_MS);
  const short = Math.floor(leftMs / SHORT_ROUND_MS);
  return Math.max(1, long, Math.min(2, short));
}

/**
 * Chooses the next fault, at once or by looking at the cluster first; undefined when there is nothing
 * to break just now.
 */
export type Strike = (round: number) => Fault | Generator<Step, Fault | undefined, Completion>;

/**
 * Round after round: choose a fault, inject it, hold it, heal it, let the cluster recover. No fault
 * is begun that could not last its time before the phase ends. `holdPartMin`: the least part of a round that
 * the fault lasts, 0 to 0.9.
 */
export function* rounds(
  context: NemesisContext,
  strike: Strike,
  holdPartMin = HOLD_PART_MIN,
): Plan {
  const { random, timeLimitMs } = context;
  const firstMs = Math.min(FIRST_MS, timeLimitMs / 4);
  const count = roundCount(timeLimitMs);
  const roundMs = (timeLimitMs - firstMs) / count;
  const activeMs = Math.max(0, roundMs - CALLS_MS);
  yield { kind: 'sleep', ms: firstMs };
  let passedMs = firstMs;
  for (let round = 0; round < count; round++) {
    const holdMs = activeMs * (holdPartMin + 0.1 * random.float());
    const chosen = strike(round);
    let waitedMs = 0;
    let fault: Fault | undefined;
    if ('kind' in chosen) fault = chosen;
    else {
      let looking = chosen.next();
      while (looking.done !== true) {
        if (looking.value.kind === 'sleep') waitedMs += looking.value.ms;
        looking = chosen.next(yield looking.value);
      }
      fault = looking.value;
    }
    if (passedMs + waitedMs + holdMs > timeLimitMs) return;
    if (fault !== undefined) {
      const injected = yield { kind: 'inject', fault };
      yield { kind: 'sleep', ms: holdMs };
      if (injected.kind === 'injected') yield { kind: 'heal', id: injected.id };
    }
    // What was spent waiting for a leader is taken from the recovery, so that rounds keep their beat.
    const recoverMs = Math.max(0, activeMs - holdMs - waitedMs);
    yield { kind: 'sleep', ms: recoverMs };
    passedMs += Math.max(roundMs, CALLS_MS + waitedMs + holdMs);
  }
}

/** Lengths of the parts of a round of two faults, ms. */
export interface CutAndKill {
  /** Cut off, and nobody dead yet. */
  cutMs: number;
  /** Healed of the cut, and dead. */
  deadMs: number;
  recoverMs: number;
}

/** What two faults and their heals take, as far as a plan can know. */
const TWO_FAULTS_MS = 1_700;

/**
 * Round after round: cuts one node off from the others, then kills whom it is to kill and heals the cut, then
 * starts them. `choose` gives both, or undefined for a round in which there is nothing to break.
 */
export function* cutsAndKills(
  { nodes, timeLimitMs }: NemesisContext,
  { cutMs, deadMs, recoverMs }: CutAndKill,
  choose: (
    round: number,
  ) => Generator<Step, { cutOff: string; killed: string[] } | undefined, Completion>,
): Plan {
  yield { kind: 'sleep', ms: Math.min(FIRST_MS, timeLimitMs / 4) };
  const roundMs = cutMs + deadMs + recoverMs + TWO_FAULTS_MS;
  const count = Math.max(1, Math.floor((timeLimitMs - FIRST_MS) / roundMs));
  // A shorter phase has the same play, faster.
  const pace = Math.min(1, timeLimitMs / (FIRST_MS + roundMs));
  for (let round = 0; round < count; round++) {
    const chosen = yield* choose(round);
    if (chosen === undefined) continue;
    const others = nodes.filter((node) => node !== chosen.cutOff);
    const links = linksBetween([chosen.cutOff], others);
    const cut = yield { kind: 'inject', fault: { kind: 'cut', links } };
    yield { kind: 'sleep', ms: cutMs * pace };
    const killed = yield { kind: 'inject', fault: { kind: 'kill', nodes: chosen.killed } };
    if (cut.kind === 'injected') yield { kind: 'heal', id: cut.id };
    yield { kind: 'sleep', ms: deadMs * pace };
    if (killed.kind === 'injected') yield { kind: 'heal', id: killed.id };
    yield { kind: 'sleep', ms: recoverMs * pace };
  }
}

/**
 * Looks for the leader, again and again while there is none; undefined when none comes. Where several
 * services have one each, they take turns.
 */
export function findLeader(round: number): Generator<Step, string | undefined, Completion> {
  return findRole('leader', round);
}

/** As `findLeader`, for the nodes of any role. */
export function* findRole(
  role: string,
  round: number,
): Generator<Step, string | undefined, Completion> {
  const holders = yield* findHolders(role);
  return holders[round % holders.length];
}

/** Looks for all nodes of a role, again and again while there is none; empty when none comes. */
export function* findHolders(role: string): Generator<Step, readonly string[], Completion> {
  for (let attempt = 0; attempt < LEADERLESS_TRIES; attempt++) {
    const seen = yield { kind: 'observe' };
    const holders = (seen.kind === 'observed' ? seen.view.roles[role] : undefined) ?? [];
    if (holders.length > 0) return holders;
    yield { kind: 'sleep', ms: LEADERLESS_PAUSE_MS };
  }
  return [];
}
