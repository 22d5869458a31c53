import { describe, expect, it } from 'vitest';
import type { Event } from '../history/event.ts';
import type { OpStep, Plan, Step } from '../history/plan.ts';
import type { WorkloadContext } from '../history/plugin.ts';
import { Random } from '../history/random.ts';
import { directory, ephemeral } from './ephemeral.ts';

const NODES = ['n1', 'n2', 'n3'];
/** The one thread of five that only keeps its session. */
const KEEPER = 4;

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

type Outcome = (step: OpStep, index: number) => Partial<Event>;

/** Every operation succeeds, and a sequential node gets its number. */
const ok: Outcome = ({ f, key }, index) =>
  f === 'create-ephemeral'
    ? { value: { path: key?.endsWith('-') === true ? `${key}${index}` : key } }
    : {};

/** Runs a plan whose operations end as `outcome` says, to at most `stepsMax` steps. */
function drive(plan: Plan, outcome: Outcome, stepsMax = 20_000): Step[] {
  const steps: Step[] = [];
  let result = plan.next();
  while (result.done !== true && steps.length < stepsMax) {
    const step = result.value;
    steps.push(step);
    if (step.kind !== 'op') {
      result = plan.next({ kind: 'slept' });
      continue;
    }
    const index = steps.length;
    const event: Event = { index, time: index, process: 0, type: 'ok', f: step.f };
    if (step.key !== undefined) event.key = step.key;
    result = plan.next({ kind: 'op', event: { ...event, ...outcome(step, index) } });
  }
  plan.return();
  return steps;
}

const ops = (steps: Step[]): OpStep[] => steps.filter((step) => step.kind === 'op');

const load = (ctx: WorkloadContext, thread: number, outcome = ok, stepsMax?: number) =>
  drive(ephemeral.load(ctx, thread, new Random(ctx.seed, `t${thread}`)), outcome, stepsMax);

describe('ephemeral: setup', () => {
  it('makes every thread’s directory once, over one plan a node', () => {
    const ctx = context();
    const made = NODES.flatMap((_, part) => ops(drive(ephemeral.setup(ctx, part), ok)));
    expect(made.every(({ f }) => f === 'create')).toBe(true);
    const directories = Array.from({ length: ctx.concurrency }, (_, i) => directory(i));
    expect(made.map(({ key }) => key).sort()).toEqual([...directories].sort());
  });
});

