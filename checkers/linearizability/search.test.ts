// The general search: its witnesses, its budgets, its models and how it grows.
import { expect, test } from 'vitest';
import { type Op, pairOps } from '../../history/op.ts';
import { Random } from '../../history/random.ts';
import { bruteForce, casRegisterSpec } from './brute-force.ts';
import { ConfigurationTable } from './configuration-table.ts';
import { parseHistory } from './formats.ts';
import {
  type CasRegisterOptions,
  casRegister,
  mutex,
  register,
  versionedRegister,
} from './models.ts';
import { arbitraryCasHistory, opsFrom, type Sketch, truthfulHistory } from './random-histories.ts';
import { DEFAULT_BUDGET, search, searchByKey } from './search.ts';

const ETCD: CasRegisterOptions = { initial: null, failedCas: 'observation', nilRead: 'value' };
const KNOSSOS: CasRegisterOptions = { initial: 0, failedCas: 'dropped', nilRead: 'wildcard' };

function log(...lines: string[]): Op[] {
  return pairOps(
    parseHistory(lines.map((l) => `INFO jepsen.util - ${l}`).join('\n'), 'jepsen-log'),
  );
}

test('a failed compare-and-set is an observation or nothing, as the options say', () => {
  const ops = log(
    '0 :invoke :write 1',
    '0 :ok :write 1',
    '1 :invoke :cas [1 2]',
    '1 :fail :cas [1 2]',
  );
  expect(search(ops, casRegister(ETCD)).outcome).toBe('invalid');
  expect(search(ops, casRegister(KNOSSOS)).outcome).toBe('valid');
});

test('a completed read of nil is a value or anything, as the options say', () => {
  const ops = log('0 :invoke :write 1', '0 :ok :write 1', '1 :invoke :read nil', '1 :ok :read nil');
  expect(search(ops, casRegister(ETCD)).outcome).toBe('invalid');
  expect(search(ops, casRegister(KNOSSOS)).outcome).toBe('valid');
  expect(search(ops, register(null)).outcome).toBe('invalid');
});

test('unanswered operations take effect only where they are needed', () => {
  const ops = log(
    '0 :invoke :write 1',
    '0 :info :write :timed-out',
    '1 :invoke :cas [1 2]',
    '1 :info :cas :timed-out',
    '2 :invoke :read nil',
    '2 :ok :read nil',
    '2 :invoke :read nil',
    '2 :ok :read 2',
  );
  const result = search(ops, casRegister(ETCD));
  expect(result.outcome === 'valid' && result.order.map((op) => op.id)).toEqual([2, 0, 1, 3]);
});

test('the witness is the longest prefix that has an order, and the reply that ends it', () => {
  let invalid = 0;
  for (let seed = 0; seed < 5000; seed++) {
    const random = new Random(seed, 'witness');
    const ops = opsFrom(arbitraryCasHistory(random, random.int(3, 8)));
    const options = random.pick([ETCD, KNOSSOS]);
    const result = search(ops, casRegister(options));
    if (result.outcome !== 'invalid') continue;
    invalid++;
    const reply = result.blocked.completion?.index as number;
    const spec = casRegisterSpec(options);
    expect(bruteForce(upTo(ops, reply), spec), `seed ${seed}`).toBe(true);
    expect(bruteForce(upTo(ops, reply + 1), spec), `seed ${seed}`).toBe(false);
    expect(result.prefix).not.toContain(result.blocked);
    expect(bruteForce(result.prefix, spec), `seed ${seed}`).toBe(true);
  }
  expect(invalid).toBeGreaterThan(1000);
});

/** The history as it stood before event `end`: later replies have not come. */
function upTo(ops: readonly Op[], end: number): Op[] {
  const replied = (op: Op): boolean => op.completion !== undefined && op.completion.index < end;
  return ops
    .filter((op) => op.invoke.index < end && (op.type !== 'fail' || replied(op)))
    .map((op): Op => {
      if (replied(op)) return op;
      const { completion: _, ...invoked } = op;
      return { ...invoked, type: 'info', returnTime: Number.POSITIVE_INFINITY };
    });
}

