// The sessions checker against scripted runs: correct ones are valid, each rule broken alone is found, and
// what a kill kept from the logs is never held against anybody.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Event } from '../history/event.ts';
import type { CoordinatorEvent, NodeEvent } from '../history/node-event.ts';
import type { RunRecord } from '../history/run-record.ts';
import { sessions } from './sessions.ts';
import { recordOf } from './testing-record.ts';
import { altered, correctRun, eventsOfKind, kinds } from './testing-run.ts';
import { DIRECTORY, sessionScript, TIMEOUT_MS } from './testing-sessions.ts';

const seeds = fc.integer({ min: 1, max: 1_000_000 });
const sizes = fc.constantFrom(3, 5);

type Change = (events: NodeEvent[], history: Event[], pick: number) => NodeEvent[] | undefined;

function one<T>(items: readonly T[], pick: number): T {
  const item = items[pick % items.length];
  if (item === undefined) throw new Error('expected something to alter, found nothing');
  return item;
}

const without = (events: NodeEvent[], gone: readonly NodeEvent[]) =>
  events.filter((e) => !gone.includes(e));

/** The same said by every server: one effect of one transaction. */
function everywhere<E extends NodeEvent & { zxid: number }>(
  all: readonly E[],
  like: E,
  same: (e: E) => unknown,
): E[] {
  return all.filter((e) => e.zxid === like.zxid && same(e) === same(like));
}

/** All servers' events with one more right after each apply of `zxid`. */
function andAlso(events: readonly NodeEvent[], zxid: number, more: CoordinatorEvent): NodeEvent[] {
  return events.flatMap((e) => {
    if (e.ev !== 'apply' || e.zxid !== zxid) return [e];
    const { t, node, inc } = e;
    return [e, { t, node, inc, seq: 0, ...more }];
  });
}

const okOf = (history: readonly Event[], f: string): Event[] =>
  history.filter((e) => e.type === 'ok' && e.f === f);

const oneClose = (events: readonly NodeEvent[], pick: number) => {
  const closes = eventsOfKind(events, 'sessionClosed');
  return one(closes, pick);
};

test('correct runs are valid, with all that they rest on counted', async () => {
  await fc.assert(
    fc.asyncProperty(seeds, sizes, async (seed, size) => {
      const run = sessionScript(seed, size).record();
      const before = structuredClone(run);
      const verdict = await sessions.check(run);
      expect(verdict.anomalies).toEqual([]);
      expect(verdict).toMatchObject({
        outcome: 'valid',
        evidence: {
          sessionsOpened: 8,
          sessionsClosed: 5,
          sessionsExpired: 1,
          closesExplained: 5,
          expiriesSeenByClients: 1,
          transactionsUntold: 0,
        },
      });
      expect(verdict.evidence.sessionsAcrossLeaders).toBeGreaterThan(0);
      expect(verdict.evidence.nodesOfClosedSessionsLookedFor).toBeGreaterThan(0);
      expect(verdict.evidence.nodesOfLivingSessionsLookedFor).toBeGreaterThan(0);
      expect(run).toEqual(before);
    }),
    { numRuns: 30 },
  );
});

