// The readers of other people's history files: what they accept, and the line they blame.
import { expect, test } from 'vitest';
import { pairOps } from '../../history/op.ts';
import { readEdn } from './edn.ts';
import { parseHistory } from './formats.ts';
import { judgeHistory } from './judge-history.ts';

const log = (text: string) => parseHistory(text, 'jepsen-log');
const edn = (text: string) => parseHistory(text, 'jepsen-edn');

test('a log: tabs or spaces, other lines left out, time-outs without a value', () => {
  const events = log(
    [
      'INFO  jepsen.core - Starting nemesis',
      'INFO  jepsen.util - 4\t:invoke\t:cas\t[2 4]',
      'INFO  jepsen.util - :nemesis :info :start nil',
      'INFO  jepsen.util - 4   :info  :cas  :timed-out',
      'INFO  jepsen.util - 5\t:invoke\t:read\tnil\r',
      'INFO  jepsen.util - 5\t:ok\t:read\t-3',
    ].join('\n'),
  );
  expect(events).toEqual([
    { index: 0, time: 0, process: 4, type: 'invoke', f: 'cas', value: [2, 4] },
    { index: 1, time: 1, process: 4, type: 'info', f: 'cas', error: 'timed-out' },
    { index: 2, time: 2, process: 5, type: 'invoke', f: 'read', value: null },
    { index: 3, time: 3, process: 5, type: 'ok', f: 'read', value: -3 },
  ]);
});

test('a log: what is wrong is said with its line', () => {
  const line = (rest: string) => `INFO  jepsen.util - ${rest}`;
  const cases: [string, RegExp][] = [
    [line('4 :invoke :read maybe'), /line 1: value maybe: expected nil, an integer/],
    [line('4 :called :read nil'), /line 1: .*expected ":TYPE :F VALUE"/],
    [line('4 :invoke :pop nil'), /line 1: .*f read, write, cas/],
    [`\n${line('4 :ok :read 1')}`, /line 2: process 4 completes read, but it invoked nothing/],
    [
      `${line('4 :invoke :read nil')}\n${line('4 :invoke :write 1')}`,
      /line 2: .*read of line 1 is open/,
    ],
    ['', /no operation found; expected lines like/],
  ];
  for (const [text, message] of cases) expect(() => log(text)).toThrow(message);
});

test('EDN: vectors, lists or single maps; comments, commas, any order of keys, named processes', () => {
  const maps = `{:process 0, :type :invoke :f :cas, :value [1 2] :time 12N} ; a comment }
    {:f :start :process :nemesis :type :info :value "a \\"b\\" ]"}
    #_{:process 9 :type :ok :f :read}
    {:value [1 2] :error [:no nil] :type :fail, :f :cas :process 0}`;
  const expected = [
    { index: 0, time: 0, process: 0, type: 'invoke', f: 'cas', value: [1, 2] },
    { index: 1, time: 1, process: 0, type: 'fail', f: 'cas', value: [1, 2], error: '[":no",null]' },
  ];
  for (const text of [`[${maps}]`, `(${maps})`, maps, `; first\n[${maps}\n]\n; last`]) {
    expect(edn(text)).toEqual(expected);
  }
});

test('EDN: forms of every kind', () => {
  const [tagged, form] = readEdn(
    '#inst "x" {:a #{1 2} "b" \\newline :c [true nil -1.5e3 sym \\u0041] 4 :skip}',
  );
  expect(tagged).toBe('x');
  expect(form).toMatchObject({ kind: 'map', line: 1 });
  const entries = (form as { entries: Map<string, unknown> }).entries;
  const sym = { kind: 'symbol', name: 'sym' };
  expect(entries.get('a')).toEqual([1, 2]);
  expect(entries.get('b')).toBe('\n');
  expect(entries.get('c')).toEqual([true, null, -1500, sym, 'A']);
  expect(readEdn('#{} () [[]] ,,')).toEqual([[], [], [[]]]);
  expect(readEdn('\\a \\space "tab\\t" -7 1.5M false')).toEqual([
    'a',
    ' ',
    'tab\t',
    -7,
    1.5,
    false,
  ]);
});

test('EDN: what is wrong is said with its line', () => {
  const cases: [string, RegExp][] = [
    ['[\n{:process 1', /line 2: \{ is not closed/],
    ['[{:a}]', /line 1: a map has a key without a value/],
    ['\n]', /line 2: unexpected \]/],
    ['[1x]', /line 1: expected a number, got 1x/],
    ['["abc]', /line 1: a string is not closed/],
    ['[".".\n{:process "x"}]', /expected a vector or list of operation maps, found "."/],
    ['[\n{:process nil :type :ok :f :read}]', /line 2: expected an integer or keyword :process/],
    ['[{:process 1 :type "ok" :f :read}]', /line 1: expected a keyword as :type/],
    ['[{:process 1 :type :done :f :read}]', /line 1: type :done: expected one of :invoke, :ok/],
    [
      '[{:process 1 :type :ok :f :read}]',
      /line 1: process 1 completes read, but it invoked nothing/,
    ],
    ['[]', /no operation found; expected maps like/],
    [`${'['.repeat(100)}`, /nested deeper than 64/],
  ];
  for (const [text, message] of cases) expect(() => edn(text)).toThrow(message);
});

test('unknown names list the known ones', () => {
  const ops = pairOps(edn('[{:process 1 :type :invoke :f :read}]'));
  const wrong = { model: 'queue', format: 'jepsen-edn' } as unknown as Parameters<
    typeof judgeHistory
  >[1];
  expect(() => judgeHistory(ops, wrong)).toThrow(/unknown model queue; known: cas-register, mutex/);
  expect(() => parseHistory('', 'csv' as 'jepsen-edn')).toThrow(
    /csv; known: jepsen-log, jepsen-edn/,
  );
});

test('a verdict on a file names the reply that fits nowhere', () => {
  const ops = pairOps(
    edn(`[{:process 0 :type :invoke :f :write :value 1} {:process 0 :type :ok :f :write :value 1}
          {:process 1 :type :invoke :f :read :value nil} {:process 1 :type :ok :f :read :value 2}]`),
  );
  const verdict = judgeHistory(ops, { model: 'cas-register', format: 'jepsen-edn' });
  expect(verdict.outcome).toBe('invalid');
  expect(verdict.anomalies).toEqual([
    {
      kind: 'not-linearizable',
      why:
        "no order of the operations explains the reply of event 3, process 1's read 2 (ok, events 2 " +
        "to 3). Before it an order exists, which places 1 operations, the last of them process 0's " +
        'write 1 (ok, events 0 to 1), and ends with a value that nothing reads; no other operation ' +
        'was open then.',
      events: [0, 1, 2, 3],
    },
  ]);
});
