// Lag with answers known by hand: the highest of each bin, by what was known of the partition's end then.
import { describe, expect, it } from 'vitest';
import { synthesiseRun } from '../../testing.ts';
import { OpScript } from '../../testing-broker.ts';
import { decodeTable, encodeTable } from '../columns.ts';
import { pageData } from '../page-data.ts';
import { BrokerData } from './broker-data.ts';
import { countsForLag, endSteps, lagBins } from './lag.ts';

function brokerOf(script: OpScript): BrokerData {
  const run = synthesiseRun({ ops: 0 });
  const { meta, columns } = pageData({ ...run, record: { ...run.record, ops: script.ops() } });
  const table = decodeTable<typeof meta>(encodeTable(meta, columns));
  return new BrokerData(table.meta.broker!, table);
}

function lagsOf(script: OpScript): Record<string, number[]> {
  const broker = brokerOf(script);
  const partition = broker.partitions[0]!;
  const ends = endSteps(broker, partition);
  const bins = { first: 0, widthNs: 10, count: 6 };
  return Object.fromEntries(
    partition.readers
      .filter((series) => countsForLag(broker, series))
      .map((series) => [
        broker.consumerName(series.consumer),
        [...lagBins(broker, series, ends, bins)],
      ]),
  );
}

const NONE = Number.NaN;

describe('lagBins', () => {
  it('rises with what others acknowledge and falls with what it reads', () => {
    const script = new OpScript();
    script.assign([0, 2], 1, ['t-0']);
    script.send([3, 5], 2, 't-0', [
      [0, 'a'],
      [1, 'b'],
    ]);
    script.send([6, 12], 2, 't-0', [[2, 'c']]);
    script.poll([13, 15], 1, {
      't-0': [
        [0, 'a'],
        [1, 'b'],
        [2, 'c'],
      ],
    });
    script.send([20, 31], 2, 't-0', [[3, 'd']]);
    script.poll([40, 45], 1, { 't-0': [[3, 'd']] });
    expect(lagsOf(script)).toEqual({ 'process 1': [2, 3, 0, 1, 1, NONE] });
  });

  it('knows no negative lag, though a poll may be quicker than an acknowledgement', () => {
    const script = new OpScript();
    script.assign([0, 1], 1, ['t-0']);
    script.send([2, 30], 2, 't-0', [[0, 'a']]);
    script.poll([3, 12], 1, { 't-0': [[0, 'a']] });
    script.assign([50, 55], 1, ['t-0']);
    expect(lagsOf(script)).toEqual({ 'process 1': [0, 0, 0, 0, 0, 0] });
  });

  it('is a group by its commits, and says nothing of its members', () => {
    const script = new OpScript();
    script.send([0, 1], 2, 't-0', [
      [0, 'a'],
      [1, 'b'],
      [2, 'c'],
    ]);
    script.op([0, 1], 1, 'subscribe', 'ok', { given: { topics: ['t'], group: 'g' } });
    const share = { group: 'g', generation: 1, member: 'm', assigned: ['t-0'], revoked: [] };
    script.poll(
      [2, 12],
      1,
      {
        't-0': [
          [0, 'a'],
          [1, 'b'],
        ],
      },
      [{ ...share, committed: {} }],
    );
    const offsets = { 't-0': 2 };
    const commit = { group: 'g', generation: 1, member: 'm', offsets };
    script.op([20, 35], 1, 'commit', 'ok', { got: commit });
    expect(lagsOf(script)).toEqual({ 'group g': [NONE, 3, 3, 3, 1, 1] });
  });
});
