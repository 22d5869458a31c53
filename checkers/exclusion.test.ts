// The exclusion checker: locks passed on in turn are valid, whoever dies or leaves, and each known crime of a
// lock, one altered reply, is found under its name.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Event } from '../history/event.ts';
import type { Op } from '../history/op.ts';
import { Random } from '../history/random.ts';
import type { RunRecord } from '../history/run-record.ts';
import { countsOn, exclusion } from './exclusion.ts';
import { recordOf, testConfig } from './testing-record.ts';
import { kinds } from './testing-run.ts';
import { numbered } from './testing-tree.ts';

const PLACE = '/lock/l0';
const RESOURCE = '/lock/r0';

/** A lock that contenders take in turn; `tenures` of them hold it. */
function lockHistory(seed: number, tenures = 8): Event[] {
  const random = new Random(seed, 'lock');
  const history: Event[] = [];
  const waiting: { path: string; token: number; session: string }[] = [];
  let zxid = 100;
  let number = 0;
  let n = 0;
  const op = (f: string, key: string, given: unknown, end: Partial<Event>): void => {
    const both = { time: history.length * 1e6, process: 0, f, key, value: given };
    history.push({ ...both, index: history.length, type: 'invoke' });
    history.push({ ...both, index: history.length, type: 'ok', node: 'n1', ...end });
  };
  const enter = (): void => {
    const session = `s${number}`;
    const path = numbered(`${PLACE}/c-`, number++);
    const token = ++zxid;
    waiting.push({ path, token, session });
    op('create-ephemeral', `${PLACE}/c-`, { sequential: true }, { value: { path }, zxid, session });
  };
  enter();
  for (let i = 0; i < tenures; i++) {
    for (let more = random.int(waiting.length < 2 ? 1 : 0, 2); more > 0; more--) enter();
    const holder = waiting[0] as (typeof waiting)[number];
    const names = waiting.map(({ path }) => path.slice(PLACE.length + 1)).reverse();
    op('children', PLACE, undefined, { value: names, zxid, session: holder.session });
    for (let writes = random.int(1, 3); writes > 0; writes--) {
      const data = { n: ++n, token: holder.token };
      const ops = [
        { op: 'check', path: holder.path },
        { op: 'set', path: RESOURCE, data },
      ];
      op('multi', RESOURCE, { ops }, { value: { ops }, zxid: ++zxid, session: holder.session });
    }
    waiting.shift();
    zxid++;
    if (random.bool()) op('delete', holder.path, undefined, { zxid, session: holder.session });
  }
  return history;
}

const runOf = (history: Event[]): RunRecord =>
  recordOf(testConfig(['n1', 'n2', 'n3']), history, []);

async function crimes(change: (history: Event[]) => void): Promise<string[]> {
  const history = lockHistory(5);
  change(history);
  return kinds(await exclusion.check(runOf(history)));
}

const nth = (history: Event[], f: string, from: number): Event => {
  const event = history.filter((one) => one.f === f && one.type === 'ok').at(from);
  if (event === undefined) throw new Error(`expected an ok ${f} at ${from}`);
  return event;
};

/** The write's data, in what was asked and in what was answered. */
function writeData(history: Event[], from: number): { n: number; token: number }[] {
  const ok = nth(history, 'multi', from);
  return [history[ok.index - 1] as Event, ok].map(({ value }) => {
    return (value as { ops: { data: { n: number; token: number } }[] }).ops[1]?.data as never;
  });
}

describe('exclusion', () => {
  it('finds a lock taken in turn valid', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 1e6 }), async (seed) => {
        const verdict = await exclusion.check(runOf(lockHistory(seed, 20)));
        expect(verdict).toMatchObject({ outcome: 'valid', evidence: { holders: 20 } });
      }),
      { numRuns: 50 },
    );
  });

  it('says nothing of a lock that nobody took', async () => {
    expect(await exclusion.check(runOf([]))).toMatchObject({ outcome: 'unknown' });
  });

  it('finds two holders at one zxid', async () => {
    const found = await crimes((history) => {
      // The last holder's list comes before the write of the one before it.
      nth(history, 'children', -1).zxid = 101;
    });
    expect(found).toContain('two-holders');
  });

  it('finds a write of one that had left', async () => {
    const found = await crimes((history) => {
      nth(history, 'multi', -1).zxid = 9_000;
      const ok = nth(history, 'delete', -1);
      const guard = (nth(history, 'multi', -1).value as { ops: { path: string }[] }).ops[0]?.path;
      (history[ok.index - 1] as Event).key = guard as string;
      ok.key = guard as string;
      ok.zxid = 8_999;
    });
    expect(found).toContain('wrote-without-holding');
  });

  it('finds an update lost and a token that fell', async () => {
    const lost = await crimes((history) => {
      for (const data of writeData(history, -1)) data.n -= 1;
    });
    expect(lost).toContain('update-lost');
    const fell = await crimes((history) => {
      for (const data of writeData(history, -1)) data.token = 1;
    });
    expect(fell).toContain('token-fell');
  });

  it('lets only the same holder repeat a count, and only what it was not told of', () => {
    const first = { op: { type: 'info' } as Op, data: { n: 7, token: 3 } };
    expect(countsOn(first, { data: { n: 7, token: 3 } }, 0)).toBe(true);
    expect(countsOn(first, { data: { n: 7, token: 4 } }, 0)).toBe(false);
    expect(countsOn({ ...first, op: { type: 'ok' } as Op }, first, 0)).toBe(false);
    expect(countsOn(first, { data: { n: 9, token: 4 } }, 0)).toBe(false);
    expect(countsOn(first, { data: { n: 9, token: 4 } }, 1)).toBe(true);
  });

  it('finds one whose turn never came after the heal', async () => {
    const history = lockHistory(5);
    const at = history.length;
    const phase = {
      f: 'phase',
      value: 'final',
      type: 'info' as const,
      process: 'harness' as const,
    };
    history.push({ ...phase, index: at, time: at * 1e6 });
    const invoke = {
      process: 1,
      f: 'create-ephemeral',
      key: `${PLACE}/c-`,
      value: { sequential: true },
    };
    history.push({ ...invoke, index: at + 1, time: (at + 1) * 1e6, type: 'invoke' });
    const value = { path: numbered(`${PLACE}/c-`, 999) };
    const end = { ...invoke, index: at + 2, time: (at + 2) * 1e6, type: 'ok' as const };
    history.push({ ...end, value, zxid: 9_000, session: 'late' });
    expect(kinds(await exclusion.check(runOf(history)))).toEqual(['never-held']);
  });
});
