// Faults of every kind the cluster knows, in a mix, rhythm and choice of victims drawn from the seed: some
// seeds do one thing only, some do everything at once. The rounds are plain data, so a failing run can be
// shrunk by leaving rounds out.
import { type Fault, type FaultKind, linksBetween } from '../history/fault.ts';
import type { Completion, Plan, Step } from '../history/plan.ts';
import type { Nemesis } from '../history/plugin.ts';
import type { Random } from '../history/random.ts';

/** Who is struck: roles are looked up when the round begins. */
export type Victims = 'leader' | 'follower' | 'one' | 'minority' | 'majority' | 'all';

/** One round: wait, strike, hold, heal. Rounds may overlap when `holdMs` outlasts the next wait. */
export interface Round {
  waitMs: number;
  holdMs: number;
  kind: 'isolate' | 'one-way' | 'ring' | Exclude<FaultKind, 'cut' | 'throttle'>;
  victims: Victims;
  /** Draws the victims among equals, and the call of a crash. */
  draw: number;
  /** slow: delay in ms; lose: probability; skew: offset in ms; crash: the call. */
  amount: number;
  /** crash: names of the calls; with `power` it is a power loss. */
  match: string;
  power: boolean;
}

const KINDS: readonly Round['kind'][] = [
  'isolate',
  'isolate',
  'one-way',
  'ring',
  'kill',
  'kill',
  'pause',
  'slow',
  'lose',
  'disk',
  'crash',
  'crash',
];
const VICTIMS: readonly Victims[] = [
  'leader',
  'leader',
  'leader',
  'follower',
  'follower',
  'one',
  'minority',
  'majority',
  'all',
];
const CRASH_CALLS = ['fs.', 'fs.', 'fs.write', 'fs.fdatasync', 'fs.fsync', 'fs.rename', 'net.'];
/** The last part of the phase is left to the last heals. */
const TAIL_MS = 3_000;

function drawRound(random: Random, kinds: readonly Round['kind'][], fast: boolean): Round {
  const kind = random.pick(kinds);
  const short = random.bool(0.4);
  const amounts: Partial<Record<Round['kind'], () => number>> = {
    slow: () => random.pick([5, 20, 80, 300]),
    lose: () => random.pick([0.05, 0.2, 0.5]),
    crash: () => random.pick([1, 2, 3, 5, 8, 13, 21, 60]),
  };
  return {
    waitMs: fast ? random.int(50, 900) : random.int(300, 4_000),
    holdMs: short ? random.int(30, 700) : random.int(700, 5_000),
    kind,
    victims: random.pick(VICTIMS),
    draw: random.u32(),
    amount: amounts[kind]?.() ?? 0,
    match: random.pick(CRASH_CALLS),
    power: random.bool(0.4),
  };
}

/** Draws rounds that fill the time; a random part of the kinds is not used at all. */
export function drawRounds(
  random: Random,
  timeLimitMs: number,
  can: (kind: Round['kind']) => boolean = () => true,
): Round[] {
  const usable = KINDS.filter(can);
  const kinds = random.bool(0.3)
    ? [random.pick(usable), random.pick(usable)]
    : usable.filter(() => random.bool(0.7));
  const fast = random.bool(0.3);
  const rounds: Round[] = [];
  let atMs = 0;
  for (;;) {
    const round = drawRound(random, kinds.length > 0 ? kinds : usable, fast);
    atMs += round.waitMs;
    if (atMs + round.holdMs > timeLimitMs - TAIL_MS) return rounds;
    rounds.push(round);
    // Half of the rounds wait for the one before; the others strike while it lasts.
    if (round.draw % 2 === 0) atMs += round.holdMs;
  }
}

function choose(round: Round, nodes: readonly string[], leader: string | undefined): string[] {
  const rotated = nodes.map((_, i) => nodes[(i + round.draw) % nodes.length] as string);
  const followers = rotated.filter((node) => node !== leader);
  const minority = Math.max(1, Math.floor((nodes.length - 1) / 2));
  switch (round.victims) {
    case 'leader':
      return [leader ?? (rotated[0] as string)];
    case 'follower':
      return followers.slice(0, 1);
    case 'one':
      return rotated.slice(0, 1);
    case 'minority':
      return rotated.slice(0, minority);
    case 'majority':
      return rotated.slice(0, nodes.length - minority);
    case 'all':
      return rotated;
  }
}

