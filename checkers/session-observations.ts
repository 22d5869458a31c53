// What clients saw of sessions and ephemeral nodes, compared with the servers' own account by zxid, and
// with itself where it proves a fault alone (I-C7). Wall-clock order plays no part, except for expiry.
import type { NodeEvent } from '../history/node-event.ts';
import { formatZxid } from '../history/node-event.ts';
import type { Op } from '../history/op.ts';
import type { RunRecord } from '../history/run-record.ts';
import { type Findings, formatMs, nodeEventRef } from './evidence.ts';
import { eventsOf, nameOp } from './observations.ts';
import type { Ledger, NodeLife } from './session-ledger.ts';
import { lifeAt } from './session-ledger.ts';
import { pathsMade } from './tree-facts.ts';

type SessionClosed = Extract<NodeEvent, { ev: 'sessionClosed' }>;

/** What `exists` found. */
interface Existence {
  exists: boolean;
  owner?: string;
}

/** A path that an ok read at `zxid` showed to be there, or not. */
interface Sighting {
  op: Op;
  path: string;
  zxid: number;
  there: boolean;
}

/** Judges all that operations of the workload `ephemeral` show. */
export function judgeObservations(run: RunRecord, ledger: Ledger, findings: Findings): void {
  for (const name of ['existsJudged', 'childrenJudged', 'observationsInDoubt']) {
    findings.count(name, 0);
  }
  const closed = firstCloses(run);
  const mixed = parentsOfPersistent(run);
  for (const op of run.ops) {
    expiryKnown(op, closed, ledger, findings);
    if (op.type !== 'ok') continue;
    servedAfterClose(op, ledger, findings);
    if (op.f === 'exists') exists(op, ledger, findings);
    else if (op.f === 'children') children(op, ledger, mixed, findings);
    else if (op.f === 'create-ephemeral') wasMade(op, ledger, findings);
    else if (op.f === 'close') wasClosed(op, ledger, findings);
  }
}

/** The lives of a path that could have been known at `zxid`, or undefined if that cannot be told. */
function inDoubt(ledger: Ledger, path: string, zxid: number, life: NodeLife | undefined): boolean {
  if (life !== undefined) return ledger.dark(life.created, zxid);
  const ended = ledger.nodes.get(path)?.findLast((node) => node.deleted <= zxid)?.deleted;
  return ledger.dark(ended ?? 0, zxid);
}

function describeLife(ledger: Ledger, path: string): string {
  const lives = ledger.nodes.get(path) ?? [];
  if (lives.length === 0) return 'no server ever made it';
  const all = lives.map(({ created, deleted, session }) => {
    const end =
      deleted === Number.POSITIVE_INFINITY ? 'and never removed' : `to ${formatZxid(deleted)}`;
    return `from ${formatZxid(created)} ${end}, for session ${session}`;
  });
  return `by the servers it was there ${all.join('; ')}`;
}

function exists(op: Op, ledger: Ledger, findings: Findings): void {
  const { key, completion } = op;
  const zxid = completion?.zxid;
  if (key === undefined || zxid === undefined) return;
  const seen = completion?.value as Existence;
  // Nobody's node, and nobody ever said that it was somebody's: an ordinary one.
  if (seen.exists && seen.owner === undefined && !ledger.nodes.has(key)) return;
  const life = lifeAt(ledger, key, zxid);
  if (inDoubt(ledger, key, zxid, life)) {
    findings.count('observationsInDoubt');
    return;
  }
  findings.count('existsJudged');
  if (seen.exists ? seen.owner === life?.session : life === undefined) return;
  const said = seen.exists ? `there, owned by ${seen.owner ?? 'nobody'}` : 'missing';
  report(op, key, zxid, said, ledger, life, findings);
}

function report(
  op: Op,
  path: string,
  zxid: number,
  said: string,
  ledger: Ledger,
  life: NodeLife | undefined,
  findings: Findings,
): void {
  findings.add({
    kind: life === undefined ? 'ephemeral-seen-outside-life' : 'ephemeral-unseen-in-life',
    why: `The ${nameOp(op)} found ${path} ${said} at ${formatZxid(zxid)}, but ${describeLife(ledger, path)}.`,
    events: eventsOf(op),
    ...(life === undefined ? {} : { nodeEvents: [nodeEventRef(life.event)] }),
    key: path,
  });
}

