// Rounds for a system of two services, drawn as those of one: most strike brokers, which rest on the coordinators
// and feel what befalls these too. Between services there is more to cut than between equals.
import type { Random } from '../history/random.ts';
import { drawRound, type Round, type Victims } from './swarm.ts';

const SERVICES = ['broker', 'broker', 'broker', 'coordinator'] as const;
const KINDS: readonly Round['kind'][] = [
  'isolate',
  'isolate',
  'peers',
  'peers',
  'services',
  'services',
  'one-way',
  'ring',
  'kill',
  'kill',
  'kill',
  'pause',
  'pause',
  'slow',
  'lose',
  'skew',
  'disk',
  'disk',
  'crash',
  'crash',
];
const VICTIMS: readonly Victims[] = [
  'leader',
  'leader',
  'leader',
  'leader',
  'controller',
  'controller',
  'follower',
  'follower',
  'one',
  'minority',
  'majority',
  'all',
];
/** A coordinator has no controller. */
const PLAIN_VICTIMS = VICTIMS.filter((victims) => victims !== 'controller');
/** How many of the rounds leave a broker alone and take its power, where that is drawn at all. */
const LAST_STANDING = 0.3;
/** The last part of the phase is left to the last heals. */
const TAIL_MS = 3_000;

/** No longer than this is the coordinators' part of a run spared: what is hardly struck proves nothing, ms. */
const SPARED_MS_MAX = 12_000;

/** A multiple of it chooses the first of three, five or seven nodes. */
const SAME_CHOICE = 3 * 5 * 7;

/**
 * Of brokers that leave fsyncs to chance only the first may end otherwise than in order: each that does may
 * have lost records, and what two lose may be all there is.
 */
export interface StackLimits {
  /** How long a follower may be behind, ms, where fsyncs are left to chance. Brokers are 3, 5 or 7 then. */
  lonelyAfterMs?: number;
}

const ENDS: ReadonlySet<Round['kind']> = new Set(['kill', 'crash', 'disk']);

/** The round, if it ends brokers, on the first of them only. */
function onFirst(round: Round): Round {
  if (!ENDS.has(round.kind) || round.of !== 'broker') return round;
  const draw = 2 * SAME_CHOICE * (round.draw % 1_000) + (round.draw % 2) * SAME_CHOICE;
  return { ...round, victims: 'one', draw };
}

/** The first broker stands alone in the ISR of what it leads, and then loses power for a moment. */
function lastStanding(random: Random, lonelyAfterMs: number): Round[] {
  const alone: Round = {
    waitMs: random.int(300, 1_500),
    holdMs: lonelyAfterMs + random.int(1_500, 3_000),
    kind: 'peers',
    of: 'broker',
    victims: 'one',
    draw: SAME_CHOICE,
  };
  const power: Round = {
    waitMs: lonelyAfterMs + random.int(600, 1_400),
    holdMs: random.int(50, 600),
    kind: 'disk',
    of: 'broker',
    victims: 'one',
    draw: 2 * SAME_CHOICE,
    effect: 'power-loss',
  };
  return [alone, power];
}

/** Draws rounds that fill the time; a random part of the kinds is not used at all. */
export function drawStackRounds(
  random: Random,
  timeLimitMs: number,
  { lonelyAfterMs }: StackLimits = {},
): Round[] {
  const kinds = random.bool(0.3)
    ? [random.pick(KINDS), random.pick(KINDS)]
    : KINDS.filter(() => random.bool(0.7));
  const fast = random.bool(0.3);
  const rounds: Round[] = [];
  let atMs = 0;
  let struckMs = 0;
  for (;;) {
    if (lonelyAfterMs !== undefined && random.bool(LAST_STANDING)) {
      const play = lastStanding(random, lonelyAfterMs);
      const lengthMs = play.reduce((sum, { waitMs, holdMs }) => sum + waitMs + holdMs, 0);
      if (atMs + lengthMs > timeLimitMs - TAIL_MS) return rounds;
      rounds.push(...play);
      atMs += lengthMs;
      continue;
    }
    const drawn = drawRound(random, kinds.length > 0 ? kinds : KINDS, fast);
    const picked = random.pick(SERVICES);
    const of = atMs - struckMs > SPARED_MS_MAX ? 'coordinator' : picked;
    if (of === 'coordinator') struckMs = atMs;
    const victims = random.pick(of === 'broker' ? VICTIMS : PLAIN_VICTIMS);
    // A disk that goes on with damage strikes few, as it was drawn.
    const whole: Round = {
      ...drawn,
      of,
      victims: drawn.probability === undefined ? victims : 'one',
    };
    const round = lonelyAfterMs === undefined ? whole : onFirst(whole);
    atMs += round.waitMs;
    if (atMs + round.holdMs > timeLimitMs - TAIL_MS) return rounds;
    rounds.push(round);
    // Half of the rounds wait for the one before; the others strike while it lasts.
    if (round.draw % 2 === 0) atMs += round.holdMs;
  }
}
