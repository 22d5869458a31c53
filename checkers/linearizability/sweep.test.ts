// Hand-written histories of the register workload with known verdicts: what the sweep must see, what
// it calls it, and which two operations it names as the proof.
import { expect, test } from 'vitest';
import type { Op } from '../../history/op.ts';
import type { Anomaly } from '../../history/verdict.ts';
import { versionedRegister } from './models.ts';
import { opsFrom, type Sketch } from './random-histories.ts';
import { search } from './search.ts';
import { sweepVersionOrder } from './sweep.ts';

interface Times {
  from: number;
  to: number;
  key?: string;
}
const at = (from: number, to = from + 5, key = 'k'): Times => ({ from, to, key });

const change = (f: string, value: unknown, version: number, zxid: number, when: Times): Sketch => ({
  f,
  value,
  type: 'ok',
  reply: { zxid, mzxid: zxid, version },
  ...when,
});
const create = (value: number, zxid: number, when: Times): Sketch =>
  change('create', value, 0, zxid, when);
const write = (value: number, version: number, zxid: number, when: Times): Sketch =>
  change('write', value, version, zxid, when);
const cas = (expected: number, to: number, version: number, zxid: number, when: Times): Sketch =>
  change('cas', { expected, to }, version, zxid, when);
const read = (
  value: number,
  version: number,
  mzxid: number,
  zxid: number,
  when: Times,
): Sketch => ({
  f: 'read',
  type: 'ok',
  reply: { value, version, mzxid, zxid, syncZxid: zxid },
  ...when,
});
const open = (f: string, value: unknown, when: Times): Sketch => ({
  f,
  value,
  type: 'info',
  ...when,
});
const refused = (f: string, value: unknown, error: string, zxid: number, when: Times): Sketch => ({
  f,
  value,
  type: 'fail',
  reply: { error, zxid },
  ...when,
});

const base = create(1, 10, at(0));

/** The single anomaly of a history; events are those of the operations invoked at the times given. */
function only(history: Sketch[], kind: string, invokedAt: number[]): Anomaly {
  const ops = opsFrom(history);
  const { anomalies } = sweepVersionOrder(ops);
  expect(anomalies.map((found) => found.kind)).toEqual([kind]);
  const found = anomalies[0] as Anomaly;
  const named = ops.filter((op) => found.events.includes(op.invoke.index));
  expect(named.map((op) => op.invokeTime)).toEqual(invokedAt);
  return found;
}

function expectValid(history: Sketch[]): void {
  const ops = opsFrom(history);
  expect(sweepVersionOrder(ops)).toMatchObject({ anomalies: [], problems: [] });
  expect(bySearch(ops)).toBe('valid');
}

const bySearch = (ops: Op[]): string => search(ops, versionedRegister({ versions: false })).outcome;

test('writes, reads, compare-and-sets and refusals in order are valid', () => {
  expectValid([
    base,
    write(2, 1, 11, at(10)),
    refused('cas', { expected: 0, to: 3 }, 'BadVersion: /r/k', 12, at(20)),
    cas(1, 4, 2, 13, at(30)),
    read(4, 2, 13, 14, at(40)),
    refused('create', 5, 'NodeExists', 15, at(50)),
    { f: 'write', value: 6, type: 'fail', reply: { error: 'NotSent' }, ...at(60) },
  ]);
});

test('a read that overlaps a write may show either value', () => {
  const during = write(2, 1, 11, at(10, 30));
  expectValid([base, during, read(1, 0, 10, 10, at(12))]);
  expectValid([base, during, read(2, 1, 11, 11, at(12))]);
});

test('a stale read is named with the write it missed', () => {
  const history = [
    base,
    write(2, 1, 11, at(10)),
    read(2, 1, 11, 11, at(20)),
    read(1, 0, 10, 10, at(30)),
  ];
  const { why } = only(history, 'stale-read', [10, 30]);
  expect(why).toContain(
    "process 3's read of value 1 (version 0, mzxid 0xa) was invoked at 0.000 s",
  );
  expect(why).toContain("process 1's write of 2 (version 1, zxid 0xb) had been answered at");
  expect(bySearch(opsFrom(history))).toBe('invalid');
});

test('an acknowledged write that nobody sees any more is lost', () => {
  only([base, write(2, 1, 11, at(10)), read(1, 0, 10, 10, at(30))], 'lost-write', [10, 30]);
});

test('two writes acknowledged as one version: one of them is lost', () => {
  only([base, write(2, 1, 11, at(10)), write(3, 1, 12, at(30))], 'lost-write', [10, 30]);
});

test('two values under one version and zxid contradict each other', () => {
  const history = [
    base,
    write(2, 1, 11, at(10)),
    open('write', 3, at(20)),
    read(3, 1, 11, 12, at(30)),
  ];
  only(history, 'lost-write', [10, 30]);
});

test('a compare-and-set may only succeed on the version it names', () => {
  const history = [base, write(2, 1, 11, at(10)), cas(0, 3, 2, 12, at(20))];
  only(history, 'wrong-cas', [20]);
  expect(bySearch(opsFrom(history))).toBe('invalid');
});

test('a compare-and-set refused although its version was in force', () => {
  const bad = refused('cas', { expected: 1, to: 3 }, 'BadVersion', 12, at(20));
  const history = [base, write(2, 1, 11, at(10)), bad];
  only(history, 'wrong-refusal', [10, 20]);
  expect(bySearch(opsFrom(history))).toBe('invalid');
  const unanswered = open('write', 9, at(14, 16));
  expectValid([base, write(2, 1, 11, at(10)), unanswered, bad]);
  const sameZxid = refused('cas', { expected: 1, to: 3 }, 'BadVersion', 11, at(20));
  only([base, write(2, 1, 11, at(10)), unanswered, sameZxid], 'wrong-refusal', [10, 20]);
  const later = open('write', 9, at(40));
  only([...history, later], 'wrong-refusal', [20]);
});

