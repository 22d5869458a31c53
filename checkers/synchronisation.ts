// Judges how a leader brings a server's log to its own: the mode it chose, that afterwards the two logs
// are equal, that what was cut stays cut, and that only then the server serves (I-Z10 to I-Z13). Whether
// a snapshot holds the state it should (I-Z14) is seen by state-digest, from the digests of all reloads.
import type { NodeEvent } from '../history/node-event.ts';
import { formatZxid } from '../history/node-event.ts';
import type { Checker } from '../history/run-record.ts';
import type { Verdict } from '../history/verdict.ts';
import {
  Findings,
  levelProblem,
  nameEvent,
  nodeLogProblem,
  phaseStarts,
  unknownVerdict,
  upperBound,
} from './evidence.ts';
import type { Synchronisations } from './learner-replay.ts';
import { judgeLearner, syncsOf } from './learner-replay.ts';
import type { NodeLog, SyncStartEvent } from './node-log.ts';
import { withoutRefusedStarts } from './refused-starts.ts';
import { ServerReplay } from './server-replay.ts';
import type { ServerView, ZabView } from './zab-view.ts';
import { zabView } from './zab-view.ts';

const NAME = 'synchronisation';
const GUARANTEE =
  'A server that joins a leader serves only after its durable log equals the leader’s, by the cheapest ' +
  'way that can make it so; what it had to give up was never committed and never comes back.';

export const synchronisation: Checker = {
  name: NAME,
  guarantee: GUARANTEE,
  check(given): Verdict {
    const run = withoutRefusedStarts(given);
    const gap = nodeLogProblem(run) ?? levelProblem(run);
    if (gap !== undefined) return unknownVerdict(NAME, GUARANTEE, gap);
    const findings = new Findings();
    for (const mode of ['diff', 'trunc', 'snap']) findings.count(`syncs.${mode}`, 0);
    const view = zabView(run);
    const synchronisations: Synchronisations = { syncs: new Map(), uptodates: new Map() };
    for (const server of view.servers) leaderSide(server, synchronisations, findings);
    const damaged = new Set(
      run.faults.flatMap(({ fault }) => (fault.kind === 'disk' ? fault.nodes : [])),
    );
    for (const server of view.servers) {
      judgeLearner(view, server, synchronisations, damaged.has(server.node), findings);
    }
    // What ends the run ends the servers' tenures too, in no order that means anything.
    const endNs = phaseStarts(run.history).get('done') ?? Number.POSITIVE_INFINITY;
    return evidenceOf(view, synchronisations, endNs, findings);
  },
};

/**
 * Unknown without any synchronisation, or if servers fell away and none was brought back. Where nobody
 * fell away after the first election, that one's synchronisations are all there is to judge.
 */
function evidenceOf(
  view: ZabView,
  synchronisations: Synchronisations,
  endNs: number,
  findings: Findings,
): Verdict {
  const away = view.servers.reduce((sum, server) => sum + timesAway(server, endNs), 0);
  const later = laterSyncs(view, synchronisations);
  findings.count('fellAway', away);
  findings.count('syncsAfterFirstElection', later);
  const all = [...synchronisations.syncs.values()].flat().length;
  if (all === 0 && view.servers.length > 1) {
    return findings.verdict(NAME, GUARANTEE, 'no leader synchronised any server');
  }
  if (later > 0) return findings.verdict(NAME, GUARANTEE);
  if (away > 0) {
    const doubt = `servers fell away ${away} times, but none was synchronised again`;
    return findings.verdict(NAME, GUARANTEE, doubt);
  }
  const reason = 'nothing to judge after the first election: no server fell away';
  return { ...findings.verdict(NAME, GUARANTEE), reason };
}

/** The first sign that a server was brought to a leader's log, or led. */
function firstServed({ events }: ServerView): NodeEvent | undefined {
  return events.find((e) => e.ev === 'newLeaderAck' || e.ev === 'established');
}

/** How often a server that had been synchronised or led let go, or was started again. */
function timesAway(server: ServerView, endNs: number): number {
  const served = firstServed(server);
  if (served === undefined) return 0;
  return server.events.filter(
    ({ t, ev }) => t > served.t && t < endNs && (ev === 'left' || ev === 'start'),
  ).length;
}

