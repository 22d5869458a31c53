// Z23: After a TRUNC the log goes on where it had ended before. What stands between is a hole of
// zeros, at which the next start stops reading.
import type { Mutant } from './mutant.ts';

export const z23: Mutant = {
  id: 'Z23',
  title: 'the log goes on at its old offset after a TRUNC',
  source: 'ZOOKEEPER-1489',
  guarantee: 'what was acknowledged outlives a restart',
  seenBy: ['log', 'no-rollback', 'election', 'synchronisation'],
  masks:
    'recovery refuses a hole, because of batches behind it and of the durable mark; ' +
    'patched too',
  witness: 'test/witnesses/storage.test.ts',
  patches: [
    {
      file: 'coordinator/storage/txn-log.ts',
      find: `      if (last !== undefined) this.#segments.push(cutSegment(this.dir, last, to));
`,
      replace: `      if (last !== undefined) {
        const cut = cutSegment(this.dir, last, to);
        this.#segments.push({ ...cut, end: { ...cut.end, offset: last.end.offset } });
      }
`,
    },
    {
      file: 'coordinator/storage/log-inspection.ts',
      find: `      refuseDamage(file, scan, scan.flaw, later);
`,
      replace: `      if (names.length < 0) refuseDamage(file, scan, scan.flaw, later);
`,
    },
    {
      file: 'coordinator/storage/log-mending.ts',
      find: `  if (mark !== undefined) refuseLoss(dir, found, after, mark.zxid);
`,
      replace: `  if (mark !== undefined && after < 0) refuseLoss(dir, found, after, mark.zxid);
`,
    },
  ],
};
