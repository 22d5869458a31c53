// Judges the replicated log: contiguous and equal everywhere, committed only by a quorum's disks,
// applied everywhere in one order. It rebuilds each server's log from its events (I-Z7, I-Z8, I-Z9).
import type { NodeEvent } from '../history/node-event.ts';
import { formatZxid, zxidCounter, zxidEpoch } from '../history/node-event.ts';
import type { Checker, RunRecord } from '../history/run-record.ts';
import {
  Findings,
  levelProblem,
  nameEvent,
  nodeLogProblem,
  quorumOf,
  unknownVerdict,
} from './evidence.ts';
import { unexplainedRefusals } from './refused-starts.ts';
import { ServerReplay } from './server-replay.ts';
import type { ServerView, ZabView } from './zab-view.ts';
import { isUntraceable, mayLackProposal, votersWith, zabView } from './zab-view.ts';

const NAME = 'log';
const GUARANTEE =
  'Every server logs the same transactions in the same order without gaps and starts again from its ' +
  'log, and a transaction is committed only after a quorum of voters has it on disk and applied only ' +
  'after it is committed.';

/** Fewer committed transactions than this prove nothing. */
const COMMITTED_MIN = 10;

type TxnEvent = Extract<NodeEvent, { ev: 'append' | 'propose' | 'apply' }>;

export const logChecker: Checker = {
  name: NAME,
  guarantee: GUARANTEE,
  check(run) {
    const gap = nodeLogProblem(run);
    if (gap !== undefined) return unknownVerdict(NAME, GUARANTEE, gap);
    const findings = new Findings();
    const view = zabView(run);
    sameHashes(run, findings);
    for (const server of view.servers) replayWithChecks(view, server, findings);
    quorumCommits(view, findings);
    acknowledgements(view, findings);
    applies(view, findings);
    unexplainedRefusals(run, 'log', findings);
    return findings.verdict(NAME, GUARANTEE, levelProblem(run) ?? thinEvidence(findings));
  },
};

function thinEvidence(findings: Findings): string | undefined {
  const committed = findings.evidence.committed ?? 0;
  if (committed >= COMMITTED_MIN) return undefined;
  return `only ${committed} transactions were committed; at least ${COMMITTED_MIN} are needed`;
}

/** I-Z7: a zxid means one transaction, whoever proposes, logs or applies it; (e,0) is none. */
function sameHashes(run: RunRecord, findings: Findings): void {
  const first = new Map<number, TxnEvent>();
  for (const event of run.nodeEvents) {
    if (event.ev !== 'append' && event.ev !== 'propose' && event.ev !== 'apply') continue;
    findings.count(
      event.ev === 'append' ? 'appends' : event.ev === 'apply' ? 'applies' : 'proposals',
    );
    if (zxidCounter(event.zxid) === 0) {
      findings.addNodeAnomaly(
        'zero-counter',
        `${event.node} has a transaction with zxid ${formatZxid(event.zxid)} (\`${event.ev}\`); counters begin at 1.`,
        [event],
      );
    }
    const other = first.get(event.zxid);
    if (other === undefined) first.set(event.zxid, event);
    else if (other.hash !== event.hash) {
      findings.addNodeAnomaly(
        'hash-mismatch',
        `Transaction ${formatZxid(event.zxid)} has hash ${other.hash} at ${other.node} (\`${other.ev}\`) ` +
          `but ${event.hash} at ${event.node} (\`${event.ev}\`); one zxid must name one transaction.`,
        [other, event],
      );
    }
  }
  findings.count('transactions', first.size);
}

/** One server's own consistency, and its commits against those of the leaders. */
function replayWithChecks(view: ZabView, server: ServerView, findings: Findings): void {
  const replay = new ServerReplay(server.syncs, (kind, why, event) => {
    findings.addNodeAnomaly(kind, `At ${nameEvent(event)} ${server.node} broke its log: ${why}.`, [
      event,
    ]);
  });
  for (const event of server.events) {
    const ledEpoch = replay.established?.epoch;
    replay.step(event);
    if (event.ev === 'commit')
      committedByLeader(view, event, event.zxid, 'took as committed', findings);
    else if (event.ev === 'apply') committedByLeader(view, event, event.zxid, 'applied', findings);
    else if (event.ev === 'start') {
      findings.count('starts');
      if (ledEpoch === zxidEpoch(event.applied) && onQuorum(view, server, event)) continue;
      committedByLeader(view, event, event.applied, 'recovered as committed', findings);
    } else if (event.ev === 'snapLoaded') {
      committedByLeader(view, event, event.zxid, 'loaded a snapshot of', findings);
    }
  }
}

/**
 * A leader may be killed after it committed and before its event log could tell, and find that commit
 * in its transaction log when it starts again: lawful if a quorum did have it on disk.
 */
