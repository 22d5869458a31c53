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
      // A new leader's own high watermark may be older than what was acknowledged before it.
      const needed = Math.max(tenure.hw, tenure.start);
      if (fetched >= needed) continue;
      run.add(
        'expanded-behind',
        `${event.node} took broker ${member} into the ISR of ${books.tp} at ${nameEvent(event)}, which in epoch ` +
          `${tenure.epoch} had fetched ${fetched < 0 ? 'nothing' : `only up to ${fetched}`}; the high watermark is ` +
          `${tenure.hw}, and the epoch began at ${tenure.start}.`,
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

/** I-K4: whoever is in the ISR that the leader knew to be stored, it counted with, whatever it wanted instead. */
export function judgeMaximalIsr(
  run: ReplicationRun,
  books: PartitionBooks,
  event: BrokerEventOf<'highWatermark'>,
): void {
  const state = books.states.get(event.version);
  if (state === undefined) {
    // Who stored it tells so only then, and not at all if it was killed.
    const waiting = books.countedOn.get(event.version);
    if (waiting === undefined) books.countedOn.set(event.version, [event]);
    else waiting.push(event);
    return;
  }
  const left = state.isr.filter((member) => !event.isr.includes(member));
  if (left.length === 0) return;
  run.add(
    'hw-without-isr',
    `${event.node} set the high watermark of ${books.tp} to ${event.hw} at ${nameEvent(event)} by brokers ` +
      `${event.isr.join(', ')}, without ${left.join(', ')}, in sync by version ${event.version} ` +
      `(${nameEvent(state)}).`,
    books,
    state,
    event,
  );
}

/** A state is known from here on: what waited for it is judged. */
export function tellState(
  run: ReplicationRun,
  books: PartitionBooks,
  event: BrokerEventOf<'stateStored'>,
): void {
  books.states.set(event.version, event);
  const waiting = books.countedOn.get(event.version) ?? [];
  books.countedOn.delete(event.version);
  for (const each of waiting) judgeMaximalIsr(run, books, each);
  if (event.by === 'controller') judgeLossyLeader(run, books, event.leaderEpoch);
}

/**
 * I-K13, KIP-966: who may have lost records leads only where every member of the ISR, and whoever was eligible
 * besides, may have: then there is no better copy to wait for.
 */
export function judgeLossyLeader(
  run: ReplicationRun,
  books: PartitionBooks,
  leaderEpoch: number,
): void {
  const known = books.lossyLeaders.get(leaderEpoch);
  const elected = electionOf(books, leaderEpoch);
  const before = elected === undefined ? undefined : books.states.get(elected.version - 1);
  if (known === undefined || before === undefined) return;
  const { event: leader, lossy } = known;
  books.lossyLeaders.delete(leaderEpoch);
  const sound = [...before.isr, ...(before.elr ?? [])].filter((member) => {
    const node = run.nodeOf(member);
    return node !== undefined && node !== leader.node && !lossy.has(node);
  });
  // From here on its log is what the others are measured by.
  books.lossy.delete(leader.node);
  if (sound.length === 0) return;
  run.add(
    'lossy-leader',
    `${leader.node} began to lead epoch ${leaderEpoch} of ${books.tp} at ${nameEvent(leader)}, though it had started ` +
      'after an unclean stop with a log that is not synced, and had not caught up; broker ' +
      `${sound.join(', ')} had lost nothing.`,
    books,
    leader,
  );
}

function electionOf(books: PartitionBooks, leaderEpoch: number) {
  return [...books.states.values()].find((state) => {
    return state.by === 'controller' && state.leaderEpoch === leaderEpoch && state.leader !== -1;
  });
}
