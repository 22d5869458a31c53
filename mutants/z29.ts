// Z29: the leader commits what it alone has on disk. A partitioned leader then acknowledges writes
// that no successor knows of.
import type { Mutant } from './mutant.ts';

export const z29: Mutant = {
  id: 'Z29',
  title: 'commit without a quorum: the leader counts its own fsync as enough',
  source: 'Zab, the commit rule (Junqueira, Reed, Serafini: Zab, DSN 2011); I-Z9',
  guarantee: 'an acknowledged write is on the disks of a quorum and never rolls back',
  seenBy: ['log', 'no-rollback', 'linearizable'],
  masks: 'none: the leader notices its isolation only after syncLimit, and commits until then',
  witness: 'scenarios/mutants/Z29.json',
  patches: [
    {
      file: 'coordinator/zab/broadcast.ts',
      find: 'const zxid = durable[quorum - 1] as Zxid;',
      replace: 'const zxid = durable[0] as Zxid;',
    },
  ],
};
