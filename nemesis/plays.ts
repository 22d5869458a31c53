// The directed plays that the swarm mixes among its rounds: each gives every node a role, so it begins when
// all is healed and nothing else strikes while it lasts.
import type { Plan } from '../history/plan.ts';
import { amnesia, castAmnesia } from './amn.ts';
import { castTail, comeback, outvoted, pretender } from './tail.ts';

export const PLAYS = ['amn', 'outvoted', 'pretender', 'slow-comeback', 'faulty-comeback'] as const;
export type Play = (typeof PLAYS)[number];

export function isPlay(kind: string): kind is Play {
  return (PLAYS as readonly string[]).includes(kind);
}

/** What a play is given: ms of writing before it goes on, its length in ms, and a number to cast by. */
export interface PlayTimes {
  amount?: number;
  holdMs: number;
  draw: number;
}

/** A play once, healed when it ends; it takes `holdMs` and what the calls take. */
export function perform(
  play: Play,
  { amount = 0, holdMs, draw }: PlayTimes,
  nodes: readonly string[],
  leader: string | undefined,
): Plan {
  const writeMs = Math.min(amount, holdMs);
  const restMs = holdMs - writeMs;
  switch (play) {
    case 'amn':
      return amnesia(castAmnesia(nodes, leader, draw / 2), writeMs, restMs);
    case 'outvoted':
      return outvoted(castTail(nodes, leader, draw / 2), writeMs, restMs);
    case 'pretender':
      return pretender(castTail(nodes, leader, draw / 2), writeMs, restMs);
    case 'slow-comeback':
      return comeback(castTail(nodes, leader, draw / 2), 'slow', writeMs, restMs, draw / 2);
    case 'faulty-comeback':
      return comeback(castTail(nodes, leader, draw / 2), 'faulty', writeMs, restMs, draw / 2);
  }
}
