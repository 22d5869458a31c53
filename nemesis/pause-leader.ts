// Stops the leader's process where it stands and lets it go on later. It wakes up believing that it
// leads, with requests in its hands.
import type { Nemesis } from '../history/plugin.ts';
import { findLeader, rounds } from './rhythm.ts';

export const pauseLeader: Nemesis = {
  name: 'pause-leader',
  description: 'pauses the leader and continues it',
  needs: ['pause'],
  nodesMin: 1,
  plan: (context) =>
    rounds(context, function* (round) {
      const leader = yield* findLeader(round);
      return leader === undefined ? undefined : { kind: 'pause', nodes: [leader] };
    }),
};
