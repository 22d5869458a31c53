// What the history alone says of sessions and their nodes, as a user of any server could judge it: by zxids
// and, once a session was let go, by time. The servers' own logs are not asked here.

import { formatZxid } from '../history/node-event.ts';
import type { Op } from '../history/op.ts';
import type { RunRecord } from '../history/run-record.ts';
import { type Findings, formatMs } from './evidence.ts';
import { eventsOf, nameOp } from './observations.ts';
import { placements } from './placements.ts';
import { existenceSeen } from './session-observations.ts';

/** A path that an ok read at `zxid` showed to be there, or not. */
interface Sighting {
  op: Op;
  path: string;
  zxid: number;
  there: boolean;
  /** Whose it was, where that was shown. */
  owner?: string;
}

/** What reads say of single paths that the history itself says were made. */
function sightings(run: RunRecord, paths: ReadonlySet<string>): Map<string, Sighting[]> {
  const byParent = new Map<string, string[]>();
  for (const path of paths) {
    const parent = path.slice(0, path.lastIndexOf('/'));
    const known = byParent.get(parent);
    if (known === undefined) byParent.set(parent, [path]);
    else known.push(path);
  }
  const found = new Map<string, Sighting[]>([...paths].map((path) => [path, []]));
  for (const op of run.ops) {
    const { zxid, value } = op.completion ?? {};
    if (zxid === undefined || op.key === undefined) continue;
    const seen = existenceSeen(op);
    if (seen !== undefined) {
      const { exists: there, owner } = seen;
      found.get(op.key)?.push({ op, path: op.key, zxid, there, ...(owner && { owner }) });
    } else if (op.f === 'children' && op.type === 'ok') {
      const names = new Set(value as string[]);
      for (const path of byParent.get(op.key) ?? []) {
        const there = names.has(path.slice(op.key.length + 1));
        found.get(path)?.push({ op, path, zxid, there });
      }
    }
  }
  return found;
}

/** What the history says of one session, in zxids. */
interface ClientSession {
  /** Acknowledged nodes, and those whose creation was sent behind the close. */
  made: { op: Op; path: string; zxid: number }[];
  closed: { op: Op; zxid: number } | undefined;
  /** The newest zxid at which it was answered, so open. */
  answered: { op: Op; zxid: number } | undefined;
  /** When its client let go of it, ns: by `abandon`, for another, or because the process was replaced. */
  letGo: number | undefined;
}

/**
 * Judges the history alone, as a user of any server could: nodes of a living session are there, nodes
 * of a closed one are not, and nodes of one let go of are gone once its time is over.
 * @param settled from when on, ns, one leader stood undisturbed to the end of the run
 * @param timeoutMs a session's timeout with all that may delay an expiry
 */
export function judgeHistory(
  run: RunRecord,
  settled: number,
  timeoutMs: (session: string) => number,
  findings: Findings,
): void {
  findings.count('nodesOfClosedSessionsLookedFor', 0);
  findings.count('nodesOfLivingSessionsLookedFor', 0);
  findings.count('nodesOfAbandonedSessionsLookedFor', 0);
  const sessions = clientSessions(run.ops);
  const paths = new Set([...sessions.values()].flatMap(({ made }) => made.map(({ path }) => path)));
  const seen = sightings(run, paths);
  const ended = deletions(run);
  const creations = creationsByPath(run.ops, sessions);
  for (const [id, session] of sessions) {
    const time = { settled, timeoutMs: timeoutMs(id) };
    for (const node of session.made) {
      const until = ended.get(node.path)?.find((zxid) => zxid === 0 || zxid > node.zxid);
      for (const sighting of seen.get(node.path) ?? []) {
        // A node that a client deleted may be gone, but only another creation brings one back.
        if (!sighting.there && until !== undefined && sighting.zxid >= until) continue;
        if (sighting.there && isAnother(id, node, sighting, creations)) continue;
        judgeSighting(id, session, node, sighting, time, findings);
      }
    }
  }
}

/** Whether what was seen at a path is, or may be, a node made there later, by whomever. */
function isAnother(
  id: string,
  node: { path: string; zxid: number },
  { owner, zxid }: Sighting,
  creations: ReadonlyMap<string, readonly number[]>,
): boolean {
  if (owner !== undefined) return owner !== id;
  const later = creations.get(node.path) ?? [];
  return later.some((at) => at === 0 || (at > node.zxid && at <= zxid));
}

/** Zxids at which clients made each path; 0: an unanswered creation, which may be at any. */
function creationsByPath(
  ops: readonly Op[],
  sessions: ReadonlyMap<string, ClientSession>,
): Map<string, number[]> {
  const creations = new Map<string, number[]>();
  const add = (path: string, zxid: number): void => {
    const known = creations.get(path);
    if (known === undefined) creations.set(path, [zxid]);
    else known.push(zxid);
  };
  for (const { made } of sessions.values()) for (const { path, zxid } of made) add(path, zxid);
  for (const { f, type, key, invoke } of ops) {
    const single = (invoke.value as { sequential?: boolean } | undefined)?.sequential === false;
    if (f === 'create-ephemeral' && type === 'info' && key !== undefined && single) add(key, 0);
  }
  return creations;
}

