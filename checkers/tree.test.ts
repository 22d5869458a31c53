// The checkers of the tree, of transfers, of sequential nodes and of pipelines: histories drawn from a model
// are valid, and each known crime, one altered reply, is found under its name.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Event } from '../history/event.ts';
import type { Checker, RunRecord } from '../history/run-record.ts';
import type { Verdict } from '../history/verdict.ts';
import { bank } from './bank.ts';
import { fifo, sequence } from './sequence.ts';
import { kinds } from './testing-run.ts';
import { TreeScript, treeRun } from './testing-tree.ts';
import { tree } from './tree.ts';

const ALL = [tree, bank, sequence, fifo];

const judge = async (checker: Checker, run: RunRecord): Promise<Verdict> => checker.check(run);

/** The run with one event changed: the last that fits. */
function altered(
  script: TreeScript,
  fits: (event: Event) => boolean,
  change: (event: Event) => void,
): RunRecord {
  const history = structuredClone(script.history);
  const event = history.findLast(fits);
  if (event === undefined) throw new Error('expected an event to alter, the script has none');
  change(event);
  return script.run(history);
}

const ok = (f: string) => (event: Event) => event.type === 'ok' && event.f === f;

describe('a history drawn from the model', () => {
  it('is valid for every checker', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 1e6 }), async (seed) => {
        const run = treeRun(seed, 250).run();
        for (const checker of ALL)
          expect(await judge(checker, run)).toMatchObject({ anomalies: [] });
      }),
      { numRuns: 40 },
    );
  });

  it('gives enough evidence', async () => {
    const run = treeRun(7, 600).run();
    for (const checker of ALL)
      expect(await judge(checker, run)).toMatchObject({ outcome: 'valid' });
  });

  it('of nothing is unknown', async () => {
    const run = new TreeScript(1).run();
    for (const checker of ALL)
      expect(await judge(checker, run)).toMatchObject({ outcome: 'unknown' });
  });

  it('with one look altered is invalid', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 1e6 }), async (seed) => {
        const run = altered(treeRun(seed), ok('get'), (event) => {
          event.value = { data: 'nobody wrote this' };
        });
        expect((await judge(tree, run)).outcome).toBe('invalid');
      }),
      { numRuns: 40 },
    );
  });
});

describe('tree', () => {
  it('finds half of a refused multi', async () => {
    const script = treeRun(3);
    const parts = [
      { path: '/bank/a', data: 'half' },
      { path: '/bank/b', data: 'other half' },
    ];
    script.multi(parts, 'fail');
    script.commit((nodes, zxid) =>
      nodes.set('/bank/a', { data: 'half', version: 900, mzxid: zxid }),
    );
    script.get('/bank/a');
    expect(kinds(await judge(tree, script.run()))).toContain('written-by-nobody');
  });

  it('finds an unanswered multi that took effect by half', async () => {
    const script = treeRun(4);
    const parts = [
      { path: '/bank/a', data: 'half' },
      { path: '/bank/b', data: 'other half' },
    ];
    script.multi(parts, 'not');
    script.commit((nodes, zxid) =>
      nodes.set('/bank/a', { data: 'half', version: 900, mzxid: zxid }),
    );
    script.get('/bank/a');
    script.get('/bank/b');
    expect(kinds(await judge(tree, script.run()))).toContain('change-missing');
  });

  it('finds a reply that lacks a change below its zxid', async () => {
    const script = treeRun(5);
    script.put('/d/x', 'newest');
    script.get('/d/x', 1);
    const run = altered(script, ok('get'), (event) => {
      event.zxid = (event.zxid ?? 0) + 1;
    });
    expect(kinds(await judge(tree, run))).toEqual(['change-missing']);
  });

  it('finds a change later than the reply that shows it', async () => {
    const script = treeRun(5);
    script.put('/d/x', 'newest');
    script.get('/d/x');
    const run = altered(script, ok('get'), (event) => {
      event.zxid = (event.zxid ?? 0) - 1;
    });
    expect(kinds(await judge(tree, run))).toEqual(['future-change']);
  });

  it('finds a child that is missing, too early, or of nobody', async () => {
    const script = treeRun(6);
    const path = script.sequential('/d', 'last');
    script.children('/d');
    const name = path.slice('/d/'.length);
    const without = altered(script, ok('children'), (event) => {
      event.value = (event.value as string[]).filter((each) => each !== name);
    });
    expect(kinds(await judge(tree, without))).toEqual(['child-missing']);
    const early = altered(script, ok('children'), (event) => {
      event.zxid = (event.zxid ?? 0) - 1;
    });
    expect(kinds(await judge(tree, early))).toEqual(['child-too-early']);
    const more = altered(script, ok('children'), (event) => {
      (event.value as string[]).push('stranger');
    });
    expect(kinds(await judge(tree, more))).toEqual(['child-of-nobody']);
  });

  it('knows a child that was made unanswered and then deleted, and finds it listed too late', async () => {
    const script = treeRun(6);
    script.burst('/d', 'cut', 3, 2);
    script.children('/d');
    script.empty('/d');
    script.children('/d', 1);
    expect(await judge(tree, script.run())).toMatchObject({ anomalies: [] });
    const late = altered(script, ok('children'), (event) => {
      event.zxid = script.state().zxid;
    });
    expect(kinds(await judge(tree, late))).toContain('child-too-early');
    const strange = altered(script, ok('children'), (event) => {
      (event.value as string[]).push('other-0-0000000009');
    });
    expect(kinds(await judge(tree, strange))).toEqual(['child-of-nobody']);
  });

  it('finds a node gone that nobody deleted, and two changes of one zxid', async () => {
    const script = treeRun(8);
    script.get('/d/x');
    const gone = altered(script, ok('get'), (event) => {
      event.type = 'fail';
      event.error = 'NoNode';
    });
    expect(kinds(await judge(tree, gone))).toEqual(['node-missing']);
    script.put('/d/x', 'a');
    script.put('/d/x', 'b');
    const twice = altered(script, ok('write'), (event) => {
      event.zxid = (event.zxid ?? 0) - 1;
    });
    expect(kinds(await judge(tree, twice))).toContain('one-zxid-twice');
  });

  it('finds a version that jumps without an unanswered write', async () => {
    const script = treeRun(9);
    script.put('/d/x', 'a');
    const run = altered(script, ok('write'), (event) => {
      event.version = (event.version ?? 0) + 1;
    });
    expect(kinds(await judge(tree, run))).toEqual(['version-chain']);
  });
});

