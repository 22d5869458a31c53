// Since when a cluster was undisturbed: by its servers' own events, or where these log nothing by the first
// reply of the last leader's epoch.
import { expect, it } from 'vitest';
import type { Event } from '../history/event.ts';
import type { NodeEvent } from '../history/node-event.ts';
import { settledSince } from './settled.ts';
import { recordOf, testConfig } from './testing-record.ts';

const EPOCH = 2 ** 32;

const record = (history: Event[], nodeEvents: NodeEvent[] = []) =>
  recordOf(testConfig(['n1']), history, nodeEvents);

/** A read answered at `timeNs` with a zxid of `epoch`. */
function reply(index: number, timeNs: number, epoch: number): Event[] {
  const read = { process: index, f: 'get', key: '/a' };
  return [
    { ...read, index, time: timeNs - 1, type: 'invoke' },
    { ...read, index: index + 1, time: timeNs, type: 'ok', zxid: epoch * EPOCH + index },
  ];
}

it('servers that log nothing settle with the first reply of the last epoch', () => {
  const history = [
    ...reply(0, 100, 1),
    ...reply(2, 200, 2),
    ...reply(4, 300, 1),
    ...reply(6, 400, 2),
  ];
  expect(settledSince(record(history))).toBe(200);
});

it('replies of one epoch alone say nothing later than the first of them', () => {
  const history = [...reply(0, 100, 1), ...reply(2, 200, 1)];
  expect(settledSince(record(history))).toBe(100);
});

it('where servers tell of their leaders, replies are not asked', () => {
  const left: NodeEvent = { ev: 'left', t: 50, node: 'n1', inc: 1, seq: 0, reason: 'lost' };
  const history = [...reply(0, 100, 1), ...reply(2, 200, 2)];
  expect(settledSince(record(history, [left]))).toBe(50);
});
