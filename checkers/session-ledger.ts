// What the servers say of sessions and ephemeral nodes, put together by zxid: who lived when, and which
// path was there when. One server's words are not enough: what it applied while recovering it tells nobody.
import type { NodeEvent } from '../history/node-event.ts';
import { formatZxid } from '../history/node-event.ts';
import type { RunRecord } from '../history/run-record.ts';
import type { Findings } from './evidence.ts';
import { eventsByNode, nameEvent, upperBound } from './evidence.ts';
import { zabView } from './zab-view.ts';

/** Events that tell of a transaction's effect on sessions and ephemeral nodes. */
export type SessionEvent = Extract<
  NodeEvent,
  { ev: 'sessionOpened' | 'sessionClosed' | 'ephemeralCreated' | 'deleted' }
>;

/** One session's life; zxids undefined where no server told of it. */
export interface SessionLife {
  id: string;
  opened: Extract<SessionEvent, { ev: 'sessionOpened' }> | undefined;
  /** The first server's event, by time: from then on somebody knew that it is over. */
  closed: Extract<SessionEvent, { ev: 'sessionClosed' }> | undefined;
}

/** One life of an ephemeral node: there at every zxid in [created, deleted). */
export interface NodeLife {
  path: string;
  session: string;
  created: number;
  /** Infinity while it lives. */
  deleted: number;
  event: SessionEvent;
}

export interface Ledger {
  sessions: Map<string, SessionLife>;
  /** Lives of each path, by zxid; only nodes that were ephemeral at some time. */
  nodes: Map<string, NodeLife[]>;
  /** Whether a transaction in (from, to] may have effects that no server told of. */
  dark(from: number, to: number): boolean;
}

/** What one server told of one transaction. */
interface Effects {
  apply: NodeEvent;
  events: SessionEvent[];
  /** False for the last of a killed process: its words may have been cut off. */
  complete: boolean;
}

/** Builds the ledger; servers that disagree and lives that contradict themselves are found on the way. */
export function sessionLedger(run: RunRecord, findings: Findings): Ledger {
  const effects = effectsByZxid(run, findings);
  const dark = darkZxids(run, effects);
  const ledger: Ledger = {
    sessions: new Map(),
    nodes: new Map(),
    dark: (from, to) => upperBound(dark, to) > upperBound(dark, from),
  };
  findings.count('transactionsUntold', dark.length);
  const zxids = [...effects].filter(([, { events }]) => events.length > 0).map(([zxid]) => zxid);
  const replay = new LedgerReplay(ledger, findings);
  for (const zxid of zxids.sort((a, b) => a - b)) {
    replay.transaction(zxid, (effects.get(zxid) as Effects).events);
  }
  return ledger;
}

/** One server's words on each transaction, after comparing them with all others'. */
function effectsByZxid(run: RunRecord, findings: Findings): Map<number, Effects> {
  const chosen = new Map<number, Effects>();
  for (const events of eventsByNode(run.nodeEvents).values()) {
    for (const [zxid, own] of effectsOf(events)) {
      const other = chosen.get(zxid);
      if (other === undefined) {
        chosen.set(zxid, own);
        continue;
      }
      if (other.complete && own.complete) compare(zxid, other, own, findings);
      const more = own.events.length > other.events.length;
      if (!other.complete && (own.complete || more)) chosen.set(zxid, own);
    }
  }
  return chosen;
}

function effectsOf(events: readonly NodeEvent[]): Map<number, Effects> {
  const told = new Map<number, Effects>();
  let open: Effects | undefined;
  let at = 0;
  for (const event of events) {
    if (event.ev === 'apply') {
      if (open !== undefined) open.complete = true;
      open = { apply: event, events: [], complete: false };
      at = event.zxid;
      told.set(at, open);
    } else if (event.ev === 'start') open = undefined;
    else if (open !== undefined && isSessionEvent(event) && event.zxid === at) {
      open.events.push(event);
    } else if (open !== undefined) open.complete = true;
  }
  // Nothing cut the words of a process that was still there at the end.
  if (open !== undefined) open.complete = true;
  return told;
}

