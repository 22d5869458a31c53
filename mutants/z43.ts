// Z43: A leader puts a session into its state when it orders the creation, before that is committed.
// Its state is then ahead of its zxid, and stays so when the leader falls.
import type { Mutant } from './mutant.ts';

export const z43: Mutant = {
  id: 'Z43',
  title: `a session is in the leader's state before its creation is committed`,
  source: 'ZOOKEEPER-2926',
  guarantee: 'equal zxid means equal state',
  seenBy: ['state-digest', 'sessions'],
  masks: `the state's own check that a session is new; patched too`,
  witness: 'test/witnesses/tree.test.ts',
  patches: [
    {
      file: 'coordinator/tree/preparer.ts',
      find: `    this.#overlay.openSession(zxid, zxid);
`,
      replace: `    this.#overlay.openSession(zxid, zxid);
    (this.#tree as never as { admit(session: object): void }).admit({
      id: zxid,
      timeoutMs,
      password: Buffer.from(password),
    });
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

  admit(session: Session): void {
    this.#state.addSession(session);
  }
`,
    },
    {
      file: 'coordinator/tree/tree-state.ts',
      find: `    if (this.#sessions.has(session.id)) {
`,
      replace: `    if (this.#sessions.has(session.id)) return;
    if (session.id < 0) {
`,
    },
  ],
};
