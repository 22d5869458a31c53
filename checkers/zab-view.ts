// What a whole ensemble's events say together: every server's log and, for every transaction, who
// first proposed it and which leader committed it when. Built once per run, shared by the checkers.
import type { NodeEvent } from '../history/node-event.ts';
import { zxidEpoch } from '../history/node-event.ts';
import type { RunRecord } from '../history/run-record.ts';
import { eventsByNode } from './evidence.ts';
import type { NodeLog, SyncStartEvent } from './node-log.ts';
import { ServerReplay } from './server-replay.ts';

/** One server over the whole run. */
export interface ServerView {
  node: string;
  sid: number;
  /** As its last start names them, by sid. */
  voters: number[];
  events: NodeEvent[];
  /** What leaders began to send to it, by time. */
  syncs: SyncStartEvent[];
  /** Its log at the end of the run; durability questions reach back over the whole run. */
  log: NodeLog;
  /** Its last applied zxid at the end of the run. */
  applied: number;
  foundAtFirst: number;
  /** Epochs in which it was established as leader. */
  led: Set<number>;
}

/** The first event by which a leader committed a transaction. */
export interface CommitPoint {
  t: number;
  event: NodeEvent;
  voters: number[];
}

export interface ZabView {
  servers: ServerView[];
  bySid: Map<number, ServerView>;
  /** zxid → when a leader first committed it. */
  commits: Map<number, CommitPoint>;
  /** Keys of `commits`, ascending. */
  committedZxids: number[];
  /** zxid → the first propose event. */
  proposals: Map<number, Extract<NodeEvent, { ev: 'propose' }>>;
  /** Up to here servers held data before the run began. */
  preexisting: number;
}

const views = new WeakMap<RunRecord, ZabView>();

/** The ensemble's view of a run whose node logs are whole; remembered per record. */
export function zabView(run: RunRecord): ZabView {
  const known = views.get(run);
  if (known !== undefined) return known;
  const view = buildView(run);
  views.set(run, view);
  return view;
}

function buildView(run: RunRecord): ZabView {
  const byNode = eventsByNode(run.nodeEvents);
  const syncsByPeer = new Map<number, SyncStartEvent[]>();
  const proposals: ZabView['proposals'] = new Map();
  for (const event of run.nodeEvents) {
    if (event.ev === 'syncStart') {
      const syncs = syncsByPeer.get(event.peer);
      if (syncs === undefined) syncsByPeer.set(event.peer, [event]);
      else syncs.push(event);
    } else if (event.ev === 'propose') {
      const first = proposals.get(event.zxid);
      if (first === undefined || event.t < first.t) proposals.set(event.zxid, event);
    }
  }
  for (const syncs of syncsByPeer.values()) syncs.sort((a, b) => a.t - b.t);
  const commits: ZabView['commits'] = new Map();
  const servers = [...byNode].map(([node, events]) =>
    replayServer(node, events, syncsByPeer, commits),
  );
  return {
    servers,
    bySid: new Map(servers.map((server) => [server.sid, server])),
    commits,
    committedZxids: [...commits.keys()].sort((a, b) => a - b),
    proposals,
    preexisting: Math.max(0, ...servers.map((server) => server.foundAtFirst)),
  };
}

function replayServer(
  node: string,
  events: NodeEvent[],
  syncsByPeer: Map<number, SyncStartEvent[]>,
  commits: ZabView['commits'],
): ServerView {
  const first = events[0];
  if (first?.ev !== 'start') {
    throw new Error(
      `expected the events of ${node} to open with \`start\`, got \`${first?.ev}\`: check the logs for gaps first`,
    );
  }
  const syncs = syncsByPeer.get(first.sid) ?? [];
  const replay = new ServerReplay(syncs, () => undefined);
  let voters = first.voters;
  const led = new Set<number>();
  for (const event of events) {
    replay.step(event);
    if (event.ev === 'established') led.add(event.epoch);
    if (event.ev === 'start' || event.ev === 'ensemble') voters = event.voters;
    else if (event.ev === 'commit' || event.ev === 'established') {
      if (replay.established === undefined) continue;
      const inEpoch =
        event.ev === 'established' || zxidEpoch(event.zxid) === replay.established.epoch;
      if (!inEpoch) continue;
      for (const zxid of replay.newlyCommitted(event.zxid)) {
        const known = commits.get(zxid);
        if (known === undefined || event.t < known.t)
          commits.set(zxid, { t: event.t, event, voters });
      }
    }
  }
  return {
    node,
    sid: first.sid,
    voters,
    events,
    syncs,
    log: replay.log,
    applied: replay.applied,
    foundAtFirst: replay.foundAtFirst,
    led,
  };
}

/** Voters that had `zxid` on disk by time `t` (ns). */
export function votersWith(
  view: ZabView,
  voters: readonly number[],
  zxid: number,
  t: number,
): number[] {
  return voters.filter((sid) => view.bySid.get(sid)?.log.durableBy(zxid, t) === true);
}

/** Whether `zxid` was on some disk though no event there tells of it: from before, or hidden by a kill. */
export function isUntraceable(view: ZabView, zxid: number): boolean {
  return zxid <= view.preexisting || view.servers.some((server) => isUnseen(server, zxid));
}

/** Whether its proposal may be missing: from before, or its leader was killed before it could tell. */
export function mayLackProposal(view: ZabView, zxid: number): boolean {
  const epoch = zxidEpoch(zxid);
  return (
    zxid <= view.preexisting ||
    view.servers.some((server) => server.led.has(epoch) && isUnseen(server, zxid))
  );
}

function isUnseen(server: ServerView, zxid: number): boolean {
  return server.log.unseen.some((range) => zxid > range.from && zxid <= range.to);
}
