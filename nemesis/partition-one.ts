// Isolates one server, drawn at random: a follower as often as chance has it.
// The others must hardly notice, and the one must serve nothing stale.
import { linksBetween } from '../history/fault.ts';
import type { Nemesis } from '../history/plugin.ts';
import { rounds } from './rhythm.ts';

export const partitionOne: Nemesis = {
  name: 'partition-one',
  description: 'isolates one server drawn at random',
  needs: ['cut'],
  nodesMin: 3,
  plan: (context) =>
    rounds(context, () => {
      const one = context.random.pick(context.nodes);
      const others = context.nodes.filter((node) => node !== one);
      return { kind: 'cut', links: linksBetween([one], others) };
    }),
};
