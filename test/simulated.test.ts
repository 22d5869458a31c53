// The whole run inside the simulator: valid on the clean server, the same trace in two processes, planted
// bugs found by the general swarm, and a failing run repeated and shrunk.
import { describe, expect, it } from 'vitest';
import { seedRange } from '../harness/cli/seeds-command.ts';
import { drawSwarm } from '../harness/swarm/draw.ts';
import { type PoolResult, runPool } from '../harness/swarm/pool.ts';
import { without } from '../harness/swarm/reduce.ts';
import { firstDifferingEvent, simulateOnce } from '../harness/swarm/replay.ts';
import { roundsOf, withRounds } from '../harness/swarm/scenario.ts';
import { counts, runSeed } from '../harness/swarm/seed.ts';

const LIMIT_MS = 240_000;

async function pool(configs: ReturnType<typeof drawSwarm>[], twice = 0): Promise<PoolResult[]> {
  const results: PoolResult[] = [];
  await runPool(configs, { jobs: 2, twice, onResult: (result) => results.push(result) });
  return results;
}

describe('the swarm', () => {
  it('draws the same configuration from the same seed, and another from another', () => {
    expect(drawSwarm(5)).toEqual(drawSwarm(5));
    expect(drawSwarm(5)).not.toEqual(drawSwarm(6));
    expect(roundsOf(drawSwarm(5)).length).toBeGreaterThan(2);
  });

  it('is valid on the clean server, counts, and leaves one trace in two processes', {
    timeout: LIMIT_MS,
  }, async () => {
    const results = await pool([drawSwarm(1), drawSwarm(2)], 1);
    for (const each of results) {
      expect(each).toMatchObject({ kind: 'done', result: { exit: 0, findings: [], errors: [] } });
      expect(each.kind === 'done' && counts(each.result)).toBe(true);
    }
    expect(results).toHaveLength(2);
  });

  it.each([
    ['Z03', 2, 'election'],
    ['Z19', 6, 'sessions'],
    ['Z54', 6, 'session-order'],
    ['Z56', 17, 'linearizable'],
  ])('finds %s with seed %i', { timeout: LIMIT_MS }, async (mutant, seed, checker) => {
    const { findings, exit } = await runSeed(drawSwarm(seed, { mutant }));
    expect(exit).toBe(1);
    const seen = findings.filter(({ outcome }) => outcome === 'invalid').map((f) => f.checker);
    expect(seen).toContain(checker);
  });
});

describe('replay', () => {
  it('finds the first event at which two different runs part', { timeout: LIMIT_MS }, async () => {
    const config = { ...drawSwarm(3), timeLimitMs: 6_000 };
    const a = await simulateOnce(config);
    const same = await simulateOnce(config);
    expect(await firstDifferingEvent(config, a, same)).toBeUndefined();
    const b = await simulateOnce({ ...config, ratePerSecond: config.ratePerSecond + 1 });
    expect(await firstDifferingEvent(config, a, b)).toBeDefined();
  });
});

describe('shrinking', () => {
  it('leaves rounds out without moving the others in time', () => {
    const rounds = roundsOf(drawSwarm(5));
    const ends = (all: typeof rounds) => {
      let atMs = 0;
      return all.map((round) => {
        const start = atMs + round.waitMs;
        atMs = start + (round.draw % 2 === 0 ? round.holdMs : 0);
        return start;
      });
    };
    for (let i = 0; i < rounds.length; i++) {
      const starts = ends(rounds).filter((_, at) => at !== i);
      expect(ends(without(rounds, i, 1))).toEqual(starts);
    }
    expect(roundsOf(withRounds(drawSwarm(5), []))).toEqual([]);
  });
});

describe('--seeds', () => {
  it('takes a range or one seed, and refuses the rest', () => {
    expect(seedRange('1..500')).toEqual({ from: 1, to: 500 });
    expect(seedRange('7')).toEqual({ from: 7, to: 7 });
    for (const bad of ['', 'x', '5..1', '1..99999999', '-1..3']) {
      expect(() => seedRange(bad)).toThrow(/expected --seeds to be a range/);
    }
  });
});
