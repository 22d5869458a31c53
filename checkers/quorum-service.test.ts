// The quorum-service checker against hand-written isolations: who stops in time is valid, who goes on or
// answers beyond the bound is found, and what was too short to judge is said to be that.
import { describe, expect, test } from 'vitest';
import type { Fault } from '../history/fault.ts';
import { linksBetween } from '../history/fault.ts';
import type { CoordinatorEvent, NodeEvent } from '../history/node-event.ts';
import type { RunConfig, RunRecord } from '../history/run-record.ts';
import { withoutLeader, withoutQuorum } from './isolation.ts';
import { quorumService, serviceBoundNs } from './quorum-service.ts';
import type { HistoryLines } from './testing-history.ts';
import { historyRun } from './testing-history.ts';
import { testConfig } from './testing-record.ts';
import { correctRun, kinds } from './testing-run.ts';

const NODES = ['n1', 'n2', 'n3'];
/** tickTime 250, syncLimit 6: 1,500 ms, two ticks and a second. */
const BOUND_MS = 3_000;
const HELD_MS = 5_000;
const FROM_MS = 1_000;
const UNTIL_MS = FROM_MS + HELD_MS;

type Line = [ms: number, event: CoordinatorEvent];

const LOOKING: CoordinatorEvent = { ev: 'role', role: 'looking' };

/** Node events written by hand; every node starts at 0. */
function nodeEvents(lines: Record<string, Line[]>): NodeEvent[] {
  return NODES.flatMap((node, i) => {
    const start: CoordinatorEvent = {
      ev: 'start',
      sid: i + 1,
      voters: [1, 2, 3],
      acceptedEpoch: 0,
      currentEpoch: 0,
      lastLogged: 0,
      applied: 0,
      digest: 'd',
      level: 'all',
    };
    const own: Line[] = [[0, start], ...(lines[node] ?? [])];
    return own.map(([ms, event], seq) => ({ t: ms * 1e6, node, inc: 0, seq, ...event }));
  }).sort((a, b) => a.t - b.t);
}

/** n1 leads epoch 1 from 500 ms on; what follows is each test's. */
function run(
  lines: Record<string, Line[]>,
  history: Partial<HistoryLines>,
  config: Partial<RunConfig> = {},
): RunRecord {
  const begun: Record<string, Line[]> = {
    n1: [[500, { ev: 'established', epoch: 1, zxid: 0 }]],
    n2: [[510, { ev: 'upToDate', epoch: 1, zxid: 0 }]],
    n3: [[510, { ev: 'upToDate', epoch: 1, zxid: 0 }]],
  };
  const all = Object.fromEntries(
    NODES.map((node) => [node, [...(begun[node] ?? []), ...(lines[node] ?? [])]]),
  );
  const record = historyRun({ nodes: NODES, ops: [], config, ...history });
  return { ...record, nodeEvents: nodeEvents(all) };
}

const cutOff: Fault = { kind: 'cut', links: linksBetween(['n1'], ['n2', 'n3']) };
const isolated = (fault: Fault, to = UNTIL_MS, verified = true) => ({
  faults: [{ fault, from: FROM_MS, to, verified }],
});
const at = (ms: number, event: CoordinatorEvent): Line => [ms, event];
const left = (ms: number): Line[] => [at(ms, { ev: 'left', reason: 'silent' }), at(ms, LOOKING)];
/** n2 and n3 let go of n1, and n2 leads epoch 2. */
const succession: Record<string, Line[]> = {
  n2: [...left(2_400), at(2_700, { ev: 'established', epoch: 2, zxid: 0 })],
  n3: [...left(2_400), at(2_710, { ev: 'upToDate', epoch: 2, zxid: 0 })],
};

