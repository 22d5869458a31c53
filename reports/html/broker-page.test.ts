// The broker's part of the page: absent without brokers, and where it puts things together it says so and
// loses nothing that a reader looks for.
import { describe, expect, it } from 'vitest';
import { synthesiseRun } from '../testing.ts';
import { LOST, synthesiseBrokerRun } from '../testing-broker.ts';
import { BROKER_LIMITS, brokerPage, thinMarks, thinSteps, withTotal } from './broker-page.ts';
import type { Mark, Step } from './message-flow.ts';
import { pageData } from './page-data.ts';

function read(t: number, first: number, last = first): Mark {
  return { kind: 'read', t, key: 't-0', consumer: 0, first, last, op: first };
}

describe('brokerPage', () => {
  it('is absent of a run without brokers', () => {
    expect(pageData(synthesiseRun({ ops: 50 })).meta.broker).toBeUndefined();
  });

  it('stands beside what the coordinators did, and links an anomaly to an event of a broker', () => {
    const run = synthesiseBrokerRun();
    const { meta, unread } = pageData(run);
    expect(meta.broker?.keys).toEqual(['orders-0', 'orders-1', 'orders-2']);
    expect(meta.lanes.map(({ node }) => node)).toEqual(['n1', 'n2', 'n3', 'b1', 'b2', 'b3']);
    expect(unread).toMatchObject([LOST]);
    const anomaly = meta.anomalies.at(-1)!;
    expect(anomaly.title).toBe('lost-write (messages · broker)');
    expect(anomaly.key).toBe(LOST.key);
    expect(anomaly.moments[0]?.node).toBe('b2');
    expect(anomaly.moments[0]?.text).toMatch(/^(highWatermark|controllerElected) /);
    expect(run.record.ops[anomaly.rows[0]!]?.f).toBe('send');
  });

  it('says why something is missing', () => {
    const { record } = synthesiseBrokerRun();
    const end = record.config.timeLimitMs * 1e6;
    const silent = brokerPage({ ...record, brokerEvents: [] }, [], end)!;
    expect(silent.meta.notes.leaders).toContain('logged no events');
    expect(silent.meta.notes.offsets).toContain('no high watermarks');
    const idle = brokerPage({ ...record, ops: [] }, [], end)!;
    expect(idle.meta.notes.unseen).toBe('no message was acknowledged');
    expect(idle.meta.notes.leaders).toBeUndefined();
  });

  it('says what it puts together, and within which time', () => {
    const { record } = synthesiseBrokerRun();
    const end = record.config.timeLimitMs * 1e6;
    const whole = brokerPage(record, [], end)!;
    expect(whole.meta.notes).toEqual({});
    const count = (page: typeof whole, name: string): number =>
      page.columns.find((column) => column.name === name)!.values.length;
    const thin = brokerPage(record, [], end, { ...BROKER_LIMITS, marks: 1_000, steps: 100 })!;
    expect(thin.meta.notes.offsets).toMatch(
      /^marks that .* ms are drawn as one; one high .* fall$/,
    );
    expect(thin.meta.notes.unseen).toMatch(/^the highest count within [\d.]+ ms$/);
    expect(count(thin, 'mark.t')).toBeLessThan(count(whole, 'mark.t'));
    expect(count(thin, 'hw.t')).toBeLessThanOrEqual(100);
    expect(count(thin, 'unread.t')).toBe(1);
  });
});

describe('thinMarks', () => {
  it('joins what goes on without a gap, and keeps gaps and rewinds', () => {
    const marks = [read(0, 0, 4), read(1, 5), read(2, 6, 9), read(3, 20), read(4, 3), read(5, 4)];
    const { marks: thin, widthNs } = thinMarks(marks, 3, 1_000_000);
    expect(thin.map(({ first, last }) => [first, last])).toEqual([
      [0, 9],
      [20, 20],
      [3, 4],
    ]);
    expect(widthNs).toBeGreaterThan(0);
    expect(marks[0]!.last).toBe(4);
  });

  it('leaves alone what is few enough', () => {
    const marks = [read(0, 0), read(1, 1)];
    expect(thinMarks(marks, 2, 1_000)).toEqual({ marks, widthNs: 0 });
  });
});

describe('thinSteps', () => {
  const steps = (...values: number[]): Map<string, Step[]> =>
    new Map([['t-0', values.map((value, t) => ({ t, value }))]]);
  const valuesOf = (thin: ReturnType<typeof thinSteps>): number[] =>
    thin.steps.get('t-0')!.map(({ value }) => value);

  it('keeps every fall of a high watermark', () => {
    expect(valuesOf(thinSteps(steps(1, 2, 3, 2, 3, 4), 3, 65_536 * 8, 'last'))).toEqual([3, 2, 4]);
  });

  it('keeps the highest count of a bin, and how it ended', () => {
    expect(valuesOf(thinSteps(steps(1, 5, 0, 2, 0), 2, 65_536 * 8, 'highest'))).toEqual([5, 0]);
  });
});

describe('withTotal', () => {
  it('adds the partitions up at every moment', () => {
    const all = withTotal(
      new Map([
        [
          'a',
          [
            { t: 1, value: 2 },
            { t: 5, value: 0 },
          ],
        ],
        [
          'b',
          [
            { t: 3, value: 1 },
            { t: 5, value: 4 },
          ],
        ],
      ]),
    );
    expect(all.get('')).toEqual([
      { t: 1, value: 2 },
      { t: 3, value: 3 },
      { t: 5, value: 4 },
    ]);
  });
});
