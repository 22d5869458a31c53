// The sums over many seeds: every seed in exactly one column, and what never happened named.
import { describe, expect, it } from 'vitest';
import { windowLines } from '../cli/seeds-view.ts';
import { drawSwarm } from './draw.ts';
import { describeDrawn, drawnJson } from './drawn.ts';
import type { PoolResult } from './pool.ts';
import type { SeedResult } from './seed.ts';
import { SwarmTable } from './table.ts';

const RESULT: SeedResult = {
  seed: 1,
  outcome: 'valid',
  exit: 0,
  findings: [],
  errors: [],
  ops: { ok: 2_000, fail: 0, info: 0 },
  faults: { injected: 4, verified: 4 },
  faultKinds: { cut: 3, kill: 1 },
  syncs: { diff: 2, trunc: 1, snap: 0 },
  trace: 't',
  programs: { server: 's', harness: 'h', machinery: 'm' },
  events: 10,
  virtualMs: 60_000,
  wallMs: 1_000,
};

const done = (seed: number, change: Partial<SeedResult> = {}): PoolResult => {
  const config = drawSwarm(seed);
  return { kind: 'done', config, result: { ...RESULT, seed, ...change } };
};

describe('the table', () => {
  it('puts every seed into one column', () => {
    const table = new SwarmTable();
    const thin = { ops: { ok: 1, fail: 0, info: 0 } };
    expect(table.add(done(1))).toBe(false);
    expect(table.add(done(2, thin))).toBe(false);
    expect(table.add(done(3, { exit: 2, outcome: 'unknown' }))).toBe(false);
    expect(table.add(done(4, { exit: 1, outcome: 'invalid' }))).toBe(true);
    expect(table.add({ kind: 'lost', config: drawSwarm(5), why: 'killed' })).toBe(true);
    expect(table.outcomes(9)).toBe('5 of 9 seeds: 1 valid, 1 thin, 1 unknown, 1 failed, 1 lost');
    expect(table.syncModes()).toBe('8 diff, 4 trunc, 0 snap');
    expect(table.faultKinds()).toMatch(/^12 cut, 4 kill, 0 /);
    expect(table.speed(10_000)).toBe('4 virtual minutes, 24.0 times real time');
  });

  it('names what never happened, once there were seeds enough', () => {
    const table = new SwarmTable();
    for (let seed = 1; seed < 50; seed++) table.add(done(seed));
    expect(table.vacuous()).toEqual([]);
    table.add(done(50));
    const vacuous = table.vacuous().join('\n');
    expect(vacuous).toContain('no SNAP synchronisation ever happened in 50 seeds');
    expect(vacuous).toContain('no fault of kind crash was ever injected');
    expect(vacuous).not.toContain('DIFF');
    expect(vacuous).not.toContain('kind cut');
    table.add(done(51, { syncs: { diff: 0, trunc: 0, snap: 1 } }));
    expect(table.vacuous().join('\n')).not.toContain('SNAP');
  });

  it('shows a line a worker and the totals', () => {
    const running = [{ config: drawSwarm(7), startedMs: 0, again: true }, undefined];
    const lines = windowLines(running, new SwarmTable(), 9, 1_000, 4_200);
    expect(lines.map(([label]) => label)).toEqual([
      'worker 1',
      'worker 2',
      'seeds',
      'time',
      'syncs',
      'faults',
    ]);
    expect(lines[0]?.[1]).toMatch(/^seed 7 .* nodes +4\.2 s {2}again, to compare$/);
    expect(lines[1]?.[1]).toBe('done');
  });
});

describe('what a seed drew', () => {
  it('is told in one line, with every option and the rounds by kind', () => {
    const config = drawSwarm(5, { mutant: 'Z03' });
    const told = describeDrawn(config);
    expect(told).not.toContain('\n');
    for (const [name, value] of Object.entries(config.systemOptions)) {
      expect(told).toContain(`${name} ${value}`);
    }
    expect(told).toContain('with Z03');
    expect(told).toMatch(/\d+ rounds: \d+ /);
    expect(drawnJson(config)).toMatchObject({ nodes: config.nodes, rounds: expect.any(Object) });
  });
});
