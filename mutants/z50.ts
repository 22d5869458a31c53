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
      find: `  serialize(): Buffer[] {
    return serializeState(this.#state);
`,
      replace: `  serialize(label?: number): Buffer[] {
    return serializeState(this.#state, label);
`,
    },
    {
      file: 'coordinator/tree/snapshot.ts',
      find: `export function serializeState(state: TreeState): Buffer[] {
`,
      replace: `export function serializeState(state: TreeState, label = state.lastApplied): Buffer[] {
`,
    },
    {
      file: 'coordinator/tree/snapshot.ts',
      find: `      lastApplied: state.lastApplied,
`,
      replace: `      lastApplied: label,
`,
    },
    {
      file: 'coordinator/zab/replica.ts',
      find: '    const saved = snapshots.save(zxid, tree.serialize(), digest).then(',
      replace: `    const ahead = this.#recent.at(zxid)?.txn.body.type === 'setData' && zxid % 2 ** 32 > 1;
    const label = ahead ? zxid - 1 : zxid;
    const { serialize } = tree as never as { serialize(label: number): Buffer[] };
    const saved = snapshots.save(label, serialize.call(tree, label), digest).then(`,
    },
  ],
};
