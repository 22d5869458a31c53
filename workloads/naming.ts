// The workload `naming`: names instead of addresses. Servers take a name for as long as their session lives,
// clients look names up and are told when one changes hands.
import { discovery } from '../checkers/discovery.ts';
import { tree } from '../checkers/tree.ts';
import { watches } from '../checkers/watches.ts';
import type { OpStep, Plan } from '../history/plan.ts';
import type { Workload, WorkloadContext } from '../history/plugin.ts';
import type { Random } from '../history/random.ts';
import { createAll, finalReads, onTree, paced, settledLists } from './pacing.ts';

const ROOT = '/chaos/naming';
const NAMES = 6;
const WAIT_MS = 40;
/** How operations are drawn; the rest look a name up. */
const SHARE = { take: 0.2, release: 0.1, die: 0.02, list: 0.1, wait: 0.1, mark: 0.05 } as const;

function load(context: WorkloadContext, thread: number, random: Random): Plan {
  const own = new Set<string>();
  let taken = 0;
  let watched: string | undefined;
  const next = (): OpStep => {
    const key = `${ROOT}/name${random.int(0, NAMES - 1)}`;
    let point = random.float();
    const drawn = (share: number): boolean => (point -= share) < 0;
    if (drawn(SHARE.take)) {
      const data = { address: `t${thread}:${++taken}` };
      return { kind: 'op', f: 'create-ephemeral', key, value: { sequential: false, data } };
    }
    const mine = [...own][0];
    if (drawn(SHARE.release) && mine !== undefined) return { kind: 'op', f: 'delete', key: mine };
    if (drawn(SHARE.die)) return { kind: 'op', f: 'abandon', value: { burst: [] } };
    if (drawn(SHARE.list)) return { kind: 'op', f: 'children', key: ROOT, value: { watch: true } };
    if (drawn(SHARE.wait) && watched !== undefined) {
      return { kind: 'op', f: 'await', key: watched, value: { timeoutMs: WAIT_MS } };
    }
    if (drawn(SHARE.mark))
      return { kind: 'op', f: 'write', key: ROOT, value: `t${thread}-${++taken}` };
    watched = key;
    return { kind: 'op', f: random.pick(['get', 'exists']), key, value: { watch: true } };
  };
  return paced(context, thread, random, next, ({ f, type, key = '' }) => {
    if (f === 'create-ephemeral' && type === 'ok') own.add(key);
    if (f === 'delete') own.delete(key);
    if (f === 'abandon' || type === 'info') own.clear();
  });
}

/** Some take a name for good; then all names are listed and looked up through every server. */
function* final(context: WorkloadContext, thread: number): Plan {
  yield { kind: 'op', f: 'open' };
  const key = `${ROOT}/name${thread}`;
  const takes = thread < NAMES / 2;
  if (takes) {
    const data = { address: `t${thread} at last` };
    yield { kind: 'op', f: 'create-ephemeral', key, value: { sequential: false, data } };
  }
  yield* settledLists(context, ROOT);
  for (const node of takes ? context.nodes : []) yield { kind: 'op', f: 'get', key, node };
  if (takes) yield { kind: 'op', f: 'get', key };
  yield* finalReads(context, thread, [ROOT]);
}

/** Steps: `create-ephemeral` takes a name, `delete` gives it back, `get` looks it up. */
export const naming: Workload = {
  name: 'naming',
  description: 'names for addresses: taken by a session, looked up and watched by others',
  ...onTree(true),
  setup: (context, thread) => createAll(context, thread, [ROOT], (key) => `setup ${key}`),
  load,
  final,
  checkers: [discovery, watches, tree],
};