describe('bank', () => {
  const accounts = ['/bank/a', '/bank/b', '/bank/c'];

  it('finds money made, and an account overdrawn', async () => {
    const script = treeRun(11);
    script.reads(accounts);
    const change = (by: number) => (event: Event) => {
      const balances = event.value as { data: { balance: number }; zxid: number }[];
      for (const one of balances) one.zxid = event.zxid as number;
      (balances[0] as { data: { balance: number } }).data.balance += by;
    };
    expect(kinds(await judge(bank, altered(script, ok('reads'), change(1))))).toEqual([
      'wrong-total',
    ]);
    const overdrawn = await judge(bank, altered(script, ok('reads'), change(-1_000)));
    expect(kinds(overdrawn)).toContain('overdrawn');
  });

  it('does not add up balances that no one zxid held', async () => {
    const script = treeRun(12);
    const run = altered(script, ok('reads'), (event) => {
      const [first, second] = event.value as { mzxid: number; zxid: number; data: unknown }[];
      if (first !== undefined) first.zxid = 1;
      if (second !== undefined) second.data = { balance: 1e6 };
    });
    expect(await judge(bank, run)).toMatchObject({ anomalies: [] });
  });
});

describe('sequence and fifo', () => {
  it('find a number repeated, numbers that fall, and one behind its time', async () => {
    const script = treeRun(13);
    const before = script.sequential('/d', 'before');
    script.sequential('/d', 'last');
    const again = altered(script, ok('create-sequential'), (event) => {
      event.value = { path: before };
    });
    expect(kinds(await judge(sequence, again))).toContain('number-repeated');
    const fell = altered(script, ok('create-sequential'), (event) => {
      event.value = { path: '/d/n-0000000000' };
    });
    expect(kinds(await judge(sequence, fell))).toEqual(
      expect.arrayContaining(['numbers-fell', 'number-behind-time']),
    );
  });

  it('find one number listed twice', async () => {
    const run = altered(treeRun(14), ok('children'), (event) => {
      const names = event.value as string[];
      names.push(`twin-${String(names[0]).slice(-10)}`);
    });
    expect(kinds(await judge(sequence, run))).toContain('number-repeated');
  });

  it('find a pipeline reordered, and an answer skipped', async () => {
    const script = treeRun(15);
    script.burst('/d', 'whole', 3);
    type Parts = { parts: unknown[] };
    const swapped = altered(script, ok('burst'), ({ value }) => {
      (value as Parts).parts.reverse();
    });
    expect(kinds(await judge(fifo, swapped))).toEqual(['pipeline-reordered']);
    const skipped = altered(script, ok('burst'), ({ value }) => {
      (value as Parts).parts[1] = { error: 'ConnectionLoss' };
    });
    expect(kinds(await judge(fifo, skipped))).toEqual(['answer-skipped']);
  });

  it('find a cut pipeline with a gap', async () => {
    const script = treeRun(16);
    script.burst('/d', 'cut', 4, 3);
    script.children('/d');
    const run = altered(script, ok('children'), (event) => {
      event.value = (event.value as string[]).filter((name) => !name.startsWith('cut-1-'));
    });
    expect(kinds(await judge(fifo, run))).toEqual(['pipeline-gap']);
    expect((await judge(fifo, script.run())).evidence.cutBurstsSeen).toBeGreaterThan(0);
  });

  it('count what was deleted of a cut pipeline, and find a gap in the rest', async () => {
    const script = treeRun(16);
    script.empty('/d');
    script.burst('/d', 'cut', 4, 3);
    script.empty('/d', 2);
    script.children('/d');
    expect(await judge(fifo, script.run())).toMatchObject({ anomalies: [] });
    const run = altered(script, ok('children'), (event) => {
      event.value = (event.value as string[]).filter((name) => !name.startsWith('cut-0-'));
    });
    expect(kinds(await judge(fifo, run))).toEqual(['pipeline-gap']);
  });
});
