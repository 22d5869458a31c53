// K01: A replica that begins to follow cuts its log to its own high watermark, which lags behind the leader's by a
// fetch. What it cut is committed, and gone if it is elected before it has fetched it again.
import type { Mutant } from './mutant.ts';

export const k01: Mutant = {
  id: 'K01',
  title: 'a follower truncates to its own high watermark',
  source: 'KIP-101 scenario 1, KAFKA-1211',
  guarantee: 'what is committed is never truncated, and every later leader has it',
  seenBy: ['replication', 'messages'],
  masks: 'none',
  witness: 'test/witnesses/replication.test.ts',
  patches: [
    {
      file: 'broker/replica/partition.ts',
      find: `        else this.#follow(state);
`,
      replace: `        else {
          const { highWatermark: to } = this.replica;
          if (to < this.replica.log.logEndOffset) {
            const cut = await this.replica.log.truncateTo(to);
            this.replica.emit('logTruncated', { to: cut, leaderEpoch: state.leaderEpoch });
          }
          this.#follow(state);
        }
`,
    },
  ],
};
