// Leaders, ISRs and controllers as brokers' events tell them, a death included, which no event tells.
import { describe, expect, it } from 'vitest';
import { brokerEvents } from '../testing-broker.ts';
import { brokerLanes, highWatermarks, truncations } from './broker-lanes.ts';
import type { NodeLane } from './node-lanes.ts';

const level = 'all' as const;
const start = (t: number, node: string, broker: number) =>
  ({ t, node, ev: 'brokerStart', broker, clean: true, lossy: false, level }) as const;
const stored = (t: number, tp: string, leader: number, leaderEpoch: number, isr: number[]) =>
  ({
    t,
    node: 'b2',
    ev: 'stateStored',
    tp,
    by: 'controller',
    leader,
    leaderEpoch,
    isr,
    controllerEpoch: 1,
    version: 0,
  }) as const;

const EVENTS = brokerEvents([
  start(1, 'b2', 2),
  start(2, 'b1', 1),
  { t: 3, node: 'b1', ev: 'controllerElected', controllerEpoch: 1 },
  stored(10, 't-0', 1, 0, [1, 2]),
  stored(10, '__consumer_offsets-0', 2, 0, [2]),
  { t: 12, node: 'b1', ev: 'becameLeader', tp: 't-0', leaderEpoch: 0, leo: 0, hw: 0, isr: [1, 2] },
  {
    t: 15,
    node: 'b1',
    ev: 'highWatermark',
    tp: 't-0',
    hw: 4,
    leaderEpoch: 0,
    isr: [1, 2],
    version: 0,
  },
  { t: 40, node: 'b2', ev: 'controllerElected', controllerEpoch: 2 },
  { ...stored(41, 't-0', -1, 1, [1]), elr: [2] },
  stored(60, 't-0', 2, 2, [2]),
  {
    t: 61,
    node: 'b2',
    ev: 'highWatermark',
    tp: 't-0',
    hw: 3,
    leaderEpoch: 2,
    isr: [2],
    version: 2,
  },
  { t: 70, node: 'b1', ev: 'logTruncated', tp: 't-0', to: 3, leaderEpoch: 2 },
  { t: 80, node: 'b2', ev: 'controllerResigned', controllerEpoch: 2, reason: 'session' },
]);
const NODES: NodeLane[] = [
  {
    node: 'b1',
    spans: [
      { from: 0, until: 30, state: 'serving' },
      { from: 30, until: 65, state: 'down' },
    ],
    faults: [],
    marks: [],
  },
];
const lanes = brokerLanes(EVENTS, NODES, 100);

describe('brokerLanes', () => {
  it('follow each partition through leaders, nobody, and its ISR', () => {
    const lane = lanes.partitions[0]!;
    expect(lane.key).toBe('t-0');
    expect(lane.spans).toEqual([
      { from: 10, until: 41, leader: 1, epoch: 0, isr: [1, 2] },
      { from: 41, until: 60, leader: -1, epoch: 1, isr: [1], elr: [2] },
      { from: 60, until: 100, leader: 2, epoch: 2, isr: [2] },
    ]);
    expect(lane.replicas).toEqual([1, 2]);
    expect(lane.marks.map(({ t }) => t)).toEqual([12, 70]);
  });

  it("put the broker's own topics last", () => {
    expect(lanes.partitions.map(({ key }) => key)).toEqual(['t-0', '__consumer_offsets-0']);
  });

  it('end a controller where it died or resigned, not where the next one is elected', () => {
    expect(lanes.controllers).toEqual([
      { from: 3, until: 30, broker: 1, epoch: 1 },
      { from: 40, until: 80, broker: 2, epoch: 2 },
    ]);
  });

  it('name the brokers in order of their ids, with their times down', () => {
    expect(lanes.brokers).toEqual([
      { id: 1, node: 'b1', down: [{ from: 30, until: 65 }] },
      { id: 2, node: 'b2', down: [] },
    ]);
  });

  it('know high watermarks and where logs were cut', () => {
    expect(highWatermarks(EVENTS).get('t-0')).toEqual([
      { t: 15, value: 4 },
      { t: 61, value: 3 },
    ]);
    expect(truncations(EVENTS)).toEqual([{ t: 70, key: 't-0', to: 3, node: 'b1' }]);
  });
});
