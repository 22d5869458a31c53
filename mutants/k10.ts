// K10: Nothing asks for min.insync.replicas: not before an append, not when the high watermark rises and not when an
// append is acknowledged. A leader that is alone acknowledges what nobody else has.
import type { Mutant } from './mutant.ts';

export const k10: Mutant = {
  id: 'K10',
  title: 'min.insync.replicas is not looked at',
  source: 'min.insync.replicas (KAFKA-1555)',
  guarantee: 'what is acknowledged to acks=all is on min.insync.replicas replicas',
  seenBy: ['replication', 'messages'],
  masks: 'none',
  witness: 'test/witnesses/replication.test.ts',
  patches: [
    {
      file: 'broker/replica/placement.ts',
      find: `    replica.minIsr = Math.min(minIsr, info.replicas.length);
`,
      replace: `    replica.minIsr = Math.min(1, minIsr);
`,
    },
  ],
};
