// Z47: The state counts as being at a multi's zxid when the first part is applied, and a snapshot may
// be taken then. What is replayed over it begins after the multi.
import type { Mutant } from './mutant.ts';

export const z47: Mutant = {
  id: 'Z47',
  title: 'a snapshot holds the first part of a multi',
  source: 'ZOOKEEPER-3127',
  guarantee:
    'a snapshot and what is replayed over it give the state exactly; a multi happens whole',
  seenBy: ['state-digest', 'bank', 'tree'],
  masks:
    'applying runs to completion, so no snapshot can come between; patched to ask for one ' +
    'there',
  witness: 'test/witnesses/tree.test.ts',
  patches: [
    {
      file: 'coordinator/tree/data-tree.ts',
      find: `    return body.parts.map((part): MultiResult => {
`,
      replace: `    return body.parts.map((part, i): MultiResult => {
      if (i === 1) {
        this.#state.lastApplied = txn.zxid;
        (this as { between?(): void }).between?.();
      }
`,
    },
    {
      file: 'coordinator/zab/replica.ts',
      find: `    this.#durable = this.#recent.last;
`,
      replace: `    this.#durable = this.#recent.last;
    (tree as { between?(): void }).between = () => {
      this.#sinceSnapshot += 1;
      this.#maybeSnapshot();
      this.#sinceSnapshot -= 1;
    };
`,
    },
  ],
};
