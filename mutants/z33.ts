// Z33: A TRUNC that the disk refuses is taken for done, and the server follows. Its log keeps on disk
// what the leader never had.
import type { Mutant } from './mutant.ts';

export const z33: Mutant = {
  id: 'Z33',
  title: 'a failed TRUNC is ignored',
  source: 'ZOOKEEPER-3701',
  guarantee: 'what a TRUNC removed never comes back',
  seenBy: ['log', 'state-digest', 'synchronisation', 'no-rollback'],
  masks: 'a log whose change failed half-way takes nothing more; patched too',
  witness: 'test/witnesses/synchronisation.test.ts',
  patches: [
    {
      file: 'coordinator/zab/learner.ts',
      find: `    log.truncate(to);
    snapshots`,
      replace: `    try {
      log.truncate(to);
    } catch {
      (log as never as { goOn(to: number): void }).goOn(to);
    }
    snapshots`,
    },
    {
      file: 'coordinator/storage/txn-log.ts',
      find: `      const last = this.#segments.pop();
      if (last !== undefined) this.#segments.push(cutSegment(this.dir, last, to));
`,
      replace: `      const last = this.#segments.at(-1);
      if (last !== undefined) this.#segments.splice(-1, 1, cutSegment(this.dir, last, to));
`,
    },
    {
      file: 'coordinator/storage/txn-log.ts',
      find: `  /** The next batch begins a new segment. */
`,
      replace: `  goOn(to: number): void {
    this.#failure = null;
    this.#lastLogged = to;
    this.#writer.resume(this.#segments.at(-1));
  }

  /** The next batch begins a new segment. */
`,
    },
  ],
};
