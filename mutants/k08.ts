// K08: While a change of the ISR is under way the leader counts on the ISR that it wants, not on everybody who may be
// in it. Cut off from the coordinator it goes on without a replica that is elected next.
import type { Mutant } from './mutant.ts';

export const k08: Mutant = {
  id: 'K08',
  title: 'the high watermark is taken from the ISR that is not stored yet',
  source: 'KIP-497, KAFKA-8733; Kafka 0.8 under Jepsen',
  guarantee: 'the high watermark never passes what every member of the stored ISR holds',
  seenBy: ['replication', 'messages'],
  masks:
    'the size of the smaller of the two ISRs, below which no high watermark advances and nothing is ' +
    'acknowledged; the stored one alone is asked for it',
  witness: 'test/witnesses/replication.test.ts',
  patches: [
    {
      file: 'broker/replica/isr-view.ts',
      find: `    return [...new Set([...this.#stored.isr, ...(this.#pending?.isr ?? [])])];
`,
      replace: `    return [...(this.#pending?.isr ?? this.#stored.isr)];
`,
    },
    {
      file: 'broker/replica/isr-view.ts',
      find: `    return Math.min(this.#stored.isr.length, this.#pending?.isr.length ?? Number.POSITIVE_INFINITY);
`,
      replace: `    return this.#stored.isr.length;
`,
    },
  ],
};
