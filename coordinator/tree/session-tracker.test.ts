import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HeapSessionTracker } from './session-tracker.ts';

describe('HeapSessionTracker', () => {
  it('expires at the timeout after the last touch, never before, and once', () => {
    const tracker = new HeapSessionTracker();
    tracker.track(1, 100, 0);
    expect(tracker.expired(99)).toEqual([]);
    expect(tracker.touch(1, 60)).toBe(true);
    expect(tracker.expired(159)).toEqual([]);
    expect(tracker.expired(170)).toEqual([{ id: 1, silentMs: 110, timeoutMs: 100 }]);
    expect(tracker.expired(999)).toEqual([]);
    expect(tracker.touch(1, 999)).toBe(false);
    tracker.untrack(1);
    expect(tracker.size).toBe(0);
  });

  it('knows the server of a session until it is untracked', () => {
    const tracker = new HeapSessionTracker();
    tracker.track(1, 100, 0);
    expect(tracker.owner(1)).toBeUndefined();
    tracker.attach(1, 3);
    tracker.track(1, 100, 50);
    expect(tracker.owner(1)).toBe(3);
    expect(tracker.expired(149)).toEqual([]);
    tracker.untrack(1);
    expect(tracker.owner(1)).toBeUndefined();
    tracker.attach(1, 2);
    expect(tracker.owner(1)).toBeUndefined();
  });

  it('does not keep what was untracked', () => {
    const tracker = new HeapSessionTracker();
    for (let id = 1; id <= 10_000; id++) {
      tracker.track(id, 1000, id);
      if (id % 10 !== 0) tracker.untrack(id);
    }
    expect(tracker.size).toBe(1000);
    expect(tracker.expired(20_000)).toHaveLength(1000);
  });

  it('agrees with a list searched in full', () => {
    const id = fc.integer({ min: 1, max: 6 });
    const command = fc.oneof(
      fc.record({
        kind: fc.constant('track' as const),
        id,
        timeout: fc.integer({ min: 1, max: 20 }),
      }),
      fc.record({ kind: fc.constant('touch' as const), id }),
      fc.record({ kind: fc.constant('untrack' as const), id }),
      fc.record({ kind: fc.constant('expire' as const) }),
    );
    const steps = fc.array(fc.tuple(fc.nat(8), command), { maxLength: 60 });
    fc.assert(
      fc.property(steps, (all) => {
        const tracker = new HeapSessionTracker();
        const model = new Map<number, { heard: number; timeout: number; over: boolean }>();
        let now = 0;
        for (const [wait, step] of all) {
          now += wait;
          if (step.kind === 'track') {
            tracker.track(step.id, step.timeout, now);
            model.set(step.id, { heard: now, timeout: step.timeout, over: false });
          } else if (step.kind === 'touch') {
            const entry = model.get(step.id);
            const isLive = entry !== undefined && !entry.over;
            if (isLive) entry.heard = now;
            expect(tracker.touch(step.id, now)).toBe(isLive);
          } else if (step.kind === 'untrack') {
            tracker.untrack(step.id);
            model.delete(step.id);
          } else {
            const due = [...model].filter(([, e]) => !e.over && e.heard + e.timeout <= now);
            for (const [, entry] of due) entry.over = true;
            const got = tracker.expired(now).sort((a, b) => a.id - b.id);
            expect(got).toEqual(
              due
                .map(([key, e]) => ({ id: key, silentMs: now - e.heard, timeoutMs: e.timeout }))
                .sort((a, b) => a.id - b.id),
            );
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});
