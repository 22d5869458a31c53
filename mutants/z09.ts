// Z09: a leader that lost its quorum goes on leading. Cut off, it serves its clients from the past for
// as long as the partition lasts.
import type { Mutant } from './mutant.ts';

export const z09: Mutant = {
  id: 'Z09',
  title: 'the leader never steps down on a lost quorum',
  source: 'zombie leaders; ZooKeeper internals, "Leader activation"',
  guarantee: 'a leader without a quorum stops serving within syncLimit ticks',
  seenBy: ['quorum-service', 'sessions'],
  masks: 'none',
  witness: 'scenarios/mutants/Z09.json',
  patches: [
    {
      file: 'coordinator/zab/leader.ts',
      find: 'if (!this.#context.membership.hasQuorum(this.#inStep)) {',
      replace: 'if (!this.#isVoter(this.#context.config.sid)) {',
    },
  ],
};