describe('a leader cut off from the others', () => {
  test('that stops in time is valid, with the isolation counted', async () => {
    const verdict = await quorumService.check(
      run({ ...succession, n1: left(2_600) }, isolated(cutOff)),
    );
    expect(verdict).toMatchObject({
      outcome: 'valid',
      anomalies: [],
      evidence: { leadersCutOff: 1, isolationsBeyondBound: 1, boundMs: BOUND_MS },
    });
    expect(verdict.reason).toBeUndefined();
  });

  test('that stops only later is found (Z09)', async () => {
    const verdict = await quorumService.check(
      run({ ...succession, n1: left(FROM_MS + BOUND_MS + 1) }, isolated(cutOff)),
    );
    expect(kinds(verdict)).toEqual(['led-without-quorum']);
    expect(verdict.anomalies[0]?.why).toMatch(/n1 heard no quorum.*cut.*still leading in epoch 1/);
    expect(verdict.anomalies[0]?.events).toHaveLength(2);
  });

  test('that still leads when it is healed is found', async () => {
    const verdict = await quorumService.check(
      run({ ...succession, n1: left(UNTIL_MS + 100) }, isolated(cutOff)),
    );
    expect(kinds(verdict)).toEqual(['led-without-quorum']);
  });

  test('has one tick only in the simulator', async () => {
    const late = { ...succession, n1: left(FROM_MS + 1_751) };
    const sim = await quorumService.check(run(late, isolated(cutOff), { cluster: 'sim' }));
    expect(kinds(sim)).toEqual(['led-without-quorum']);
    expect((await quorumService.check(run(late, isolated(cutOff)))).outcome).toBe('valid');
    const prompt = { ...succession, n1: left(FROM_MS + 1_750) };
    const ok = await quorumService.check(run(prompt, isolated(cutOff), { cluster: 'sim' }));
    expect(ok.outcome).toBe('valid');
  });

  test('that answers a client beyond the bound is found, reads included', async () => {
    const op = { f: 'read', key: '/k', node: 'n1', value: 1, took: 5 };
    const ops = [
      { ...op, at: FROM_MS + BOUND_MS - 10 },
      { ...op, at: FROM_MS + BOUND_MS + 10, node: 'n2' },
      { ...op, at: FROM_MS + BOUND_MS + 10, type: 'fail' as const, error: 'ConnectionRefused' },
      { ...op, at: UNTIL_MS - 2 },
    ];
    const lawful = run({ ...succession, n1: left(2_600) }, { ...isolated(cutOff), ops });
    expect(await quorumService.check(lawful)).toMatchObject({
      outcome: 'valid',
      evidence: { triedBeyondBound: 2 },
    });
    const more = [...ops, { ...op, at: FROM_MS + BOUND_MS + 20 }];
    const alone = run({ ...succession, n1: left(2_600) }, { ...isolated(cutOff), ops: more });
    const verdict = await quorumService.check(alone);
    expect(kinds(verdict)).toEqual(['acknowledged-without-quorum']);
    expect(verdict.anomalies[0]?.key).toBe('/k');
  });

  test('is not judged when that is unverified or was for a moment', async () => {
    const lines = { ...succession, n1: left(UNTIL_MS + 100) };
    for (const history of [
      isolated(cutOff, FROM_MS + BOUND_MS),
      isolated(cutOff, UNTIL_MS, false),
      { faults: [] },
    ]) {
      const verdict = await quorumService.check(run(lines, history));
      expect(verdict).toMatchObject({ outcome: 'valid', evidence: { judged: 0 } });
      expect(verdict.reason).toMatch(/^nothing to judge: /);
    }
  });

  test('is no such leader when it was killed, though its followers must let go', async () => {
    const killed = isolated({ kind: 'kill', nodes: ['n1'] });
    const lines = { ...succession, n1: left(UNTIL_MS + 100) };
    expect(await quorumService.check(run(lines, killed))).toMatchObject({
      outcome: 'valid',
      evidence: { leadersCutOff: 0, followersCutOff: 2 },
    });
  });

  test('with a clock that was moved is left out', async () => {
    const skew: Fault = { kind: 'skew', nodes: ['n1'], offsetMs: 0, rate: 0.5 };
    const faults = [
      { fault: cutOff, from: FROM_MS, to: UNTIL_MS },
      { fault: skew, from: 0 },
    ];
    const verdict = await quorumService.check(
      run({ ...succession, n1: left(UNTIL_MS + 100) }, { faults }),
    );
    expect(verdict).toMatchObject({ outcome: 'valid', evidence: { leftOutAsBlurred: 1 } });
  });
});

describe('a follower', () => {
  const deaf: Fault = { kind: 'cut', links: [{ from: 'n1', to: 'n3' }] };

  test.each<[string, Fault]>([
    ['cut off from its leader alone', deaf],
    ['of a paused leader', { kind: 'pause', nodes: ['n1'] }],
  ])('%s lets go in time or is found', async (_, fault) => {
    const inTime = run({ ...succession, n1: left(UNTIL_MS + 50) }, isolated(fault));
    expect((await quorumService.check(inTime)).evidence.followersCutOff).toBeGreaterThan(0);
    expect((await quorumService.check(inTime)).outcome).toBe('valid');
    const late = run({ ...succession, n3: left(FROM_MS + BOUND_MS + 1) }, isolated(fault));
    const verdict = await quorumService.check(late);
    expect(kinds(verdict)).toContain('followed-silent-leader');
  });
});

