// Z01: votes are compared without their zxid, so a server with an older log can win. Its followers are
// then told to drop what was committed.
import type { Mutant } from './mutant.ts';

export const z01: Mutant = {
  id: 'Z01',
  title: 'the vote order drops the zxid',
  source: 'FastLeaderElection.totalOrderPredicate (ZooKeeper)',
  guarantee: 'a leader holds every transaction committed in earlier epochs',
  seenBy: ['election', 'no-rollback'],
  masks: `the leader's own check in discovery that no counted history is newer; patched too`,
  witness: 'test/mutant-witnesses.test.ts',
  patches: [
    {
      file: 'coordinator/zab/vote.ts',
      find: `  if (a.zxid !== b.zxid) return a.zxid > b.zxid;
`,
      replace: '',
    },
    {
      file: 'coordinator/zab/leader.ts',
      find: `    if (newer) {
`,
      replace: `    if (newer && epochs.current < 0) {
`,
    },
  ],
};