function isSessionEvent(event: NodeEvent): event is SessionEvent {
  const { ev } = event;
  return (
    ev === 'sessionOpened' ||
    ev === 'sessionClosed' ||
    ev === 'ephemeralCreated' ||
    ev === 'deleted'
  );
}

/** An effect without who told of it and when. */
function describeEffect(event: SessionEvent): string {
  if (event.ev === 'deleted') return `deleted ${event.path}`;
  if (event.ev === 'ephemeralCreated') return `created ${event.path} of ${event.session}`;
  if (event.ev === 'sessionClosed') return `closed ${event.session}`;
  return `opened ${event.session} with ${event.timeoutMs} ms`;
}

function compare(zxid: number, a: Effects, b: Effects, findings: Findings): void {
  if (a.events.length + b.events.length > 0) findings.count('effectsCompared');
  const own = b.events.map(describeEffect);
  const others = a.events.map(describeEffect);
  const same = own.length === others.length && [...own].sort().join() === [...others].sort().join();
  if (same) return;
  const say = (list: string[]): string => (list.length === 0 ? 'nothing' : list.join(', '));
  findings.addNodeAnomaly(
    'servers-disagree',
    `Of transaction ${formatZxid(zxid)} ${a.apply.node} says: ${say(others)} (${nameEvent(a.apply)}); ` +
      `${b.apply.node} says: ${say(own)} (${nameEvent(b.apply)}).`,
    [a.apply, b.apply],
  );
}

/** Committed transactions whose effects no server told in full: applied in recovery, or last words. */
function darkZxids(run: RunRecord, effects: ReadonlyMap<number, Effects>): number[] {
  const dark = new Set<number>();
  for (const [zxid, { complete }] of effects) if (!complete) dark.add(zxid);
  for (const { log, applied, foundAtFirst } of zabView(run).servers) {
    if (foundAtFirst > 0) dark.add(foundAtFirst);
    const end = upperBound(log.zxids, applied);
    for (let i = 0; i < end; i++) {
      const zxid = log.zxids[i] as number;
      if (effects.get(zxid)?.complete !== true) dark.add(zxid);
    }
  }
  return [...dark].sort((a, b) => a - b);
}

/** Plays all transactions in order and keeps the lives they begin and end. */
class LedgerReplay {
  readonly #ledger: Ledger;
  readonly #findings: Findings;
  /** Ephemeral nodes alive now, by path and by session. */
  readonly #alive = new Map<string, NodeLife>();
  readonly #bySession = new Map<string, Set<NodeLife>>();

  constructor(ledger: Ledger, findings: Findings) {
    this.#ledger = ledger;
    this.#findings = findings;
    for (const name of ['sessionsOpened', 'sessionsClosed', 'ephemeralsCreated']) {
      findings.count(name, 0);
    }
  }

  transaction(zxid: number, events: readonly SessionEvent[]): void {
    for (const event of events) {
      if (event.ev === 'sessionOpened') this.#opened(event);
      else if (event.ev === 'ephemeralCreated') this.#created(event);
      else if (event.ev === 'deleted') this.#deleted(event);
    }
    for (const event of events) {
      if (event.ev === 'sessionClosed') this.#closed(zxid, event, events);
    }
  }

