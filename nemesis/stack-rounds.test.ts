import { describe, expect, it } from 'vitest';
import { Random } from '../history/random.ts';
import { drawStackRounds } from './stack-rounds.ts';
import type { Round } from './swarm.ts';

const FAULTS_MS = 58_000;

/** From the first fault of a service to the end of its last, ms. */
function spanOf(service: Round['of'], rounds: readonly Round[]): number {
  const own: { fromMs: number; toMs: number }[] = [];
  let atMs = 0;
  for (const { waitMs, holdMs, draw, of } of rounds) {
    atMs += waitMs;
    if (of === service) own.push({ fromMs: atMs, toMs: atMs + holdMs });
    if (draw % 2 === 0) atMs += holdMs;
  }
  return Math.max(0, ...own.map(({ toMs }) => toMs)) - Math.min(...own.map((each) => each.fromMs));
}

describe('rounds for two services', () => {
  it.each(['broker', 'coordinator'] as const)('strike the %s for long enough to judge it', (of) => {
    for (let seed = 1; seed <= 500; seed++) {
      const rounds = drawStackRounds(new Random(seed, 'nemesis'), FAULTS_MS);
      expect(spanOf(of, rounds), `seed ${seed}`).toBeGreaterThan(5_000);
    }
  });
});
