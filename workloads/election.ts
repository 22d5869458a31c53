// The workload `election`: masters register as master0000000001 and so on, the smallest leads and the others
// stand by; one that dies or resigns comes back with a larger number. The leader counts in the cluster's name.
import { exclusion } from '../checkers/exclusion.ts';
import { tree } from '../checkers/tree.ts';
import type { Plan } from '../history/plan.ts';
import type { Workload, WorkloadContext } from '../history/plugin.ts';
import type { Random } from '../history/random.ts';
import { Contender, lastHold, type Place } from './contender.ts';
import { createAll, onTree } from './pacing.ts';

const ROOT = '/chaos/election';
/** Threads that stand for one election; a few elections at once give more of them. */
const CANDIDATES = 3;
const WRITES_MAX = 20;
const PAUSE_MS = 30;
const DEATH = 0.4;
/** How long one that died or resigned stays away, ms. */
const AWAY_MS_MAX = 800;

function place({ concurrency }: WorkloadContext, thread: number): Place {
  const i = thread % Math.max(1, Math.floor(concurrency / CANDIDATES));
  return { directory: `${ROOT}/e${i}`, prefix: 'master', resource: `${ROOT}/cluster${i}` };
}

function keys(context: WorkloadContext): string[] {
  const all = Array.from({ length: context.concurrency }, (_, thread) => place(context, thread));
  return [...new Set(all.flatMap(({ directory, resource }) => [directory, resource]))];
}

function* load(context: WorkloadContext, thread: number, random: Random): Plan {
  const candidate = new Contender(context, thread, random);
  for (;;) {
    const writes = random.int(1, WRITES_MAX);
    const tenure = { writes, pauseMs: PAUSE_MS, dies: random.bool(DEATH) };
    yield* candidate.hold(place(context, thread), tenure);
    yield { kind: 'sleep', ms: random.int(1, AWAY_MS_MAX) };
  }
}

/** Steps as in the workload `lock`. */
export const election: Workload = {
  name: 'election',
  description: 'master election: the smallest number leads, the others stand by and take over',
  ...onTree(true),
  setup: (context, thread) =>
    createAll(context, thread, keys(context), (key) => ({ n: 0, token: 0, by: `setup ${key}` })),
  load,
  final: (context, thread) => lastHold(context, thread, place(context, thread), keys(context)),
  checkers: [exclusion, tree],
};
