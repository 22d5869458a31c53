// K06: A follower comes into the ISR as soon as it has everything below the leader's high watermark, though that of
// a new leader may be older than what was acknowledged before it. Elected next, it lacks records.
import type { Mutant } from './mutant.ts';

export const k06: Mutant = {
  id: 'K06',
  title: 'the ISR takes in who has not come to where the leader epoch began',
  source: 'KAFKA-7128',
  guarantee: 'who is taken into the ISR holds everything that was ever acknowledged',
  seenBy: ['replication', 'messages'],
  masks: 'none',
  witness: 'test/witnesses/replication.test.ts',
  patches: [
    {
      file: 'broker/replica/leader.ts',
      find: 'follower.offset < Math.max(highWatermark, this.startOffset)',
      replace: 'follower.offset < highWatermark',
    },
  ],
};
