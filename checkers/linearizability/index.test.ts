// The checker as a run meets it: verdicts, the evidence they demand, and the second opinion by search.
import { expect, test } from 'vitest';
import type { FaultRecord } from '../../history/fault.ts';
import { Random } from '../../history/random.ts';
import type { RunRecord } from '../../history/run-record.ts';
import type { Verdict } from '../../history/verdict.ts';
import { linearizable } from './index.ts';
import { orderedRegisters } from './ordered.ts';
import { opsFrom, type Sketch } from './random-histories.ts';

const KEYS = ['a', 'b', 'c', 'd'];
const STEP_NS = 1000;

/** A truthful run on four keys: each a create, then writes and reads in turn, one zxid counter. */
function truthfulRun(length: number): Sketch[] {
  const random = new Random(3, 'run');
  const state = new Map<string, { value: number; version: number; mzxid: number }>();
  return Array.from({ length }, (_, i): Sketch => {
    const key = KEYS[i % KEYS.length] as string;
    const old = state.get(key);
    const zxid = 100 + i;
    const instant = (i + 10) * STEP_NS;
    const from = instant - random.int(0, 3 * STEP_NS);
    const to = instant + random.int(0, 3 * STEP_NS);
    if (old !== undefined && i % 3 === 0) {
      const { value, version, mzxid } = old;
      const reply = { value, version, mzxid, zxid, syncZxid: zxid };
      return { f: 'read', type: 'ok', key, from, to, reply };
    }
    const version = old === undefined ? 0 : old.version + 1;
    state.set(key, { value: i, version, mzxid: zxid });
    const reply = { zxid, mzxid: zxid, version };
    return {
      f: old === undefined ? 'create' : 'write',
      value: i,
      type: 'ok',
      key,
      from,
      to,
      reply,
    };
  });
}

function record(sketches: Sketch[], faults: FaultRecord[] = []): RunRecord {
  const config = {
    name: 'test',
    system: 'coordinator',
    workload: 'register',
    nemesis: 'none',
    cluster: 'local',
    nodes: ['n1'],
    timeLimitMs: 1000,
    ratePerSecond: 0,
    concurrency: 3,
    seed: 5,
    systemOptions: {},
    workloadOptions: {},
    recoveryMsMax: 1000,
    eventLevel: 'off' as const,
  };
  const ops = opsFrom(sketches);
  return { config, history: [], ops, nodeEvents: [], nodeEventGaps: [], faults };
}

function fault(injected: number, healed: number): FaultRecord {
  const verified = { verified: true, evidence: 'seen' };
  return {
    id: 0,
    fault: { kind: 'kill', nodes: ['n1'] },
    injectStart: injected,
    injected,
    injection: verified,
    healStart: healed,
    healed,
    heal: verified,
  };
}

async function check(run: RunRecord): Promise<Verdict> {
  return linearizable.check(run);
}

test('a truthful run with enough evidence is valid, and the same each time', async () => {
  const run = record(truthfulRun(200), [fault(60 * STEP_NS, 120 * STEP_NS)]);
  const verdict = await check(run);
  expect(verdict).toMatchObject({ checker: 'linearizable', outcome: 'valid', anomalies: [] });
  expect(verdict.evidence).toMatchObject({ keys: 4, ok: 200, fail: 0, info: 0, keysSearched: 4 });
  expect(verdict.evidence.pairsCompared).toBeGreaterThan(200);
  expect(await check(run)).toEqual(verdict);
});

test('thin evidence is unknown and says what is missing', async () => {
  const few = await check(record(truthfulRun(30)));
  expect(few.outcome).toBe('unknown');
  expect(few.reason).toBe(
    'acknowledged operations: at least 50 expected, got 30; acknowledged reads: at least 10 ' +
      'expected, got 8.',
  );
  const early = await check(record(truthfulRun(200), [fault(1, 120 * STEP_NS)]));
  expect(early.reason).toContain('acknowledged operations before the first fault: at least 5');
  const never = await check(record(truthfulRun(200), [fault(60 * STEP_NS, 300 * STEP_NS)]));
  expect(never.reason).toContain('acknowledged operations after the last heal: at least 5');
  const none = await check(record([]));
  expect(none.outcome).toBe('unknown');
});

test('a violation is invalid however thin the evidence', async () => {
  const sketches = truthfulRun(30);
  const last = sketches.findLast((sketch) => sketch.f === 'read') as Sketch;
  last.reply = { ...last.reply, value: 12345 };
  const verdict = await check(record(sketches));
  expect(verdict.outcome).toBe('invalid');
  expect(verdict.anomalies.map((found) => found.kind)).toContain('thin-air-read');
});

test('a record without versions is unknown, not valid', async () => {
  const sketches = truthfulRun(200);
  const write = sketches.find((sketch) => sketch.f === 'write') as Sketch;
  write.reply = { zxid: 1 };
  const verdict = await check(record(sketches));
  expect(verdict.outcome).toBe('unknown');
  expect(verdict.reason).toContain('an acknowledged write without zxid, mzxid and version');
});

/** A read of `a` long after its newest write that shows the one before; the same in both checks. */
function withStaleRead(): Sketch[] {
  const sketches = truthfulRun(200);
  const written = sketches.filter((sketch) => sketch.key === 'a' && sketch.f !== 'read');
  const { reply, value } = written.at(-2) as Sketch;
  const zxid = reply?.zxid as number;
  const from = 1_000 * STEP_NS;
  const stale = { ...reply, value, zxid, syncZxid: zxid } as NonNullable<Sketch['reply']>;
  return [...sketches, { f: 'read', type: 'ok', key: 'a', from, to: from + 1, reply: stale }];
}

test('ordered registers: a stale read is no violation, though it is one of linearizability', async () => {
  const run = record(withStaleRead());
  expect(await check(run)).toMatchObject({ outcome: 'invalid' });
  const verdict = await orderedRegisters.check(run);
  expect(verdict).toMatchObject({ checker: 'ordered-registers', outcome: 'valid', anomalies: [] });
});

test('ordered registers: a read of a value that nobody wrote, or of the future, is invalid', async () => {
  const thin = truthfulRun(200);
  const last = thin.findLast((sketch) => sketch.f === 'read') as Sketch;
  last.reply = { ...last.reply, value: 12345 };
  expect(await orderedRegisters.check(record(thin))).toMatchObject({ outcome: 'invalid' });
  const early = truthfulRun(200);
  const read = early.findLast((sketch) => sketch.f === 'read') as Sketch;
  Object.assign(read, { from: 1, to: 2 });
  expect(await orderedRegisters.check(record(early))).toMatchObject({ outcome: 'invalid' });
});

test('ordered registers: a write that takes effect before it was asked for is invalid', async () => {
  const sketches = truthfulRun(200);
  const [first, second] = sketches.filter(({ key, f }) => key === 'a' && f === 'write');
  const { from, to } = first as Sketch;
  Object.assign(first as Sketch, { from: (second as Sketch).to + 4 * STEP_NS, to: 1e9 });
  Object.assign(second as Sketch, { from, to });
  expect(await orderedRegisters.check(record(sketches))).toMatchObject({ outcome: 'invalid' });
});
