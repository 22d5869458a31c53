// K12: A broker that stopped without syncing its logs counts as having everything that it had: it stays in the ISR and
// is elected, the last one standing, and the others cut off what it lost.
import type { Mutant } from './mutant.ts';

export const k12: Mutant = {
  id: 'K12',
  title: 'a replica that may have lost records stays eligible',
  source: 'KIP-966, KAFKA-15583, KAFKA-3410',
  guarantee: 'after an unclean stop a replica with unsynced logs leads only once it has caught up',
  seenBy: ['replication', 'messages'],
  masks: `the leader's own look at a member of the ISR that came back without its unsynced records; patched too`,
  witness: 'test/witnesses/controller.test.ts',
  patches: [
    {
      file: 'broker/controller/election.ts',
      find: `    return this.#electorate.brokers.get(id)?.lossy === true && !this.stayed(id);
`,
      replace: `    return false;
`,
    },
    {
      file: 'broker/replica/leader.ts',
      find: `    if (broker === undefined || !broker.lossy) return false;
`,
      replace: `    if (broker !== null) return false;
`,
    },
  ],
};
