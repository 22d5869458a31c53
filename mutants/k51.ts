// K51: A commit of offsets is taken from whoever sends it, also from a member of a generation that is over. It
// overwrites what the members of now have committed, which is then given out again or never.
import type { Mutant } from './mutant.ts';

export const k51: Mutant = {
  id: 'K51',
  title: 'offsets are committed by members of generations that are over',
  source: 'GroupMetadata.validateOffsetCommit (Kafka)',
  guarantee: 'offsets are committed by current members of the current generation only',
  seenBy: ['group-coordination', 'groups'],
  masks: 'none',
  witness: 'test/witnesses/broker-clients.test.ts',
  patches: [
    {
      file: 'broker/groups/coordinator.ts',
      find: `    const refusal = commitError(group, ask);
`,
      replace: `    const refusal: ErrorName | undefined = undefined;
`,
    },
  ],
};
