// Kills the leader with SIGKILL and starts it again on the disk it left.
// What it acknowledged must be there, with or without it.
import type { Nemesis } from '../history/plugin.ts';
import { findLeader, rounds } from './rhythm.ts';

export const killLeader: Nemesis = {
  name: 'kill-leader',
  description: 'kills the leader and starts it again',
  needs: ['kill'],
  nodesMin: 1,
  plan: (context) =>
    rounds(context, function* (round) {
      const leader = yield* findLeader(round);
      return leader === undefined ? undefined : { kind: 'kill', nodes: [leader] };
    }),
};
