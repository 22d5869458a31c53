// Z32: Recovery takes the first record that does not check for the end of the log and drops what
// follows. What had been fsynced long ago is then forgotten without a word.
import type { Mutant } from './mutant.ts';

export const z32: Mutant = {
  id: 'Z32',
  title: 'recovery cuts the log at the first bad record',
  source: 'torn and corrupt logs: Protocol-Aware Recovery (FAST 2018)',
  guarantee: 'a server that lost what it had acknowledged does not start',
  seenBy: ['log', 'no-rollback', 'election'],
  masks: 'the durable mark, which remembers how far the log had been fsynced; patched too',
  witness: 'test/witnesses/storage.test.ts',
  patches: [
    {
      file: 'coordinator/storage/log-inspection.ts',
      find: `      refuseDamage(file, scan, scan.flaw, later);
`,
      replace: `      if (names.length < 0) refuseDamage(file, scan, scan.flaw, later);
      (result as { dropped?: string[] }).dropped = names.slice(at + 1);
`,
    },
    {
      file: 'coordinator/storage/log-inspection.ts',
      find: `    result.currentEpoch = Math.max(result.currentEpoch, scan.currentEpoch);
`,
      replace: `    result.currentEpoch = Math.max(result.currentEpoch, scan.currentEpoch);
    if (scan.flaw !== null) break;
`,
    },
    {
      file: 'coordinator/storage/log-mending.ts',
      find: `  if (mark !== undefined) refuseLoss(dir, found, after, mark.zxid);
`,
      replace: `  removeInOrder(dir, (found as { dropped?: string[] }).dropped ?? []);
`,
    },
  ],
};
