// Two directed plays about a tail, what an old leader logged alone: an epoch that was established and at once
// lost its transactions must outvote it, and one who was elected and never led must not pass for having it.
// Sources: ZOOKEEPER-1081, ZOOKEEPER-790.
import { linksBetween } from '../history/fault.ts';
import type { Completion, Plan, Step } from '../history/plan.ts';

/** Who plays what; the three have all nodes between them. */
export interface TailCast {
  /** Logs alone what nobody else has. */
  old: string[];
  /** With `old` exactly a quorum. */
  frail: string[];
  others: string[];
}

/** Casts the nodes, rotating by `draw`; the leader is the old one. */
export function castTail(
  nodes: readonly string[],
  leader: string | undefined,
  draw: number,
): TailCast {
  const first = leader ?? (nodes[draw % nodes.length] as string);
  const rest = nodes.filter((node) => node !== first);
  const rotated = rest.map((_, i) => rest[(i + draw) % rest.length] as string);
  const quorum = Math.floor(nodes.length / 2) + 1;
  return { old: [first], frail: rotated.slice(0, quorum - 1), others: rotated.slice(quorum - 1) };
}

/** The part of the time after the writing in which the others elect a leader. */
const ELECTION_SHARE = 0.45;

function* heal(...done: Completion[]): Plan {
  for (const each of done) if (each.kind === 'injected') yield { kind: 'heal', id: each.id };
}

/**
 * The old leader dies with its tail. The others establish the next epoch, and the frail lose its first
 * transaction in a power loss; then they and the old one are alone.
 */
export function* outvoted(
  { old, frail, others }: TailCast,
  writeMs: number,
  restMs: number,
): Generator<Step, void, Completion> {
  const links = linksBetween(old, [...frail, ...others]);
  const cut = yield { kind: 'inject', fault: { kind: 'cut', links } };
  yield { kind: 'sleep', ms: writeMs };
  const killed = yield { kind: 'inject', fault: { kind: 'kill', nodes: old } };
  const match = 'fs.fdatasync';
  const crash = { kind: 'crash', nodes: frail, call: 1, match, how: 'power' } as const;
  const lost = yield { kind: 'inject', fault: crash };
  yield* heal(cut);
  const electionMs = Math.round(restMs * ELECTION_SHARE);
  yield { kind: 'sleep', ms: electionMs };
  const held = yield { kind: 'inject', fault: { kind: 'pause', nodes: others } };
  yield* heal(lost, killed);
  yield { kind: 'sleep', ms: restMs - electionMs };
  yield* heal(held);
}

/**
 * The old leader is cut off with its tail. The others elect one of them, and the frail die as they accept its
 * epoch; then the old one leads them on, and the one that was elected joins late.
 */
export function* pretender(
  { old, frail, others }: TailCast,
  writeMs: number,
  restMs: number,
): Generator<Step, void, Completion> {
  const off = linksBetween(old, [...frail, ...others]);
  const cut = yield { kind: 'inject', fault: { kind: 'cut', links: off } };
  const match = 'fs.rename';
  const crash = { kind: 'crash', nodes: frail, call: 1, match, how: 'kill' } as const;
  const dead = yield { kind: 'inject', fault: crash };
  const electionMs = writeMs + Math.round(restMs * ELECTION_SHARE);
  yield { kind: 'sleep', ms: electionMs };
  yield* heal(cut);
  const away = linksBetween(others, [...old, ...frail]);
  const late = yield { kind: 'inject', fault: { kind: 'cut', links: away } };
  yield* heal(dead);
  yield { kind: 'sleep', ms: writeMs + restMs - electionMs };
  yield* heal(late);
}