function onQuorum(view: ZabView, server: ServerView, event: NodeEvent & { ev: 'start' }): boolean {
  const having = votersWith(view, server.voters, event.applied, event.t);
  return having.length >= quorumOf(server.voters);
}

function committedByLeader(
  view: ZabView,
  event: NodeEvent,
  zxid: number,
  did: string,
  findings: Findings,
): void {
  if (zxid <= view.preexisting) return;
  const commit = view.commits.get(zxid);
  if (commit !== undefined && commit.t <= event.t) return;
  if (commit === undefined && isUntraceable(view, zxid)) return;
  const later =
    commit === undefined
      ? 'no leader ever committed it'
      : `${commit.event.node} committed it only later`;
  findings.addNodeAnomaly(
    'uncommitted-used',
    `${event.node} ${did} ${formatZxid(zxid)} at ${nameEvent(event)}, but ${later}.`,
    commit === undefined ? [event] : [event, commit.event],
  );
}

/** I-Z9: at its commit, a transaction was on the disks of a quorum of voters. */
function quorumCommits(view: ZabView, findings: Findings): void {
  for (const [zxid, commit] of view.commits) {
    findings.count('committed');
    const quorum = quorumOf(commit.voters);
    const having = votersWith(view, commit.voters, zxid, commit.t);
    if (having.length >= quorum) continue;
    findings.addNodeAnomaly(
      'commit-without-quorum',
      `${commit.event.node} committed ${formatZxid(zxid)} at ${nameEvent(commit.event)} when only ` +
        `${having.length} of ${commit.voters.length} voters (${having.map((sid) => `server ${sid}`).join(', ') || 'none'}) ` +
        `had it on disk; ${quorum} were needed.`,
      [commit.event],
    );
  }
}

/** I-Z9: what a leader was told to be durable at a server was durable there. */
function acknowledgements(view: ZabView, findings: Findings): void {
  for (const server of view.servers) {
    for (const event of server.events) {
      if (event.ev !== 'ackReceived' || zxidCounter(event.zxid) === 0) continue;
      findings.count('acks');
      const from = view.bySid.get(event.from);
      if (from === undefined || from.log.durableBy(event.zxid, event.t)) continue;
      findings.addNodeAnomaly(
        'ack-before-fsync',
        `${server.node} received an ack of ${formatZxid(event.zxid)} from ${from.node} at ${nameEvent(event)}, ` +
          `but ${from.node} had not fsynced it by then.`,
        [event],
      );
    }
  }
}

/** I-Z8: applied sequences have one order everywhere, and a leader proposed every applied txn. */
function applies(view: ZabView, findings: Findings): void {
  const successors = new Map<number, NodeEvent & { ev: 'apply' }>();
  const judged = new Set<number>();
  for (const server of view.servers) {
    let applied: number | undefined;
    for (const event of server.events) {
      if (event.ev === 'start') applied = event.applied;
      else if (event.ev === 'snapLoaded') applied = undefined;
      else if (event.ev === 'trunc' && applied !== undefined && event.to < applied)
        applied = undefined;
      if (event.ev !== 'apply') continue;
      if (applied !== undefined) oneSuccessor(successors, applied, event, findings);
      applied = event.zxid;
      if (judged.has(event.zxid)) continue;
      judged.add(event.zxid);
      wasProposed(view, event, findings);
    }
  }
  findings.count('appliedTransactions', judged.size);
}

function oneSuccessor(
  successors: Map<number, NodeEvent & { ev: 'apply' }>,
  applied: number,
  event: NodeEvent & { ev: 'apply' },
  findings: Findings,
): void {
  const other = successors.get(applied);
  if (other === undefined) {
    successors.set(applied, event);
    return;
  }
  findings.count('successorsCompared');
  if (other.zxid === event.zxid) return;
  findings.addNodeAnomaly(
    'histories-diverge',
    `After ${formatZxid(applied)} ${other.node} applied ${formatZxid(other.zxid)} but ${event.node} applied ` +
      `${formatZxid(event.zxid)}; the committed sequences of two servers must be prefixes of one another.`,
    [other, event],
  );
}

function wasProposed(view: ZabView, event: NodeEvent & { ev: 'apply' }, findings: Findings): void {
  const proposal = view.proposals.get(event.zxid);
  if (proposal === undefined ? mayLackProposal(view, event.zxid) : proposal.t <= event.t) return;
  findings.addNodeAnomaly(
    'applied-unproposed',
    `${event.node} applied ${formatZxid(event.zxid)} at ${nameEvent(event)}, but no leader of epoch ` +
      `${zxidEpoch(event.zxid)} had proposed it by then.`,
    [event],
  );
}
