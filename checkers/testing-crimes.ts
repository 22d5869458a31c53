// Single alterations of a correct run, each with the checker that must find it and what it calls it.
// They are drawn on many runs, so that a checker is not fitted to one example.
import type { Event } from '../history/event.ts';
import type { NodeEvent } from '../history/node-event.ts';
import type { Checker } from '../history/run-record.ts';
import { electionChecker } from './election.ts';
import { logChecker } from './log.ts';
import { noRollback } from './no-rollback.ts';
import { sessionOrder } from './session-order.ts';
import { stateDigestChecker } from './state-digest.ts';
import { eventsOfKind } from './testing-run.ts';

/** One alteration; `pick` chooses among the places where it is possible. */
export interface Crime {
  name: string;
  checker: Checker;
  /** One of these is found. */
  kinds: string[];
  commit(events: NodeEvent[], history: Event[], pick: number): NodeEvent[] | undefined;
}

function without(events: NodeEvent[], gone: NodeEvent | undefined): NodeEvent[] {
  if (gone === undefined) throw new Error('expected an event to remove, found none');
  return events.filter((e) => e !== gone);
}

function one<T>(items: readonly T[], pick: number): T {
  const item = items[pick % items.length];
  if (item === undefined) throw new Error('expected at least one event to alter, found none');
  return item;
}

/** Applies that directly follow one another at one server, with no snapshot between, as pairs. */
function applyPairs(events: readonly NodeEvent[]) {
  const latest = new Map<string, Extract<NodeEvent, { ev: 'apply' }>>();
  const pairs: { first: NodeEvent & { ev: 'apply' }; second: NodeEvent & { ev: 'apply' } }[] = [];
  for (const event of events) {
    if (event.ev === 'start' || event.ev === 'snapLoaded') latest.delete(event.node);
    if (event.ev !== 'apply') continue;
    const first = latest.get(event.node);
    if (first !== undefined) pairs.push({ first, second: event });
    latest.set(event.node, event);
  }
  return pairs;
}