  #life(id: string): SessionLife {
    const known = this.#ledger.sessions.get(id);
    if (known !== undefined) return known;
    const life: SessionLife = { id, opened: undefined, closed: undefined };
    this.#ledger.sessions.set(id, life);
    return life;
  }

  #report(kind: string, why: string, ...events: NodeEvent[]): void {
    this.#findings.addNodeAnomaly(kind, why, events);
  }

  #opened(event: Extract<SessionEvent, { ev: 'sessionOpened' }>): void {
    this.#findings.count('sessionsOpened');
    const life = this.#life(event.session);
    if (life.opened !== undefined) {
      this.#report(
        'session-opened-twice',
        `Session ${event.session} was opened at ${formatZxid(life.opened.zxid)} and again at ` +
          `${formatZxid(event.zxid)}; an id names one session.`,
        life.opened,
        event,
      );
    }
    life.opened = event;
  }

  #created(event: Extract<SessionEvent, { ev: 'ephemeralCreated' }>): void {
    this.#findings.count('ephemeralsCreated');
    const { session, path, zxid } = event;
    const life = this.#life(session);
    if (life.closed !== undefined) {
      this.#report(
        'ephemeral-after-close',
        `${path} was made at ${formatZxid(zxid)} for session ${session}, which had been closed at ` +
          `${formatZxid(life.closed.zxid)}; nobody will ever remove it.`,
        life.closed,
        event,
      );
    } else if (life.opened === undefined && !this.#ledger.dark(0, zxid)) {
      this.#report(
        'ephemeral-without-session',
        `${path} was made at ${formatZxid(zxid)} for session ${session}, which was never opened.`,
        event,
      );
    }
    const before = this.#alive.get(path);
    if (before !== undefined) {
      if (!this.#ledger.dark(before.created, zxid)) {
        this.#report(
          'ephemeral-made-twice',
          `${path} was made at ${formatZxid(zxid)} although it had been there since ${formatZxid(before.created)}.`,
          before.event,
          event,
        );
      }
      this.#end(before, zxid);
    }
    const node: NodeLife = { path, session, created: zxid, deleted: Infinity, event };
    this.#alive.set(path, node);
    const owned = this.#bySession.get(session);
    if (owned === undefined) this.#bySession.set(session, new Set([node]));
    else owned.add(node);
    const lives = this.#ledger.nodes.get(path);
    if (lives === undefined) this.#ledger.nodes.set(path, [node]);
    else lives.push(node);
  }

  #end(node: NodeLife, zxid: number): void {
    node.deleted = zxid;
    this.#alive.delete(node.path);
    this.#bySession.get(node.session)?.delete(node);
  }

  #deleted(event: Extract<SessionEvent, { ev: 'deleted' }>): void {
    const node = this.#alive.get(event.path);
    if (node !== undefined) this.#end(node, event.zxid);
  }

  /** A close removes every node of its session and no other; `events` are all of its transaction. */
  #closed(
    zxid: number,
    event: Extract<SessionEvent, { ev: 'sessionClosed' }>,
    events: readonly SessionEvent[],
  ): void {
    this.#findings.count('sessionsClosed');
    const { session } = event;
    const life = this.#life(session);
    if (life.closed !== undefined) {
      this.#report(
        'session-closed-twice',
        `Session ${session} was closed at ${formatZxid(life.closed.zxid)} and again at ${formatZxid(zxid)}.`,
        life.closed,
        event,
      );
    }
    life.closed = event;
    for (const node of [...(this.#bySession.get(session) ?? [])]) {
      if (this.#ledger.dark(node.created, zxid)) continue;
      this.#report(
        'ephemeral-survives-close',
        `Session ${session} was closed at ${formatZxid(zxid)}, but its node ${node.path}, made at ` +
          `${formatZxid(node.created)}, was not removed with it.`,
        node.event,
        event,
      );
    }
    for (const removed of events) {
      if (removed.ev !== 'deleted') continue;
      this.#findings.count('ephemeralsRemovedByClose');
      const last = this.#ledger.nodes.get(removed.path)?.at(-1);
      const own = last?.session === session && last.deleted === zxid;
      if (own || this.#ledger.dark(0, zxid)) continue;
      this.#report(
        'close-removed-others',
        `The close of session ${session} at ${formatZxid(zxid)} removed ${removed.path}, which was not its own.`,
        event,
        removed,
      );
    }
  }
}

/** The life of a path that holds `zxid`, if any. */
export function lifeAt(ledger: Ledger, path: string, zxid: number): NodeLife | undefined {
  return ledger.nodes.get(path)?.find((node) => node.created <= zxid && zxid < node.deleted);
}
