// The rules of a stored ISR: who is in it holds what is committed, from the moment it is taken in. Elections
// choose from it, so these keep acknowledged messages over every change of the leader (I-K5, I-K8).
import { nameEvent } from '../evidence.ts';
import type { PartitionBooks } from './partition.ts';
import type { ReplicationRun } from './replay.ts';
import type { BrokerEventOf } from './replica-log.ts';

/**
 * I-K5, I-K8: who is taken into the ISR has caught up in this epoch; and where a leader is elected, every
 * running member of the stored ISR, and whoever is eligible besides, holds all that earlier epochs committed.
 */
export function judgeStored(
  run: ReplicationRun,
  books: PartitionBooks,
  event: BrokerEventOf<'stateStored'>,
  before: readonly number[] | undefined,
): void {
  if (event.by === 'leader') {
    const tenure = books.tenures.get(event.node);
    if (tenure === undefined || tenure.epoch !== event.leaderEpoch || before === undefined) return;
    for (const member of event.isr) {
      if (before.includes(member) || member === run.brokerOf(event.node)) continue;
      run.findings.count('isrExpansions');
      const fetched = tenure.fetched.get(member) ?? -1;
      if (fetched >= tenure.hw) continue;
      run.add(
        'expanded-behind',
        `${event.node} took broker ${member} into the ISR of ${books.tp} at ${nameEvent(event)}, which in epoch ` +
          `${tenure.epoch} had fetched ${fetched < 0 ? 'nothing' : `only up to ${fetched}`}; the high watermark is ` +
          `${tenure.hw}.`,
        books,
        event,
      );
    }
    return;
  }
  if (event.leader === -1 || event.unclean === true) return;
  for (const member of [...event.isr, ...(event.elr ?? [])]) {
    const node = run.nodeOf(member);
    const log = node === undefined ? undefined : books.replica(node);
    if (log === undefined || log.uncertain || log.end >= books.trueHw) continue;
    // A leader of this epoch may have committed more before the controller's event was out.
    if (books.leaders.has(event.leaderEpoch)) continue;
    run.add(
      'isr-incomplete',
      `${event.node} stored broker ${member} as ${event.isr.includes(member) ? 'in sync with' : 'eligible for'} ` +
        `${books.tp} at ${nameEvent(event)}, but its log ends at ${log.end}, and everything below ${books.trueHw} is committed.`,
      books,
      event,
    );
  }
}
