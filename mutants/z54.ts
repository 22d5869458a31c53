// Z54: a read is answered from the state at its arrival, although earlier requests of its session are
// still under way: it does not see its own session's write, and passes a sync.
import type { Mutant } from './mutant.ts';

export const z54: Mutant = {
  id: 'Z54',
  title: 'a read bypasses pending writes of its session',
  source: 'ZOOKEEPER-1863',
  guarantee: 'a session sees its own writes; sync then read is linearizable',
  seenBy: ['session-order', 'linearizable'],
  masks: 'none',
  witness: 'test/mutant-witnesses.test.ts',
  patches: [
    {
      file: 'coordinator/server/pipeline.ts',
      find: `    this.#queue.push(entry);
    if (kind ===`,
      replace: `    if (kind === 'read' && this.#queue.length > 0) {
      const Writer = this.#host.out.constructor as new () => typeof this.#host.out;
      const early = new Writer();
      putRead(early, entry.xid, entry.work.read as never, this.#host.tree, this.#host, entry.identities);
      (entry as { early?: Buffer }).early = early.toBuffer();
    }
    this.#queue.push(entry);
    if (kind ===`,
    },
    {
      file: 'coordinator/server/pipeline.ts',
      find: `    if (work.kind === 'read') watch =`,
      replace: `    const { early } = entry as { early?: Buffer };
    if (early !== undefined) out.bytes(early);
    else if (work.kind === 'read') watch =`,
    },
  ],
};
