// K33: A broker that finds its registration there takes it for its own, whichever session made it. It vanishes with
// that session, and the broker serves on without anybody knowing of it.
import type { Mutant } from './mutant.ts';

export const k33: Mutant = {
  id: 'K33',
  title: `a registration of another session counts as one's own`,
  source: 'KAFKA-7165',
  guarantee: `a registered broker's own session owns its registration`,
  seenBy: ['partition-states'],
  masks: 'none',
  witness: 'test/witnesses/controller.test.ts',
  patches: [
    {
      file: 'broker/metadata/registration.ts',
      find: `    return stat?.ephemeralOwner === client.sessionId ? stat.czxid : undefined;
`,
      replace: `    return stat?.czxid;
`,
    },
  ],
};
