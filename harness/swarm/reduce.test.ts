// Smaller schedules of faults: what is left must be some of what was there, at times that make sense.
import { describe, expect, it } from 'vitest';
import type { Round } from '../../nemesis/swarm.ts';
import { drawSwarm } from './draw.ts';
import {
  leavingOut,
  lengthMs,
  plain,
  simpler,
  startsMs,
  windowOf,
  windows,
  without,
} from './reduce.ts';
import { roundsOf } from './scenario.ts';

const schedules = [1, 2, 3, 5, 8].map((seed) => roundsOf(drawSwarm(seed)));
const drawsOf = (rounds: readonly Round[]) => rounds.map(({ draw }) => draw);

describe('smaller schedules', () => {
  it('leave rounds out without moving the others in time', () => {
    for (const rounds of schedules) {
      const starts = startsMs(rounds);
      for (let i = 0; i < rounds.length; i++) {
        expect(startsMs(without(rounds, i, 1))).toEqual(starts.filter((_, at) => at !== i));
      }
    }
  });

  it('move an excerpt to the beginning and keep its rounds and their distances', () => {
    for (const rounds of schedules) {
      const part = windowOf(rounds, 2, 3);
      expect(drawsOf(part)).toEqual(drawsOf(rounds).slice(2, 5));
      expect(part[0]?.waitMs).toBeLessThanOrEqual(500);
      expect(part.slice(1)).toEqual(rounds.slice(3, 5));
    }
  });

  it('offer the last excerpts first, and none as long as the whole', () => {
    const rounds = schedules[0] as Round[];
    const pairs = windows(rounds, 2, 4);
    expect(pairs).toHaveLength(4);
    expect(drawsOf(pairs[0] as Round[])).toEqual(drawsOf(rounds).slice(-2));
    expect(windows(rounds, rounds.length, 4)).toEqual([]);
  });

  it('leave out every part once, closing the gap or not', () => {
    for (const rounds of schedules) {
      for (const size of [1, 3, Math.ceil(rounds.length / 2)]) {
        const smaller = leavingOut(rounds, size);
        expect(smaller).toHaveLength(2 * Math.ceil(rounds.length / size));
        for (const each of smaller) {
          expect(each.length).toBeLessThan(rounds.length);
          expect(each.length).toBeGreaterThanOrEqual(rounds.length - size);
          expect(lengthMs(each)).toBeLessThanOrEqual(lengthMs(rounds));
        }
      }
    }
  });

  it('are plain without choosing other victims', () => {
    for (const rounds of schedules) {
      for (const [i, round] of plain(rounds).entries()) {
        const before = (rounds[i] as Round).draw;
        for (const n of [2, 3, 4, 5, 6, 7, 8, 9]) expect(round.draw % n).toBe(before % n);
        expect(round).toEqual({ ...(rounds[i] as Round), draw: round.draw });
      }
      expect(startsMs(plain(rounds))).toEqual(startsMs(rounds));
    }
  });

  it('are simpler or shorter, never longer', () => {
    for (const round of schedules.flat()) {
      for (const each of simpler(round)) {
        expect(each).not.toEqual(round);
        expect(each.waitMs + each.holdMs).toBeLessThanOrEqual(round.waitMs + round.holdMs);
      }
    }
  });
});
