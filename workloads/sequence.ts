// The workload `sequence`: sequential nodes under a few parents at a time, made singly and in pipelines that
// do not wait for answers, listed and deleted. A parent retires after some hundred, so that lists stay short.
import { fifo, sequence as sequenceChecker } from '../checkers/sequence.ts';
import { tree } from '../checkers/tree.ts';
import type { Event } from '../history/event.ts';
import type { OpStep, Plan } from '../history/plan.ts';
import type { Workload, WorkloadContext } from '../history/plugin.ts';
import type { Random } from '../history/random.ts';
import { createAll, finalReads, paced, SESSION_OPTIONS, treeClient } from './pacing.ts';

const ROOT = '/chaos/sequence';
const OPS_PER_PARENT = 100;
const PARENTS_MAX = 1_000;
/** Parents in a closed loop, where nobody knows how many operations there will be. */
const PARENTS_CLOSED_LOOP = 200;
/** Parents in use at once. */
const ACTIVE = 2;
const BURST_MIN = 2;
const BURST_MAX = 6;
/** How operations are drawn; the rest list a parent's children. */
const SHARE = { create: 0.55, burst: 0.12, delete: 0.2 } as const;
/** Own nodes remembered for deletion. */
const OWN_MAX = 20;

function parents({ ratePerSecond, timeLimitMs }: WorkloadContext): string[] {
  const ops = (ratePerSecond * timeLimitMs) / 1000;
  const wanted = ratePerSecond > 0 ? Math.ceil(ops / OPS_PER_PARENT) + ACTIVE : PARENTS_CLOSED_LOOP;
  const count = Math.min(PARENTS_MAX, wanted);
  return Array.from({ length: count }, (_, i) => `${ROOT}/p${String(i).padStart(4, '0')}`);
}

function load(context: WorkloadContext, thread: number, random: Random): Plan {
  const all = parents(context);
  const own: string[] = [];
  let made = 0;
  const next = (round: number): OpStep => {
    const turn = Math.floor((round * context.concurrency) / (ACTIVE * OPS_PER_PARENT));
    const key = all[(turn * ACTIVE + random.int(0, ACTIVE - 1)) % all.length] as string;
    let point = random.float();
    const drawn = (share: number): boolean => (point -= share) < 0;
    if (drawn(SHARE.create)) {
      const value = `t${thread}-${++made}`;
      return { kind: 'op', f: 'create-sequential', key: `${key}/n-`, value };
    }
    if (drawn(SHARE.burst)) {
      const value = { count: random.int(BURST_MIN, BURST_MAX), name: `b${thread}-${++made}` };
      return { kind: 'op', f: 'burst', key, value };
    }
    const looks = random.bool();
    const victim = drawn(SHARE.delete)
      ? looks
        ? random.pick([...own, key])
        : own.shift()
      : undefined;
    if (victim !== undefined) return { kind: 'op', f: looks ? 'exists' : 'delete', key: victim };
    return { kind: 'op', f: 'children', key };
  };
  const learn = ({ f, type, value }: Event): void => {
    if (f !== 'create-sequential' || type !== 'ok') return;
    own.push((value as { path: string }).path);
    if (own.length > OWN_MAX) own.shift();
  };
  return paced(context, thread, random, next, learn);
}

function* final(context: WorkloadContext, thread: number): Plan {
  yield* finalReads(context, thread, parents(context));
  yield* finalReads(context, thread, parents(context), 'children');
}

/** Steps: `create-sequential`, `burst` (several at once), `delete`, `children`. */
export const sequence: Workload = {
  name: 'sequence',
  description: 'sequential nodes, singly and in pipelines: numbers rise, order is kept',
  systems: ['coordinator'],
  defaultOptions: { ...SESSION_OPTIONS },
  setup: (context, thread) => createAll(context, thread, parents(context)),
  load,
  final,
  client: (context, thread) => treeClient(context, thread, false),
  checkers: [sequenceChecker, fifo, tree],
};
