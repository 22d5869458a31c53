// Amnesia, directed: what two parts of the ensemble acknowledged together, one of them forgets in a power
// loss while the other is stopped, and the rest, who never had it, make a quorum with the forgetful. Only
// what was synced before it was acknowledged survives that (NATS #7567).
import type { Completion, Plan, Step } from '../history/plan.ts';
import type { Nemesis } from '../history/plugin.ts';
import { findLeader } from './rhythm.ts';

/** Who plays what; the three have all nodes between them. */
export interface AmnesiaCast {
  /** Stopped while the others write; with the forgetful exactly a quorum. */
  away: string[];
  /** Loses its power after it acknowledged. */
  forgetful: string[];
  /** Remembers, and is stopped while the other two go on. */
  witness: string[];
}

const FIRST_MS = 1_000;
/** Writes with `away` stopped. */
const WRITE_MS = 900;
/** Long enough that away and forgetful elect a leader and serve. */
const FORGOTTEN_MS = 4_200;
/** The witness comes back and must give up what it alone remembers, or show it. */
const RECOVER_MS = 1_400;

/** Casts the nodes, rotating by `draw`; the leader mostly remembers, now and then forgets. */
export function castAmnesia(
  nodes: readonly string[],
  leader: string | undefined,
  draw: number,
): AmnesiaCast {
  const quorum = Math.floor(nodes.length / 2) + 1;
  const others = nodes.length - quorum;
  const first = leader ?? (nodes[draw % nodes.length] as string);
  const rest = nodes.filter((node) => node !== first);
  const rotated = rest.map((_, i) => rest[(i + draw) % rest.length] as string);
  const forgets = draw % 3 === 2 ? others : 0;
  const all = [...rotated.slice(0, forgets), first, ...rotated.slice(forgets)];
  return {
    witness: all.slice(0, others),
    forgetful: all.slice(others, quorum),
    away: all.slice(quorum),
  };
}

/** The schedule once; it takes `writeMs + forgottenMs` and what the calls take. */
export function* amnesia(
  { away, forgetful, witness }: AmnesiaCast,
  writeMs: number,
  forgottenMs: number,
): Generator<Step, void, Completion> {
  const stopped = yield { kind: 'inject', fault: { kind: 'pause', nodes: away } };
  yield { kind: 'sleep', ms: writeMs };
  const fault = { kind: 'disk', nodes: forgetful, effect: 'power-loss' } as const;
  const lost = yield { kind: 'inject', fault };
  const held = yield { kind: 'inject', fault: { kind: 'pause', nodes: witness } };
  if (stopped.kind === 'injected') yield { kind: 'heal', id: stopped.id };
  if (lost.kind === 'injected') yield { kind: 'heal', id: lost.id };
  yield { kind: 'sleep', ms: forgottenMs };
  if (held.kind === 'injected') yield { kind: 'heal', id: held.id };
}

export const amn: Nemesis = {
  name: 'amn',
  description:
    'a power loss takes from one what only one other, then stopped, remembers (simulator)',
  needs: ['pause', 'disk:power-loss'],
  systems: ['coordinator'],
  nodesMin: 3,
  *plan({ nodes, random, timeLimitMs }): Plan {
    const firstMs = Math.min(FIRST_MS, timeLimitMs / 4);
    yield { kind: 'sleep', ms: firstMs };
    const roundMs = WRITE_MS + FORGOTTEN_MS + RECOVER_MS;
    const count = Math.max(1, Math.floor((timeLimitMs - firstMs) / roundMs));
    const start = random.u32() % 1_000;
    for (let round = 0; round < count; round++) {
      const leader = yield* findLeader(0);
      yield* amnesia(castAmnesia(nodes, leader, start + round), WRITE_MS, FORGOTTEN_MS);
      yield { kind: 'sleep', ms: RECOVER_MS };
    }
  },
};