/** Synchronisations of servers that had been synchronised or led before. */
function laterSyncs(view: ZabView, synchronisations: Synchronisations): number {
  let later = 0;
  for (const [sid, syncs] of synchronisations.syncs) {
    const server = view.bySid.get(sid);
    const first = server === undefined ? undefined : firstServed(server);
    if (first !== undefined) later += syncs.filter(({ event }) => event.t > first.t).length;
  }
  return later;
}

/** Replays one server; what it sends as a leader is judged and kept for the learners' side. */
function leaderSide(
  server: ServerView,
  synchronisations: Synchronisations,
  findings: Findings,
): void {
  const replay = new ServerReplay(server.syncs, () => undefined);
  let committed = 0;
  let acked = new Set<number>();
  const may = (peer: number, epoch: number, t: number): void => {
    const key = `${peer}/${epoch}`;
    const points = synchronisations.uptodates.get(key) ?? [];
    points.push({ t, committed, leader: server.node });
    synchronisations.uptodates.set(key, points);
  };
  for (const event of server.events) {
    replay.step(event);
    if (event.ev === 'start' || event.ev === 'role') {
      if (event.ev === 'start' || event.role === 'looking') acked = new Set();
    } else if (event.ev === 'newLeaderAcked' && event.from !== server.sid) {
      if (replay.established?.epoch === event.epoch) may(event.from, event.epoch, event.t);
      else acked.add(event.from);
    } else if (event.ev === 'established') {
      committed = event.zxid;
      for (const peer of acked) may(peer, event.epoch, event.t);
    } else if (event.ev === 'commit' && replay.established !== undefined) {
      committed = Math.max(committed, event.zxid);
    } else if (event.ev === 'syncStart') {
      findings.count(`syncs.${event.mode}`);
      judgeChoice(server, event, replay, findings);
      const { zxids, hashes, hidden } = replay.log;
      const log = { zxids: [...zxids], hashes: [...hashes], hidden: [...hidden] };
      syncsOf(synchronisations, event.peer).push({ event, leader: server.node, log });
    }
  }
}

/** The leader's last zxid at or below `zxid`; undefined where its log there was never seen. */
function lastAtMost(log: NodeLog, zxid: number): number | undefined {
  if (log.hidden.some((range) => zxid > range.from && zxid < range.to)) return undefined;
  const hidden = log.hidden.filter((range) => range.to <= zxid).at(-1)?.to ?? 0;
  return Math.max(log.zxids[upperBound(log.zxids, zxid) - 1] ?? 0, hidden);
}

/** I-Z11: the mode follows from what both logs have in common. */
function judgeChoice(
  server: ServerView,
  event: SyncStartEvent,
  replay: ServerReplay,
  findings: Findings,
): void {
  const report = (why: string): void => {
    findings.addNodeAnomaly(
      'wrong-sync',
      `${server.node} began a ${event.mode} of server ${event.peer} at ${nameEvent(event)}, whose log ended at ` +
        `${formatZxid(event.peerZxid)}: ${why}.`,
      [event],
    );
  };
  const { log } = replay;
  if (event.to !== log.last) {
    report(
      `it announced ${formatZxid(event.to)} as the last zxid, but its own log ended at ${formatZxid(log.last)}`,
    );
  }
  if (event.mode === 'snap') {
    if (event.from === replay.applied) return;
    report(
      `it took a snapshot for ${formatZxid(event.from)}, but had applied ${formatZxid(replay.applied)}`,
    );
    return;
  }
  const common = lastAtMost(log, event.peerZxid);
  if (common === undefined) {
    findings.count('choicesUnseen');
    return;
  }
  findings.count('choicesJudged');
  if (event.from !== common) {
    report(
      `it kept everything up to ${formatZxid(event.from)}, but the last zxid common to both was ` +
        formatZxid(common),
    );
  } else if (event.mode === 'diff' && common !== event.peerZxid) {
    report(
      `the leader has no such record, so the server must cut its log to ${formatZxid(common)} first`,
    );
  } else if (event.mode === 'trunc' && common === event.peerZxid) {
    report('the leader has that record, so there was nothing to cut');
  }
}
