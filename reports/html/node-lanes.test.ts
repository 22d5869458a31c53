// A node's lane tells what its own events say, and of its death what they cannot say.
import { describe, expect, it } from 'vitest';
import type { BrokerNodeEvent } from '../../history/broker-event.ts';
import type { NodeEvent } from '../../history/node-event.ts';
import { synthesiseRun } from '../testing.ts';
import { nodeLanes } from './node-lanes.ts';

const { record } = synthesiseRun({ ops: 0 });

function laneOf(fields: Record<string, unknown>[], faults: typeof record.faults = []) {
  const nodeEvents = fields.map(
    (event, seq) => ({ node: 'n1', inc: 1, seq, ...event }) as NodeEvent,
  );
  const config = { ...record.config, nodes: ['n1'] };
  return nodeLanes({ ...record, config, nodeEvents, faults, nodeEventGaps: [] }, 1_000)[0]!;
}

function states(lane: ReturnType<typeof laneOf>): string[] {
  return lane.spans.map((s) => `${s.from}-${s.until} ${s.state}${s.established ? ' crowned' : ''}`);
}

const START = { t: 10, ev: 'start', sid: 1 };

describe('nodeLanes', () => {
  it('follow the roles, and crown a leader only once it is established', () => {
    const lane = laneOf([
      START,
      { t: 20, ev: 'role', role: 'looking' },
      { t: 30, ev: 'role', role: 'leading', leader: 1, epoch: 4 },
      { t: 50, ev: 'established', epoch: 4, zxid: 0 },
    ]);
    expect(states(lane)).toEqual([
      '0-10 down',
      '10-20 starting',
      '20-30 looking',
      '30-50 leading',
      '50-1000 leading crowned',
    ]);
    expect(lane.spans.at(-1)!.epoch).toBe(4);
    expect(lane.marks.map((mark) => mark.t)).toEqual([10, 50]);
  });

  it('show a killed node as down until it starts again', () => {
    const kill = {
      ...record.faults.find((f) => f.fault.kind === 'kill')!,
      fault: { kind: 'kill' as const, nodes: ['n1'] },
      injectStart: 100,
      injected: 120,
      healed: 300,
    };
    const lane = laneOf(
      [START, { t: 20, ev: 'role', role: 'following', leader: 1 }, { ...START, t: 290, inc: 2 }],
      [kill],
    );
    expect(states(lane).slice(2)).toEqual([
      '20-100 following',
      '100-290 down',
      '290-1000 starting',
    ]);
    expect(lane.spans[3]!.reason).toBe(`killed by fault ${kill.id}`);
    expect(lane.spans[2]!.leader).toBe('n1');
  });

  it('show a stop with its reason, and a silent end where the last event stands', () => {
    const stopped = laneOf([START, { t: 40, ev: 'stop', reason: 'ENOSPC' }]);
    expect(stopped.spans.at(-1)).toMatchObject({
      from: 40,
      state: 'down',
      reason: 'stopped: ENOSPC',
    });
    const silent = laneOf([
      START,
      { t: 60, ev: 'role', role: 'looking' },
      { ...START, t: 90, inc: 2 },
    ]);
    expect(states(silent)).toEqual([
      '0-10 down',
      '10-60 starting',
      '60-90 down',
      '90-1000 starting',
    ]);
  });

  it('follow a broker from its start to the controller and out of its session', () => {
    const fields: Record<string, unknown>[] = [
      { t: 10, ev: 'brokerStart', broker: 1 },
      { t: 20, ev: 'registered', broker: 1, epoch: 1 },
      { t: 30, ev: 'controllerElected', controllerEpoch: 7 },
      { t: 40, ev: 'controllerResigned', controllerEpoch: 7 },
      { t: 50, ev: 'sessionLost', session: '1' },
      { t: 60, ev: 'brokerStop', reason: 'SIGTERM' },
    ];
    const brokerEvents = fields.map(
      (event, seq) => ({ node: 'b1', inc: 1, seq, ...event }) as BrokerNodeEvent,
    );
    const config = { ...record.config, nodes: ['n1'] };
    const bare = { ...record, config, nodeEvents: [], faults: [], nodeEventGaps: [] };
    const lanes = nodeLanes({ ...bare, brokerEvents }, 1_000);
    expect(lanes.map(({ node }) => node)).toEqual(['n1', 'b1']);
    expect(states(lanes[1]!)).toEqual([
      '0-10 down',
      '10-20 starting',
      '20-30 serving',
      '30-40 controller',
      '40-50 serving',
      '50-60 unregistered',
      '60-1000 down',
    ]);
    expect(lanes[1]!.spans[3]!.epoch).toBe(7);
    expect(lanes[1]!.spans.at(-1)!.reason).toBe('stopped: SIGTERM');
  });

  it('say nothing of a node without events', () => {
    expect(states(laneOf([]))).toEqual(['0-1000 unknown']);
  });
});