test.each<[string, string[], Change]>([
  [
    'a node left behind by a close',
    ['ephemeral-survives-close'],
    (events, _, pick) => {
      const removed = eventsOfKind(events, 'deleted');
      return without(
        events,
        everywhere(removed, one(removed, pick), (e) => e.path),
      );
    },
  ],
  [
    'a node left behind on one server only',
    ['servers-disagree'],
    (events, _, pick) => without(events, [one(eventsOfKind(events, 'deleted'), pick)]),
  ],
  [
    'a node made after its session was closed (Z40)',
    ['ephemeral-after-close'],
    (events, _, pick) => {
      const { session, zxid } = oneClose(events, pick);
      const path = `${DIRECTORY}/late`;
      const made = { ev: 'ephemeralCreated' as const, session, path };
      return andAlso(events, zxid + 1, { ...made, zxid: zxid + 1 });
    },
  ],
  [
    'a close that removes another session’s node',
    ['close-removed-others'],
    (events, history, pick) => {
      const { zxid } = oneClose(events, pick);
      const path = okOf(history, 'create-ephemeral')[0]?.key ?? '';
      const mine = eventsOfKind(events, 'deleted').some((e) => e.zxid === zxid && e.path === path);
      const other = mine ? `${DIRECTORY}/other` : path;
      return andAlso(events, zxid, { ev: 'deleted', path: other, zxid });
    },
  ],
  [
    'a node of a session that was never opened',
    ['ephemeral-without-session'],
    (events, _, pick) => {
      const opened = eventsOfKind(events, 'sessionOpened');
      return without(
        events,
        everywhere(opened, one(opened, pick), (e) => e.session),
      );
    },
  ],
  [
    'a session opened twice',
    ['session-opened-twice'],
    (events) => {
      const opened = eventsOfKind(events, 'sessionOpened')[0];
      if (opened === undefined) throw new Error('expected a session');
      const { session, timeoutMs, zxid } = opened;
      const again = { ev: 'sessionOpened' as const, session, timeoutMs };
      return andAlso(events, zxid + 1, { ...again, zxid: zxid + 1 });
    },
  ],
  [
    'a session closed twice',
    ['session-closed-twice'],
    (events, _, pick) => {
      const { session, zxid } = oneClose(events, pick);
      return andAlso(events, zxid + 1, { ev: 'sessionClosed', session, zxid: zxid + 1 });
    },
  ],
  [
    'a close that nobody asked for',
    ['closed-by-nobody'],
    (events) => without(events, eventsOfKind(events, 'sessionExpired')),
  ],
  [
    'an expiry by a follower',
    ['expired-by-other'],
    (events) => {
      const expiry = eventsOfKind(events, 'sessionExpired')[0];
      const led = eventsOfKind(events, 'established').map((e) => e.node);
      const other = events.findLast((e) => e.ev === 'apply' && !led.includes(e.node));
      if (expiry === undefined || other === undefined) throw new Error('expected an expiry');
      const { node, inc } = other;
      return [...without(events, [expiry]), { ...expiry, node, inc, t: other.t + 1 }];
    },
  ],
  [
    'an expiry after too little silence',
    ['expired-early'],
    (events) => {
      for (const e of eventsOfKind(events, 'sessionExpired')) e.silentMs = TIMEOUT_MS - 1;
      return undefined;
    },
  ],
  [
    'an expiry by another timeout than agreed',
    ['wrong-timeout'],
    (events) => {
      for (const e of eventsOfKind(events, 'sessionExpired')) e.timeoutMs = TIMEOUT_MS - 5;
      return undefined;
    },
  ],
  [
    'an expiry soon after the leader was established (Z45)',
    ['expired-early'],
    (events) => {
      const led = eventsOfKind(events, 'established').at(-1);
      const expiry = eventsOfKind(events, 'sessionExpired')[0];
      if (led === undefined || expiry === undefined) throw new Error('expected an expiry');
      const at = events.indexOf(led) + 1;
      const rest = without(events, [expiry]);
      return [...rest.slice(0, at), { ...expiry, t: led.t + 1 }, ...rest.slice(at)];
    },
  ],
  [
    'an expiry soon after a write of the session',
    ['expired-early'],
    (events, history) => {
      const session = eventsOfKind(events, 'sessionExpired')[0]?.session;
      const late = okOf(history, 'create-ephemeral').findLast((e) => e.time < expiryTime(events));
      if (late !== undefined && session !== undefined) {
        late.session = session;
        const invoke = history.findLast((e) => e.process === late.process && e.index < late.index);
        if (invoke !== undefined) invoke.time = late.time = expiryTime(events) - 5e6;
      }
      history.sort((a, b) => a.time - b.time);
      for (const [index, e] of history.entries()) e.index = index;
      return undefined;
    },
  ],
  [
    'a look that misses a living node',
    ['ephemeral-unseen-in-life'],
    (_, history, pick) => {
      const seen = okOf(history, 'exists').filter((e) => (e.value as { exists: boolean }).exists);
      one(seen, pick).value = { exists: false };
      return undefined;
    },
  ],
  [
    'a look that finds a node after its session’s close',
    ['ephemeral-seen-outside-life'],
    (_, history, pick) => {
      const gone = okOf(history, 'exists').filter((e) => !(e.value as { exists: boolean }).exists);
      one(gone, pick).value = { exists: true, owner: '1' };
      return undefined;
    },
  ],
  [
    'a node of another owner',
    ['ephemeral-unseen-in-life'],
    (_, history, pick) => {
      const seen = okOf(history, 'exists').filter((e) => (e.value as { exists: boolean }).exists);
      one(seen, pick).value = { exists: true, owner: 'abc' };
      return undefined;
    },
  ],
  [
    'a list that lacks a living node',
    ['ephemeral-unseen-in-life'],
    (_, history, pick) => {
      const lists = okOf(history, 'children').filter((e) => (e.value as string[]).length > 0);
      (one(lists, pick).value as string[]).pop();
      return undefined;
    },
  ],
  [
    'a list with a node that never was',
    ['ephemeral-seen-outside-life'],
    (_, history, pick) => {
      (one(okOf(history, 'children'), pick).value as string[]).push('never');
      return undefined;
    },
  ],
  [
    'an acknowledged node that was not made',
    ['acked-not-made'],
    (_, history, pick) => {
      one(okOf(history, 'create-ephemeral'), pick).value = { path: `${DIRECTORY}/never` };
      return undefined;
    },
  ],
  [
    'an acknowledged close that was none',
    ['acked-not-closed'],
    (_, history, pick) => {
      const close = one(okOf(history, 'close'), pick);
      close.zxid = (close.zxid ?? 0) - 1;
      return undefined;
    },
  ],
  [
    'a session answered after its close',
    ['served-after-close'],
    (_, history, pick) => {
      const closed = one(okOf(history, 'close'), pick);
      const late = okOf(history, 'exists').at(-1);
      if (late !== undefined && closed.session !== undefined) late.session = closed.session;
      return undefined;
    },
  ],
  [
    'a client told of an expiry before it was committed',
    ['expiry-seen-early'],
    (_, history) => {
      const told = history.find((e) => e.error?.startsWith('SessionExpired'));
      const living = okOf(history, 'exists').at(-1)?.session;
      if (told !== undefined && living !== undefined) told.session = living;
      return undefined;
    },
  ],
])('%s is found as %s', async (_, expected, change) => {
  await fc.assert(
    fc.asyncProperty(seeds, sizes, fc.nat(), async (seed, size, pick) => {
      const run = altered(sessionScript(seed, size).record(), (events, history) =>
        change(events, history, pick),
      );
      const verdict = await sessions.check(run);
      expect(verdict.outcome, verdict.reason).toBe('invalid');
      expect(kinds(verdict).filter((kind) => expected.includes(kind))).not.toEqual([]);
      for (const anomaly of verdict.anomalies) expect(anomaly.why).toMatch(/ .*\.$/);
    }),
    { numRuns: 12 },
  );
});

