// Z02: Votes are compared by zxid alone, without the epoch whose history a server holds. A tail that
// was given up by the quorum of a later epoch then wins over that epoch.
import type { Mutant } from './mutant.ts';

export const z02: Mutant = {
  id: 'Z02',
  title: 'the vote order ignores the epoch',
  source: 'ZOOKEEPER-335, ZOOKEEPER-1081, ZOOKEEPER-1082',
  guarantee:
    'a leader holds the newest history, by current epoch and then by zxid, of the quorum ' +
    'it counted',
  seenBy: ['election'],
  masks:
    `the leader's own check in discovery that no counted history is newer; its epoch is ` +
    'ignored too',
  witness: 'test/witnesses/epochs.test.ts',
  patches: [
    {
      file: 'coordinator/zab/vote.ts',
      find: `  if (a.epoch !== b.epoch) return a.epoch > b.epoch;
`,
      replace: '',
    },
    {
      file: 'coordinator/zab/leader.ts',
      find: `      currentEpoch > epochs.current || (currentEpoch === epochs.current && zxid > log.lastLogged);
`,
      replace: `      zxid > log.lastLogged;
`,
    },
  ],
};
