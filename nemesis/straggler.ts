// A follower that fell behind outlives all that were in sync: it is cut off from the other servers until it is out
// of their ISR, then they die and it alone is left. What it never fetched must wait for them, not be given up.
import type { Nemesis } from '../history/plugin.ts';
import { cutsAndKills, findLeader } from './rhythm.ts';

const LENGTHS = {
  /** The brokers under test take a follower out of the ISR after 2 s, looked at each second. */
  cutMs: 4_000,
  /** Past the session timeout of 2 s, so that the survivor is asked to lead if anybody would. */
  deadMs: 4_500,
  /** The others come back, and the straggler catches up. */
  recoverMs: 4_500,
};

export const straggler: Nemesis = {
  name: 'straggler',
  description: 'lets one follower fall behind, then kills all the others',
  needs: ['cut', 'kill'],
  nodesMin: 3,
  plan: (context) =>
    cutsAndKills(context, LENGTHS, function* (round) {
      const leader = yield* findLeader(round);
      const behind = context.random.pick(context.nodes.filter((node) => node !== leader));
      return { cutOff: behind, killed: context.nodes.filter((node) => node !== behind) };
    }),
};
