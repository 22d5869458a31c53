// The judges of messages: each anomaly made alone by hand, and a random model of a correct log that never
// shows one, while every single mutation of what it showed is found.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Event } from '../../history/event.ts';
import type { Placed, PolledValue, SentValue } from '../../history/messages.ts';
import { Random } from '../../history/random.ts';
import type { RunRecord } from '../../history/run-record.ts';
import type { Verdict } from '../../history/verdict.ts';
import { recordOf } from '../testing-record.ts';
import { exactlyOnce } from './exactly-once.ts';
import { messages } from './index.ts';
import { LogModel, MessageScript } from './testing.ts';

const KEY = 't-0';

function judge(run: RunRecord): Verdict {
  return messages.check(run) as Verdict;
}

function kindsOf({ anomalies }: Verdict): string[] {
  return [...new Set(anomalies.map(({ kind }) => kind))].sort();
}

/** Thirty messages sent by process 1 and polled to the end by process 2, in fives. */
function thirty(): MessageScript {
  const script = new MessageScript();
  for (let i = 0; i < 30; i++) script.send(1, KEY, i, 100 + i);
  script.ok(2, 'assign', { keys: [KEY], from: 'beginning' }, undefined);
  script.ok(2, 'ends', { keys: [KEY] }, { [KEY]: 30 });
  for (let at = 0; at < 30; at += 5) script.poll(2, { [KEY]: placed(at, at + 5) });
  return script;
}

function placed(from: number, to: number): Placed[] {
  return Array.from({ length: to - from }, (_, i): Placed => [from + i, 100 + from + i]);
}

test('what is sent, acknowledged and read to the end is valid', () => {
  const verdict = judge(thirty().run());
  expect(verdict).toMatchObject({ outcome: 'valid', anomalies: [] });
  expect(verdict.evidence).toMatchObject({ acknowledged: 30, readBack: 30, partitionsReadOut: 1 });
});

test('a run that is not read to its end is unknown, and says which partition', () => {
  const script = thirty();
  script.send(1, KEY, 30, 999);
  script.ok(2, 'ends', { keys: [KEY] }, { [KEY]: 31 });
  const verdict = judge(script.run());
  expect(verdict).toMatchObject({ outcome: 'unknown', evidence: { undecided: 1 } });
  expect(verdict.reason).toMatch(/t-0 was not read to its end/);
});

test('too little is unknown', () => {
  const script = new MessageScript();
  script.send(1, KEY, 0, 1);
  expect(judge(script.run())).toMatchObject({ outcome: 'unknown' });
});

describe('each anomaly alone', () => {
  const cases: [string, string[], (script: MessageScript) => void][] = [
    [
      'an acknowledged message that readers passed by',
      ['lost-write'],
      (script) => {
        // Between known offsets there are gaps, so one may hold what nobody was shown.
        script.send(3, 't-1', 0, 1);
        script.send(3, 't-1', 1, 2);
        script.send(3, 't-1', 2, 3);
        script.poll(4, { 't-1': [[0, 1]] });
        script.poll(5, { 't-1': [[2, 3]] });
        script.ok(4, 'ends', { keys: ['t-1'] }, { 't-1': 3 });
      },
    ],
    [
      'an acknowledged tail that is gone at the end',
      ['unseen'],
      (script) => script.send(3, KEY, 30, 999),
    ],
    [
      'two values at one offset',
      ['inconsistent-offsets'],
      (script) => {
        script.ok(3, 'send', { values: [999] }, { placed: [[29, 999]] }, KEY);
        script.poll(4, { [KEY]: [[29, 999]] });
      },
    ],
    ['one value at two offsets', ['duplicate'], (script) => script.poll(4, { [KEY]: [[30, 129]] })],
    [
      'a message that was refused',
      ['G1a'],
      (script) => {
        script.begin(3, 'send', { values: [999] }, KEY)('fail', { error: 'NOT_ENOUGH_REPLICAS' });
        script.poll(4, { [KEY]: [[30, 999]] });
      },
    ],
    [
      'a message that nobody sent',
      ['unwritten-read'],
      (script) => script.poll(4, { [KEY]: [[30, 'x']] }),
    ],
    [
      'a message in another partition',
      ['misplaced'],
      (script) => {
        script.begin(3, 'send', { values: [999] }, KEY)('info');
        script.poll(4, { 't-1': [[0, 999]] });
        script.ok(4, 'ends', { keys: ['t-1'] }, { 't-1': 1 });
      },
    ],
    [
      'a poll that leaves one out',
      ['int-poll-skip'],
      (script) => script.poll(4, { [KEY]: [...placed(3, 5), ...placed(6, 8)] }),
    ],
    [
      'a poll that goes back',
      ['int-nonmonotonic-poll'],
      (script) => script.poll(4, { [KEY]: [...placed(3, 5), ...placed(4, 5)] }),
    ],
    [
      'two polls with one left out between them',
      ['poll-skip'],
      (script) => {
        script.poll(4, { [KEY]: placed(3, 5) });
        script.poll(4, { [KEY]: placed(6, 8) });
      },
    ],
    [
      'a poll that begins before where the last one ended',
      ['nonmonotonic-poll'],
      (script) => {
        script.poll(4, { [KEY]: placed(3, 5) });
        script.poll(4, { [KEY]: placed(4, 8) });
      },
    ],
    [
      'a send behind an earlier one of its process',
      ['nonmonotonic-send'],
      (script) => {
        script.send(3, 't-1', 5, 1);
        script.send(3, 't-1', 4, 2);
        script.poll(4, {
          't-1': [
            [4, 2],
            [5, 1],
          ],
        });
        script.ok(4, 'ends', { keys: ['t-1'] }, { 't-1': 6 });
      },
    ],
    [
      'a send behind what another process had acknowledged',
      ['send-behind-time'],
      (script) => {
        script.send(3, 't-1', 5, 1);
        script.send(5, 't-1', 4, 2);
        script.poll(4, {
          't-1': [
            [4, 2],
            [5, 1],
          ],
        });
        script.ok(4, 'ends', { keys: ['t-1'] }, { 't-1': 6 });
      },
    ],
  ];

  test.each(cases)('%s', (_, kinds, add) => {
    const script = thirty();
    add(script);
    const verdict = judge(script.run());
    expect(kindsOf(verdict)).toEqual(kinds);
    expect(verdict.outcome).toBe('invalid');
    expect(verdict.anomalies.every(({ events }) => events.length > 0)).toBe(true);
  });
});

