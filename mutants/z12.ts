// Z12: A learner acknowledges NEWLEADER as soon as what the synchronisation brought is on its way to
// the disk. A power loss then takes from the quorum what the leader rests on.
import type { Mutant } from './mutant.ts';

export const z12: Mutant = {
  id: 'Z12',
  title: 'NEWLEADER is acknowledged before the fsync of the synchronised transactions',
  source: 'ZOOKEEPER-4646',
  guarantee: 'an established leader rests on logs that a quorum has on disk',
  seenBy: ['log', 'synchronisation', 'no-rollback', 'election'],
  masks: 'none',
  witness: 'test/witnesses/synchronisation.test.ts',
  patches: [
    {
      file: 'coordinator/zab/learner.ts',
      find: 'this.#context.log.drained().then(',
      replace: 'Promise.resolve().then(',
    },
  ],
};
