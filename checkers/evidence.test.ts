// How findings become a verdict, and every way in which node logs can fail to be whole.
// The other tests of this folder rely on these rules without testing them again.
import { expect, test } from 'vitest';
import {
  ANOMALIES_PER_KIND_MAX,
  Findings,
  levelProblem,
  nodeLogProblem,
  upperBound,
} from './evidence.ts';
import { altered, correctRun } from './testing-run.ts';

test('anomalies are capped per kind and counted in full', () => {
  const findings = new Findings();
  for (let i = 0; i < 50; i++) findings.add({ kind: 'many', why: 'Again.', events: [i] });
  findings.add({ kind: 'single', why: 'Once.', events: [1] });
  const verdict = findings.verdict('c', 'g', 'thin');
  expect(verdict.outcome).toBe('invalid');
  expect(verdict.anomalies).toHaveLength(ANOMALIES_PER_KIND_MAX + 1);
  expect(verdict.evidence).toEqual({ 'anomalies.many': 50, 'anomalies.single': 1 });
});

test('doubt alone makes a verdict unknown and says why', () => {
  expect(new Findings().verdict('c', 'g', 'thin')).toMatchObject({
    outcome: 'unknown',
    reason: 'thin',
  });
  expect(new Findings().verdict('c', 'g').outcome).toBe('valid');
});

test('whole logs have no problem', () => {
  const run = correctRun(1);
  expect(nodeLogProblem(run)).toBeUndefined();
  expect(levelProblem(run)).toBeUndefined();
});

test('each way in which logs are not whole is named', () => {
  const run = correctRun(1);
  expect(nodeLogProblem({ ...run, nodeEvents: [] })).toMatch(/no events/);
  expect(nodeLogProblem({ ...run, nodeEventGaps: [{ node: 'n2', problem: 'file missing' }] })).toBe(
    'the event log of n2 is incomplete: file missing',
  );
  const without = (keep: (e: (typeof run.nodeEvents)[number]) => boolean) => ({
    ...run,
    nodeEvents: run.nodeEvents.filter(keep),
  });
  expect(nodeLogProblem(without((e) => e.node !== 'n3'))).toBe('the event log of n3 is missing');
  expect(nodeLogProblem(without((e) => e.node !== 'n1' || e.seq !== 9))).toMatch(
    /n1 has a gap: incarnation \d goes on with event 10 where 9 was expected/,
  );
  expect(nodeLogProblem(without((e) => e.ev !== 'start' || e.node !== 'n1'))).toMatch(
    /n1 has a gap/,
  );
  const headless = altered(run, (events) => events.filter((e) => e.ev !== 'start'));
  expect(nodeLogProblem(headless)).toMatch(/is damaged.*expected `start`/);
  const backwards = structuredClone(run);
  const late = backwards.nodeEvents.findLast((e) => e.node === 'n1');
  if (late !== undefined) late.t = 0;
  expect(nodeLogProblem(backwards)).toMatch(/n1 runs backwards in time/);
});

test('a level that leaves transactions out is a problem', () => {
  const run = correctRun(1);
  expect(levelProblem({ ...run, config: { ...run.config, eventLevel: 'state' } })).toMatch(
    /level state/,
  );
  const partly = structuredClone(run);
  for (const e of partly.nodeEvents) if (e.ev === 'start' && e.node === 'n2') e.level = 'state';
  expect(levelProblem(partly)).toMatch(/^n2 logged at level state/);
});

test('upperBound finds the first item above', () => {
  expect([0, 1, 2, 3, 9].map((x) => upperBound([1, 2, 2, 5], x))).toEqual([0, 1, 3, 3, 4]);
});
