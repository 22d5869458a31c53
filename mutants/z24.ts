// Z24: the state holds what was logged and never committed: a restart applies the whole log. TRUNC then
// cuts the log alone, and the state keeps the phantom.
import type { Mutant } from './mutant.ts';

export const z24: Mutant = {
  id: 'Z24',
  title: 'the state keeps an uncommitted tail that TRUNC removed from the log',
  source: 'ZOOKEEPER-1549, ZOOKEEPER-4837, ZOOKEEPER-2832',
  guarantee: 'equal zxid means equal state',
  seenBy: ['state-digest', 'log', 'synchronisation'],
  masks: `the learner's refusal to truncate below what it applied; patched too`,
  witness: 'scenarios/mutants/Z24.json',
  patches: [
    {
      file: 'coordinator/zab/replica.ts',
      find: 'if (record.txn.zxid <= options.committed) tree.apply(record);',
      replace: 'tree.apply(record);',
    },
    {
      file: 'coordinator/zab/learner.ts',
      find: `    if (tree.lastApplied > to) {
`,
      replace: `    if (tree.lastApplied < 0) {
`,
    },
    {
      file: 'coordinator/storage/txn-log.ts',
      find: 'if (to < this.#base || to < this.#committed) {',
      replace: 'if (to < this.#base) {',
    },
  ],
};
