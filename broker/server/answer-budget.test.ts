// The memory for answers: who gets how much of it, who waits and in which order, and that all of it comes back.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AnswerBudget, AnswerShare } from './answer-budget.ts';

/** A budget of 800 bytes in turns of at least 50, and how often it was short. */
function budgetOf(bytesMax = 800, turnBytes = 50) {
  let short = 0;
  const budget = new AnswerBudget({ bytesMax, turnBytes, short: () => void short++ });
  return { budget, share: () => new AnswerShare(budget), shortTimes: () => short };
}

/** What was granted so far, in order; a turn that has come is noticed after `settled`. */
function turns() {
  const came: [string, number | undefined][] = [];
  const note = (name: string, turn: Promise<number | undefined>): void => {
    void turn.then((bytes) => came.push([name, bytes]));
  };
  return { came, note };
}
const settled = (): Promise<void> => new Promise(setImmediate);

describe('a consumer', () => {
  it('gets what it asks for, or a part of what is free, or a turn of the smallest size', async () => {
    const { budget, share } = budgetOf();
    expect(await share().take(60, true)).toBe(60);
    expect(await share().take(10_000, true)).toBe(92);
    const rest: (number | undefined)[] = [];
    while (budget.heldBytes <= 750) rest.push(await share().take(10_000, true));
    expect(rest.slice(0, 3)).toEqual([81, 70, 62]);
    expect(new Set(rest.slice(4))).toEqual(new Set([50]));
    expect(budget.heldBytes).toBeLessThanOrEqual(800);
  });

  it('holds room for one batch even if it asks for less, and no more than was built', async () => {
    const { budget, share } = budgetOf();
    const one = share();
    expect(await one.take(1, true)).toBe(1);
    expect(budget.heldBytes).toBe(50);
    one.built(33);
    expect(budget.heldBytes).toBe(33);
    one.unsent(40);
    one.built(0);
    expect(budget.heldBytes).toBe(40);
    one.unsent(0);
    expect(budget.heldBytes).toBe(0);
  });

  it('waits behind those that came before it, whatever it asks for', async () => {
    const { budget, share, shortTimes } = budgetOf(100, 100);
    const { came, note } = turns();
    const first = share();
    await first.take(100, true);
    expect(shortTimes()).toBe(0);
    const second = share();
    note('second', second.take(100, true));
    note('third', share().take(1, true));
    expect([budget.waiting, shortTimes()]).toEqual([2, 2]);
    await settled();
    expect(came).toEqual([]);
    first.built(0);
    await settled();
    expect(came).toEqual([['second', 100]]);
    second.end();
    await settled();
    expect(came).toEqual([
      ['second', 100],
      ['third', 1],
    ]);
  });

  it('that is gone keeps nobody waiting and gets nothing', async () => {
    const { budget, share } = budgetOf(100, 60);
    const { came, note } = turns();
    const holder = share();
    await holder.take(60, true);
    const gone = share();
    note('gone', gone.take(60, true));
    note('next', share().take(60, true));
    gone.end();
    await settled();
    expect(came).toEqual([['gone', undefined]]);
    expect(await gone.take(1, true)).toBeUndefined();
    gone.unsent(30);
    holder.end();
    await settled();
    expect(came.at(-1)).toEqual(['next', 60]);
    expect(budget.heldBytes).toBe(60);
  });

  it('that goes in the moment of its turn gives it back', async () => {
    const { budget, share } = budgetOf(100, 60);
    const gone = share();
    const turn = gone.take(60, true);
    gone.end();
    expect(await turn).toBeUndefined();
    expect(budget.heldBytes).toBe(0);
  });

  it('is never kept from a turn by one that is larger than the budget', async () => {
    const { share } = budgetOf(100, 5_000);
    expect(await share().take(7_000, true)).toBe(100);
  });
});

it('a follower never waits, and consumers wait for what it holds', async () => {
  const { budget, share } = budgetOf(100, 50);
  const { came, note } = turns();
  await share().take(50, true);
  const follower = share();
  expect(await follower.take(500, false)).toBe(500);
  expect(budget.heldBytes).toBe(550);
  note('consumer', share().take(50, true));
  await settled();
  expect(came).toEqual([]);
  follower.end();
  await settled();
  expect(came).toEqual([['consumer', 50]]);
});

it('keeps to the budget whatever consumers do, gives everyone a turn, and gets all of it back', async () => {
  type Deed = { readonly who: number; readonly bytes: number; readonly builtPart: number };
  const deed: fc.Arbitrary<Deed> = fc.record({
    who: fc.nat(7),
    bytes: fc.integer({ min: 0, max: 2_000 }),
    builtPart: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(deed, { maxLength: 60 }), async (deeds) => {
      const { budget, share } = budgetOf();
      const shares = Array.from({ length: 8 }, share);
      /** Whoever waits for its turn, or has an answer that it has not taken. */
      const busy = new Map<number, 'waits' | 'unsent'>();
      let granted = 0;
      let asked = 0;
      for (const { who, bytes, builtPart } of deeds) {
        const mine = shares[who] as AnswerShare;
        if (busy.get(who) === 'unsent') {
          mine.unsent(0);
          busy.delete(who);
        } else if (!busy.has(who)) {
          busy.set(who, 'waits');
          asked++;
          void mine.take(bytes, true).then((got = 0) => {
            granted++;
            const built = Math.floor(got * builtPart);
            mine.built(built);
            mine.unsent(built);
            mine.built(0);
            busy.set(who, 'unsent');
          });
        }
        expect(budget.heldBytes).toBeLessThanOrEqual(800);
        await settled();
        expect(budget.heldBytes).toBeLessThanOrEqual(800);
      }
      for (let round = 0; round < 8; round++) {
        for (const [who, state] of busy) if (state === 'unsent') shares[who]?.unsent(0);
        await settled();
      }
      expect(granted).toBe(asked);
      expect(budget.heldBytes).toBe(0);
    }),
    { numRuns: 60 },
  );
});