function expiryTime(events: readonly NodeEvent[]): number {
  return eventsOfKind(events, 'sessionExpired')[0]?.t ?? 0;
}

describe('the history alone', () => {
  /** The run with what the servers say of sessions taken away, so that only clients speak. */
  function clientsOnly(run: RunRecord, change: (history: Event[]) => void): RunRecord {
    const history = structuredClone(run.history);
    change(history);
    return recordOf(run.config, history, run.nodeEvents);
  }

  test('shows a node that outlives its closed session', async () => {
    const run = clientsOnly(sessionScript(3).record(), (history) => {
      const close = okOf(history, 'close')[0];
      const path = okOf(history, 'create-ephemeral').find((e) => e.session === close?.session)?.key;
      const look = okOf(history, 'exists').find(
        (e) => e.key === path && e.time > (close?.time ?? 0),
      );
      if (look !== undefined) look.value = { exists: true, owner: close?.session };
    });
    expect(kinds(await sessions.check(run))).toContain('ephemeral-outlives-session');
  });

  test('shows a node that is missing though its session is answered later', async () => {
    const run = clientsOnly(sessionScript(3).record(), (history) => {
      const lists = okOf(history, 'children').map((e) => e.value as string[]);
      lists.at(-2)?.shift();
    });
    expect(kinds(await sessions.check(run))).toContain('live-ephemeral-missing');
  });

  test('shows a node that never goes though its session was given up long ago', async () => {
    const script = sessionScript(3);
    const given = okOf(script.ensemble.history, 'abandon')[0];
    const made = okOf(script.ensemble.history, 'create-ephemeral').find(
      (e) => e.session === given?.session,
    );
    script.wait(2_000);
    const late = script.open(script.ensemble.leading);
    script.alive.set(made?.key as string, given?.session as string);
    script.exists(late, made?.key as string);
    expect(kinds(await sessions.check(script.record()))).toContain('ephemeral-never-expired');
  });
});

