// Splits the servers at random into a majority and a minority that do not hear each other.
// Only the majority may go on.
import { linksBetween } from '../history/fault.ts';
import type { Nemesis } from '../history/plugin.ts';
import { rounds } from './rhythm.ts';

export const partitionHalves: Nemesis = {
  name: 'partition-halves',
  description: 'splits the servers at random into a majority and a minority',
  needs: ['cut'],
  nodesMin: 3,
  plan: (context) =>
    rounds(context, () => {
      const shuffled = context.random.shuffle(context.nodes);
      const minority = Math.floor((shuffled.length - 1) / 2);
      const links = linksBetween(shuffled.slice(0, minority), shuffled.slice(minority));
      return { kind: 'cut', links };
    }),
};
