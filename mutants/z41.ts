// Z41: A close of a session removes the ephemeral nodes that the index of owners names, instead of
// those that its transaction lists; a loaded snapshot brings no index. Nodes of that session then live
// for ever on a server that restarted.
import type { Mutant } from './mutant.ts';

export const z41: Mutant = {
  id: 'Z41',
  title: 'a close finds its ephemeral nodes by itself, and not all of them after a restart',
  source: 'ZOOKEEPER-3145',
  guarantee: 'a snapshot and what is replayed over it give the state exactly',
  seenBy: ['state-digest', 'sessions'],
  masks:
    'a transaction lists what it removes and the index is rebuilt with a snapshot; both ' +
    'patched. Snapshots are not fuzzy here, so replay can find other nodes than before ' +
    'only by an index that is not the same',
  witness: 'test/witnesses/tree.test.ts',
  patches: [
    {
      file: 'coordinator/tree/data-tree.ts',
      find: `    for (const each of body.deletes) {
`,
      replace: `    const found = [...state.ephemerals(body.session)].sort().map((path) => {
      return { path, parentCversion: state.nodes.get(parentOf(path))?.created ?? 0 };
    });
    for (const each of found) {
`,
    },
    {
      file: 'coordinator/tree/snapshot.ts',
      find: `    state.adopt(node);
`,
      replace: `    state.adopt(node);
    (state as never as { disown(node: ZNode): void }).disown(node);
`,
    },
    {
      file: 'coordinator/tree/tree-state.ts',
      find: `  /** How many ephemeral nodes there are. */
`,
      replace: `  disown({ path, ephemeralOwner }: ZNode): void {
    this.#ephemerals.get(ephemeralOwner)?.delete(path);
  }

  /** How many ephemeral nodes there are. */
`,
    },
  ],
};
