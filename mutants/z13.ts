// Z13: currentEpoch is written before the transactions of the synchronisation are. A crash between the two
// leaves a server that wins votes with a history it does not have.
import type { Mutant } from './mutant.ts';

export const z13: Mutant = {
  id: 'Z13',
  title: 'currentEpoch is persisted before the synchronised transactions',
  source: 'ZOOKEEPER-4643, ZOOKEEPER-4785',
  guarantee: 'a server votes with the history it has',
  seenBy: ['synchronisation', 'election'],
  masks: 'none',
  witness: 'scenarios/mutants/Z13.json',
  patches: [
    {
      file: 'coordinator/zab/learner.ts',
      find: `    this.#phase = 'persisting';
`,
      replace: `    this.#phase = 'persisting';
    if (this.#context.epochs.current !== epoch) {
      this.#context.epochs.setCurrent(epoch);
      this.#context.events.emit({ ev: 'currentEpoch', epoch });
    }
`,
    },
  ],
};
