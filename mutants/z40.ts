// Z40: a session is not marked as closing when its close is ordered, so an ephemeral node ordered right after
// the close is admitted and lives for ever.
import type { Mutant } from './mutant.ts';

export const z40: Mutant = {
  id: 'Z40',
  title: 'a create is admitted after the close of its session',
  source: 'ZOOKEEPER-1208',
  guarantee: 'no ephemeral node of a session appears after its close',
  seenBy: ['sessions'],
  masks: `the state's own checks that an owner is open and that only an open session is closed; patched`,
  witness: 'test/mutant-witnesses.test.ts',
  patches: [
    {
      file: 'coordinator/tree/overlay.ts',
      find: `    this.#closing.add(session);
`,
      replace: '',
    },
    {
      file: 'coordinator/tree/data-tree.ts',
      find: 'if (owner > 0 && state.session(owner) === undefined) {',
      replace: 'if (owner < 0) {',
    },
    {
      file: 'coordinator/tree/tree-state.ts',
      find:
        'throw new StateError(`expected an open session to close, got 0x$' + '{id.toString(16)}`);',
      replace: 'return;',
    },
  ],
};
