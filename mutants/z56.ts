// Z56: a server answers sync from its own state, without asking the leader. A follower that is cut off
// then serves sync + read from the past until it notices.
import type { Mutant } from './mutant.ts';

export const z56: Mutant = {
  id: 'Z56',
  title: 'sync answered locally by a follower',
  source: "planted bugs of sync's semantics; I-C5 with sync as a quorum operation",
  guarantee: 'sync + getData returns the latest acknowledged write',
  seenBy: ['linearizable', 'session-order'],
  masks: 'none: a follower notices its isolation only after syncLimit, and serves until then',
  witness: 'scenarios/mutants/Z56.json',
  patches: [
    {
      file: 'coordinator/zab/learner.ts',
      find: "this.#link?.send({ type: 'sync', request, session });",
      replace: 'this.#context.front.synced(request, this.#context.tree.lastApplied);',
    },
  ],
};