test('keys are searched by themselves, and one bad key is enough', () => {
  const sketch = (key: string, f: string, value: number, from: number): Sketch => {
    const reply = { value };
    return { key, f, type: 'ok', value, from, to: from + 1, reply };
  };
  const good = [sketch('a', 'write', 1, 0), sketch('a', 'read', 1, 2)];
  const bad = [sketch('b', 'write', 1, 0), sketch('b', 'read', 2, 2)];
  expect(searchByKey(opsFrom(good), register(null)).outcome).toBe('valid');
  const both = searchByKey(opsFrom([...good, ...bad]), register(null));
  expect(both.outcome).toBe('invalid');
  expect([...both.byKey].map(([key, { outcome }]) => [key, outcome])).toEqual([
    ['a', 'valid'],
    ['b', 'invalid'],
  ]);
});

/** `n` concurrent writes of values that are all read, and one read that nothing can explain. */
function hard(n: number): Op[] {
  const writes = Array.from({ length: n }, (_, i): Sketch => {
    return { f: 'write', type: 'ok', value: i, from: 0, to: 1000, reply: {} };
  });
  const reads = Array.from({ length: n }, (_, i): Sketch => {
    return { f: 'read', type: 'ok', from: 0, to: 1000, reply: { value: i } };
  });
  const last: Sketch = { f: 'read', type: 'ok', from: 2000, to: 2001, reply: { value: -1 } };
  return opsFrom([...writes, ...reads, last]);
}

test('a search that runs out of its budget is unknown and says which', () => {
  const model = register(null);
  expect(search(hard(6), model).outcome).toBe('invalid');
  const few = search(hard(16), model, { ...DEFAULT_BUDGET, configurations: 100 });
  expect(few.outcome === 'unknown' && few.reason).toContain('100 configurations');
  const small = search(hard(16), model, { ...DEFAULT_BUDGET, memoryBytes: 4096 });
  expect(small.outcome === 'unknown' && small.reason).toContain('4096 bytes');
  const short = search(hard(24), model, { ...DEFAULT_BUDGET, timeMs: 0 });
  expect(short.outcome === 'unknown' && short.reason).toContain('0 ms');
});

test('a long truthful history takes about one configuration for each change', () => {
  const ops = opsFrom(truthfulHistory(new Random(7, 'long'), 20_000));
  const result = search(ops, versionedRegister({ versions: true }));
  expect(result.outcome).toBe('valid');
  expect(result.configurations).toBeLessThan(40_000);
});

test('a mutex is held by one at a time, whoever releases it', () => {
  const sketch = (f: string, from: number, type: Sketch['type'] = 'ok'): Sketch => {
    return { f, type, from, to: from + 1 };
  };
  const acquire = sketch('acquire', 0);
  const again = sketch('acquire', 4);
  expect(search(opsFrom([acquire, again]), mutex()).outcome).toBe('invalid');
  expect(search(opsFrom([acquire, sketch('release', 2), again]), mutex()).outcome).toBe('valid');
  expect(search(opsFrom([acquire, sketch('release', 2, 'info'), again]), mutex()).outcome).toBe(
    'valid',
  );
  expect(search(opsFrom([acquire, sketch('release', 2, 'fail'), again]), mutex()).outcome).toBe(
    'invalid',
  );
});

test('the configuration table knows whole keys and keeps to its limit', () => {
  const table = new ConfigurationTable(1 << 20);
  const key = (n: number): Int32Array => Int32Array.of(n, n * 7, n % 3);
  for (let n = 0; n < 5000; n++) expect(table.add(key(n), 3)).toBe('new');
  for (let n = 0; n < 5000; n++) expect(table.add(key(n), 3)).toBe('known');
  expect(table.add(key(1), 2)).toBe('new');
  expect(table.size).toBe(5001);
  let n = 5000;
  while (table.add(key(n), 3) !== 'full') n++;
  expect(n).toBeLessThan(1 << 18);
});
