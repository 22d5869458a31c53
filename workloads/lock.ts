// The workload `lock`: a few locks by ZooKeeper's recipe, each guarding a counter. Holders write a little and
// leave, or die and let their lock expire; a write of one that lost its lock unawares must be refused.
import { exclusion } from '../checkers/exclusion.ts';
import { tree } from '../checkers/tree.ts';
import type { Plan } from '../history/plan.ts';
import type { Workload, WorkloadContext } from '../history/plugin.ts';
import type { Random } from '../history/random.ts';
import { Contender, lastHold, type Place } from './contender.ts';
import { createAll, onTree, rest } from './pacing.ts';

const ROOT = '/chaos/lock';
const THREADS_PER_LOCK = 3;
const WRITES_MAX = 4;
const DEATH = 0.1;

function places({ concurrency }: WorkloadContext): Place[] {
  return Array.from(
    { length: Math.max(1, Math.floor(concurrency / THREADS_PER_LOCK)) },
    (_, i) => ({
      directory: `${ROOT}/l${i}`,
      prefix: 'c-',
      resource: `${ROOT}/r${i}`,
    }),
  );
}

function keys(context: WorkloadContext): string[] {
  return places(context).flatMap(({ directory, resource }) => [directory, resource]);
}

function* load(context: WorkloadContext, thread: number, random: Random): Plan {
  const contender = new Contender(context, thread, random);
  const all = places(context);
  for (;;) {
    const tenure = { writes: random.int(1, WRITES_MAX), pauseMs: 0, dies: random.bool(DEATH) };
    yield* contender.hold(random.pick(all), tenure);
    yield* rest(context, random);
  }
}

function final(context: WorkloadContext, thread: number): Plan {
  const all = places(context);
  return lastHold(context, thread, all[thread % all.length] as Place, keys(context));
}

/** Steps of the recipe: `create-ephemeral`, `children`, `exists`, `await`, `get`, `multi`, `delete`. */
export const lock: Workload = {
  name: 'lock',
  description: 'locks by ZooKeeper’s recipe, with the zxid as fencing token, and what they guard',
  ...onTree(true),
  setup: (context, thread) =>
    createAll(context, thread, keys(context), (key) => ({ n: 0, token: 0, by: `setup ${key}` })),
  load,
  final,
  checkers: [exclusion, tree],
};
