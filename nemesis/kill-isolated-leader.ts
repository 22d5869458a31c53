// Cuts a leader off from the other servers and kills it before they could be taken for out of sync. Whatever it
// acknowledged in between it had to have from the others, for one of them leads next.
import { linksBetween } from '../history/fault.ts';
import type { Plan } from '../history/plan.ts';
import type { Nemesis } from '../history/plugin.ts';
import { findLeader } from './rhythm.ts';

const FIRST_MS = 1_000;
/** Below the 2 s after which brokers under test take a silent follower out of the ISR. */
const ISOLATED_MS = 1_200;
/** Past the session timeout of 2 s, so that another leads. */
const DEAD_MS = 3_500;
const RECOVER_MS = 2_300;
/** What two faults and their heals take, as far as a plan can know. */
const CALLS_MS = 1_700;

export const killIsolatedLeader: Nemesis = {
  name: 'kill-isolated-leader',
  description: 'cuts off the leader, and kills it before the others count as out of sync',
  needs: ['cut', 'kill'],
  nodesMin: 3,
  *plan({ nodes, timeLimitMs }): Plan {
    yield { kind: 'sleep', ms: Math.min(FIRST_MS, timeLimitMs / 4) };
    const roundMs = ISOLATED_MS + DEAD_MS + RECOVER_MS + CALLS_MS;
    const count = Math.max(1, Math.floor((timeLimitMs - FIRST_MS) / roundMs));
    // A shorter phase has the same play, faster.
    const pace = Math.min(1, timeLimitMs / (FIRST_MS + roundMs));
    for (let round = 0; round < count; round++) {
      const leader = yield* findLeader(round);
      if (leader === undefined) continue;
      const others = nodes.filter((node) => node !== leader);
      const links = linksBetween([leader], others);
      const cut = yield { kind: 'inject', fault: { kind: 'cut', links } };
      yield { kind: 'sleep', ms: ISOLATED_MS * pace };
      const killed = yield { kind: 'inject', fault: { kind: 'kill', nodes: [leader] } };
      if (cut.kind === 'injected') yield { kind: 'heal', id: cut.id };
      yield { kind: 'sleep', ms: DEAD_MS * pace };
      if (killed.kind === 'injected') yield { kind: 'heal', id: killed.id };
      yield { kind: 'sleep', ms: RECOVER_MS * pace };
    }
  },
};
