// What became of operations that nobody answered, by the servers' own words after the run: applied, and at
// which zxid, or applied by nobody. A log only places an operation; no verdict rests on its silence alone.
import type { NodeEvent } from '../history/node-event.ts';
import type { Op } from '../history/op.ts';
import type { RunRecord } from '../history/run-record.ts';
import { levelProblem, nodeLogProblem } from './evidence.ts';
import { withoutRefusedStarts } from './refused-starts.ts';
import { zabView } from './zab-view.ts';

/** Where an unanswered operation has its place. */
export type Placement =
  /** A server applied it: it took effect at `zxid`, before `t` (ns). */
  | { kind: 'applied'; zxid: number; t: number }
  /** It was refused, or no server ever applied it. */
  | { kind: 'without-effect' };

type Apply = Extract<NodeEvent, { ev: 'apply' }>;

const known = new WeakMap<RunRecord, Map<Op, Placement>>();

/**
 * The places of a run's unanswered operations; those that cannot be told have none. With a log that has
 * a gap nothing is told, and as long as any applied transaction was told by no server nothing is taken
 * for unapplied. Remembered per record.
 */
export function placements(run: RunRecord): ReadonlyMap<Op, Placement> {
  const cached = known.get(run);
  if (cached !== undefined) return cached;
  const placed = place(run);
  known.set(run, placed);
  return placed;
}

function place(given: RunRecord): Map<Op, Placement> {
  const placed = new Map<Op, Placement>();
  const open = given.ops.filter((op) => op.type === 'info' && identity(op) !== undefined);
  if (open.length === 0) return placed;
  const run = withoutRefusedStarts(given);
  if (nodeLogProblem(run) !== undefined || levelProblem(run) !== undefined) return placed;
  const first = firstApplies(run);
  const silent = hasUntold(run);
  for (const op of open) {
    const apply = first.get(identity(op) as string);
    if (apply === undefined) {
      if (!silent) placed.set(op, { kind: 'without-effect' });
    } else if (apply.refused === true) placed.set(op, { kind: 'without-effect' });
    else placed.set(op, { kind: 'applied', zxid: apply.zxid, t: apply.t });
  }
  return placed;
}

function identity({ completion }: Op): string | undefined {
  const { session, cxid } = completion ?? {};
  return session === undefined || cxid === undefined ? undefined : `${session}/${cxid}`;
}

/** The first apply of each client request, by any server. */
function firstApplies(run: RunRecord): Map<string, Apply> {
  const first = new Map<string, Apply>();
  for (const event of run.nodeEvents) {
    if (event.ev !== 'apply' || event.session === undefined) continue;
    const request = `${event.session}/${event.cxid}`;
    const other = first.get(request);
    if (other === undefined || event.t < other.t) first.set(request, event);
  }
  return first;
}

/** Whether a transaction was committed, or is held as applied, that no server told of applying. */
function hasUntold(run: RunRecord): boolean {
  const told = new Set<number>();
  for (const event of run.nodeEvents) if (event.ev === 'apply') told.add(event.zxid);
  const { servers, committedZxids } = zabView(run);
  if (committedZxids.some((zxid) => !told.has(zxid))) return true;
  return servers.some(({ log, applied, foundAtFirst }) => {
    if (foundAtFirst > 0) return true;
    return log.zxids.some((zxid) => zxid <= applied && !told.has(zxid));
  });
}