/** Nodes below which clients tried to make persistent children: what those are is for others to judge. */
function parentsOfPersistent({ ops }: RunRecord): Set<string> {
  const parents = new Set<string>();
  for (const op of ops) {
    if (op.f === 'create-ephemeral') continue;
    if (op.f === 'burst' && op.key !== undefined) parents.add(op.key);
    for (const path of pathsMade(op)) parents.add(path.slice(0, path.lastIndexOf('/')));
  }
  return parents;
}

function children(op: Op, ledger: Ledger, mixed: ReadonlySet<string>, findings: Findings): void {
  const { key, completion } = op;
  const zxid = completion?.zxid;
  if (key === undefined || zxid === undefined) return;
  findings.count('childrenJudged');
  const names = new Set(completion?.value as string[]);
  for (const name of names) {
    const path = `${key}/${name}`;
    const life = lifeAt(ledger, path, zxid);
    if (life !== undefined || (mixed.has(key) && !ledger.nodes.has(path))) continue;
    if (inDoubt(ledger, path, zxid, life)) findings.count('observationsInDoubt');
    else report(op, path, zxid, 'there', ledger, life, findings);
  }
  for (const life of livesBelow(ledger, key)) {
    if (life.created > zxid || zxid >= life.deleted) continue;
    if (names.has(life.path.slice(key.length + 1))) continue;
    if (ledger.dark(life.created, zxid)) findings.count('observationsInDoubt');
    else report(op, life.path, zxid, 'missing', ledger, life, findings);
  }
}

const below = new WeakMap<Ledger, Map<string, NodeLife[]>>();

/** All lives of nodes directly below a path; sorted out once a ledger. */
function livesBelow(ledger: Ledger, parent: string): readonly NodeLife[] {
  let byParent = below.get(ledger);
  if (byParent === undefined) {
    byParent = new Map();
    below.set(ledger, byParent);
    for (const [path, lives] of ledger.nodes) {
      const above = path.slice(0, path.lastIndexOf('/'));
      const known = byParent.get(above);
      if (known === undefined) byParent.set(above, [...lives]);
      else known.push(...lives);
    }
  }
  return byParent.get(parent) ?? [];
}

/** An acknowledged node was made, at the acknowledged zxid and for that session. */
function wasMade(op: Op, ledger: Ledger, findings: Findings): void {
  const { zxid, session, value } = op.completion ?? {};
  const path = (value as { path?: string } | undefined)?.path;
  if (zxid === undefined || path === undefined || session === undefined) return;
  findings.count('creationsAcknowledged');
  const life = ledger.nodes.get(path)?.find((node) => node.created === zxid);
  if (life?.session === session || ledger.dark(zxid - 1, zxid)) return;
  findings.add({
    kind: 'acked-not-made',
    why: `The ${nameOp(op)} was told that ${path} was made at ${formatZxid(zxid)} for session ${session}, but ${describeLife(ledger, path)}.`,
    events: eventsOf(op),
    key: path,
  });
}

function wasClosed(op: Op, ledger: Ledger, findings: Findings): void {
  const { zxid, session } = op.completion ?? {};
  if (zxid === undefined || session === undefined) return;
  findings.count('closesAcknowledged');
  const closed = ledger.sessions.get(session)?.closed?.zxid;
  if (closed === zxid || ledger.dark(zxid - 1, zxid)) return;
  findings.add({
    kind: 'acked-not-closed',
    why:
      `The ${nameOp(op)} was told that session ${session} was closed at ${formatZxid(zxid)}, but by the servers it ` +
      `${closed === undefined ? 'never was' : `was closed at ${formatZxid(closed)}`}.`,
    events: eventsOf(op),
  });
}

