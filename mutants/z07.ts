// Z07: A would-be leader counts itself as being at the start of the next epoch before a quorum follows
// it. When it fails and another leads, it claims to have a history that it never saw.
import type { Mutant } from './mutant.ts';

export const z07: Mutant = {
  id: 'Z07',
  title: 'a would-be leader takes the first zxid of its epoch for its own before it has a quorum',
  source: 'ZOOKEEPER-790',
  guarantee: 'a server votes and synchronises with the history it has',
  seenBy: ['election', 'synchronisation', 'log', 'state-digest', 'no-rollback'],
  masks:
    `the leader's TRUNC for a zxid that it does not know, and the check that the log ends ` +
    'where NEWLEADER says; patched too',
  witness: 'test/witnesses/epochs.test.ts',
  patches: [
    {
      file: 'coordinator/storage/txn-log.ts',
      find: `    return this.#lastLogged;
`,
      replace: `    const { claimed = 0 } = this as { claimed?: number };
    return Math.max(this.#lastLogged, claimed);
`,
    },
    {
      file: 'coordinator/zab/leader.ts',
      find: `  begin(): void {
`,
      replace: `  begin(): void {
    (this.#context.log as { claimed?: number }).claimed =
      (this.#context.epochs.accepted + 1) * 2 ** 32;
`,
    },
    {
      file: 'coordinator/zab/synchronise.ts',
      find: `common === undefined ? 'snap' : common === peerZxid ? 'diff' : 'trunc';`,
      replace: `common === undefined ? 'snap' : common === peerZxid || peerZxid % 2 ** 32 === 0 ? 'diff' : 'trunc';`,
    },
    {
      file: 'coordinator/zab/learner.ts',
      find: 'if (epoch !== this.#epoch || recent.last !== zxid) {',
      replace: 'if (epoch !== this.#epoch || recent.last > zxid) {',
    },
  ],
};
