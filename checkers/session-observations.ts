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
export interface Existence {
  exists: boolean;
  owner?: string;
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
    const seen = existenceSeen(op);
    if (seen !== undefined) exists(op, seen, ledger, findings);
    if (op.type !== 'ok') continue;
    servedAfterClose(op, ledger, findings);
    if (op.f === 'children') children(op, ledger, mixed, findings);
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

/** What a look at one node shows of its being there. */
export function existenceSeen({ f, type, completion }: Op): Existence | undefined {
  if (f === 'exists' && type === 'ok') return completion?.value as Existence;
  if (f !== 'get' || completion?.zxid === undefined) return undefined;
  if (type === 'ok') return { exists: true, ...(completion.value as { owner?: string }) };
  return /^NoNode\b/.test(completion.error ?? '') ? { exists: false } : undefined;
}

function exists(op: Op, seen: Existence, ledger: Ledger, findings: Findings): void {
  const { key, completion } = op;
  const zxid = completion?.zxid;
  if (key === undefined || zxid === undefined) return;
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
