// Z45: a new leader does not restart the clocks of the sessions it inherits. Sessions whose clients ping
// faithfully expire with every change of leader.
import type { Mutant } from './mutant.ts';

export const z45: Mutant = {
  id: 'Z45',
  title: 'a new leader carries old session deadlines',
  source: 'session timers on failover (ZooKeeper, SessionTrackerImpl)',
  guarantee: 'a session never expires before its timeout after the new leader began',
  seenBy: ['sessions'],
  masks: 'none',
  witness: 'scenarios/mutants/Z45.json',
  patches: [
    {
      file: 'coordinator/zab/broadcast.ts',
      find: `this.#sessions.track(id, timeoutMs, now);
    this.#startRound();`,
      replace: `this.#sessions.track(id, timeoutMs, 0);
    this.#startRound();`,
    },
  ],
};
