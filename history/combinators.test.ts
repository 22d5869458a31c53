// Runs the combinators under perfect simulated time: every operation takes exactly as long as told.
// What a plan does is then a list that can be compared, and no clock is involved.
import { describe, expect, it } from 'vitest';
import {
  alternate,
  any,
  filter,
  limit,
  map,
  mix,
  repeat,
  reserve,
  sequence,
  sleep,
  stagger,
  steps,
  untilOk,
  untilTime,
} from './combinators.ts';
import type { Event, EventType } from './event.ts';
import type { Completion, OpStep, Plan } from './plan.ts';
import { Random } from './random.ts';

interface Done {
  f: string;
  at: number;
  value?: unknown;
}

/** Perfect time: an operation starts when due (or at once) and takes `tookNs`; a sleep its length. */
function perform(plan: Plan, tookNs = 10, outcome: (n: number) => EventType = () => 'ok'): Done[] {
  const done: Done[] = [];
  let now = 0;
  let result = plan.next();
  while (result.done !== true) {
    const step = result.value;
    let completion: Completion = { kind: 'slept' };
    if (step.kind === 'sleep') now += step.ms * 1e6;
    if (step.kind === 'op') {
      now = Math.max(now, step.due ?? 0);
      const seen: Done = { f: step.f, at: now };
      if (step.value !== undefined) seen.value = step.value;
      done.push(seen);
      now += tookNs;
      const type = outcome(done.length);
      const event: Event = { index: done.length, time: now, process: 0, type, f: step.f };
      completion = { kind: 'op', event };
    }
    result = plan.next(completion);
  }
  return done;
}

const op = (f: string, value?: unknown): OpStep =>
  value === undefined ? { kind: 'op', f } : { kind: 'op', f, value };
const some = (f: string, count: number) => repeat((i) => steps([op(f, i)]), count);
const names = (done: Done[]) => done.map((d) => d.f).join('');

describe('combinators', () => {
  it('sequence and repeat run one after the other', () => {
    expect(names(perform(sequence(some('a', 2), sleep(1), some('b', 3))))).toBe('aabbb');
    expect(perform(sequence(some('a', 1), sleep(2), some('b', 1)))[1]?.at).toBe(2_000_010);
  });

  it('limit bounds operations, not sleeps', () => {
    const endless = repeat(() => sequence(sleep(1), steps([op('a')])));
    expect(perform(limit(3, endless)).map((d) => d.at)).toEqual([1e6, 2e6 + 10, 3e6 + 20]);
  });

  it('alternate takes turns and passes over what has ended', () => {
    expect(names(perform(alternate(some('a', 1), some('b', 3), some('c', 2))))).toBe('abcbcb');
  });

  it('mix exhausts every plan, follows its weights and repeats with its seed', () => {
    const make = (seed: number, weights?: number[]) =>
      names(perform(mix(new Random(seed, 'mix'), [some('a', 60), some('b', 60)], weights)));
    expect(make(1)).toBe(make(1));
    expect(make(1)).not.toBe(make(2));
    expect([...make(3)].filter((f) => f === 'a')).toHaveLength(60);
    const first = [...make(4, [9, 1])].slice(0, 50);
    expect(first.filter((f) => f === 'a').length).toBeGreaterThan(35);
    expect(() => mix(new Random(1, 'x'), [some('a', 1)], [1, 2])).toThrow(/one weight a plan/);
  });

  it('mix gives each plan the completion of its own step', () => {
    const told: string[] = [];
    function* curious(f: string): Plan {
      for (let i = 0; i < 3; i++) {
        const completion = yield op(f);
        if (completion.kind === 'op') told.push(`${f}${completion.event.f}`);
      }
    }
    perform(mix(new Random(5, 'mix'), [curious('a'), curious('b')]));
    expect(told.sort()).toEqual(['aa', 'aa', 'aa', 'bb', 'bb', 'bb']);
  });

  it('stagger schedules evenly and does not slip when an operation is slow', () => {
    const plan = stagger({ intervalNs: 100, firstNs: 50 }, some('a', 3));
    expect(perform(plan).map((d) => d.at)).toEqual([50, 150, 250]);
    const slow: number[] = [];
    const recorded = map(
      (step) => {
        slow.push(step.due ?? -1);
        return step;
      },
      stagger({ intervalNs: 100 }, some('a', 3)),
    );
    perform(recorded, 1000);
    expect(slow).toEqual([0, 100, 200]);
  });

  it('stagger with randomness keeps the mean rate and ascends', () => {
    const plan = stagger({ intervalNs: 100, random: new Random(7, 's') }, some('a', 2000));
    const dues = perform(plan, 0).map((d) => d.at);
    expect(dues).toEqual([...dues].sort((a, b) => a - b));
    expect((dues.at(-1) ?? 0) / 2000).toBeGreaterThan(85);
    expect((dues.at(-1) ?? 0) / 2000).toBeLessThan(115);
  });

  it('untilTime ends by due and by completion', () => {
    const open = stagger(
      { intervalNs: 100 },
      repeat(() => steps([op('a')])),
    );
    expect(perform(untilTime(500, open)).map((d) => d.at)).toEqual([0, 100, 200, 300, 400]);
    const closed = repeat(() => steps([op('a')]));
    expect(perform(untilTime(95, closed)).at(-1)?.at).toBe(90);
  });

  it('map changes and filter drops operations', () => {
    const doubled = map((step) => ({ ...step, value: Number(step.value) * 2 }), some('a', 3));
    expect(perform(doubled).map((d) => d.value)).toEqual([0, 2, 4]);
    const odd = filter((step) => Number(step.value) % 2 === 1, some('a', 6));
    expect(perform(odd).map((d) => d.value)).toEqual([1, 3, 5]);
  });

  it('any takes whichever is due first', () => {
    const plan = any(
      stagger({ intervalNs: 100 }, some('a', 3)),
      stagger({ intervalNs: 30, firstNs: 20 }, some('b', 5)),
    );
    expect(names(perform(plan))).toBe('abbbabba');
  });

  it('reserve divides the threads', () => {
    const parts = [{ count: 2, make: () => some('a', 1) }];
    const all = [0, 1, 2, 3].map((thread) =>
      names(perform(reserve(thread, parts, () => some('b', 1)))),
    );
    expect(all).toEqual(['a', 'a', 'b', 'b']);
  });

  it('untilOk retries a bounded number of times', () => {
    expect(perform(untilOk(op('a'), 5), 10, (n) => (n < 3 ? 'info' : 'ok'))).toHaveLength(3);
    expect(perform(untilOk(op('a'), 4), 10, () => 'fail')).toHaveLength(4);
  });

  it('ending the whole early ends every part', () => {
    const ended: string[] = [];
    function* watched(name: string): Plan {
      try {
        for (;;) yield op(name);
      } finally {
        ended.push(name);
      }
    }
    const plan = limit(2, alternate(watched('a'), watched('b')));
    perform(plan);
    expect(ended.sort()).toEqual(['a', 'b']);
  });
});
