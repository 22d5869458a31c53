// Z19: when a DIFF begins, the learner takes everything it has logged for applied. What was logged and not
// yet applied then never is on this server: an ephemeral node may live on it for ever.
import type { Mutant } from './mutant.ts';

export const z19: Mutant = {
  id: 'Z19',
  title: 'the last processed zxid is set from the DIFF before the transactions are applied',
  source: 'ZOOKEEPER-2355',
  guarantee: 'equal zxid means equal state',
  seenBy: ['state-digest', 'sessions'],
  masks:
    'none; in this design the state carries its own zxid, so the change that breaks the rule is to set that',
  witness: 'scenarios/mutants/Z19.json',
  patches: [
    {
      file: 'coordinator/zab/learner.ts',
      find: `      case 'diff':
        this.#phase = 'synchronising';
`,
      replace: `      case 'diff':
        this.#phase = 'synchronising';
        (this.#context.tree as never as { skipTo(zxid: number): void }).skipTo(
          this.#context.recent.last,
        );
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
