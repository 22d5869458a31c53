// Judges registers of a server that does not promise linearizable reads, as ZooKeeper: its `sync` asks a
// leader that may have been deposed. All else that `linearizable` demands, it demands as well.
import type { Op } from '../../history/op.ts';
import type { Checker } from '../../history/run-record.ts';
import { judgeRegisters } from './index.ts';

/** A read that may be stale: it may have taken effect at any time before its reply. */
function relaxed(op: Op): Op {
  return op.f === 'read' ? { ...op, invokeTime: 0 } : op;
}

/** Judges the register workload by what ZooKeeper promises. */
export const orderedRegisters: Checker = {
  name: 'ordered-registers',
  guarantee:
    'Every acknowledged write and compare-and-set on a key takes effect at one instant between its ' +
    'invocation and its reply, in the order of zxids, and a read returns a state that the key had ' +
    'before the reply.',
  check: ({ ops, ...run }) =>
    judgeRegisters({ ops, ...run }, orderedRegisters, {
      swept: ops.map(relaxed),
      // Every read would overlap with all before it: the search is for writes and refusals.
      searched: ops.filter((op) => op.f !== 'read'),
    }),
};
