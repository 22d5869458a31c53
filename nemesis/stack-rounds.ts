// Rounds for a system of two services, drawn as those of one: most strike brokers, which rest on the coordinators
// and feel what befalls these too. Between services there is more to cut than between equals.
import type { Capability } from '../history/fault.ts';
import type { Random } from '../history/random.ts';
import { drawRound, needsOf, type Round, type Victims } from './swarm.ts';

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
/** The last part of the phase is left to the last heals. */
const TAIL_MS = 3_000;

/** Draws rounds that fill the time; a random part of the kinds is not used at all. */
export function drawStackRounds(
  random: Random,
  timeLimitMs: number,
  can: (capability: Capability) => boolean = () => true,
): Round[] {
  const usable = KINDS.filter((kind) => needsOf({ kind }).every(can));
  const kinds = random.bool(0.3)
    ? [random.pick(usable), random.pick(usable)]
    : usable.filter(() => random.bool(0.7));
  const fast = random.bool(0.3);
  const rounds: Round[] = [];
  let atMs = 0;
  for (;;) {
    const drawn = drawRound(random, kinds.length > 0 ? kinds : usable, fast);
    const of = random.pick(SERVICES);
    const victims = random.pick(of === 'broker' ? VICTIMS : PLAIN_VICTIMS);
    // A disk that goes on with damage strikes few, as it was drawn.
    const round: Round = {
      ...drawn,
      of,
      victims: drawn.probability === undefined ? victims : 'one',
    };
    atMs += round.waitMs;
    if (atMs + round.holdMs > timeLimitMs - TAIL_MS) return rounds;
    if (needsOf(round).every(can)) rounds.push(round);
    // Half of the rounds wait for the one before; the others strike while it lasts.
    if (round.draw % 2 === 0) atMs += round.holdMs;
  }
}
