// Brings a learner's log to ours: nothing, the records it lacks, a cut of what we do not have, or a
// snapshot. Runs in one go, so no proposal can fall between what is sent here and what follows.
// Source: LearnerHandler.syncFollower; rule I-Z11.
import type { TxnRecord } from '../txn.ts';
import { type Zxid, zxidHex } from '../zxid.ts';
import type { TenureContext } from './context.ts';
import type { LearnerHandle } from './leader.ts';
import { UNKNOWN_HASH } from './messages.ts';

/** Records a message carries at most. */
const RECORDS_A_MESSAGE = 500;

type Mode = 'diff' | 'trunc' | 'snap';

/** Sends what makes the learner's log equal to ours up to `to`, then NEWLEADER. */
export function synchronise(
  context: TenureContext,
  learner: LearnerHandle,
  epoch: number,
  to: Zxid,
): void {
  const { recent, events, tree } = context;
  const peerZxid = learner.lastZxid;
  const common = recent.atMost(Math.min(peerZxid, to));
  const mode: Mode = common === undefined ? 'snap' : common === peerZxid ? 'diff' : 'trunc';
  const from = common ?? tree.lastApplied;
  events.emit({ ev: 'syncStart', peer: learner.sid, epoch, mode, peerZxid, from, to });
  if (mode === 'diff') learner.link.send({ type: 'diff', from });
  else if (mode === 'trunc') sendTruncation(context, learner, from);
  else sendSnapshot(context, learner, from);
  sendRecords(learner, recent.between(from, to));
  learner.sentTo = to;
  learner.link.send({ type: 'newLeader', epoch, zxid: to });
}

function sendTruncation(context: TenureContext, learner: LearnerHandle, to: Zxid): void {
  const record = context.recent.at(to);
  if (record === undefined && to !== context.recent.floor) {
    throw new Error(`no record at ${zxidHex(to)} to truncate server ${learner.sid} to`);
  }
  learner.link.send({ type: 'trunc', to, hash: record?.hash ?? UNKNOWN_HASH });
}

function sendSnapshot(context: TenureContext, learner: LearnerHandle, zxid: Zxid): void {
  const chunks = context.tree.serialize();
  const digest = context.tree.digest();
  learner.link.send({ type: 'snapBegin', zxid, digest, chunks: chunks.length });
  for (const chunk of chunks) learner.link.send({ type: 'snapChunk', chunk });
}

/** Sends records, in portions. */
export function sendRecords(learner: LearnerHandle, lacking: readonly TxnRecord[]): void {
  for (let at = 0; at < lacking.length; at += RECORDS_A_MESSAGE) {
    const records = lacking.slice(at, at + RECORDS_A_MESSAGE).map((record) => record.bytes);
    learner.link.send({ type: 'records', records });
  }
}
