// The pool on workers whose runs are known to agree, to differ, to run other code, or to die.
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { RunConfig } from '../../history/run-record.ts';
import { firstDifferingLine } from './difference.ts';
import { drawSwarm } from './draw.ts';
import { type PoolResult, type RunningSeed, runPool } from './pool.ts';

const entry = fileURLToPath(new URL('./testing-worker.ts', import.meta.url));

async function pool(configs: RunConfig[], twice: number): Promise<PoolResult[]> {
  const results: PoolResult[] = [];
  await runPool(configs, { jobs: 2, twice, entry, onResult: (result) => results.push(result) });
  return results;
}

const named = (name: string, seed = 1): RunConfig => ({ ...drawSwarm(seed), name });

describe('runs done twice', () => {
  it('count once when they agree', async () => {
    const results = await pool([named('agrees', 1), named('agrees', 2)], 1);
    expect(results.map(({ kind }) => kind)).toEqual(['done', 'done']);
  });

  it('name the first event at which they differ', async () => {
    expect(await pool([named('differs')], 1)).toMatchObject([
      {
        kind: 'nondeterministic',
        traces: ['one', 'other'],
        difference: { event: 11, first: '11 write one', second: '11 write other' },
      },
    ]);
  });

  it('say that the sources changed when the code is another', async () => {
    expect(await pool([named('changes')], 1)).toMatchObject([
      { kind: 'changed', why: expect.stringContaining('the sources changed while seeds ran') },
    ]);
  });
});

describe('runs done once', () => {
  it('are not put together when they ran other code', async () => {
    const kinds = (await pool([named('changes'), named('changes'), named('changes')], 0)).map(
      ({ kind }) => kind,
    );
    expect(kinds.sort()).toEqual(['changed', 'changed', 'done']);
  });

  it.each([
    ['the one of more programs first', ['stack', 'coordinator', 'stack']],
    ['the one of fewer programs first', ['coordinator', 'stack', 'coordinator']],
  ])('of two systems ran the same code where they share it: %s', async (_, systems) => {
    const configs = (name: string) => systems.map((system) => ({ ...named(name), system }));
    const kinds = async (name: string) => {
      const results: PoolResult[] = [];
      const options = { jobs: 1, twice: 0, entry };
      await runPool(configs(name), { ...options, onResult: (result) => results.push(result) });
      return results.map(({ kind }) => kind);
    };
    expect(await kinds('agrees')).toEqual(['done', 'done', 'done']);
    expect(await kinds('changes')).toEqual(['done', 'changed', 'changed']);
  });

  it('are lost when the worker dies, and the next worker goes on', async () => {
    const results = await pool([named('dies'), named('agrees', 2), named('agrees', 3)], 0);
    const byKind = Object.groupBy(results, ({ kind }) => kind);
    expect(byKind.lost).toMatchObject([{ why: 'the worker ended (3)' }]);
    expect(byKind.done).toHaveLength(2);
  });

  it('are told of while they run', async () => {
    const seen: RunningSeed[] = [];
    await runPool([named('agrees', 7)], {
      jobs: 1,
      twice: 0,
      entry,
      onResult: () => {},
      onRunning: ([running]) => {
        if (running !== undefined) seen.push(running);
      },
    });
    expect(seen).toMatchObject([{ config: { seed: 7 }, again: false }]);
  });
});

describe('the first line that differs', () => {
  it('is found, also where one run has ended', () => {
    expect(firstDifferingLine(['a', 'b'], ['a', 'c'])).toEqual({ at: 1, first: 'b', second: 'c' });
    expect(firstDifferingLine(['a'], ['a', 'b'])).toMatchObject({ at: 1, first: '(nothing)' });
    expect(firstDifferingLine(['a'], ['a'])).toBeUndefined();
  });
});
