// A follower that fell behind outlives all that were in sync: it is cut off from the other servers until it is out
// of their ISR, then they die and it alone is left. What it never fetched must wait for them, not be given up.
import { linksBetween } from '../history/fault.ts';
import type { Plan } from '../history/plan.ts';
import type { Nemesis } from '../history/plugin.ts';
import { findLeader } from './rhythm.ts';

const FIRST_MS = 1_000;
/** The brokers under test take a follower out of the ISR after 2 s, looked at each second. */
const BEHIND_MS = 4_000;
/** Past the session timeout of 2 s, so that the survivor is asked to lead if anybody would. */
const ALONE_MS = 4_500;
/** The others come back, and the straggler catches up. */
const RECOVER_MS = 4_500;
/** What two faults and their heals take, as far as a plan can know. */
const CALLS_MS = 1_700;

export const straggler: Nemesis = {
  name: 'straggler',
  description: 'lets one follower fall behind, then kills all the others',
  needs: ['cut', 'kill'],
  nodesMin: 3,
  *plan({ nodes, random, timeLimitMs }): Plan {
    yield { kind: 'sleep', ms: Math.min(FIRST_MS, timeLimitMs / 4) };
    const roundMs = BEHIND_MS + ALONE_MS + RECOVER_MS + CALLS_MS;
    const count = Math.max(1, Math.floor((timeLimitMs - FIRST_MS) / roundMs));
    // A shorter phase has the same play, faster.
    const pace = Math.min(1, timeLimitMs / (FIRST_MS + roundMs));
    for (let round = 0; round < count; round++) {
      const leader = yield* findLeader(round);
      const behind = random.pick(nodes.filter((node) => node !== leader));
      const others = nodes.filter((node) => node !== behind);
      const links = linksBetween([behind], others);
      const cut = yield { kind: 'inject', fault: { kind: 'cut', links } };
      yield { kind: 'sleep', ms: BEHIND_MS * pace };
      const killed = yield { kind: 'inject', fault: { kind: 'kill', nodes: others } };
      if (cut.kind === 'injected') yield { kind: 'heal', id: cut.id };
      yield { kind: 'sleep', ms: ALONE_MS * pace };
      if (killed.kind === 'injected') yield { kind: 'heal', id: killed.id };
      yield { kind: 'sleep', ms: RECOVER_MS * pace };
    }
  },
};