export const CRIMES: Crime[] = [
  {
    name: 'a follower acks what it never fsynced',
    checker: logChecker,
    kinds: ['ack-before-fsync'],
    commit(events, _, pick) {
      const acks = eventsOfKind(events, 'ackReceived').filter((a) => `n${a.from}` !== a.node);
      const ack = one(acks, pick);
      return events.filter(
        (e) => e.ev !== 'fsync' || e.node !== `n${ack.from}` || e.t > ack.t || e.upto < ack.zxid,
      );
    },
  },
  {
    name: 'a leader commits before any follower has the record on disk',
    checker: logChecker,
    kinds: ['commit-without-quorum'],
    commit(events, _, pick) {
      const proposals = eventsOfKind(events, 'propose');
      const commits = eventsOfKind(events, 'commit');
      const led = proposals.filter((p) =>
        commits.some((c) => c.node === p.node && c.inc === p.inc && c.zxid === p.zxid),
      );
      const proposal = one(led, pick);
      const commit = commits.find((c) => c.node === proposal.node && c.zxid === proposal.zxid);
      const own = events.find(
        (e) => e.ev === 'fsync' && e.node === proposal.node && e.upto === proposal.zxid,
      );
      if (commit === undefined || own === undefined)
        throw new Error('expected its commit and fsync');
      commit.t = own.t;
      return [
        ...without(events, commit).filter((e) => e.t <= own.t),
        commit,
        ...events.filter((e) => e.t > own.t && e !== commit),
      ];
    },
  },
  {
    name: 'one server logs another transaction under the same zxid',
    checker: logChecker,
    kinds: ['hash-mismatch'],
    commit(events, _, pick) {
      const appends = eventsOfKind(events, 'append');
      const shared = appends.filter((a) =>
        appends.some((b) => b.zxid === a.zxid && b.node !== a.node),
      );
      one(shared, pick).hash = 'altered';
      return undefined;
    },
  },
  {
    name: 'two applies in the wrong order',
    checker: logChecker,
    // At a follower that logs the second only after it applied the first, it is not even in the log.
    kinds: ['apply-gap', 'applied-unlogged'],
    commit(events, _, pick) {
      const { first, second } = one(applyPairs(events), pick);
      const { zxid, hash, digest } = first;
      Object.assign(first, { zxid: second.zxid, hash: second.hash, digest: second.digest });
      Object.assign(second, { zxid, hash, digest });
      return undefined;
    },
  },
  {
    name: 'an apply left out',
    checker: logChecker,
    kinds: ['apply-gap'],
    commit: (events, _, pick) => without(events, one(applyPairs(events), pick).first),
  },
  {
    name: 'a record left out of a log',
    checker: logChecker,
    kinds: ['log-gap'],
    commit(events, _, pick) {
      const appends = eventsOfKind(events, 'append');
      const inner = appends.filter((a) =>
        appends.some(
          (b) => b.node === a.node && b.inc === a.inc && b.t > a.t && b.zxid === a.zxid + 1,
        ),
      );
      return without(events, one(inner, pick));
    },
  },
  {
    name: 'a transaction nobody proposed',
    checker: logChecker,
    kinds: ['applied-unproposed'],
    commit(events, _, pick) {
      const applied = new Set(eventsOfKind(events, 'apply').map((e) => e.zxid));
      const proposals = eventsOfKind(events, 'propose').filter((p) => applied.has(p.zxid));
      return without(events, one(proposals, pick));
    },
  },
  {
    name: 'an fsynced record gone after a restart',
    checker: logChecker,
    kinds: ['durable-record-lost'],
    commit(events, _, pick) {
      const restarts = eventsOfKind(events, 'start').filter((e) => e.inc === 1);
      const restart = one(restarts, pick);
      restart.lastLogged = 0x1_0000_0000 + 2;
      restart.applied = 0;
      return undefined;
    },
  },
  {
    name: 'a second leader in an epoch',
    checker: electionChecker,
    kinds: ['two-leaders'],
    commit(events, _, pick) {
      const leader = one(eventsOfKind(events, 'established'), pick);
      const other = events.findLast((e) => e.node !== leader.node);
      if (other === undefined) throw new Error('expected another server');
      const { node, inc, t } = other;
      return [...events, { ...leader, node, inc, t: t + 1_000_000_000 }];
    },
  },
  {
    name: 'an accepted epoch forgotten by a restart',
    checker: electionChecker,
    kinds: ['epoch-regressed'],
    commit(events, _, pick) {
      one(
        eventsOfKind(events, 'start').filter((e) => e.inc === 1),
        pick,
      ).acceptedEpoch--;
      return undefined;
    },
  },
  {
    name: 'a current epoch forgotten by a restart',
    checker: electionChecker,
    kinds: ['epoch-regressed'],
    commit(events, _, pick) {
      one(
        eventsOfKind(events, 'start').filter((e) => e.inc === 1),
        pick,
      ).currentEpoch = 0;
      return undefined;
    },
  },
  {
    name: 'an epoch acked before it is on disk',
    checker: electionChecker,
    kinds: ['ack-before-persist'],
    commit: (events, _, pick) => without(events, one(eventsOfKind(events, 'acceptedEpoch'), pick)),
  },
  {
    name: 'NEWLEADER acked before the current epoch is on disk',
    checker: electionChecker,
    kinds: ['ack-before-persist'],
    commit: (events, _, pick) => without(events, one(eventsOfKind(events, 'currentEpoch'), pick)),
  },
  {
    name: 'an epoch skipped',
    checker: electionChecker,
    kinds: ['wrong-epoch'],
    commit(events, _, pick) {
      const proposed = one(eventsOfKind(events, 'newEpoch'), pick);
      proposed.acceptedEpochs[String(proposed.node.slice(1))] = proposed.epoch + 3;
      return undefined;
    },
  },
  {
    name: 'an epoch from less than a quorum',
    checker: electionChecker,
    kinds: ['epoch-without-quorum'],
    commit(events, _, pick) {
      const proposed = one(eventsOfKind(events, 'newEpoch'), pick);
      const own = proposed.node.slice(1);
      proposed.acceptedEpochs = { [own]: proposed.epoch - 1 };
      return undefined;
    },
  },
  {
    name: 'an establishment without a quorum',
    checker: electionChecker,
    kinds: ['established-without-quorum'],
    commit(events, _, pick) {
      const { epoch, t } = one(eventsOfKind(events, 'established'), pick);
      return events.filter(
        (e) => e.ev !== 'newLeaderAcked' || e.epoch !== epoch || e.t > t || `n${e.from}` === e.node,
      );
    },
  },
  {
    name: 'an ack counted that was not given',
    checker: electionChecker,
    kinds: ['ack-not-given'],
    commit: (events, _, pick) =>
      without(
        events,
        one(
          eventsOfKind(events, 'ackEpoch').filter((e) => e.counting),
          pick,
        ),
      ),
  },
  {
    name: 'a leader behind a server of its quorum',
    checker: electionChecker,
    kinds: ['leader-behind'],
    commit(events, _, pick) {
      const own = one(
        eventsOfKind(events, 'ackEpochCounted').filter(
          (e) => `n${e.from}` === e.node && e.zxid > 0,
        ),
        pick,
      );
      own.zxid = 0;
      return undefined;
    },
  },
  {
    name: 'a leader established without a committed transaction',
    checker: electionChecker,
    kinds: ['leader-incomplete'],
    commit(events, _, pick) {
      const later = eventsOfKind(events, 'established').filter((e) => e.epoch > 1);
      const leader = one(later, pick);
      const { node, inc, t } = leader;
      const lost = 0x1_0000_0000 + 1;
      const trunc: NodeEvent = { t: t - 1, node, inc, seq: 0, ev: 'trunc', to: lost };
      const at = events.indexOf(leader);
      return [...events.slice(0, at), trunc, ...events.slice(at)];
    },
  },
  {
    name: 'one server in another state',
    checker: stateDigestChecker,
    kinds: ['digest-mismatch'],
    commit(events, _, pick) {
      const applies = eventsOfKind(events, 'apply');
      const shared = applies.filter((a) =>
        applies.some((b) => b.zxid === a.zxid && b.node !== a.node),
      );
      one(shared, pick).digest = 'altered';
      return undefined;
    },
  },
  {
    name: 'a final read of an older state through one server',
    checker: noRollback,
    kinds: ['acked-write-lost'],
    commit(_, history, pick) {
      const began = history.findIndex((e) => e.f === 'phase' && e.value === 'final');
      const reads = history.filter((e) => e.index > began && e.type === 'ok' && e.f === 'read');
      const read = one(reads, pick);
      const old = history.find((e) => e.type === 'ok' && e.f === 'write' && e.key === read.key);
      Object.assign(read, { value: old?.value, mzxid: old?.mzxid, version: old?.version });
      return undefined;
    },
  },
  {
    name: 'an acknowledged write that no leader committed',
    checker: noRollback,
    kinds: ['acked-not-committed'],
    commit(_, history, pick) {
      const writes = history.filter((e) => e.type === 'ok' && e.f === 'write');
      const write = one(writes, pick);
      write.mzxid = 77 * 0x1_0000_0000;
      return undefined;
    },
  },
  {
    name: 'a reply older than the session has seen',
    checker: sessionOrder,
    kinds: ['reply-went-back'],
    commit(_, history, pick) {
      const replies = history.filter((e) => e.type === 'ok' && e.f === 'read');
      const late = replies.filter((r) =>
        history.some((e) => e.type === 'ok' && e.session === r.session && e.index < r.index),
      );
      Object.assign(one(late, pick), { zxid: 1, syncZxid: 1 });
      return undefined;
    },
  },
];
