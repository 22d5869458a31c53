// The judge of consumer groups as members saw them: each rule broken alone, and a random model of a group
// with members that come, crash and commit, which is never accused.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Rebalance } from '../../history/messages.ts';
import type { RunRecord } from '../../history/run-record.ts';
import type { Verdict } from '../../history/verdict.ts';
import { groups } from './groups.ts';
import { LogModel, MessageScript } from './testing.ts';

const KEY = 't-0';

function judge(run: RunRecord): Verdict {
  return groups.check(run) as Verdict;
}

function kindsOf({ anomalies }: Verdict): string[] {
  return [...new Set(anomalies.map(({ kind }) => kind))].sort();
}

function share(generation: number, member: string, committed?: number): Rebalance {
  return {
    group: 'g',
    generation,
    member,
    assigned: [KEY],
    revoked: [],
    committed: committed === undefined ? {} : { [KEY]: committed },
  };
}

function commit(script: MessageScript, process: number, generation: number, offset: number): void {
  const value = { group: 'g', generation, member: `m${process}`, offsets: { [KEY]: offset } };
  script.ok(process, 'commit', undefined, value);
}

/** Member 1 reads and commits ten messages in generation 1; member 2 takes over in generation 2. */
function takenOver(resumesAt = 10): MessageScript {
  const script = new MessageScript();
  for (let i = 0; i < 20; i++) script.send(9, KEY, i, 100 + i);
  for (const process of [1, 2, 3]) {
    script.ok(process, 'subscribe', { topics: ['t'], group: 'g' }, undefined);
  }
  script.poll(1, { [KEY]: [[0, 100]] }, [share(1, 'm1')]);
  commit(script, 1, 1, 1);
  for (let i = 1; i < 10; i++) {
    script.poll(1, { [KEY]: [[i, 100 + i]] });
    commit(script, 1, 1, i + 1);
  }
  script.poll(2, { [KEY]: [[10, 110]] }, [share(2, 'm2', resumesAt)]);
  return script;
}

test('a group that takes over where the last owner committed is valid', () => {
  expect(judge(takenOver().run())).toMatchObject({
    outcome: 'valid',
    evidence: { commits: 10, generations: 2, resumed: 1, givenBelowCommit: 10 },
  });
});

test.each<[string, string, (script: MessageScript) => void]>([
  ['two owners', 'two-owners', (script) => script.poll(3, {}, [share(2, 'm3', 10)])],
  [
    'a generation that fell',
    'generation-fell',
    (script) => script.poll(2, {}, [share(1, 'm1', 10)]),
  ],
  [
    'a commit of an old generation',
    'commit-of-old-generation',
    (script) => commit(script, 1, 1, 10),
  ],
  ['a commit beyond what was given', 'skipped-by-group', (script) => commit(script, 2, 2, 13)],
])('%s is found', (_, kind, add) => {
  const script = takenOver();
  add(script);
  expect(kindsOf(judge(script.run()))).toEqual([kind]);
});

test('a committed offset that fell back is found', () => {
  expect(kindsOf(judge(takenOver(7).run()))).toEqual(['commit-lost']);
});

test('too few commits are unknown', () => {
  expect(judge(new MessageScript().run())).toMatchObject({ outcome: 'unknown' });
});

test('a correct group is never accused', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 31 }), (seed) => {
      expect(judge(new LogModel({ seed, grouped: true, keys: 3 }).run()).anomalies).toEqual([]);
    }),
    { numRuns: 60 },
  );
});
