// The workload `watch`: nodes that come, change and go under the eyes of clients who watch their data, their
// being there and their parents' lists, on connections that are lost and made again elsewhere.
import { tree } from '../checkers/tree.ts';
import { watches } from '../checkers/watches.ts';
import type { OpStep, Plan } from '../history/plan.ts';
import type { Workload, WorkloadContext } from '../history/plugin.ts';
import type { Random } from '../history/random.ts';
import { createAll, finalReads, onTree, paced } from './pacing.ts';

const ROOT = '/chaos/watch';
const PARENTS = 3;
const CHILDREN = 5;
/** Most waits end at once, because the thread goes on to look when its pace says so. */
const WAIT_MS = 40;
/** How operations are drawn; the rest look, with a watch. */
const SHARE = { write: 0.16, add: 0.14, delete: 0.08, wait: 0.2, read: 0.05 } as const;

const parents = Array.from({ length: PARENTS }, (_, i) => `${ROOT}/p${i}`);

function load(context: WorkloadContext, thread: number, random: Random): Plan {
  let written = 0;
  let watched: string | undefined;
  const next = (): OpStep => {
    const parent = random.pick(parents);
    const child = `${parent}/c${random.int(0, CHILDREN - 1)}`;
    const value = `t${thread}-${++written}`;
    let point = random.float();
    const drawn = (share: number): boolean => (point -= share) < 0;
    if (drawn(SHARE.write)) {
      return { kind: 'op', f: 'write', key: random.bool(0.3) ? parent : child, value };
    }
    if (drawn(SHARE.add)) return { kind: 'op', f: 'add', key: child, value };
    if (drawn(SHARE.delete)) return { kind: 'op', f: 'delete', key: child };
    if (drawn(SHARE.wait) && watched !== undefined) {
      return { kind: 'op', f: 'await', key: watched, value: { timeoutMs: WAIT_MS } };
    }
    if (drawn(SHARE.read)) return { kind: 'op', f: 'read', key: parent };
    const f = random.pick(['get', 'exists', 'children']);
    watched = f === 'children' || random.bool(0.2) ? parent : child;
    return { kind: 'op', f, key: watched, value: { watch: true } };
  };
  return paced(context, thread, random, next);
}

/** Steps: `get`, `exists`, `children` with a watch, `await`, `write`, `add`, `delete`. */
export const watch: Workload = {
  name: 'watch',
  description: 'watches on data, existence and children, over lost connections and other servers',
  ...onTree(true),
  setup: (context, thread) => createAll(context, thread, parents, (key) => `setup ${key}`),
  load,
  final: (context, thread) => finalReads(context, thread, parents),
  checkers: [watches, tree],
};