describe('what a kill kept from the logs', () => {
  test('a server that only said why it would not start makes nobody’s log worthless', async () => {
    const run = sessionScript(8).record();
    const t = (run.nodeEvents.at(-1)?.t ?? 0) + 1;
    const refusal: NodeEvent = { t, node: 'n1', inc: 9, seq: 0, ev: 'stop', reason: 'no snapshot' };
    run.nodeEvents.push(refusal);
    expect(await sessions.check(run)).toMatchObject({ outcome: 'valid', anomalies: [] });
  });

  test('a transaction that nobody told of puts looks in doubt, not servers', async () => {
    const run = altered(sessionScript(8).record(), (events) => {
      const made = eventsOfKind(events, 'ephemeralCreated')[0];
      const told = (e: NodeEvent) =>
        (e.ev === 'apply' || e.ev === 'ephemeralCreated') && e.zxid === made?.zxid;
      return events.filter((e) => !told(e));
    });
    const verdict = await sessions.check(run);
    expect(verdict.evidence.transactionsUntold).toBe(1);
    expect(verdict.evidence.observationsInDoubt).toBeGreaterThan(0);
    expect(kinds(verdict)).toEqual([]);
  });

  test('the last words of a killed server are not compared', async () => {
    const script = sessionScript(8);
    const run = script.record();
    const cut = altered(run, (events) => {
      const start = eventsOfKind(events, 'start').find((e) => e.inc === 1);
      const before = events.filter((e) => e.node === start?.node && e.inc === 0);
      const last = eventsOfKind(before, 'apply').findLast((e) =>
        eventsOfKind(before, 'ephemeralCreated').some((c) => c.zxid === e.zxid),
      );
      const at = last === undefined ? before.length : before.indexOf(last);
      return without(events, before.slice(at + 1));
    });
    expect(kinds(await sessions.check(cut))).toEqual([]);
  });
});

describe('evidence', () => {
  test('is asked for where clients make ephemeral nodes', async () => {
    const run = altered(sessionScript(5).record(), (_, history) => {
      for (const e of history) if (e.f === 'exists' || e.f === 'children') e.f = 'other';
      return undefined;
    });
    expect(await sessions.check(run)).toMatchObject({
      outcome: 'unknown',
      reason: 'only 0 looks of clients could be judged; at least 10 are needed',
    });
  });

  test('is not asked for elsewhere, and that is said', async () => {
    const verdict = await sessions.check(correctRun(3));
    expect(verdict).toMatchObject({ outcome: 'valid', evidence: { ephemeralsCreated: 0 } });
    expect(verdict.reason).toMatch(/^no client made an ephemeral node/);
  });

  test('is worth nothing with gaps or without transactions', async () => {
    const gap = sessionScript(5).record();
    gap.nodeEvents.splice(30, 1);
    expect((await sessions.check(gap)).reason).toMatch(/has a gap/);
    const state = sessionScript(5).record();
    state.config.eventLevel = 'state';
    expect((await sessions.check(state)).reason).toMatch(/level state/);
  });
});
