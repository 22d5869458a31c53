// The rules of a replicated partition, event by event: high watermarks, elections, truncations, acks. Each
// names the rule it keeps (I-K3 to I-K9, I-K13); the books are replication/partition.
import { nameEvent } from '../evidence.ts';
import { judgeLossyLeader } from './in-sync.ts';
import type { PartitionBooks, Tenure } from './partition.ts';
import type { ReplicationRun } from './replay.ts';
import { type AppendEvent, type BrokerEventOf, type ReplicaLog, sameBatch } from './replica-log.ts';

type Books = PartitionBooks;

function nameBatch({ from, to, epoch }: AppendEvent): string {
  return `offsets ${from} to ${to} of epoch ${epoch}`;
}

/** I-K6: a batch follows the log's end, in epochs that rise, and is what its leader wrote. */
export function judgeAppend(
  run: ReplicationRun,
  books: Books,
  log: ReplicaLog,
  event: AppendEvent,
): void {
  run.findings.count('appends');
  const last = log.last;
  const where = `${event.node} appended ${nameBatch(event)} to ${books.tp} at ${nameEvent(event)}`;
  if (event.from !== log.end || event.to < event.from) {
    const kind = event.from > log.end ? 'log-gap' : 'log-overlap';
    run.add(kind, `${where}, but its log ended at ${log.end}.`, books, event);
    log.truncate(event.from);
  }
  if (last !== undefined && event.epoch < last.epoch) {
    run.add('epoch-fell', `${where}, behind ${nameBatch(last)}.`, books, last, event);
  }
  const tenure = books.tenures.get(event.node);
  if (tenure !== undefined && tenure.epoch !== event.epoch) {
    run.add(
      'append-of-other-epoch',
      `${where} while it led epoch ${tenure.epoch}; a leader stamps its own epoch.`,
      books,
      event,
    );
  }
  const { previous } = log.append(event);
  const known = books.identify(event, previous);
  if (known === undefined) return;
  if (known.event.hash !== event.hash || known.event.to !== event.to) {
    run.add(
      'log-mismatch',
      `${where} with hash ${event.hash}, but ${known.event.node} has ${nameBatch(known.event)} with hash ` +
        `${known.event.hash} there; one epoch writes an offset once.`,
      books,
      known.event,
      event,
    );
  } else if (previous && known.previous && !sameBatch(previous, known.previous)) {
    run.add(
      'log-mismatch',
      `${where} behind ${nameBatch(previous)}, but ${known.event.node} has the same batch behind ` +
        `${nameBatch(known.previous)}; logs that agree on a batch agree on all before it.`,
      books,
      known.previous,
      previous,
      event,
    );
  }
}

/** I-K7: what is committed is never truncated. */
export function judgeTruncation(
  run: ReplicationRun,
  books: Books,
  log: ReplicaLog,
  event: BrokerEventOf<'logTruncated'>,
): void {
  run.findings.count('truncations');
  const gone = log.truncate(event.to).find((batch) => books.isCommitted(batch));
  if (gone === undefined) return;
  run.add(
    'committed-truncated',
    `${event.node} truncated ${books.tp} to ${event.to} at ${nameEvent(event)} and with it ${nameBatch(gone)}, ` +
      `which is committed (high watermark ${books.trueHw}).`,
    books,
    gone,
    event,
  );
}

/** I-K1, I-K5, I-K13: one leader in an epoch, and it has everything that is committed. */
export function judgeLeader(
  run: ReplicationRun,
  books: Books,
  log: ReplicaLog,
  event: BrokerEventOf<'becameLeader'>,
): void {
  run.findings.count('tenures');
  const { tp } = books;
  const who = `${event.node} began to lead epoch ${event.leaderEpoch} of ${tp} at ${nameEvent(event)}`;
  const other = books.leaders.get(event.leaderEpoch);
  if (other === undefined) books.leaders.set(event.leaderEpoch, event);
  else if (other.node !== event.node) {
    run.add(
      'two-leaders',
      `${who}, but ${nameEvent(other)} says that ${other.node} does.`,
      books,
      other,
      event,
    );
  }
  if (event.hw > event.leo) {
    run.add(
      'hw-beyond-log',
      `${who} with high watermark ${event.hw} and log end ${event.leo}.`,
      books,
      event,
    );
  }
  if (books.lossy.has(event.node)) {
    books.lossyLeaders.set(event.leaderEpoch, { event, lossy: new Set(books.lossy) });
    judgeLossyLeader(run, books, event.leaderEpoch);
  }
  if (log.last !== undefined && log.last.epoch > event.leaderEpoch) {
    run.add(
      'epoch-fell',
      `${who}, but its log has ${nameBatch(log.last)}.`,
      books,
      log.last,
      event,
    );
  }
  // A broker that stood still may take up an epoch that others have long left: it need not have what they committed.
  const hw = books.hwBefore(event.leaderEpoch);
  if (event.leo < hw) {
    incomplete(run, books, event, hw);
    return;
  }
  const committed = books.committedAt(hw - 1);
  const own = log.at(hw - 1);
  if (committed !== undefined && own !== undefined && !sameBatch(committed, own)) {
    run.add(
      'leader-incomplete',
      `${who} with ${nameBatch(own)}, where ${nameBatch(committed)} are committed.`,
      books,
      committed,
      own,
      event,
    );
  }
}

function incomplete(
  run: ReplicationRun,
  books: Books,
  event: BrokerEventOf<'becameLeader'>,
  hw: number,
): void {
  run.add(
    'leader-incomplete',
    `${event.node} began to lead epoch ${event.leaderEpoch} of ${books.tp} at ${nameEvent(event)} with a log that ` +
      `ends at ${event.leo}, but everything below ${hw} is committed: acknowledged messages are lost.`,
    books,
    event,
  );
}

