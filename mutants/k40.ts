// K40: A broker that begins to lead knows nothing of the producers whose batches its log holds. A batch that is sent
// again, since the answer of the leader before was lost, stands in the log twice.
import type { Mutant } from './mutant.ts';

export const k40: Mutant = {
  id: 'K40',
  title: 'the state of producers is not rebuilt when a broker begins to lead',
  source: 'Redpanda #3039',
  guarantee: 'a batch that an idempotent producer sends again is stored once',
  seenBy: ['producers', 'exactly-once', 'messages'],
  masks: 'the refusal of an unknown producer that does not begin with sequence 0; patched too',
  witness: 'test/witnesses/broker-clients.test.ts',
  patches: [
    {
      file: 'broker/log/partition-log.ts',
      find: `    this.#body.epochs.assign(epoch, this.logEndOffset);
`,
      replace: `    this.#body.epochs.assign(epoch, this.logEndOffset);
    this.#body.forgetProducers();
`,
    },
    {
      file: 'broker/log/log-body.ts',
      find: '  /** Finishes the last segment and begins the next.',
      replace: `  forgetProducers(): void {
    this.producers = new ProducerStates(this.config.producerExpirationMs);
  }

  /** Finishes the last segment and begins the next.`,
    },
    {
      file: 'broker/log/producers.ts',
      find: `    if (header.baseSequence === 0) return { kind: 'next' };
`,
      replace: `    if (header.baseSequence >= 0) return { kind: 'next' };
`,
    },
  ],
};
