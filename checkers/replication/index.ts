// Judges replicated partitions by what their brokers logged, and by what clients were shown beside it. The
// books are kept by replication/replay; here is what makes a verdict of them.

import { messageCall } from '../../history/message-call.ts';
import type { Checker, RunRecord } from '../../history/run-record.ts';
import { brokerLogProblem, Findings, unknownVerdict } from '../evidence.ts';
import { eventsOf, nameOp } from '../observations.ts';
import { ReplicationRun } from './replay.ts';

const NAME = 'replication';
const GUARANTEE =
  'What is acknowledged is on enough replicas and below the high watermark, which never passes what all ' +
  'in-sync replicas hold; every later leader has it, nobody truncates it, replicas agree on it, and consumers ' +
  'are shown nothing else.';

/** Fewer committed records, or acknowledgements, prove nothing. */
const COMMITTED_MIN = 20;
const ACKS_MIN = 5;

export const replication: Checker = {
  name: NAME,
  guarantee: GUARANTEE,
  check(run) {
    const gap = brokerLogProblem(run);
    if (gap !== undefined) return unknownVerdict(NAME, GUARANTEE, gap);
    const findings = new Findings();
    for (const name of ['tenures', 'appends', 'truncations', 'committed', 'acks', 'shown']) {
      findings.count(name, 0);
    }
    const level = brokerLevelProblem(run);
    if (level !== undefined) return unknownVerdict(NAME, GUARANTEE, level);
    const replayed = new ReplicationRun(run, findings);
    shownInTime(run, replayed);
    const { committed = 0, acks = 0 } = findings.evidence;
    const thin =
      `only ${committed} records were committed and ${acks} requests acknowledged; ` +
      `${COMMITTED_MIN} and ${ACKS_MIN} are needed`;
    const enough = committed >= COMMITTED_MIN && acks >= ACKS_MIN;
    return findings.verdict(NAME, GUARANTEE, enough ? undefined : thin);
  },
};

/** Why records cannot be judged, or undefined if every broker logged at level `all`. */
export function brokerLevelProblem(run: RunRecord): string | undefined {
  for (const event of run.brokerEvents ?? []) {
    if (event.ev === 'brokerStart' && event.level !== 'all') {
      return `${event.node} logged at level ${event.level}, which leaves records out; level all is needed`;
    }
  }
  return undefined;
}

/** I-K9, I-K10: a client was shown an offset, or had it acknowledged, only when it was committed. */
function shownInTime(run: RunRecord, replayed: ReplicationRun): void {
  const { findings } = replayed;
  for (const op of run.ops) {
    const call = messageCall(op);
    const shown: [string, number][] = [];
    if (call.kind === 'poll') {
      for (const [key, records] of Object.entries(call.records)) {
        shown.push([key, Math.max(-1, ...records.map(([offset]) => offset))]);
      }
    } else if (call.kind === 'send') {
      const last = call.placed.at(-1);
      if (last !== undefined) shown.push([call.key, last[0]]);
    }
    for (const [key, offset] of shown) {
      const books = replayed.partitions.get(key);
      const { completion } = op;
      if (books === undefined || completion === undefined || offset < 0) continue;
      findings.count('shown');
      const since = books.readableSince(offset);
      if (since !== undefined && since <= completion.time) continue;
      const read = call.kind === 'poll';
      const when = since === undefined ? 'never passed it' : 'passed it only later';
      findings.add({
        kind: read ? 'read-above-hw' : 'acknowledged-above-hw',
        why:
          `The ${nameOp(op)} was ${read ? 'shown' : 'acknowledged'} offset ${offset} of ${key}, but the high ` +
          `watermark ${when}.`,
        events: eventsOf(op),
        key,
      });
    }
  }
}
