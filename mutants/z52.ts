// Z52: Notifications leave a moment after the replies. A client then reads the new state before it
// hears of the change.
import type { Mutant } from './mutant.ts';

export const z52: Mutant = {
  id: 'Z52',
  title: 'a notification is queued apart from the replies',
  source: `the ordering guarantee of watches (ZooKeeper programmer's guide)`,
  guarantee: 'a client hears of a change before any reply that shows it',
  seenBy: ['watches'],
  masks: 'none',
  witness: 'test/witnesses/tree.test.ts',
  patches: [
    {
      file: 'coordinator/server/connection.ts',
      find: `    putNotification(this.out, event);
    this.#wrote();
`,
      replace: `    setTimeout(() => {
      if (this.#state !== 'open') return;
      putNotification(this.out, event);
      this.#wrote();
    }, 2);
`,
    },
  ],
};
