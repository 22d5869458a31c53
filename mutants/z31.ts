// Z31: a write counts as durable once it is handed to the operating system, without fsync. A power loss
// takes acknowledged writes with it.
import type { Mutant } from './mutant.ts';

export const z31: Mutant = {
  id: 'Z31',
  title: 'acknowledged before fsync',
  source: 'forceSync=no (ZooKeeper); NATS #7564',
  guarantee: 'an acknowledged write survives a power loss of a minority',
  seenBy: ['no-rollback', 'log', 'linearizable'],
  masks:
    'none; a kill does not show it, only a power loss does (the durable mark follows the fsync)',
  witness: 'scenarios/mutants/Z31.json',
  patches: [
    {
      file: 'coordinator/storage/log-writer.ts',
      find: 'if (header === null) fs.fdatasync(fd, synced);',
      replace: 'if (header === null) setImmediate(finish, null);',
    },
  ],
};
