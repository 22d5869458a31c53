// A learner of the server, with its own disk and state, and a leader that says what a test tells it to: a
// synchronisation can then be cut, crowded or mixed up at exactly one place.
import { once } from 'node:events';
import net from 'node:net';
import type { Message } from '../../coordinator/zab/messages.ts';
import type { Zxid } from '../../coordinator/zxid.ts';
import { load } from './patched.ts';

type Parts = typeof import('../../coordinator/zab/learner.ts') &
  typeof import('../../coordinator/zab/link.ts') &
  typeof import('../../coordinator/zab/membership.ts') &
  typeof import('../../coordinator/zab/messages.ts') &
  typeof import('../../coordinator/zab/recent-log.ts') &
  typeof import('../../coordinator/zab/transport.ts') &
  typeof import('../../coordinator/storage/recovery.ts') &
  typeof import('../../coordinator/tree/testing.ts') &
  typeof import('../../coordinator/tree/data-tree.ts');

const FILES = ['learner', 'link', 'membership', 'messages', 'recent-log', 'transport'];

/** The learner's and the leader's code, with a mutant's patches or without. */
export const learnerParts = (id?: string): Promise<Parts> =>
  load<Parts>(
    [...FILES.map((file) => `zab/${file}`), 'storage/recovery', 'tree/testing', 'tree/data-tree'],
    id,
  );

type FromLeader = Message<Parts['LEADER_MESSAGES']>;

const EPOCH = 2;
const NO_EVENTS = { detailed: false, emit() {}, flush() {} };

/**
 * A learner on the disk in `dir` follows a leader of epoch 2, which sends `script` in one go and, after the
 * acknowledgement of NEWLEADER, `then`, that must end in a question. Ends with the last answer or a failure.
 */
export async function followScript(
  parts: Parts,
  dir: string,
  script: readonly FromLeader[],
  then: readonly FromLeader[] = [],
  recovered: () => void = () => {},
) {
  const disk = parts.recover(dir, { preAllocBytes: 64 * 1024 });
  recovered();
  const tree = new parts.DataTree();
  const recent = new parts.RecentLog({ recordsMax: 1_000, bytesMax: 1_000_000 });
  for (const record of disk.records(0)) recent.add(record);
  const heard: string[] = [];
  let failure: Error | undefined;
  let durableAtAck: Zxid | undefined;
  let over: () => void = () => {};
  const done = new Promise<void>((resolve) => (over = resolve));
  const server = net.createServer((socket) => {
    const link = new parts.Link({
      socket,
      incoming: parts.LEARNER_MESSAGES,
      outgoing: parts.LEADER_MESSAGES,
      events: NO_EVENTS,
      onMessage({ type }) {
        if (type === 'followerInfo') link.send({ type: 'leaderInfo', epoch: EPOCH });
        else if (type === 'ackEpoch') for (const message of script) link.send(message);
        else {
          heard.push(type);
          if (type === 'newLeaderAck') for (const message of then) link.send(message);
          if (type === (then.length > 0 ? 'confirmAck' : 'newLeaderAck')) over();
        }
      },
      onClose: () => over(),
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  const leader = { sid: 1, host: '127.0.0.1', peerPort: port, electionPort: 1 };
  const self = { sid: 2, host: '127.0.0.1', peerPort: 1, electionPort: 2 };
  const peers = [leader, self];
  const commitUpTo = (zxid: Zxid) => {
    for (const record of recent.after(tree.lastApplied)) {
      if (record.txn.zxid <= zxid) tree.apply(record);
    }
  };
  const context = {
    config: { sid: 2, peers, tickMs: 1_000, initLimit: 100, silenceMsMax: 100_000 },
    events: {
      ...NO_EVENTS,
      emit({ ev }: { ev: string }) {
        if (ev === 'newLeaderAck') durableAtAck = disk.log.lastDurable;
      },
    },
    front: { serve() {} },
    tree,
    log: disk.log,
    snapshots: disk.snapshots,
    epochs: disk.epochs,
    recent,
    membership: new parts.Membership({ peers, kept: '', keep() {} }),
    transport: parts.PLAIN_TRANSPORT,
    commitUpTo,
    leaderRefuted: () => false,
    leave: over,
    guard(step: () => void) {
      try {
        step();
      } catch (error) {
        failure ??= error as Error;
        over();
      }
    },
  };
  const learner = new parts.Learner(context as never, leader);
  disk.log.onDurable = (zxid) => learner.durable(zxid);
  await done;
  learner.stop('the script is over');
  server.close();
  return { disk, tree, recent, heard, failure, durableAtAck };
}
