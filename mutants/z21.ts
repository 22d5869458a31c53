// Z21: a learner whose last transaction the leader does not know gets a DIFF without a TRUNC, and keeps
// it. Its log then holds a transaction that nobody else has.
import type { Mutant } from './mutant.ts';

export const z21: Mutant = {
  id: 'Z21',
  title: `a follower's unknown last zxid is answered by DIFF without TRUNC`,
  source: 'ZOOKEEPER-1154',
  guarantee: 'all servers log and apply the same transactions',
  seenBy: ['log', 'state-digest', 'synchronisation'],
  masks: 'none',
  witness: 'test/mutant-witnesses.test.ts',
  patches: [
    {
      file: 'coordinator/zab/synchronise.ts',
      find: `common === undefined ? 'snap' : common === peerZxid ? 'diff' : 'trunc';`,
      replace: `common === undefined ? 'snap' : 'diff';`,
    },
    {
      file: 'coordinator/zab/learner.ts',
      find: 'if (epoch !== this.#epoch || recent.last !== zxid) {',
      replace: 'if (epoch !== this.#epoch || recent.last < zxid) {',
    },
  ],
};
