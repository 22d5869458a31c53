// K18: A consumer is given everything up to the log's end, also what is not yet on the other replicas. What it has
// seen may be gone after the next election, and other records stand there.
import type { Mutant } from './mutant.ts';

export const k18: Mutant = {
  id: 'K18',
  title: 'consumers read above the high watermark',
  source: 'the high watermark as the limit of reads (Kafka replication design)',
  guarantee: 'a consumer never receives an offset at or above the high watermark',
  seenBy: ['replication', 'messages'],
  masks: 'none',
  witness: 'test/witnesses/replication.test.ts',
  patches: [
    {
      file: 'broker/replica/fetch-answers.ts',
      find: `  return isFollower ? log.logEndOffset : highWatermark;
`,
      replace: `  return log.logEndOffset;
`,
    },
  ],
};
