// Z27: UPTODATE carries the zxid that the learner had acknowledged, although more was committed since.
// What was committed in between is never applied there.
import type { Mutant } from './mutant.ts';

export const z27: Mutant = {
  id: 'Z27',
  title: 'UPTODATE carries the acknowledged zxid instead of the last committed one',
  source: 'issue 3 of the TLA+ specification of ZooKeeper (ZOOKEEPER-3615)',
  guarantee: 'every server applies every committed transaction',
  seenBy: ['state-digest', 'log', 'no-rollback', 'session-order', 'synchronisation'],
  masks:
    'a COMMIT counts for all before it, so the next one would make it good; patched to ' +
    'count from the one before, as each COMMIT of ZooKeeper is for one transaction',
  witness: 'test/witnesses/synchronisation.test.ts',
  patches: [
    {
      file: 'coordinator/zab/leader.ts',
      find: `        learner.phase = 'newLeaderAcked';
`,
      replace: `        learner.phase = 'newLeaderAcked';
        (learner as { synced?: number }).synced = message.zxid;
`,
    },
    {
      file: 'coordinator/zab/leader.ts',
      find: 'zxid: this.#broadcast.committed });',
      replace: 'zxid: (learner as { synced?: number }).synced ?? 0 });',
    },
    {
      file: 'coordinator/zab/messages.ts',
      find: '  commit: record({ zxid: long }),',
      replace: '  commit: record({ zxid: long, after: long }),',
    },
    {
      file: 'coordinator/zab/broadcast.ts',
      find: `      this.#commit(zxid);
      const frame = encodeMessage(LEADER_MESSAGES, { type: 'commit', zxid });
`,
      replace: `      const after = this.#committed;
      this.#commit(zxid);
      const frame = encodeMessage(LEADER_MESSAGES, { type: 'commit', zxid, after } as never);
`,
    },
    {
      file: 'coordinator/zab/learner.ts',
      find: `        this.#context.commitUpTo(message.zxid);
`,
      replace: `        (this.#context.tree as never as { skipTo(zxid: number): void }).skipTo(
          (message as never as { after: number }).after,
        );
        this.#context.commitUpTo(message.zxid);
`,
    },
    {
      file: 'coordinator/tree/data-tree.ts',
      find: `  digest(): string {
    return this.#state.digest();
  }
`,
      replace: `  digest(): string {
    return this.#state.digest();
  }

  skipTo(zxid: number): void {
    this.#state.lastApplied = Math.max(this.#state.lastApplied, zxid);
  }
`,
    },
  ],
};
