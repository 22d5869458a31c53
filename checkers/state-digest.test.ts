// The digest checker against scripted runs with one state changed or too little to compare.
// Equal zxids with unequal digests are invalid wherever the digest was said: apply, start or snapshot.
import { expect, test } from 'vitest';
import { stateDigestChecker } from './state-digest.ts';
import { ScriptedEnsemble } from './testing.ts';
import { recordOf, testConfig } from './testing-record.ts';
import { altered, correctRun, eventsOfKind } from './testing-run.ts';

test('servers that agree are valid, with the zxids compared', async () => {
  const verdict = await stateDigestChecker.check(correctRun(1));
  expect(verdict.outcome).toBe('valid');
  expect(verdict.evidence.zxidsCompared).toBeGreaterThan(20);
});

test.each(['apply', 'start', 'snapSaved'] as const)(
  'another digest in `%s` is found',
  async (ev) => {
    const run = altered(correctRun(1), (events) => {
      const said = eventsOfKind(events, ev).filter((e) => ('zxid' in e ? e.zxid : e.applied) > 0);
      const last = said.at(-1);
      if (last === undefined) throw new Error(`expected a ${ev}`);
      last.digest = 'altered';
      return undefined;
    });
    const verdict = await stateDigestChecker.check(run);
    expect(verdict.outcome).toBe('invalid');
    expect(verdict.anomalies[0]?.why).toContain('altered');
    expect(verdict.anomalies[0]?.nodeEvents).toHaveLength(2);
  },
);

test('servers that never met at one zxid are unknown', async () => {
  const ensemble = new ScriptedEnsemble(3, 3);
  for (const server of ensemble.servers) ensemble.start(server);
  ensemble.elect(ensemble.servers);
  const record = () => recordOf(testConfig(['n1', 'n2', 'n3']), [], ensemble.nodeEvents);
  expect(await stateDigestChecker.check(record())).toMatchObject({
    outcome: 'unknown',
    reason: 'digests of two servers met at only 1 zxids; at least 10 are needed',
  });
  for (let i = 0; i < 12; i++) ensemble.replicate(ensemble.propose('/k', i));
  expect(await stateDigestChecker.check(record())).toMatchObject({ outcome: 'valid' });
});