/** I-K3, I-K4: rises within a tenure, and never beyond what all of the maximal ISR hold durably. */
export function judgeHighWatermark(
  run: ReplicationRun,
  books: Books,
  log: ReplicaLog,
  event: BrokerEventOf<'highWatermark'>,
): void {
  run.findings.count('highWatermarks');
  const { hw, isr, leaderEpoch, node } = event;
  const says = `${node} set the high watermark of ${books.tp} to ${hw} at ${nameEvent(event)}`;
  const tenure = books.tenures.get(node);
  if (tenure === undefined || tenure.epoch !== leaderEpoch) {
    run.add(
      'hw-without-office',
      `${says}, but it does not lead epoch ${leaderEpoch}.`,
      books,
      event,
    );
    return;
  }
  if (hw < tenure.hw) {
    run.add('hw-fell', `${says}, where it had been ${tenure.hw} in the same epoch.`, books, event);
  }
  if (hw > log.end) {
    run.add('hw-beyond-log', `${says}, but its log ends at ${log.end}.`, books, event);
  } else if (run.durable && hw > log.flushed && hw > tenure.hw) {
    run.add(
      'hw-undurable',
      `${says}, but its log is durable up to ${log.flushed} only.`,
      books,
      event,
    );
  }
  const own = run.brokerOf(node);
  for (const member of isr) {
    if (member === own || hw <= tenure.hw) continue;
    const fetched = tenure.fetched.get(member);
    if (fetched !== undefined && fetched >= hw) continue;
    run.add(
      'hw-ahead-of-isr',
      `${says} with broker ${member} in the ISR, which in this epoch had ` +
        `${fetched === undefined ? 'fetched nothing' : `everything below ${fetched} only`}.`,
      books,
      event,
    );
  }
  const least = run.minInsyncReplicas(books.tp);
  if (isr.length < least && hw > tenure.hw) {
    run.add(
      'hw-below-min-isr',
      `${says} with ${isr.length} in sync; ${least} are needed.`,
      books,
      event,
    );
  }
  tenure.hw = Math.max(tenure.hw, hw);
  for (const [epoch, leader] of books.leaders) {
    if (epoch > leaderEpoch && leader.leo < hw) incomplete(run, books, leader, hw);
  }
  books.commit(hw, leaderEpoch, log, event.t);
}

/** I-K4, I-K5: a follower claims no more than it has on disk. */
export function judgeFetch(
  run: ReplicationRun,
  books: Books,
  event: BrokerEventOf<'fetchIn'>,
): void {
  run.findings.count('fetches');
  const tenure = books.tenures.get(event.node);
  if (tenure === undefined || tenure.epoch !== event.leaderEpoch) {
    run.add(
      'fetch-of-other-epoch',
      `${event.node} counted a fetch of broker ${event.from} for epoch ${event.leaderEpoch} of ${books.tp} at ` +
        `${nameEvent(event)}, but ${tenure === undefined ? 'leads it not' : `leads epoch ${tenure.epoch}`}.`,
      books,
      event,
    );
    return;
  }
  const follower = run.nodeOf(event.from);
  const spell = follower === undefined ? -1 : books.spellOf(follower);
  const same = spell >= 0 && tenure.fetchedIn.get(event.from) === spell;
  // By another connection an older fetch may come later: what was claimed meanwhile stays true.
  const before = same ? (tenure.fetched.get(event.from) ?? 0) : 0;
  tenure.fetched.set(event.from, Math.max(before, event.offset));
  tenure.fetchedIn.set(event.from, spell);
  if (follower === undefined) return;
  if (event.offset >= tenure.hw) books.lossy.delete(follower);
  const log = books.replica(follower);
  const has = log.claimable(event.leaderEpoch, run.durable);
  if (log.uncertain || event.offset <= has) return;
  run.add(
    'fetch-claims-more',
    `${event.node} counted at ${nameEvent(event)} that broker ${event.from} has everything of ${books.tp} below ` +
      `${event.offset}, but it had ${run.durable ? 'made durable' : 'written'} only up to ${has}.`,
    books,
    event,
  );
}

/** I-K9: acknowledged only when committed and held by enough, or at least durable where that was asked for. */
export function judgeAck(
  run: ReplicationRun,
  books: Books,
  log: ReplicaLog,
  event: BrokerEventOf<'acked'>,
): void {
  if (event.acks === 0) return;
  run.findings.count('acks');
  const tenure: Tenure | undefined = books.tenures.get(event.node);
  const says = `${event.node} acknowledged everything below ${event.offset} of ${books.tp} at ${nameEvent(event)}`;
  if (tenure === undefined || tenure.epoch !== event.leaderEpoch) {
    run.add(
      'ack-without-office',
      `${says} without leading epoch ${event.leaderEpoch}.`,
      books,
      event,
    );
    return;
  }
  if (event.acks === 1) {
    if (run.durable && log.flushed < event.offset) {
      run.add(
        'ack-undurable',
        `${says}, but its log is durable up to ${log.flushed} only.`,
        books,
        event,
      );
    }
    return;
  }
  if (tenure.hw < event.offset) {
    run.add(
      'ack-above-hw',
      `${says} to acks=all, but its high watermark is ${tenure.hw}.`,
      books,
      event,
    );
  }
  const least = run.minInsyncReplicas(books.tp);
  const having = [...books.replicas].filter(({ end }) => end >= event.offset).length;
  if (having < least) {
    run.add(
      'ack-by-few',
      `${says} to acks=all, but only ${having} replicas had it; ${least} are needed.`,
      books,
      event,
    );
  }
}
