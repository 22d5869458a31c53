// K11: acks=all is answered when the records are durable at the leader, before anybody else has them. A leader that
// dies then takes acknowledged records with it.
import type { Mutant } from './mutant.ts';

export const k11: Mutant = {
  id: 'K11',
  title: 'acks=all is answered like acks=1',
  source: 'acks=1; asynchronous replication as in Redis',
  guarantee: 'what is acknowledged to acks=all is below the high watermark',
  seenBy: ['replication', 'messages'],
  masks: 'none',
  witness: 'test/witnesses/replication.test.ts',
  patches: [
    {
      file: 'broker/replica/leader.ts',
      find: `      this.#replicated.reached(this.replica.highWatermark);
`,
      replace: `      this.#replicated.reached(this.replica.log.countedOffset);
`,
    },
  ],
};
