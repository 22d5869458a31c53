// The workload `config`: settings kept in znodes that a few clients change, while every other client keeps a
// copy of each by watching it. After the heal all are changed once more, and everybody must be told.
import { tree } from '../checkers/tree.ts';
import { watches } from '../checkers/watches.ts';
import type { OpStep, Plan } from '../history/plan.ts';
import type { Workload, WorkloadContext } from '../history/plugin.ts';
import type { Random } from '../history/random.ts';
import { createAll, finalReads, onTree, paced, rest } from './pacing.ts';

const ROOT = '/chaos/config';
const SETTINGS = 3;
/** One thread of so many writes. */
const WRITERS_EACH = 3;
const WAIT_MS = 1_000;
/** Longer than the checker allows a notification to take. */
const LAST_WAIT_MS = 3_000;

const settings = Array.from({ length: SETTINGS }, (_, i) => `${ROOT}/s${i}`);

const look = (key: string): OpStep => ({ kind: 'op', f: 'get', key, value: { watch: true } });

function* load(context: WorkloadContext, thread: number, random: Random): Plan {
  if (thread % WRITERS_EACH === 0) {
    let rev = 0;
    yield* paced(context, thread, random, () => {
      const key = random.pick(settings);
      if (random.bool()) return { kind: 'op', f: 'get', key };
      return { kind: 'op', f: 'write', key, value: { rev: ++rev, by: thread } };
    });
    return;
  }
  for (;;) {
    for (const key of settings) yield look(key);
    const value = { timeoutMs: WAIT_MS };
    yield { kind: 'op', f: 'await', key: random.pick(settings), value };
    if (random.bool(0.1)) {
      yield { kind: 'op', f: 'reattach', value: { node: random.pick(context.nodes) } };
    }
    yield* rest(context, random);
  }
}

function* final(context: WorkloadContext, thread: number): Plan {
  const key = settings[thread % SETTINGS] as string;
  yield look(key);
  // Whoever writes lets the others look first.
  if (thread < SETTINGS) {
    yield { kind: 'sleep', ms: WAIT_MS };
    yield { kind: 'op', f: 'write', key, value: { rev: 'last', by: thread } };
  } else yield { kind: 'op', f: 'await', key, value: { timeoutMs: WAIT_MS + LAST_WAIT_MS } };
  yield { kind: 'sleep', ms: LAST_WAIT_MS };
  yield* finalReads(context, thread, settings);
}

/** Steps: `get` with a watch, `await`, `write`. */
export const config: Workload = {
  name: 'config',
  description: 'configuration in znodes: every client watches it and is told of each change',
  ...onTree(true),
  setup: (context, thread) => createAll(context, thread, settings, (key) => ({ rev: 0, by: key })),
  load,
  final,
  checkers: [watches, tree],
};
