// K09: When nobody of the ISR lives, any living replica is elected, whatever the topic allows, and nothing marks that
// election. What the replica had not fetched is cut off everywhere.
import type { Mutant } from './mutant.ts';

export const k09: Mutant = {
  id: 'K09',
  title: 'any living replica is elected when the ISR is dead',
  source: 'unclean leader election; Kafka 0.8 under Jepsen (2013)',
  guarantee: 'a leader is elected from the ISR, or the partition waits',
  seenBy: ['partition-states', 'replication', 'messages'],
  masks: 'none',
  witness: 'test/witnesses/controller.test.ts',
  patches: [
    {
      file: 'broker/controller/election.ts',
      find: `  if (electorate.uncleanElection && any !== undefined) {
    return { state: become(any, [any]), unclean: true };
`,
      replace: `  if (any !== undefined) {
    return { state: become(any, [any]) };
`,
    },
  ],
};
