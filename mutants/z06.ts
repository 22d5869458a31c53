// Z06: A learner acknowledges NEWLEADER before currentEpoch is on disk; it writes it at UPTODATE. A
// quorum that dies in between has forgotten the epoch that it established.
import type { Mutant } from './mutant.ts';

export const z06: Mutant = {
  id: 'Z06',
  title: 'currentEpoch is persisted at UPTODATE instead of before the acknowledgement of NEWLEADER',
  source: 'ZOOKEEPER-1282',
  guarantee: 'an established epoch is on the disks of the quorum that acknowledged it',
  seenBy: ['election'],
  masks:
    'a server that logged a transaction of the epoch finishes its synchronisation when it ' +
    'starts again; not patched, as it comes too late',
  witness: 'test/witnesses/epochs.test.ts',
  patches: [
    {
      file: 'coordinator/zab/learner.ts',
      find: `    if (epochs.current !== epoch) {
      epochs.setCurrent(epoch);
      events.emit({ ev: 'currentEpoch', epoch });
    }
    events.emit({ ev: 'newLeaderAck', epoch, zxid });
`,
      replace: `    events.emit({ ev: 'newLeaderAck', epoch, zxid });
`,
    },
    {
      file: 'coordinator/zab/learner.ts',
      find: `    commitUpTo(zxid);
    this.#phase = 'serving';
`,
      replace: `    if (this.#context.epochs.current !== this.#epoch) {
      this.#context.epochs.setCurrent(this.#epoch);
      events.emit({ ev: 'currentEpoch', epoch: this.#epoch });
    }
    commitUpTo(zxid);
    this.#phase = 'serving';
`,
    },
  ],
};
