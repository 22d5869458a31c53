// Z28: What a DIFF brought is applied and not kept for learners to come. A server that leads later
// passes the hole on.
import type { Mutant } from './mutant.ts';

export const z28: Mutant = {
  id: 'Z28',
  title: 'transactions of a DIFF are missing from the next DIFF',
  source: 'ZOOKEEPER-4925',
  guarantee: `a learner's log equals the leader's when it serves`,
  seenBy: ['synchronisation', 'log', 'state-digest', 'no-rollback'],
  masks: 'the checks of contiguity in memory, log and state; patched too',
  witness: 'test/witnesses/synchronisation.test.ts',
  patches: [
    {
      file: 'coordinator/zab/learner.ts',
      find: `      case 'diff':
        this.#phase = 'synchronising';
`,
      replace: `      case 'diff':
        this.#phase = 'synchronising';
        (this as { from?: number }).from = this.#context.recent.last;
`,
    },
    {
      file: 'coordinator/zab/learner.ts',
      find: `    commitUpTo(zxid);
    this.#phase = 'serving';
`,
      replace: `    commitUpTo(zxid);
    this.#phase = 'serving';
    const { from } = this as { from?: number };
    const { recent } = this.#context;
    if (from !== undefined) {
      (recent as never as { forget(from: number, to: number): void }).forget(
        from,
        Math.min(zxid, this.#syncedTo),
      );
    }
`,
    },
    {
      file: 'coordinator/zab/recent-log.ts',
      find: `  /** Drops everything above \`to\`. */
`,
      replace: `  forget(from: number, to: number): void {
    this.#records = this.#records.filter(({ txn }) => txn.zxid <= from || txn.zxid > to);
  }

  /** Drops everything above \`to\`. */
`,
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