test('what another may have read between is allowed to members of a group, and counted', () => {
  const script = thirty();
  script.ok(4, 'subscribe', { topics: ['t'], group: 'g' }, undefined);
  script.poll(4, { [KEY]: placed(3, 5) });
  script.poll(4, { [KEY]: placed(6, 8) });
  script.poll(4, { [KEY]: placed(2, 4) });
  const { outcome, evidence } = judge(script.run());
  expect(outcome).toBe('valid');
  expect(evidence).toMatchObject({ 'allowed.poll-skip': 1, 'allowed.nonmonotonic-poll': 1 });
});

test('a rebalance, a seek and a gap between offsets are lawful', () => {
  const script = thirty();
  const moved = { group: 'g', generation: 1, member: 'm', revoked: [], committed: {} };
  script.poll(4, { [KEY]: placed(3, 5) });
  script.poll(4, { [KEY]: placed(9, 12) }, [{ ...moved, assigned: [KEY] }]);
  script.ok(4, 'assign', { keys: [KEY], from: 'beginning' }, undefined);
  script.poll(4, { [KEY]: placed(0, 2) });
  script.ok(4, 'assign', { keys: ['t-1'], from: 'position' }, undefined);
  script.ok(4, 'assign', { keys: [KEY], from: 'position' }, undefined);
  script.poll(4, { [KEY]: placed(0, 2) });
  script.send(1, KEY, 40, 1);
  script.poll(2, { [KEY]: [[40, 1]] });
  expect(judge(script.run())).toMatchObject({ outcome: 'valid', anomalies: [] });
});

test('an unknown send that a poll showed must stay, one that nobody saw need not', () => {
  const script = thirty();
  script.begin(5, 'send', { values: [1, 2] }, KEY)('info');
  script.begin(6, 'send', { values: [3] }, KEY)('info');
  script.poll(2, { [KEY]: [[30, 1]] });
  const verdict = judge(script.run());
  expect(kindsOf(verdict)).toEqual(['unseen']);
  expect(verdict.anomalies[0]?.why).toMatch(/Value 2,/);
});

test('exactly once: a batch sent again and stored twice is found, and no repetition proves nothing', () => {
  const again = (twice: boolean, attempts: number): Verdict => {
    const script = new MessageScript();
    for (let i = 0; i < 30; i++) {
      script.ok(1, 'send', { values: [100 + i] }, { placed: [[i, 100 + i]], attempts }, KEY);
    }
    script.ok(2, 'ends', { keys: [KEY] }, { [KEY]: twice ? 31 : 30 });
    script.poll(2, { [KEY]: twice ? [...placed(0, 30), [30, 129]] : placed(0, 30) });
    return exactlyOnce.check(script.run()) as Verdict;
  };
  expect(again(false, 2)).toMatchObject({ outcome: 'valid', evidence: { resent: 30 } });
  expect(again(false, 1)).toMatchObject({ outcome: 'unknown' });
  expect(kindsOf(again(true, 2))).toEqual(['duplicate']);
});

const seeds = fc.integer({ min: 0, max: 2 ** 31 });

