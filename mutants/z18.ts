// Z18: A learner keeps the snapshot of a synchronisation in memory and logs what follows. After a
// restart its state lacks all that the snapshot held.
import type { Mutant } from './mutant.ts';

export const z18: Mutant = {
  id: 'Z18',
  title: 'a snapshot sent by the leader is not written to disk',
  source: 'ZOOKEEPER-3642',
  guarantee: 'what a server acknowledged at NEWLEADER outlives a restart',
  seenBy: ['state-digest', 'log', 'synchronisation', 'no-rollback'],
  masks: 'the checks of contiguity in log and state; patched too',
  witness: 'test/witnesses/synchronisation.test.ts',
  patches: [
    {
      file: 'coordinator/zab/learner.ts',
      find: `    snapshots.installSync(zxid, chunks, digest);
    events.emit({ ev: 'snapSaved', zxid, digest });
    log.reset(zxid);
    snapshots.deleteAbove(zxid);
`,
      replace: '',
    },
    {
      file: 'coordinator/zab/learner.ts',
      find: `    const zxid = log.lastLogged;
    const currentEpoch`,
      replace: `    const zxid = Math.max(log.lastLogged, this.#context.tree.lastApplied);
    const currentEpoch`,
    },
    {
      file: 'coordinator/zxid.ts',
      find: 'return next === previous + 1;',
      replace: 'return next > previous;',
    },
    {
      file: 'coordinator/zxid.ts',
      find: 'return next > previous && counterOf(next) === 1;',
      replace: 'return next > previous && counterOf(next) > 0;',
    },
  ],
};
