// Sessions judged by clients alone, on scripted runs whose servers say nothing: correct ones are valid,
// a node seen after the close, missed before it, or there for ever is found, and few looks prove nothing.
import { expect, test } from 'vitest';
import type { Event } from '../history/event.ts';
import type { RunRecord } from '../history/run-record.ts';
import { sessionsSeen } from './sessions-seen.ts';
import { recordOf } from './testing-record.ts';
import { kinds } from './testing-run.ts';
import { sessionScript } from './testing-sessions.ts';

const okOf = (history: readonly Event[], f: string): Event[] =>
  history.filter((e) => e.type === 'ok' && e.f === f);

/** The run as a user of silent servers has it, with its history changed. */
function seen(run: RunRecord, change: (history: Event[]) => void = () => undefined): RunRecord {
  const history = structuredClone(run.history);
  change(history);
  return { ...recordOf({ ...run.config, eventLevel: 'off' }, history, []), nodeEventGaps: [] };
}

test('correct runs are valid without a word of the servers', async () => {
  for (const seed of [1, 2, 3]) {
    const verdict = await sessionsSeen.check(seen(sessionScript(seed).record()));
    expect(verdict.anomalies).toEqual([]);
    expect(verdict).toMatchObject({ outcome: 'valid', checker: 'sessions-seen' });
  }
});

test('a run without looks is unknown', async () => {
  const run = seen(sessionScript(3).record());
  const verdict = await sessionsSeen.check({ ...run, ops: [] });
  expect(verdict).toMatchObject({ outcome: 'unknown' });
  expect(verdict.reason).toMatch(/nodesOf.*LookedFor: at least \d+ expected, got 0/);
});

test('a node that outlives its closed session is found', async () => {
  const run = seen(sessionScript(3).record(), (history) => {
    const close = okOf(history, 'close')[0];
    const path = okOf(history, 'create-ephemeral').find((e) => e.session === close?.session)?.key;
    const look = okOf(history, 'exists').find((e) => e.key === path && e.time > (close?.time ?? 0));
    if (look !== undefined) look.value = { exists: true, owner: close?.session };
  });
  expect(kinds(await sessionsSeen.check(run))).toContain('ephemeral-outlives-session');
});

test('a node that is missing though its session is answered later is found', async () => {
  const run = seen(sessionScript(3).record(), (history) => {
    const lists = okOf(history, 'children').map((e) => e.value as string[]);
    lists.at(-2)?.shift();
  });
  expect(kinds(await sessionsSeen.check(run))).toContain('live-ephemeral-missing');
});

test('a node that never goes though its session was given up long ago is found', async () => {
  const script = sessionScript(3);
  const given = okOf(script.ensemble.history, 'abandon')[0];
  const made = okOf(script.ensemble.history, 'create-ephemeral').find(
    (e) => e.session === given?.session,
  );
  script.wait(5_000);
  const late = script.open(script.ensemble.leading);
  script.alive.set(made?.key as string, given?.session as string);
  script.exists(late, made?.key as string);
  expect(kinds(await sessionsSeen.check(seen(script.record())))).toContain(
    'ephemeral-never-expired',
  );
});