test('a correct log is never accused, whatever is lost, crashes or moves', () => {
  fc.assert(
    fc.property(seeds, fc.boolean(), (seed, grouped) => {
      const run = new LogModel({ seed, grouped }).run();
      expect(judge(run).anomalies).toEqual([]);
      expect(exactlyOnce.check(run)).toMatchObject({ anomalies: [] });
    }),
    { numRuns: 60 },
  );
});

/** Changes one thing in a history, or says that there is nothing to change. */
type Mutation = (history: Event[], random: Random) => boolean;

function polls(history: Event[]): PolledValue[] {
  return history.flatMap(({ f, type, value }) => {
    return f === 'poll' && type !== 'invoke' && value !== undefined ? [value as PolledValue] : [];
  });
}

/** All messages that a poll may be changed in, as the lists they stand in. */
function lists(history: Event[], least = 1): Placed[][] {
  return polls(history).flatMap(({ records, rebalanced }) => {
    return rebalanced === undefined ? Object.values(records).filter((l) => l.length >= least) : [];
  });
}

function acked(history: Event[]): { key: string; placed: Placed[] }[] {
  return history.flatMap(({ f, type, key, value }) => {
    return f === 'send' && type === 'ok' ? [{ key: key as string, ...(value as SentValue) }] : [];
  });
}

const mutations: Record<string, Mutation> = {
  'an acknowledged message dropped': (history, random) => {
    const { key, placed: own } = random.pick(acked(history));
    const [, victim] = random.pick(own);
    let end = 0;
    for (const { records } of polls(history)) {
      records[key] = (records[key] ?? []).filter(([, value]) => value !== victim);
      for (const [offset] of records[key]) end = Math.max(end, offset + 1);
    }
    // A log that lost its tail also says that it ends earlier.
    for (const { f, value } of history) {
      const ends = value as Record<string, number> | undefined;
      if (f === 'ends' && ends?.[key] !== undefined) ends[key] = end;
    }
    return true;
  },
  'two messages swapped in a poll': (history, random) => {
    const list = random.pick(lists(history, 2));
    const at = random.int(0, list.length - 2);
    [list[at], list[at + 1]] = [list[at + 1] as Placed, list[at] as Placed];
    return true;
  },
  'two values swapped in a poll': (history, random) => {
    // Where nobody else tells of either, nobody can know: one of the two was acknowledged.
    const known = new Set(acked(history).flatMap(({ placed }) => placed.map(([, value]) => value)));
    const places = lists(history, 2).flatMap((list) => {
      return list.slice(1).flatMap(([, value], at) => (known.has(value) ? [{ list, at }] : []));
    });
    const { list, at } = random.pick(places);
    const [a, b] = [list[at] as Placed, list[at + 1] as Placed];
    [list[at], list[at + 1]] = [
      [a[0], b[1]],
      [b[0], a[1]],
    ];
    return true;
  },
  'a message stored twice': (history, random) => {
    const list = lists(history).at(-1) as Placed[];
    const [, value] = random.pick(list);
    list.push([(list.at(-1)?.[0] ?? 0) + 1, value]);
    return true;
  },
  'an offset changed': (history, random) => {
    const { placed: own } = random.pick(acked(history));
    const at = random.int(0, own.length - 1);
    const [offset, value] = own[at] as Placed;
    own[at] = [offset + random.int(1, 3), value];
    return true;
  },
  'a value changed': (history, random) => {
    const list = random.pick(lists(history));
    const at = random.int(0, list.length - 1);
    list[at] = [(list[at] as Placed)[0], 'garbled'];
    return true;
  },
  'an outcome denied': (history, random) => {
    const sent = history.filter(({ f, type }) => f === 'send' && type === 'ok');
    const event = random.pick(sent);
    event.type = 'fail';
    delete event.value;
    return true;
  },
};

test.each(Object.entries(mutations))('%s is always found', (_, mutate) => {
  fc.assert(
    fc.property(seeds, fc.boolean(), (seed, grouped) => {
      const { config, history } = new LogModel({ seed, grouped }).run();
      const changed = structuredClone(history);
      fc.pre(mutate(changed, new Random(seed, 'mutation')));
      expect(judge(recordOf(config, changed, [])).outcome).toBe('invalid');
    }),
    { numRuns: 40 },
  );
});

test('half a million messages are judged', () => {
  const script = new MessageScript();
  const count = 500_000;
  const batch = 100;
  for (let at = 0; at < count; at += batch) {
    const own = Array.from({ length: batch }, (_, i): Placed => [at + i, at + i]);
    const values = own.map(([, value]) => value);
    script.ok(1 + ((at / batch) % 5), 'send', { values }, { placed: own }, KEY);
    script.poll(7, { [KEY]: own });
  }
  script.ok(7, 'ends', { keys: [KEY] }, { [KEY]: count });
  expect(judge(script.run())).toMatchObject({
    outcome: 'valid',
    evidence: { acknowledged: count, readBack: count },
  });
}, 60_000);
