// Z14: What a leader proposes while a learner makes its synchronisation durable is forgotten when
// NEWLEADER is acknowledged, and a commit of what is not there is ignored.
import type { Mutant } from './mutant.ts';

export const z14: Mutant = {
  id: 'Z14',
  title: 'proposals that come before NEWLEADER is acknowledged are dropped',
  source: 'ZOOKEEPER-4394, ZOOKEEPER-3023',
  guarantee: 'logs are contiguous within an epoch',
  seenBy: ['log', 'state-digest', 'no-rollback', 'synchronisation'],
  masks:
    'the checks of contiguity in memory, log and state, and the refusal to commit what is ' +
    'not logged; patched too',
  witness: 'test/witnesses/synchronisation.test.ts',
  patches: [
    {
      file: 'coordinator/zab/learner.ts',
      find: `    this.#held = [];
    this.#log(held);
`,
      replace: `    this.#held = [];
    held.length = 0;
`,
    },
    {
      file: 'coordinator/zab/replica.ts',
      find: `    if (zxid > recent.last) {
`,
      replace: `    if (zxid > recent.last) return;
    if (zxid < 0) {
`,
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
