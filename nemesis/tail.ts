// Directed plays about a tail, what an old leader logged alone: an epoch that was established and at once
// lost its transactions must outvote it, one who was elected and never led must not pass for having it, and
// it must be gone for good once it was cut, however slow or faulty the disk is that has it.
// Sources: ZOOKEEPER-1081, ZOOKEEPER-790, ZOOKEEPER-4712, ZOOKEEPER-3701.
import { type DiskFault, linksBetween } from '../history/fault.ts';
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
/** To accept an epoch and to cut a log takes fewer operations of a disk than this. */
const NTH_MAX = 32;

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

/** The part of the rest that is left when the disk is well again, and when the old leader is killed. */
const MENDED_SHARE = 0.25;
const KILLED_SHARE = 0.12;

/**
 * The old leader is cut off with its tail, comes back and must follow another, on a disk that is not well:
 * `slow`, it is still busy with the tail then; `faulty`, one of the next operations fails. Then it starts
 * anew from what the disk has.
 */
export function* comeback(
  { old, frail, others }: TailCast,
  disk: 'slow' | 'faulty',
  writeMs: number,
  restMs: number,
  draw: number,
): Generator<Step, void, Completion> {
  const electionMs = writeMs + Math.round(restMs * ELECTION_SHARE);
  const endMs = writeMs + restMs;
  const mendedMs = endMs - Math.round(restMs * MENDED_SHARE);
  const killedMs = endMs - Math.round(restMs * KILLED_SHARE);
  const links = linksBetween(old, [...frail, ...others]);
  const cut = yield { kind: 'inject', fault: { kind: 'cut', links } };
  const slow: DiskFault = { kind: 'disk', nodes: old, effect: 'slow-fsync', delayMs: mendedMs };
  const faulty: DiskFault = { kind: 'disk', nodes: old, effect: 'eio', nth: 1 + (draw % NTH_MAX) };
  const before = disk === 'slow' ? yield { kind: 'inject', fault: slow } : undefined;
  yield { kind: 'sleep', ms: electionMs };
  const damaged = before ?? (yield { kind: 'inject', fault: faulty });
  yield* heal(cut);
  yield { kind: 'sleep', ms: mendedMs - electionMs };
  yield* heal(damaged);
  yield { kind: 'sleep', ms: killedMs - mendedMs };
  const killed = yield { kind: 'inject', fault: { kind: 'kill', nodes: old } };
  yield { kind: 'sleep', ms: endMs - killedMs };
  yield* heal(killed);
}
