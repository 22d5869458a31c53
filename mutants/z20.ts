// Z20: NEWLEADER is sent ahead of the snapshot, and a learner acknowledges it at once. The leader then
// counts on a server that has neither the old state nor the new.
import type { Mutant } from './mutant.ts';

export const z20: Mutant = {
  id: 'Z20',
  title: 'NEWLEADER is acknowledged before the snapshot has come',
  source: 'ZOOKEEPER-3104',
  guarantee: 'an established leader rests on logs that a quorum has on disk',
  seenBy: ['synchronisation', 'log', 'election', 'no-rollback'],
  masks: 'the check that the log ends where NEWLEADER says; patched too',
  witness: 'test/witnesses/synchronisation.test.ts',
  patches: [
    {
      file: 'coordinator/zab/synchronise.ts',
      find: `  else sendSnapshot(context, learner, from);
  sendRecords(learner, recent.between(from, to));
  learner.sentTo = to;
  learner`,
      replace: `  else {
    learner.link.send({ type: 'newLeader', epoch, zxid: to });
    sendSnapshot(context, learner, from);
  }
  sendRecords(learner, recent.between(from, to));
  learner.sentTo = to;
  if (mode !== 'snap') learner`,
    },
    {
      file: 'coordinator/zab/learner.ts',
      find: 'if (epoch !== this.#epoch || recent.last !== zxid) {',
      replace: 'if (epoch !== this.#epoch) {',
    },
    {
      file: 'coordinator/zab/learner.ts',
      find: `      case 'snapBegin':
        this.#phase = 'synchronising';
`,
      replace: `      case 'snapBegin':
`,
    },
  ],
};
