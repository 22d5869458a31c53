// Judges idempotent producers by the logs of all replicas: the batches of one producer stand in a partition
// in the order of their sequence numbers, without a gap and none twice (I-P1).
import type { BrokerNodeEvent } from '../../history/broker-event.ts';
import type { Checker } from '../../history/run-record.ts';
import { brokerLogProblem, Findings, nameEvent, unknownVerdict } from '../evidence.ts';
import { brokerLevelProblem } from './index.ts';
import { type AppendEvent, ReplicaLog } from './replica-log.ts';

const NAME = 'producers';
const GUARANTEE =
  'In a partition the batches of an idempotent producer follow each other by their sequence numbers, without a ' +
  'gap and none twice, and an older epoch of it writes nothing more.';

/** Sequence numbers begin anew after 2^31 − 1. */
const SEQUENCES = 2 ** 31;
const BATCHES_MIN = 20;

export const producers: Checker = {
  name: NAME,
  guarantee: GUARANTEE,
  check(run) {
    const doubt = brokerLogProblem(run) ?? brokerLevelProblem(run);
    if (doubt !== undefined) return unknownVerdict(NAME, GUARANTEE, doubt);
    const findings = new Findings();
    findings.count('batches', 0);
    findings.count('pairs', 0);
    const logs = new Map<string, ReplicaLog>();
    for (const event of run.brokerEvents ?? []) step(logs, event, findings);
    const { batches = 0 } = findings.evidence;
    const thin = `only ${batches} batches of idempotent producers were appended; ${BATCHES_MIN} are needed`;
    return findings.verdict(NAME, GUARANTEE, batches < BATCHES_MIN ? thin : undefined);
  },
};

function step(logs: Map<string, ReplicaLog>, event: BrokerNodeEvent, findings: Findings): void {
  if (event.ev === 'brokerStart') {
    for (const log of logs.values()) if (log.node === event.node) log.restart();
  }
  if (!('tp' in event)) return;
  const name = `${event.node} ${event.tp}`;
  let log = logs.get(name);
  if (log === undefined) logs.set(name, (log = new ReplicaLog(event.node)));
  switch (event.ev) {
    // What these contradict is the replication checker's to say.
    case 'becameLeader':
    case 'becameFollower':
      log.told(event.leo, false);
      return;
    case 'logTruncated':
      log.truncate(event.to);
      return;
    case 'logStart':
      log.startAt(event.from);
      return;
    case 'logAppend':
      if (log.uncertain || event.from !== log.end) log.told(event.from, false);
      judge(log, event, findings);
      log.append(event);
  }
}

function nameSequence({ pseq, from, pepoch }: AppendEvent): string {
  return `sequence number ${pseq} (epoch ${pepoch}) at offset ${from}`;
}

function judge(log: ReplicaLog, event: AppendEvent, findings: Findings): void {
  const { pid, pepoch = -1, pseq: seq, tp, node } = event;
  if (pid === undefined || pid < 0 || seq === undefined || seq < 0) return;
  findings.count('batches');
  const own = log.ofProducer(pid);
  const last = own.at(-1);
  const add = (kind: string, why: string, ...others: AppendEvent[]): void => {
    const nodeEvents = [...others, event].map((e) => ({
      node: e.node,
      incarnation: e.inc,
      seq: e.seq,
    }));
    findings.add({ kind, why, events: [], nodeEvents, key: tp });
  };
  const what = `Producer ${pid} has ${nameSequence(event)} of ${tp} on ${node} (${nameEvent(event)})`;
  if (last === undefined || last.pseq === undefined) {
    // Where a part of the log is not known, it may hold the batch before.
    if (seq !== 0 && log.whole) add('sequence-gap', `${what}, its first there, which has to be 0.`);
    return;
  }
  findings.count('pairs');
  const lastEpoch = last.pepoch ?? -1;
  if (pepoch < lastEpoch) {
    add('producer-epoch-fell', `${what}, behind ${nameSequence(last)}.`, last);
    return;
  }
  if (pepoch > lastEpoch) {
    if (seq !== 0) add('sequence-gap', `${what}, the first of its epoch, which has to be 0.`, last);
    return;
  }
  const expected = (last.pseq + (last.to - last.from + 1)) % SEQUENCES;
  if (seq === expected || log.knownFrom > last.to) return;
  const twice = own.findLast((batch) => batch.pepoch === pepoch && batch.pseq === seq);
  if (twice !== undefined) {
    add('batch-stored-twice', `${what}, and already ${nameSequence(twice)}.`, twice);
  } else
    add('sequence-gap', `${what}, behind ${nameSequence(last)}; ${expected} was expected.`, last);
}
