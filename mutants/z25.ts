// Z25: a learner is not sent proposals between the cut of its DIFF and its acknowledgement of NEWLEADER.
// They are missing from its log and its state.
import type { Mutant } from './mutant.ts';

export const z25: Mutant = {
  id: 'Z25',
  title: 'a gap between computing the DIFF and joining the stream of proposals',
  source: 'ZOOKEEPER-962',
  guarantee: 'logs are contiguous within an epoch',
  seenBy: ['log', 'state-digest', 'no-rollback', 'synchronisation'],
  masks:
    'the checks of contiguity in memory, log and state (enforceContinuousProposal); patched too',
  witness: 'scenarios/mutants/Z25.json',
  patches: [
    {
      file: 'coordinator/zab/broadcast.ts',
      find: `if (phase === 'synchronising' || phase === 'newLeaderAcked' || phase === 'upToDate') {`,
      replace: `if (phase === 'newLeaderAcked' || phase === 'upToDate') {`,
    },
    {
      file: 'coordinator/zxid.ts',
      find: 'return next === previous + 1;',
      replace: 'return next > previous;',
    },
    {
      file: 'coordinator/zxid.ts',
      find: 'return next > previous && counterOf(next) === 1;',
      replace: 'return next > previous && counterOf(next) > 0;',
    },
  ],
};
