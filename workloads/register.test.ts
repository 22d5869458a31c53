import { describe, expect, it } from 'vitest';
import type { Event } from '../history/event.ts';
import type { OpStep, Plan, Step } from '../history/plan.ts';
import type { WorkloadContext } from '../history/plugin.ts';
import { Random } from '../history/random.ts';
import { keySchedule, register } from './register.ts';

const NODES = ['n1', 'n2', 'n3'];

function context(given: Partial<WorkloadContext> = {}): WorkloadContext {
  return {
    nodes: NODES,
    address: () => ({ host: '127.0.0.1', port: 1 }),
    concurrency: 10,
    ratePerSecond: 200,
    timeLimitMs: 30_000,
    seed: 1,
    options: {},
    ...given,
  };
}

/** Runs a plan whose operations all end as `outcome` says, to at most `stepsMax` steps. */
function drive(
  plan: Plan,
  outcome: (step: OpStep, index: number) => Partial<Event>,
  stepsMax = 100_000,
): Step[] {
  const steps: Step[] = [];
  let result = plan.next();
  while (result.done !== true && steps.length < stepsMax) {
    const step = result.value;
    steps.push(step);
    if (step.kind === 'op') {
      const index = steps.length;
      const { f, key } = step;
      const event: Event = { index, time: index, process: 0, type: 'ok', f, zxid: index };
      if (key !== undefined) event.key = key;
      result = plan.next({ kind: 'op', event: { ...event, ...outcome(step, index) } });
    } else result = plan.next({ kind: 'slept' });
  }
  return steps;
}

const ops = (steps: Step[]): OpStep[] => steps.filter((step) => step.kind === 'op');

const seen = (_step: OpStep, index: number) => ({ version: index });

function loadOf(ctx: WorkloadContext, stepsMax?: number): OpStep[][] {
  return Array.from({ length: ctx.concurrency }, (_, thread) =>
    ops(drive(register.load(ctx, thread, new Random(ctx.seed, `t${thread}`)), seen, stepsMax)),
  );
}

describe('register: keys', () => {
  it('are as many as rate × time needs, or as many as asked for', () => {
    expect(keySchedule(context())).toEqual({ count: 60, active: 3, opsPerKey: 100 });
    expect(keySchedule(context({ options: { keys: 7 } })).count).toBe(7);
    expect(keySchedule(context({ concurrency: 2, ratePerSecond: 1 })).active).toBe(1);
    expect(keySchedule(context({ ratePerSecond: 0 })).count).toBeGreaterThan(100);
    expect(() => keySchedule(context({ options: { keys: -1 } }))).toThrow(/keys.*0 to 10000.*-1/);
  });

  it('are created once each, over one setup plan a node, with values of their own', () => {
    const ctx = context();
    const created = NODES.flatMap((_, i) => ops(drive(register.setup(ctx, i), seen)));
    const { count } = keySchedule(ctx);
    expect(new Set(created.map(({ key }) => key)).size).toBe(count);
    expect(new Set(created.map(({ value }) => value)).size).toBe(count);
    expect(created).toHaveLength(count);
  });

  it('get about a hundred operations each, from at least three threads overlapping', () => {
    const ctx = context();
    const uses = new Map<string, { due: number; thread: number }[]>();
    for (const [thread, steps] of loadOf(ctx).entries()) {
      for (const { key = '', due = 0 } of steps) {
        uses.set(key, [...(uses.get(key) ?? []), { due, thread }]);
      }
    }
    const counts = [...uses.values()].map((all) => all.length);
    expect(Math.min(...counts)).toBeGreaterThan(50);
    expect(Math.max(...counts)).toBeLessThan(160);
    for (const all of uses.values()) {
      // Threads whose stretch of use holds the middle one of this key's operations.
      const middle = all.map(({ due }) => due).sort((a, b) => a - b)[all.length >> 1]!;
      const overlapping = new Set(all.map(({ thread }) => thread)).values().filter((thread) => {
        const own = all.filter((use) => use.thread === thread).map(({ due }) => due);
        return Math.min(...own) <= middle && Math.max(...own) >= middle;
      });
      expect([...overlapping].length).toBeGreaterThanOrEqual(3);
    }
  });
});

describe('register: load', () => {
  it('keeps the rate, ends with its time, and repeats from its seed', () => {
    const ctx = context();
    const threads = loadOf(ctx);
    const total = threads.reduce((sum, steps) => sum + steps.length, 0);
    expect(total).toBeGreaterThan(5_900);
    expect(total).toBeLessThan(6_100);
    for (const steps of threads) {
      const dues = steps.map(({ due }) => due ?? -1);
      expect(dues).toEqual([...dues].sort((a, b) => a - b));
      expect(dues.at(-1)).toBeLessThan(30_000 * 1e6);
    }
    expect(loadOf(ctx)).toEqual(threads);
  });

  it('mixes reads, writes and compare-and-sets, and never writes a value twice', () => {
    const ctx = context();
    const all = loadOf(ctx).flat();
    const share = (f: string) => all.filter((step) => step.f === f).length / all.length;
    expect(share('read')).toBeCloseTo(0.5, 1);
    expect(share('write')).toBeCloseTo(0.25, 1);
    expect(share('cas')).toBeCloseTo(0.25, 1);
    const created = NODES.flatMap((_, i) => ops(drive(register.setup(ctx, i), seen)));
    const values = [...created, ...all].flatMap(({ f, value }) => {
      if (f === 'read') return [];
      return [f === 'cas' ? (value as { to: number }).to : (value as number)];
    });
    expect(new Set(values).size).toBe(values.length);
  });

  it('expects the version it saw last at the same key, and looks first when it saw none', () => {
    const ctx = context({ ratePerSecond: 0 });
    const plan = register.load(ctx, 0, new Random(3, 'x'));
    let last: { key: string | undefined; version: number } | undefined;
    let cas = 0;
    const steps = drive(
      plan,
      (step, index) => {
        if (step.f === 'cas') {
          cas++;
          expect(step.key).toBe(last?.key);
          expect((step.value as { expected: number }).expected).toBe(last?.version);
          last = undefined;
          return { type: 'fail', error: 'BadVersion' };
        }
        last = { key: step.key, version: index };
        return { version: index };
      },
      2_000,
    );
    expect(cas).toBeGreaterThan(200);
    expect(steps.every(({ kind }) => kind === 'op')).toBe(true);
  });

  it('pauses in a closed loop after an operation that got no answer', () => {
    const plan = register.load(context({ ratePerSecond: 0 }), 0, new Random(3, 'x'));
    const steps = drive(
      plan,
      () => ({ type: 'fail', error: 'ConnectionRefused', zxid: undefined }) as Partial<Event>,
      20,
    );
    expect(steps.map(({ kind }) => kind)).toEqual(
      Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? 'op' : 'sleep')),
    );
  });
});

describe('register: final reads', () => {
  it('read every key through every server', () => {
    const ctx = context();
    const reads = Array.from({ length: ctx.concurrency }, (_, thread) =>
      ops(drive(register.final(ctx, thread), seen)),
    ).flat();
    const { count } = keySchedule(ctx);
    expect(reads.every(({ f }) => f === 'read')).toBe(true);
    expect(new Set(reads.map(({ key, node }) => `${key} ${node}`)).size).toBe(count * 3);
    expect(reads).toHaveLength(count * 3);
  });
});