test('a refusal is held to real time at its own zxid', () => {
  const stale = refused('cas', { expected: 1, to: 3 }, 'BadVersion', 10, at(20));
  only([base, write(2, 1, 11, at(10)), stale], 'stale-observation', [10, 20]);
});

test('a node that exists cannot be missing', () => {
  const missing = refused('write', 3, 'NoNode', 12, at(20));
  only([base, write(2, 1, 11, at(10)), missing], 'lost-node', [10, 20]);
  expectValid([refused('write', 3, 'NoNode', 9, at(0)), create(1, 10, at(3))]);
});

test('a failed write must never be read', () => {
  const failed: Sketch = {
    f: 'write',
    value: 2,
    type: 'fail',
    reply: { error: 'NotSent' },
    ...at(10),
  };
  const history = [base, failed, read(2, 1, 11, 11, at(20))];
  only(history, 'read-of-failed-write', [10, 20]);
  expect(bySearch(opsFrom(history))).toBe('invalid');
});

test('a value out of thin air', () => {
  const history = [base, read(77, 1, 11, 11, at(20))];
  only(history, 'thin-air-read', [20]);
  expect(bySearch(opsFrom(history))).toBe('invalid');
});

test('one zxid names one write, on one key and across keys', () => {
  only([base, write(2, 1, 11, at(10)), write(3, 2, 11, at(20))], 'double-zxid', [10, 20]);
  only([base, create(1, 10, at(1, 6, 'other'))], 'double-zxid', [0, 1]);
});

test('an unanswered write that was seen stays', () => {
  const seen = [base, open('write', 2, at(10)), read(2, 1, 11, 11, at(20))];
  expectValid([...seen, read(2, 1, 11, 12, at(30))]);
  const unseen = [...seen, read(1, 0, 10, 10, at(30))];
  only(unseen, 'stale-read', [20, 30]);
  expect(bySearch(opsFrom(unseen))).toBe('invalid');
});

test('an unanswered compare-and-set that was seen is held to its version', () => {
  const tried = open('cas', { expected: 3, to: 2 }, at(10));
  only([base, tried, read(2, 1, 11, 11, at(20))], 'wrong-cas', [10, 20]);
});

test('a gap between versions needs an unanswered write invoked in time', () => {
  const gap = [base, write(3, 2, 12, at(20))];
  only(gap, 'version-gap', [20]);
  expectValid([...gap, open('write', 2, at(24))]);
  only([...gap, open('write', 2, at(40))], 'version-gap', [20]);
  only([...gap, open('cas', { expected: 1, to: 2 }, at(10))], 'version-gap', [20]);
  expectValid([...gap, open('cas', { expected: 0, to: 2 }, at(10))]);
});

test('a read cannot show a write that was invoked after it returned', () => {
  only([base, read(2, 1, 11, 11, at(10)), write(2, 1, 11, at(20))], 'future-read', [10, 20]);
});

test('versions and zxids must not contradict real time or each other', () => {
  only([base, write(2, 2, 12, at(10)), write(3, 1, 11, at(20))], 'write-order', [10, 20]);
  only([base, write(2, 2, 11, at(10)), write(3, 1, 12, at(20))], 'version-order', [10, 20]);
});

test('a reply cannot lack a change below its own zxid', () => {
  const history = [base, write(2, 1, 11, at(10, 30)), read(1, 0, 10, 12, at(12))];
  only(history, 'stale-read', [10, 12]);
});

test('zxids follow real time across keys', () => {
  const other = at(20, 25, 'other');
  only([base, write(2, 1, 30, at(10)), create(5, 20, other)], 'zxid-order', [10, 20]);
  const seen = read(1, 0, 10, 30, at(10));
  only([base, seen, create(5, 30, other)], 'zxid-order', [10, 20]);
  const behind = { ...read(5, 0, 11, 20, at(20, 25, 'other')) };
  const history = [base, create(5, 11, at(1, 6, 'other')), write(2, 1, 30, at(10)), behind];
  only(history, 'sync-behind', [10, 20]);
});

test('a read answered below its sync went back', () => {
  const back = read(1, 0, 10, 10, at(20));
  back.reply = { ...back.reply, syncZxid: 15 };
  only([base, back], 'zxid-went-back', [20]);
});

test('what the record lacks is a problem, not an anomaly', () => {
  const bare: Sketch = { f: 'write', value: 2, type: 'ok', reply: { zxid: 11 }, ...at(10) };
  const { anomalies, problems } = sweepVersionOrder(opsFrom([base, bare]));
  expect(anomalies).toEqual([]);
  expect(problems).toEqual([
    'event 3 carries an acknowledged write without zxid, mzxid and version',
  ]);
  const twice = sweepVersionOrder(opsFrom([base, write(1, 1, 11, at(10))]));
  expect(twice.problems[0]).toContain('value 1 of key k is written by event 0 and by event 2');
});

test('a thousand stale reads make a list that can be read', () => {
  const stale = Array.from({ length: 1000 }, (_, i) => read(1, 0, 10, 10, at(100 + 10 * i)));
  const result = sweepVersionOrder(opsFrom([base, write(2, 1, 11, at(10)), ...stale]));
  expect(result.contradictions).toBe(1000);
  expect(result.anomalies.length).toBe(10);
});
