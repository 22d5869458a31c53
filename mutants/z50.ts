// Z50: A write adds one to the version instead of setting the one that the leader decided, and a
// snapshot may hold the first transaction that is replayed over it. That write then counts twice.
import type { Mutant } from './mutant.ts';

export const z50: Mutant = {
  id: 'Z50',
  title: 'a transaction says “one more” instead of the resulting version',
  source: `ZooKeeper's fuzzy snapshots: replay must be idempotent`,
  guarantee: 'a snapshot and what is replayed over it give the state exactly',
  seenBy: ['state-digest', 'linearizable', 'no-rollback', 'ordered-registers', 'tree'],
  masks:
    'a snapshot is of one zxid here and nothing in it is replayed; patched so that it may ' +
    'be one write ahead of its zxid, which alone changes nothing',
  witness: 'test/witnesses/tree.test.ts',
  patches: [
    {
      file: 'coordinator/tree/data-tree.ts',
      find: `    node.version = body.version;
`,
      replace: `    node.version = body.version === -1 ? -1 : node.version + 1;
`,
    },
    {
      file: 'coordinator/tree/data-tree.ts',
      find: `  capture(nodesPerTurn?: number): Buffer[] | Promise<Buffer[]> {
    return captureState(this.#state, nodesPerTurn);
`,
      replace: `  capture(nodesPerTurn?: number, label?: number): Buffer[] | Promise<Buffer[]> {
    return captureState(this.#state, nodesPerTurn, label);
`,
    },
    {
      file: 'coordinator/tree/snapshot.ts',
      find: `  nodesPerTurn = NODES_PER_TURN,
): Buffer[] | Promise<Buffer[]> {
  return state.nodes.size <= nodesPerTurn
    ? serializeState(state)
    : captureInTurns(state, nodesPerTurn);
`,
      replace: `  nodesPerTurn = NODES_PER_TURN,
  label = state.lastApplied,
): Buffer[] | Promise<Buffer[]> {
  return state.nodes.size <= nodesPerTurn
    ? serializeState(state, label)
    : captureInTurns(state, nodesPerTurn);
`,
    },
    {
      file: 'coordinator/tree/snapshot.ts',
      find: `export function serializeState(state: TreeState): Buffer[] {
  const writer = new StateWriter(state);
`,
      replace: `export function serializeState(state: TreeState, label = state.lastApplied): Buffer[] {
  const writer = new StateWriter(state, label);
`,
    },
    {
      file: 'coordinator/tree/snapshot.ts',
      find: `  constructor(state: TreeState) {
`,
      replace: `  constructor(state: TreeState, label = state.lastApplied) {
`,
    },
    {
      file: 'coordinator/tree/snapshot.ts',
      find: `        lastApplied: state.lastApplied,
`,
      replace: `        lastApplied: label,
`,
    },
    {
      file: 'coordinator/zab/replica.ts',
      find: '    const saved = snapshots.save(zxid, tree.capture(), digest).then(',
      replace: `    const ahead = this.#recent.at(zxid)?.txn.body.type === 'setData' && zxid % 2 ** 32 > 1;
    const label = ahead ? zxid - 1 : zxid;
    const { capture } = tree as never as { capture(turn: undefined, label: number): Buffer[] };
    const saved = snapshots.save(label, capture.call(tree, undefined, label), digest).then(`,
    },
  ],
};
