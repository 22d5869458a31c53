// Cuts the leaders off from their clients, while they go on talking with their peers: in turn both ways, so that
// requests never arrive, and only for replies, so that what a leader has carried out looks lost to whoever asked for it.
import { CLIENTS, type Link, linksBetween } from '../history/fault.ts';
import type { Nemesis } from '../history/plugin.ts';
import { findHolders, rounds } from './rhythm.ts';

export const cutClients: Nemesis = {
  name: 'cut-clients',
  description:
    'cuts the links of the leaders with their clients, both ways and only for replies in turn',
  needs: ['cut'],
  nodesMin: 1,
  plan: (context) => {
    const first = context.random.int(0, 1);
    return rounds(context, function* (round) {
      const repliesOnly = (first + round) % 2 === 0;
      // Every service loses its leader's clients each time: nobody takes over whom they could turn to, so
      // what a service does between two such faults is part of what shows that it still works.
      const leaders = yield* findHolders('leader');
      if (leaders.length === 0) return undefined;
      const replies: Link[] = leaders.map((from) => ({ from, to: CLIENTS }));
      return { kind: 'cut', links: repliesOnly ? replies : linksBetween(leaders, [CLIENTS]) };
    });
  },
};