test('a follower that still gets what a slow link held back is left out', async () => {
  const slow: Fault = {
    kind: 'slow',
    links: [{ from: 'n1', to: 'n3' }],
    delayMs: 500,
    jitterMs: 100,
  };
  const judged = (healedMs: number) => {
    const pause: Fault = { kind: 'pause', nodes: ['n1'] };
    const faults = [
      { fault: slow, from: 0, to: healedMs },
      { fault: pause, from: FROM_MS, to: UNTIL_MS },
    ];
    const lines = { ...succession, n3: left(FROM_MS + BOUND_MS + 1) };
    return quorumService.check(run(lines, { faults }));
  };
  expect((await judged(FROM_MS - 500)).outcome).not.toBe('invalid');
  expect(kinds(await judged(FROM_MS - 700))).toContain('followed-silent-leader');
});

describe('a leader that was paused', () => {
  const paused: Fault = { kind: 'pause', nodes: ['n1'] };

  test('and gives up when it wakes is valid', async () => {
    const verdict = await quorumService.check(
      run({ ...succession, n1: left(UNTIL_MS + 50) }, isolated(paused)),
    );
    expect(verdict).toMatchObject({ outcome: 'valid', evidence: { leadersPaused: 1 } });
  });

  test('and confirms a sync of its old epoch long after is found', async () => {
    const sync: CoordinatorEvent = { ev: 'syncConfirmed', round: 1, zxid: 0, syncs: 1 };
    const late = { ...succession, n1: [at(UNTIL_MS + BOUND_MS + 1, sync)] };
    const verdict = await quorumService.check(run(late, isolated(paused)));
    expect(kinds(verdict)).toEqual(['led-after-pause']);
    expect(verdict.anomalies[0]?.why).toMatch(/still led epoch 1 \(`syncConfirmed`/);
    const alone = run({ n1: [at(UNTIL_MS + BOUND_MS + 1, sync)] }, isolated(paused));
    expect(kinds(await quorumService.check(alone))).not.toContain('led-after-pause');
  });
});

test('without node logs or limits it is unknown', async () => {
  const silent = historyRun({ nodes: NODES, ops: [] });
  expect((await quorumService.check(silent)).reason).toMatch(/no events/);
  const unbounded = run(succession, {}, { systemOptions: {} });
  expect((await quorumService.check(unbounded)).reason).toMatch(/tickTime and syncLimit/);
  expect(serviceBoundNs(testConfig(NODES))).toBe(BOUND_MS * 1e6);
});

test('drawn runs are valid, their isolations being too short to judge', async () => {
  expect(await quorumService.check(correctRun(4))).toMatchObject({
    outcome: 'valid',
    evidence: { judged: 0, isolations: 1 },
  });
});

test('isolation is told by verified cuts, pauses and kills, one way or both', () => {
  const faultsOf = (faults: HistoryLines['faults']) =>
    historyRun({ nodes: NODES, ops: [], faults: faults ?? [] }).faults;
  const span = (from: number, to: number) => ({ from: from * 1e6, to: to * 1e6 });
  const overlapping = faultsOf([
    { fault: { kind: 'kill', nodes: ['n2'] }, from: 10, to: 40 },
    { fault: { kind: 'pause', nodes: ['n3'] }, from: 20, to: 30 },
  ]);
  expect(withoutQuorum('n1', NODES, overlapping)).toEqual([span(20, 30)]);
  expect(withoutQuorum('n3', NODES, overlapping)).toEqual([]);
  const deafened = faultsOf([
    { fault: { kind: 'cut', links: [{ from: 'n2', to: 'n1' }] }, from: 10, to: 40 },
    { fault: { kind: 'cut', links: [{ from: 'n3', to: 'n1' }] }, from: 20 },
  ]);
  expect(withoutQuorum('n1', NODES, deafened)).toEqual([span(20, 40)]);
  expect(withoutQuorum('n2', NODES, deafened)).toEqual([]);
  expect(withoutLeader('n1', 'n3', deafened)).toEqual([{ from: 20e6, to: Infinity }]);
  expect(withoutLeader('n3', 'n1', deafened)).toEqual([]);
});
