// Witnesses of planted bugs between a leader and a learner that joins it: what is acknowledged too early,
// kept too briefly, forgotten or not counted.
import fs from 'node:fs';
import type { TxnRecord } from '../../coordinator/txn.ts';
import { makeZxid } from '../../coordinator/zxid.ts';
import { directory, witnesses } from './patched.ts';
import { followScript, learnerParts } from './scripted-leader.ts';

type Parts = Awaited<ReturnType<typeof learnerParts>>;

/** Transactions (1,1) to (1,`count`): a session, then nodes. */
function history({ SoloLeader, ask }: Parts, count: number) {
  const leader = new SoloLeader();
  const session = leader.open();
  for (let i = 2; i <= count; i++) leader.run(ask.create(`/n${i}`), session);
  return { tree: leader.tree, records: leader.records };
}

const sent = (...records: TxnRecord[]) => ({
  type: 'records' as const,
  records: records.map(({ bytes }) => bytes),
});
const diff = { type: 'diff', from: 0 } as const;
const newLeader = (counter: number) => {
  return { type: 'newLeader', epoch: 2, zxid: makeZxid(1, counter) } as const;
};

/** How much is durable when the acknowledgement of NEWLEADER leaves. */
async function durableAtAck(id?: string): Promise<unknown> {
  const parts = await learnerParts(id);
  const { records } = history(parts, 3);
  const script = [diff, sent(...records), newLeader(3)];
  return (await followScript(parts, directory(), script)).durableAtAck;
}

/** What a learner has of a proposal that came while it made the synchronisation durable. */
async function proposedMeanwhile(id?: string): Promise<number> {
  const parts = await learnerParts(id);
  const { records } = history(parts, 3);
  const [first, second, third] = records as [TxnRecord, TxnRecord, TxnRecord];
  const script = [diff, sent(first, second), newLeader(2), sent(third)];
  const { recent } = await followScript(parts, directory(), script);
  return recent.last;
}

/** Snapshots on the disk of a learner that was sent one. */
async function snapshotKept(id?: string): Promise<number[]> {
  const parts = await learnerParts(id);
  const { tree } = history(parts, 3);
  const chunks = tree.serialize();
  const script = [
    { type: 'snapBegin' as const, zxid: tree.lastApplied, digest: tree.digest(), chunks: 1 },
    { type: 'snapChunk' as const, chunk: chunks[0] as Buffer },
    newLeader(3),
  ];
  const { disk } = await followScript(parts, directory(), script);
  return disk.snapshots.list();
}

/** What a learner says that gets NEWLEADER and no snapshot yet. */
async function ackOfNothing(id?: string): Promise<string[] | string> {
  const parts = await learnerParts(id);
  const { heard, failure } = await followScript(parts, directory(), [newLeader(3)]);
  return failure === undefined ? heard : 'refused';
}

/** Nodes of a learner that was told less at UPTODATE than was committed, then of the next commit. */
async function committedInBetween(id?: string): Promise<number> {
  const parts = await learnerParts(id);
  const { records } = history(parts, 4);
  const after = { type: 'commit' as const, zxid: makeZxid(1, 4), after: makeZxid(1, 3) };
  const upToDate = { type: 'upToDate', zxid: makeZxid(1, 2) } as const;
  const confirm = { type: 'confirm', round: 1 } as const;
  const script = [diff, sent(...records), newLeader(4)];
  const acknowledged = await followScript(parts, directory(), script, [upToDate, after, confirm]);
  return acknowledged.tree.nodeCount - new parts.DataTree().nodeCount;
}

/** What the next learner would be given by one that was itself brought up to date by a DIFF. */
async function passedOn(id?: string): Promise<number> {
  const parts = await learnerParts(id);
  const { records } = history(parts, 3);
  const upToDate = { type: 'upToDate', zxid: makeZxid(1, 3) } as const;
  const confirm = { type: 'confirm', round: 1 } as const;
  const script = [diff, sent(...records), newLeader(3)];
  const { recent } = await followScript(parts, directory(), script, [upToDate, confirm]);
  return recent.after(0).length;
}

/** What a learner does whose disk refuses to cut the log. */
async function cutRefused(id?: string): Promise<string> {
  const parts = await learnerParts(id);
  const { records } = history(parts, 3);
  const dir = directory();
  const { log, epochs } = parts.recover(dir, { preAllocBytes: 64 * 1024 });
  epochs.setAccepted(1);
  epochs.setCurrent(1);
  for (const record of records) {
    log.append([record], 0);
    await log.drained();
  }
  await log.close();
  const { ftruncateSync } = fs;
  const first = records[0] as TxnRecord;
  const cut = { type: 'trunc', to: makeZxid(1, 1), hash: first.hash } as const;
  try {
    const script = [cut, newLeader(1)];
    const { failure, heard } = await followScript(parts, dir, script, [], () => {
      fs.ftruncateSync = () => {
        throw Object.assign(new Error('EIO: i/o error, ftruncate'), { code: 'EIO' });
      };
    });
    return failure?.message.slice(0, 3) ?? heard.join(' ');
  } finally {
    fs.ftruncateSync = ftruncateSync;
  }
}

witnesses({
  Z12: { clean: makeZxid(1, 3), planted: 0, ask: durableAtAck },
  Z14: { clean: makeZxid(1, 3), planted: makeZxid(1, 2), ask: proposedMeanwhile },
  Z18: { clean: [makeZxid(1, 3)], planted: [], ask: snapshotKept },
  Z20: { clean: 'refused', planted: ['newLeaderAck'], ask: ackOfNothing },
  Z27: { clean: 3, planted: 2, ask: committedInBetween },
  Z28: { clean: 3, planted: 0, ask: passedOn },
  Z33: { clean: 'EIO', planted: 'newLeaderAck', ask: cutRefused },
});
