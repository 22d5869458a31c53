// Cuts a leader off from the other servers and kills it before they could be taken for out of sync. Whatever it
// acknowledged in between it had to have from the others, for one of them leads next.
import type { Nemesis } from '../history/plugin.ts';
import { cutsAndKills, findLeader } from './rhythm.ts';

const LENGTHS = {
  /** Below the 2 s after which brokers under test take a silent follower out of the ISR. */
  cutMs: 1_200,
  /** Past the session timeout of 2 s, so that another leads. */
  deadMs: 3_500,
  recoverMs: 2_300,
};

export const killIsolatedLeader: Nemesis = {
  name: 'kill-isolated-leader',
  description: 'cuts off the leader, and kills it before the others count as out of sync',
  needs: ['cut', 'kill'],
  nodesMin: 3,
  plan: (context) =>
    cutsAndKills(context, LENGTHS, function* (round) {
      const leader = yield* findLeader(round);
      return leader === undefined ? undefined : { cutOff: leader, killed: [leader] };
    }),
};