describe('ephemeral: load of a churning thread', () => {
  it('keeps its share of the rate and repeats from its seed', () => {
    const ctx = context();
    const steps = ops(load(ctx, 0));
    const expected = (ctx.ratePerSecond * ctx.timeLimitMs) / 1_000 / ctx.concurrency;
    expect(Math.abs(steps.length - expected)).toBeLessThanOrEqual(1);
    const dues = steps.map(({ due }) => due ?? -1);
    expect(dues).toEqual([...dues].sort((a, b) => a - b));
    expect(dues.at(-1)).toBeLessThan(ctx.timeLimitMs * 1e6);
    expect(ops(load(ctx, 0))).toEqual(steps);
  });

  it('does everything that a session can, each in its time', () => {
    const steps = ops(load(context({ timeLimitMs: 120_000 }), 0));
    const counts = new Map<string, number>();
    for (const { f } of steps) counts.set(f, (counts.get(f) ?? 0) + 1);
    for (const f of ['open', 'close', 'abandon', 'reattach', 'exists', 'children', 'write']) {
      expect(counts.get(f), f).toBeGreaterThan(20);
    }
    expect(counts.get('create-ephemeral')).toBeGreaterThan(300);
    const ends = (counts.get('close') ?? 0) + (counts.get('abandon') ?? 0);
    expect(Math.abs((counts.get('open') ?? 0) - ends)).toBeLessThanOrEqual(1);
  });

  it('opens first, and again after every end and after info, and nothing between', () => {
    let open = false;
    const outcome: Outcome = (step, index) => {
      if (step.f === 'open') {
        expect(open).toBe(false);
        open = index % 3 !== 0;
        return open ? {} : { type: 'fail', error: 'ConnectionRefused: nobody' };
      }
      expect(open, step.f).toBe(true);
      if (step.f === 'close' || step.f === 'abandon') open = false;
      else if (step.f === 'reattach' && index % 2 === 0) {
        open = false;
        return { type: 'fail', error: 'SessionExpired: over' };
      } else if (step.f === 'write' && index % 2 === 0) {
        open = false;
        return { type: 'info', error: 'Timeout: no reply' };
      }
      return ok(step, index);
    };
    expect(ops(load(context(), 1, outcome)).length).toBeGreaterThan(400);
  });

  it('never uses a name twice, and sends creations on both sides of closes', () => {
    const names: string[] = [];
    let before = 0;
    let after = 0;
    for (const { f, key, value } of ops(load(context({ timeLimitMs: 120_000 }), 2))) {
      if (f === 'create-ephemeral' && !key?.endsWith('-')) names.push(key ?? '');
      if (f === 'abandon') names.push(...(value as { burst: string[] }).burst);
      if (f !== 'close') continue;
      const around = value as { before?: string; after?: string };
      if (around.before !== undefined) before += names.push(around.before) > 0 ? 1 : 0;
      if (around.after !== undefined) after += names.push(around.after) > 0 ? 1 : 0;
    }
    expect(new Set(names).size).toBe(names.length);
    expect(before).toBeGreaterThan(10);
    expect(after).toBeGreaterThan(10);
  });

  it('looks at nodes of its own that live, and at other threads’', () => {
    const mine = new Set<string>();
    let own = 0;
    let others = 0;
    const outcome: Outcome = (step, index) => {
      if (step.f === 'close' || step.f === 'abandon') mine.clear();
      const made = ok(step, index);
      if (step.f === 'create-ephemeral') mine.add((made.value as { path: string }).path);
      if (step.f === 'exists') {
        if (mine.has(step.key ?? '')) own++;
        else others++;
      }
      return made;
    };
    load(context(), 3, outcome);
    expect(own).toBeGreaterThan(20);
    expect(others).toBeGreaterThan(20);
  });

  it('pauses in a closed loop after an operation that got no answer', () => {
    const refused: Outcome = () => ({ type: 'fail', error: 'ConnectionRefused: nobody' });
    const steps = load(context({ ratePerSecond: 0 }), 0, refused, 20);
    const expected = Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? 'op' : 'sleep'));
    expect(steps.map(({ kind }) => kind)).toEqual(expected);
  });
});

describe('ephemeral: load of a keeper', () => {
  it('opens once, then lets its session live on pings alone for several timeouts at a time', () => {
    const steps = load(context(), KEEPER);
    expect(ops(steps).filter(({ f }) => f === 'open')).toHaveLength(1);
    expect(ops(steps).some(({ f }) => f === 'close' || f === 'abandon')).toBe(false);
    const sleeps = steps.flatMap((step) => (step.kind === 'sleep' ? [step.ms] : []));
    expect(sleeps).toEqual(Array.from({ length: 5 }, () => 6_000));
  });

  it('opens anew soon after its session was lost', () => {
    const outcome: Outcome = (step, index) =>
      index === 4 ? { type: 'fail', error: 'SessionExpired: over' } : ok(step, index);
    const steps = load(context(), KEEPER, outcome, 8);
    expect(steps.map((step) => (step.kind === 'op' ? step.f : step.kind))).toEqual([
      ...['open', 'create-ephemeral', 'create-ephemeral', 'exists', 'sleep'],
      ...['open', 'create-ephemeral', 'create-ephemeral'],
    ]);
  });
});

describe('ephemeral: final', () => {
  it('waits for expiries, then looks through every server, then shows that it lives', () => {
    const steps = drive(ephemeral.final(context(), 3), ok);
    expect(steps[0]).toEqual({ kind: 'sleep', ms: 4_500 });
    const looks = ops(steps).map(({ f, key, node }) => [f, key, node]);
    const key = directory(3);
    expect(looks).toEqual([
      ...NODES.flatMap((node) => [
        ['children', key, node],
        ['read', key, node],
      ]),
      ['children', key, undefined],
    ]);
  });

  it('refuses options out of range', () => {
    const wrong = context({ options: { sessionTimeoutMs: 0 } });
    expect(() => drive(ephemeral.final(wrong, 0), ok)).toThrow(/sessionTimeoutMs.*got 0/);
    expect(() => ephemeral.client(context({ options: { opTimeoutMs: 'x' } }), 0)).toThrow(
      /opTimeoutMs/,
    );
  });
});
