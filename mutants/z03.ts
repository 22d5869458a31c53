// Z03: half of the voters count as a quorum. Two halves of a split, or with three servers each one
// alone, then lead at the same time.
import type { Mutant } from './mutant.ts';

export const z03: Mutant = {
  id: 'Z03',
  title: 'a quorum is half of the voters instead of more than half',
  source: 'split brain: Sentinel, Exhibitor',
  guarantee: 'at most one established leader an epoch; acknowledged writes survive',
  seenBy: ['election'],
  masks: 'none',
  witness: 'test/mutant-witnesses.test.ts',
  patches: [
    {
      file: 'coordinator/zab/vote.ts',
      find: 'return Math.floor(voters / 2) + 1;',
      replace: 'return Math.floor(voters / 2);',
    },
  ],
};
