// Z16: A server looks for a leader while appends of its last tenure still wait for the disk. They land
// after the TRUNC of the next leader.
import type { Mutant } from './mutant.ts';

export const z16: Mutant = {
  id: 'Z16',
  title: 'the log is not drained before the next tenure',
  source: 'ZOOKEEPER-4712, ZOOKEEPER-4541',
  guarantee: 'what a TRUNC removed never comes back; zxids in a log rise',
  seenBy: ['log', 'state-digest', 'no-rollback', 'synchronisation'],
  masks: `the log's own refusal to be cut while something is on its way to the disk; patched too`,
  witness: 'test/witnesses/storage.test.ts',
  patches: [
    {
      file: 'coordinator/zab/replica.ts',
      find: `    log.drained().then(
`,
      replace: `    Promise.resolve().then(
`,
    },
    {
      file: 'coordinator/storage/txn-log.ts',
      find: 'if (!this.#idle) throw',
      replace: 'if (this.#segmentBytes < 0) throw',
    },
  ],
};