/** Whoever is answered at a zxid has a session that is open there. */
function servedAfterClose(op: Op, ledger: Ledger, findings: Findings): void {
  const { zxid, session } = op.completion ?? {};
  if (zxid === undefined || session === undefined) return;
  const closed = ledger.sessions.get(session)?.closed;
  if (closed === undefined || zxid < closed.zxid) return;
  if (op.f === 'close' && zxid === closed.zxid) return;
  findings.add({
    kind: 'served-after-close',
    why: `The ${nameOp(op)} was answered at ${formatZxid(zxid)} in session ${session}, which had been closed at ${formatZxid(closed.zxid)}.`,
    events: eventsOf(op),
    nodeEvents: [nodeEventRef(closed)],
  });
}

/** The moment each session was first closed by any server: from then on its client may be told. */
function firstCloses(run: RunRecord): Map<string, SessionClosed> {
  const first = new Map<string, SessionClosed>();
  for (const event of run.nodeEvents) {
    if (event.ev !== 'sessionClosed') continue;
    const known = first.get(event.session);
    if (known === undefined || event.t < known.t) first.set(event.session, event);
  }
  return first;
}

/** A client is told of the end of its session only after that is committed. */
function expiryKnown(
  op: Op,
  firstClosed: ReadonlyMap<string, SessionClosed>,
  ledger: Ledger,
  findings: Findings,
): void {
  const { completion } = op;
  const session = completion?.session;
  if (op.type === 'ok' || session === undefined || completion === undefined) return;
  if (!/^SessionExpired\b/.test(completion.error ?? '')) return;
  findings.count('expiriesSeenByClients');
  const closed = firstClosed.get(session);
  if (closed !== undefined ? closed.t <= completion.time : ledger.dark(0, Infinity)) return;
  const when =
    closed === undefined
      ? 'no server ever closed it'
      : `the first server closed it ${formatMs(closed.t - completion.time)} later`;
  findings.add({
    kind: 'expiry-seen-early',
    why: `The ${nameOp(op)} was told that session ${session} is over, but ${when}.`,
    events: eventsOf(op),
    ...(closed === undefined ? {} : { nodeEvents: [nodeEventRef(closed)] }),
  });
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
    if (op.type !== 'ok' || zxid === undefined || op.key === undefined) continue;
    if (op.f === 'exists') {
      const there = (value as Existence).exists;
      found.get(op.key)?.push({ op, path: op.key, zxid, there });
    } else if (op.f === 'children') {
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
  /** When its client let go of it, ns: by `abandon`, or because the process was replaced. */
  letGo: number | undefined;
}

/**
 * Judges the history alone, as a user of any server could: nodes of a living session are there, nodes
 * of a closed one are not, and nodes of one let go of are gone once its time is over.
 * @param settled from when on, ns, one leader stood undisturbed to the end of the run
 * @param timeoutMs the sessions' timeout with all that may delay an expiry
 */
export function judgeHistory(
  run: RunRecord,
  settled: number,
  timeoutMs: number,
  findings: Findings,
): void {
  findings.count('nodesOfClosedSessionsLookedFor', 0);
  findings.count('nodesOfLivingSessionsLookedFor', 0);
  findings.count('nodesOfAbandonedSessionsLookedFor', 0);
  const sessions = clientSessions(run.ops);
  const paths = new Set([...sessions.values()].flatMap(({ made }) => made.map(({ path }) => path)));
  const seen = sightings(run, paths);
  const ended = deletions(run.ops);
  for (const [id, session] of sessions) {
    for (const node of session.made) {
      const until = ended.get(node.path) ?? Number.POSITIVE_INFINITY;
      for (const sighting of seen.get(node.path) ?? []) {
        if (sighting.zxid >= until) continue;
        judgeSighting(id, session, node, sighting, { settled, timeoutMs }, findings);
      }
    }
  }
}

/** From which zxid on each path may have been deleted by a client. */
function deletions(ops: readonly Op[]): Map<string, number> {
  const ended = new Map<string, number>();
  for (const { f, type, key, completion } of ops) {
    if (f !== 'delete' || type === 'fail' || key === undefined) continue;
    const zxid = type === 'ok' ? (completion?.zxid ?? 0) : 0;
    ended.set(key, Math.min(zxid, ended.get(key) ?? zxid));
  }
  return ended;
}

function clientSessions(ops: readonly Op[]): Map<string, ClientSession> {
  const sessions = new Map<string, ClientSession>();
  for (const op of ops) {
    const { session, zxid, value } = op.completion ?? {};
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
