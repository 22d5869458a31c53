// Z55: a server accepts a client that has seen more than it has. A client that moves to a lagging server
// then goes back in time.
import type { Mutant } from './mutant.ts';

export const z55: Mutant = {
  id: 'Z55',
  title: 'the handshake does not refuse a client that is ahead',
  source: 'lastZxidSeen; ClickHouse Keeper before 25.12 (#90016)',
  guarantee: 'within a session reply zxids never decrease, across servers too',
  seenBy: ['session-order', 'sessions'],
  masks: 'none',
  witness: 'test/mutant-witnesses.test.ts',
  patches: [
    {
      file: 'coordinator/server/client-sessions.ts',
      find: 'if (lastZxidSeen > lastApplied) this',
      replace: 'if (sessionId < 0n) this',
    },
    {
      file: 'coordinator/server/client-sessions.ts',
      find: 'const isNewer = sessionId > BigInt(lastApplied);',
      replace: 'const isNewer = false;',
    },
  ],
};
