// Z49: Deletions that a start replays from the log do not touch the pzxid of the parent. A client that
// comes back with its watches is not told of children that went.
import type { Mutant } from './mutant.ts';

export const z49: Mutant = {
  id: 'Z49',
  title: 'a replayed deletion leaves the pzxid of the parent',
  source: 'ZOOKEEPER-3125',
  guarantee: 'a snapshot and what is replayed over it give the state exactly',
  seenBy: ['state-digest', 'watches'],
  masks:
    'none; snapshots are not fuzzy here, so a replayed deletion always finds its node, and ' +
    'replay itself is what tells it apart',
  witness: 'test/witnesses/tree.test.ts',
  patches: [
    {
      file: 'coordinator/tree/data-tree.ts',
      find: `    parent.pzxid = zxid;
`,
      replace: `    if ((this as { replaying?: boolean }).replaying !== true) parent.pzxid = zxid;
`,
    },
    {
      file: 'coordinator/zab/replica.ts',
      find: 'if (record.txn.zxid <= options.committed) tree.apply(record);',
      replace: `if (record.txn.zxid > options.committed) continue;
      (tree as { replaying?: boolean }).replaying = true;
      tree.apply(record);
      (tree as { replaying?: boolean }).replaying = false;`,
    },
  ],
};