/** Zxids at which clients deleted each path; 0: nobody knows whether or when. */
function deletions(run: RunRecord): Map<string, number[]> {
  const ended = new Map<string, number[]>();
  const placed = placements(run);
  for (const op of run.ops) {
    const { f, type, key, completion } = op;
    if (f !== 'delete' || type === 'fail' || key === undefined) continue;
    const place = placed.get(op);
    if (place?.kind === 'without-effect') continue;
    const zxid = type === 'ok' ? completion?.zxid : place?.zxid;
    ended.set(key, [...(ended.get(key) ?? []), zxid ?? 0]);
  }
  for (const zxids of ended.values()) zxids.sort((a, b) => a - b);
  return ended;
}

/** Of operations that begin another session, or end a process: the main session that its process had. */
export function mainSessions(ops: readonly Op[]): Map<Op, string> {
  const main = new Map<Op, string>();
  const byProcess = new Map<Op['process'], string>();
  for (const op of ops) {
    const before = byProcess.get(op.process);
    if (before !== undefined && (op.f === 'open' || op.type === 'info')) main.set(op, before);
    const { session } = op.completion ?? {};
    // A step that names its server, and a creation of the setup, goes over a session that only looks on.
    const aside = op.invoke.node !== undefined || op.f === 'create';
    if (session !== undefined && !aside) byProcess.set(op.process, session);
  }
  return main;
}

function clientSessions(ops: readonly Op[]): Map<string, ClientSession> {
  const sessions = new Map<string, ClientSession>();
  const main = mainSessions(ops);
  for (const op of ops) {
    const { session, zxid, value, time } = op.completion ?? {};
    const before = op.f === 'open' ? sessions.get(main.get(op) ?? '') : undefined;
    if (before !== undefined && time !== undefined) before.letGo ??= time;
    if (session === undefined || op.completion === undefined) continue;
    let own = sessions.get(session);
    if (own === undefined) {
      own = { made: [], closed: undefined, answered: undefined, letGo: undefined };
      sessions.set(session, own);
    }
    if (op.type === 'info' || (op.f === 'abandon' && op.type === 'ok')) {
      own.letGo = op.completion.time;
    }
    if (op.type !== 'ok' || zxid === undefined) continue;
    if (op.f === 'close') {
      own.closed = { op, zxid };
      for (const path of (value as { around?: string[] } | undefined)?.around ?? []) {
        own.made.push({ op, path, zxid });
      }
      continue;
    }
    if (zxid > (own.answered?.zxid ?? 0)) own.answered = { op, zxid };
    const path = (value as { path?: string } | undefined)?.path;
    if (op.f === 'create-ephemeral' && path !== undefined) own.made.push({ op, path, zxid });
  }
  return sessions;
}

function judgeSighting(
  id: string,
  session: ClientSession,
  node: { op: Op; path: string; zxid: number },
  sighting: Sighting,
  time: { settled: number; timeoutMs: number },
  findings: Findings,
): void {
  const { closed, answered, letGo } = session;
  const { op, path, zxid, there } = sighting;
  const add = (kind: string, why: string, ...others: Op[]): void => {
    const events = eventsOf(node.op, ...others.filter((other) => other !== node.op), op);
    findings.add({ kind, why, events, key: path });
  };
  if (closed !== undefined && zxid >= closed.zxid) {
    findings.count('nodesOfClosedSessionsLookedFor');
    if (there) {
      add(
        'ephemeral-outlives-session',
        `The ${nameOp(op)} found ${path} at ${formatZxid(zxid)}, but the close of its session ${id} had been ` +
          `acknowledged at ${formatZxid(closed.zxid)}.`,
        closed.op,
      );
    }
    return;
  }
  if (answered !== undefined && zxid >= node.zxid && zxid <= answered.zxid) {
    findings.count('nodesOfLivingSessionsLookedFor');
    if (!there) {
      add(
        'live-ephemeral-missing',
        `The ${nameOp(op)} did not find ${path} at ${formatZxid(zxid)}; it was made at ${formatZxid(node.zxid)} and ` +
          `its session ${id} was still answered at ${formatZxid(answered.zxid)}.`,
        answered.op,
      );
    }
    return;
  }
  if (letGo === undefined || closed !== undefined) return;
  const over = Math.max(letGo, time.settled) + time.timeoutMs * 1e6;
  if (op.invokeTime < over) return;
  findings.count('nodesOfAbandonedSessionsLookedFor');
  if (!there) return;
  add(
    'ephemeral-never-expired',
    `The ${nameOp(op)} found ${path} at ${formatZxid(zxid)}, ${formatMs(op.invokeTime - letGo)} after its session ` +
      `${id} had been given up; with one leader undisturbed it expires within ${time.timeoutMs} ms.`,
  );
}
