// Z10: A leader whose counter is used up goes on, and the counter runs over into the epoch. The next
// leader gives the same zxids to other transactions.
import type { Mutant } from './mutant.ts';

export const z10: Mutant = {
  id: 'Z10',
  title: 'the counter of a zxid runs over into its epoch',
  source: 'ZOOKEEPER-1277',
  guarantee: 'a leader orders transactions of its own epoch only; a zxid names one transaction',
  seenBy: ['election', 'log'],
  masks: 'a learner acknowledges transactions of its epoch only; patched too',
  witness: 'test/witnesses/epochs.test.ts',
  patches: [
    {
      file: 'coordinator/zab/broadcast.ts',
      find: `      this.#context.leave('the counter of this epoch is used up');
      return;
`,
      replace: `      this.#epoch += 1;
      this.#counter = 0;
`,
    },
    {
      file: 'coordinator/zab/learner.ts',
      find: 'if (epochOf(zxid) === this.#epoch) this.#link',
      replace: 'if (epochOf(zxid) >= this.#epoch) this.#link',
    },
  ],
};
