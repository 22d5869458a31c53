// Cuts the leader off from every other server, both ways, again and again. The majority must elect
// another, and the isolated leader must notice that it leads no longer.
import { linksBetween } from '../history/fault.ts';
import type { Nemesis } from '../history/plugin.ts';
import { findLeader, rounds } from './rhythm.ts';

export const partitionLeader: Nemesis = {
  name: 'partition-leader',
  description: 'isolates the leader from all other servers',
  needs: ['cut'],
  nodesMin: 3,
  plan: (context) =>
    rounds(context, function* (round) {
      const leader = yield* findLeader(round);
      if (leader === undefined) return undefined;
      const others = context.nodes.filter((node) => node !== leader);
      return { kind: 'cut', links: linksBetween([leader], others) };
    }),
};
