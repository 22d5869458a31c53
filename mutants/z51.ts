// Z51: The data is read first and its watch set a moment later. A change in between is told to nobody.
import type { Mutant } from './mutant.ts';

export const z51: Mutant = {
  id: 'Z51',
  title: 'a watch is set after the read, not with it',
  source: 'races between reading and watching',
  guarantee: 'a watch fires for the first change after what its read returned',
  seenBy: ['watches'],
  masks: 'none',
  witness: 'test/witnesses/tree.test.ts',
  patches: [
    {
      file: 'coordinator/server/reads.ts',
      find: `      const done = reply.read(tree.getData(path, watcher, identities), GetDataResponse);
`,
      replace: `      const done = reply.read(tree.getData(path, undefined, identities), GetDataResponse);
      if (done && watcher) setTimeout(() => tree.watches.add('data', path, watcher), 2);
`,
    },
  ],
};
