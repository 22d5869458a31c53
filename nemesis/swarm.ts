// Faults of every kind the cluster knows, in a mix, rhythm and choice of victims drawn from the seed: some
// seeds do one thing only, some do everything at once. The rounds are plain data, so a failing run can be
// shrunk by leaving rounds out.
import {
  type Capability,
  type DiskEffect,
  type Fault,
  type FaultKind,
  linksBetween,
} from '../history/fault.ts';
import type { Completion, Plan, Step } from '../history/plan.ts';
import type { Nemesis } from '../history/plugin.ts';
import type { Random } from '../history/random.ts';
import { isPlay, PLAYS, type Play, perform } from './plays.ts';

/** Who is struck: roles are looked up when the round begins. */
export type Victims =
  | 'leader'
  | 'follower'
  | 'controller'
  | 'one'
  | 'minority'
  | 'majority'
  | 'all';

/** Which links of the victims are slow: both ways, or what they send or hear; default all there are. */
export type Reach = 'both' | 'out' | 'in';

/** One round: wait, strike, hold, heal. Rounds may overlap when `holdMs` outlasts the next wait. */
export interface Round {
  waitMs: number;
  holdMs: number;
  kind:
    | 'isolate'
    | 'one-way'
    | 'ring'
    /** Cuts victims off from the others of their service only, or from the other services only. */
    | 'peers'
    | 'services'
    | Play
    | Exclude<FaultKind, 'cut' | 'throttle'>;
  /** The service, by the role of all its nodes, that the victims are of; default: any. */
  of?: string;
  victims: Victims;
  /** Draws the victims among equals. Even: the next round waits for this one. */
  draw: number;
  /**
   * slow: delay in ms; lose: probability; skew: offset in ms; crash: the call; disk slow-fsync: delay in
   * ms; plays: how long is written before they go on, ms.
   */
  amount?: number;
  /** slow. */
  reach?: Reach;
  /** skew: default 1. */
  rate?: number;
  /** disk: default power-loss. */
  effect?: DiskEffect;
  /** disk: share of the operations struck, default all. */
  probability?: number;
  /** crash: names of the calls. */
  match?: string;
  /** crash: a power loss instead of a kill. */
  power?: boolean;
}

/** `amn` stands for all plays. */
const KINDS: readonly Round['kind'][] = [
  'isolate',
  'isolate',
  'one-way',
  'ring',
  'kill',
  'kill',
  'pause',
  'slow',
  'slow',
  'lose',
  'skew',
  'disk',
  'disk',
  'disk',
  'crash',
  'crash',
  'amn',
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

/** Damage that a disk goes on with strikes few: a quorum without disks serves nobody. */
const DAMAGED: readonly Victims[] = ['leader', 'follower', 'one', 'minority'];
const EFFECTS: readonly DiskEffect[] = [
  'power-loss',
  'power-loss',
  'power-loss',
  'eio',
  'eio',
  'enospc',
  'slow-fsync',
  'rotten-read',
  'misdirected-read',
];
const SKEWS_MS = [50, 500, 5_000, 60_000, 600_000];
const RATES = [1, 1, 0.9, 0.97, 1.03, 1.1];

type Details = Partial<Round>;

/** What only some kinds have, drawn. */
const DETAILS: Partial<Record<Round['kind'], (random: Random) => Details>> = {
  slow: (random) =>
    random.bool(0.5)
      ? { amount: random.pick([5, 20, 80, 300]) }
      : {
          amount: random.pick([50, 300, 1_000, 4_000]),
          reach: random.pick(['both', 'out', 'in'] as const),
        },
  lose: (random) => ({ amount: random.pick([0.05, 0.2, 0.5]) }),
  skew: (random) => ({
    amount: random.pick(SKEWS_MS) * random.pick([1, -1]),
    rate: random.pick(RATES),
  }),
  disk: (random) => {
    const effect = random.pick(EFFECTS);
    if (effect === 'power-loss') return { effect };
    const details: Details = { effect, victims: random.pick(DAMAGED) };
    if (effect === 'slow-fsync') details.amount = random.pick([5, 50, 300, 1_500]);
    else details.probability = random.pick([1, 0.3, 0.05, 0.01]);
    return details;
  },
  crash: (random) => ({
    amount: random.pick([1, 2, 3, 5, 8, 13, 21, 60]),
    match: random.pick(CRASH_CALLS),
    power: random.bool(0.4),
  }),
  amn: (random) => ({ amount: random.int(200, 1_200), holdMs: random.int(3_000, 6_000) }),
};

export function drawRound(random: Random, kinds: readonly Round['kind'][], fast: boolean): Round {
  const picked = random.pick(kinds);
  const short = random.bool(0.4);
  const drawn = random.u32();
  const kind = picked === 'amn' ? (PLAYS[(drawn >>> 8) % PLAYS.length] as Play) : picked;
  return {
    waitMs: fast ? random.int(50, 900) : random.int(300, 4_000),
    holdMs: short ? random.int(30, 700) : random.int(700, 5_000),
    kind,
    victims: random.pick(VICTIMS),
    // Nothing may strike while roles are played.
    draw: isPlay(kind) ? drawn - (drawn % 2) : drawn,
    ...DETAILS[picked]?.(random),
  };
}

/** What a round needs a cluster to be able to do. */
export function needsOf({ kind, effect = 'power-loss' }: Pick<Round, 'kind' | 'effect'>) {
  const needs = (...all: Capability[]) => all;
  switch (kind) {
    case 'isolate':
    case 'one-way':
    case 'ring':
    case 'peers':
    case 'services':
      return needs('cut');
    case 'disk':
      return needs(`disk:${effect}`);
    case 'amn':
      return needs('pause', 'disk:power-loss');
    case 'outvoted':
      return needs('cut', 'kill', 'crash', 'pause');
    case 'pretender':
      return needs('cut', 'crash');
    case 'slow-comeback':
      return needs('cut', 'disk:slow-fsync', 'kill');
    case 'faulty-comeback':
      return needs('cut', 'disk:eio', 'kill');
    default:
      return needs(kind);
  }
}

/** Whatever a round may need of a cluster that can do everything. */
export const DRAWN_CAPABILITIES: readonly Capability[] = [
  ...new Set([
    ...KINDS.flatMap((kind) => needsOf({ kind })),
    ...EFFECTS.flatMap((effect) => needsOf({ kind: 'disk', effect })),
  ]),
];

/** Draws rounds that fill the time; a random part of the kinds is not used at all. */
export function drawRounds(
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
    const round = drawRound(random, kinds.length > 0 ? kinds : usable, fast);
    atMs += round.waitMs;
    if (atMs + round.holdMs > timeLimitMs - TAIL_MS) return rounds;
    if (needsOf(round).every(can)) rounds.push(round);
    // Half of the rounds wait for the one before; the others strike while it lasts.
    if (round.draw % 2 === 0) atMs += round.holdMs;
  }
}