/** The fault of a round on these victims; undefined when it makes no sense for them. */
function faultOf(round: Round, nodes: readonly string[], victims: string[]): Fault | undefined {
  const others = nodes.filter((node) => !victims.includes(node));
  const both = linksBetween(victims, others);
  const all = linksBetween(nodes, nodes).filter(({ from, to }) => from !== to);
  switch (round.kind) {
    case 'isolate':
      return both.length > 0 ? { kind: 'cut', links: both } : { kind: 'cut', links: all };
    case 'one-way': {
      const out = round.draw % 3 === 0;
      const links = both.filter(({ from }) => victims.includes(from) === out);
      return links.length > 0 ? { kind: 'cut', links } : undefined;
    }
    case 'ring': {
      const [a, b] = [victims[0] as string, others[0] ?? (nodes[1] as string)];
      return a === b ? undefined : { kind: 'cut', links: linksBetween([a], [b]) };
    }
    case 'slow':
      return { kind: 'slow', links: all, delayMs: round.amount, jitterMs: 0 };
    case 'lose':
      return { kind: 'lose', links: all, probability: round.amount };
    case 'skew':
      return { kind: 'skew', nodes: victims, offsetMs: round.amount, rate: 1 };
    case 'disk':
      return { kind: 'disk', nodes: victims, effect: 'power-loss' };
    case 'crash': {
      const how = round.power ? 'power' : 'kill';
      return { kind: 'crash', nodes: victims, call: round.amount, match: round.match, how };
    }
    default:
      return { kind: round.kind, nodes: victims };
  }
}

/** Plays rounds. A node that a fault holds is not struck again before it is healed. */
export function* playRounds(rounds: readonly Round[], nodes: readonly string[]): Plan {
  const active: { id: number; untilMs: number; struck: string[]; links: boolean }[] = [];
  let nowMs = 0;
  function* pass(ms: number): Generator<Step, void, Completion> {
    const endMs = nowMs + ms;
    for (;;) {
      active.sort((a, b) => a.untilMs - b.untilMs);
      const next = active[0];
      if (next === undefined || next.untilMs > endMs) break;
      if (next.untilMs > nowMs) yield { kind: 'sleep', ms: next.untilMs - nowMs };
      nowMs = Math.max(nowMs, next.untilMs);
      active.shift();
      yield { kind: 'heal', id: next.id };
    }
    if (endMs > nowMs) yield { kind: 'sleep', ms: endMs - nowMs };
    nowMs = endMs;
  }
  for (const round of rounds) {
    yield* pass(round.waitMs);
    const seen = yield { kind: 'observe' };
    const leader = seen.kind === 'observed' ? seen.view.roles.leader?.[0] : undefined;
    const fault = faultOf(round, nodes, choose(round, nodes, leader));
    const links = fault !== undefined && 'links' in fault;
    const held = new Set(active.filter((a) => a.links === links).flatMap((a) => a.struck));
    // One fault of links at a time: healing it heals its links, whoever else has cut them.
    const taken =
      fault === undefined || (links ? held.size > 0 : struckBy(fault).some((n) => held.has(n)));
    if (!taken) {
      const injected = yield { kind: 'inject', fault };
      if (injected.kind === 'injected') {
        const untilMs = nowMs + round.holdMs;
        active.push({ id: injected.id, untilMs, struck: struckBy(fault), links });
      }
    }
    if (round.draw % 2 === 0) yield* pass(round.holdMs);
  }
  yield* pass(Math.max(0, ...active.map(({ untilMs }) => untilMs - nowMs)));
}

function struckBy(fault: Fault): string[] {
  return 'nodes' in fault ? fault.nodes : ['links'];
}

export const swarm: Nemesis = {
  name: 'swarm',
  description: 'faults of every kind in a mix and rhythm drawn from the seed (simulator)',
  needs: ['cut', 'kill', 'pause', 'slow', 'lose', 'disk', 'crash'],
  nodesMin: 3,
  plan: ({ nodes, random, timeLimitMs, options }) => {
    const given = options?.rounds;
    const rounds =
      typeof given === 'string' ? (JSON.parse(given) as Round[]) : drawRounds(random, timeLimitMs);
    return playRounds(rounds, nodes);
  },
};
