// Since when a run's cluster was undisturbed, so that what takes time must have happened by its end.
// Checkers of what comes in the end (expiry, notifications) share this one answer.
import type { RunRecord } from '../history/run-record.ts';
import { phaseStarts } from './evidence.ts';

/** From when on, ns, no fault was in place and the last leader stood. */
export function settledSince(run: RunRecord): number {
  let settled = 0;
  for (const { healed } of run.faults) settled = Math.max(settled, healed ?? Infinity);
  const endNs = phaseStarts(run.history).get('done') ?? Infinity;
  for (const { ev, t } of run.nodeEvents) {
    const changed = ev === 'established' || ev === 'left' || ev === 'start';
    if (changed && t < endNs) settled = Math.max(settled, t);
  }
  return settled;
}