/** Who is who when a round begins. */
interface Cast {
  /** The nodes that victims are chosen among. */
  nodes: readonly string[];
  leader?: string | undefined;
  controller?: string | undefined;
}

function castOf({ of }: Round, all: readonly string[], seen: Completion): Cast {
  const roles = seen.kind === 'observed' ? seen.view.roles : {};
  if (of === undefined) return { nodes: all, leader: roles.leader?.[0] };
  const nodes = roles[of] ?? all;
  return {
    nodes,
    leader: roles.leader?.find((node) => nodes.includes(node)),
    controller: roles.controller?.[0],
  };
}

function choose(round: Round, { nodes, leader, controller }: Cast): string[] {
  const rotated = nodes.map((_, i) => nodes[(i + round.draw) % nodes.length] as string);
  const followers = rotated.filter((node) => node !== leader);
  const minority = Math.max(1, Math.floor((nodes.length - 1) / 2));
  switch (round.victims) {
    case 'leader':
      return [leader ?? (rotated[0] as string)];
    case 'controller':
      return [controller ?? (rotated[0] as string)];
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
function faultOf(
  round: Round,
  nodes: readonly string[],
  victims: string[],
  service: readonly string[],
): Fault | undefined {
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
    case 'peers':
    case 'services': {
      const near = (node: string): boolean => service.includes(node);
      const links = linksBetween(
        victims,
        others.filter((node) => near(node) === (round.kind === 'peers')),
      );
      return links.length > 0 ? { kind: 'cut', links } : undefined;
    }
    case 'slow': {
      const { reach, amount: delayMs = 0 } = round;
      const chosen = both.filter(
        ({ from }) => reach === 'both' || victims.includes(from) === (reach === 'out'),
      );
      const links = reach === undefined || chosen.length === 0 ? all : chosen;
      return { kind: 'slow', links, delayMs, jitterMs: 0 };
    }
    case 'lose':
      return { kind: 'lose', links: all, probability: round.amount ?? 0 };
    case 'skew':
      return { kind: 'skew', nodes: victims, offsetMs: round.amount ?? 0, rate: round.rate ?? 1 };
    case 'disk':
      return diskFault(round, victims);
    case 'crash': {
      const how = round.power === true ? 'power' : 'kill';
      const { amount: call = 1, match = 'fs.' } = round;
      return { kind: 'crash', nodes: victims, call, match, how };
    }
    case 'amn':
    case 'outvoted':
    case 'pretender':
    case 'slow-comeback':
    case 'faulty-comeback':
      return undefined;
    default:
      return { kind: round.kind, nodes: victims };
  }
}

function diskFault({ effect = 'power-loss', probability, amount }: Round, nodes: string[]): Fault {
  const fault: Fault = { kind: 'disk', nodes, effect };
  if (probability !== undefined) fault.probability = probability;
  if (effect === 'slow-fsync' && amount !== undefined) fault.delayMs = amount;
  return fault;
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
  const leftMs = () => Math.max(0, ...active.map(({ untilMs }) => untilMs - nowMs));
  for (const round of rounds) {
    yield* pass(round.waitMs);
    // A whole play with every node in it begins when all is healed.
    if (isPlay(round.kind)) yield* pass(leftMs());
    const seen = yield { kind: 'observe' };
    const cast = castOf(round, nodes, seen);
    if (isPlay(round.kind)) {
      yield* perform(round.kind, round, cast.nodes, cast.leader);
      nowMs += round.holdMs;
      continue;
    }
    const fault = faultOf(round, nodes, choose(round, cast), cast.nodes);
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
  yield* pass(leftMs());
}

function struckBy(fault: Fault): string[] {
  return 'nodes' in fault ? fault.nodes : ['links'];
}

export const swarm: Nemesis = {
  name: 'swarm',
  description: 'faults of every kind that the cluster can do, in a mix and rhythm from the seed',
  needs: ['cut', 'kill'],
  narrows: true,
  nodesMin: 3,
  plan: ({ nodes, random, timeLimitMs, options }) => {
    const given = options?.rounds;
    const supports = options?.supports;
    const can = new Set(typeof supports === 'string' ? supports.split(' ') : []);
    const rounds =
      typeof given === 'string'
        ? (JSON.parse(given) as Round[])
        : drawRounds(random, timeLimitMs, (each) => can.size === 0 || can.has(each));
    return playRounds(rounds, nodes);
  },
};
