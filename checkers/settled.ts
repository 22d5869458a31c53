// Since when a run's cluster was undisturbed, so that what takes time must have happened by its end.
// Checkers of what comes in the end (expiry, notifications) share this one answer.
import type { RunRecord } from '../history/run-record.ts';
import { phaseStarts } from './evidence.ts';

/** An epoch is the upper half of a zxid. */
const EPOCH_UNIT = 2 ** 32;

/** From when on, ns, no fault was in place and the last leader stood. */
export function settledSince(run: RunRecord): number {
  let settled = 0;
  for (const { healed } of run.faults) settled = Math.max(settled, healed ?? Infinity);
  if (run.nodeEvents.length === 0) return Math.max(settled, lastEpochSeen(run));
  const endNs = phaseStarts(run.history).get('done') ?? Infinity;
  for (const { ev, t } of run.nodeEvents) {
    const changed = ev === 'established' || ev === 'left' || ev === 'start';
    if (changed && t < endNs) settled = Math.max(settled, t);
  }
  return settled;
}

/** The first reply of the last epoch: servers that log nothing still show by it that a leader stood. */
function lastEpochSeen({ ops }: RunRecord): number {
  let last = { epoch: 0, time: 0 };
  for (const { completion } of ops) {
    const { zxid, time } = completion ?? {};
    if (zxid === undefined || time === undefined) continue;
    const epoch = Math.floor(zxid / EPOCH_UNIT);
    const newer = epoch > last.epoch || (epoch === last.epoch && time < last.time);
    if (newer) last = { epoch, time };
  }
  return last.time;
}
