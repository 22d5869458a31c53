// Judges watches as clients heard of them: each fires once, for the first change after it was set, in the
// order of the zxids and before any reply that shows the change; a new connection tells what it missed (I-C6).
import type { Heard } from '../history/event.ts';
import { formatZxid } from '../history/node-event.ts';
import type { Op } from '../history/op.ts';
import type { Checker, RunRecord } from '../history/run-record.ts';
import { Findings, formatMs } from './evidence.ts';
import { eventsOf, nameOp } from './observations.ts';
import { settledSince } from './settled.ts';
import { type Change, type TreeFacts, treeFacts } from './tree-facts.ts';

const NAME = 'watches';
const GUARANTEE =
  'A watch fires once, for the first change after it was set: its client hears of that before any reply that ' +
  'shows it, in the order of zxids, and once the cluster is settled, at once.';

const SET_MIN = 20;
const HEARD_MIN = 10;
/** In a settled cluster a client hears of a change so soon after it was acknowledged, ms. */
const PROMPT_MS = 2_000;

/** `data`: changes of the node itself, its creation included; `children`: of the list of its children. */
type Kind = 'data' | 'children';

interface Watch {
  kind: Kind;
  path: string;
  op: Op;
  /** The zxid it was set at. */
  set: number;
  /** Whether the node was there then. */
  there: boolean;
  /** The connection it is armed at; another one armed it again, telling what had changed. */
  connection: number;
  /** Whether a reply lost to its client may have been the one that set it. */
  maybe: boolean;
}

export const watches: Checker = {
  name: NAME,
  guarantee: GUARANTEE,
  check(run) {
    const findings = new Findings();
    for (const name of ['watchesSet', 'notifications', 'changesAwaited', 'rearmed', 'promptly']) {
      findings.count(name, 0);
    }
    const changes = new WatchedChanges(treeFacts(run), run);
    const settled = settledSince(run);
    const sessions = new Map<string, Op[]>();
    for (const op of run.ops) {
      const session = op.completion?.session;
      if (session === undefined) continue;
      const own = sessions.get(session);
      if (own === undefined) sessions.set(session, [op]);
      else own.push(op);
    }
    for (const ops of sessions.values()) {
      const client = new WatchingSession(changes, settled, findings);
      for (const op of ops) client.step(op);
    }
    const { watchesSet = 0, notifications = 0 } = findings.evidence;
    const thin = `only ${watchesSet} watches were set and ${notifications} notifications heard; at least ${SET_MIN} and ${HEARD_MIN} are needed`;
    const enough = watchesSet >= SET_MIN && notifications >= HEARD_MIN;
    return findings.verdict(NAME, GUARANTEE, enough ? undefined : thin);
  },
};

/** Changes that fire watches, of each path and kind. */
class WatchedChanges {
  readonly #facts: TreeFacts;
  readonly #byChild = new Map<string, Change[]>();
  /** Paths, or parents of paths, where something may have happened that nobody told of. */
  readonly #doubtful = new Set<string>();

  constructor(facts: TreeFacts, run: RunRecord) {
    this.#facts = facts;
    for (const [path, changes] of facts.changes) {
      const lists = changes.filter(({ kind }) => kind !== 'set');
      const parent = parentOf(path);
      const known = this.#byChild.get(parent);
      if (known === undefined) this.#byChild.set(parent, [...lists]);
      else known.push(...lists);
    }
    for (const changes of this.#byChild.values()) changes.sort((a, b) => a.zxid - b.zxid);
    const doubt = (path: string): void => {
      this.#doubtful.add(path).add(parentOf(path));
    };
    for (const path of facts.attempts.keys()) doubt(path);
    for (const path of facts.ephemeral) doubt(path);
    for (const op of run.ops) {
      if (op.f === 'burst' && op.key !== undefined) this.#doubtful.add(op.key);
    }
  }

  /** The first known change after a zxid that fires such a watch. */
  first(kind: Kind, path: string, after: number): Change | undefined {
    const list = (kind === 'data' ? this.#facts.changes : this.#byChild).get(path) ?? [];
    let low = 0;
    let high = list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((list[middle] as Change).zxid <= after) low = middle + 1;
      else high = middle;
    }
    return list[low];
  }

  /** Whether nothing can have happened there beyond what is known. */
  certain(path: string): boolean {
    return !this.#doubtful.has(path);
  }
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

/** One session's watches, as its operations set them and its notifications spend them. */
class WatchingSession {
  readonly #changes: WatchedChanges;
  readonly #settled: number;
  readonly #findings: Findings;
  #watches: Watch[] = [];
  #connection = 0;
  /** The latest change that a notification certainly told of, at this connection. */
  #told: { zxid: number; path: string } = { zxid: 0, path: '' };

  constructor(changes: WatchedChanges, settled: number, findings: Findings) {
    this.#changes = changes;
    this.#settled = settled;
    this.#findings = findings;
  }

  step(op: Op): void {
    const { heard = [], connection, zxid } = op.completion ?? {};
    for (const one of heard) this.#hear(one, op);
    if (connection !== undefined && connection !== this.#connection) {
      if (this.#connection !== 0) this.#findings.count('rearmed', this.#watches.length);
      this.#connection = connection;
      this.#told = { zxid: 0, path: '' };
    }
    if (zxid !== undefined && connection !== undefined) this.#shown(op, zxid);
    if (op.f === 'await' && op.type === 'ok') this.#waited(op);
    this.#set(op);
  }

  /**
   * Takes the watch that a notification came of. A look that got no answer may be served after that, and set
   * another, so of such looks one is taken only where nothing else was set.
   */
  #fire(kind: Kind, path: string): Watch[] {
    const set = this.#watches.filter((watch) => watch.kind === kind && watch.path === path);
    const fired = set.find((watch) => !watch.maybe) ?? set[0];
    this.#watches = this.#watches.filter((watch) => watch !== fired);
    return fired === undefined ? [] : [fired];
  }

  #hear(heard: Heard, op: Op): void {
    this.#findings.count('notifications');
    const { type, path, connection } = heard;
    if (connection !== this.#connection) this.#told = { zxid: 0, path: '' };
    this.#connection = connection;
    const kinds: Kind[] = type === 'childrenChanged' ? ['children'] : ['data'];
    if (type === 'deleted') kinds.push('children');
    const spent = kinds.flatMap((kind) => this.#fire(kind, path));
    if (spent.length === 0) {
      this.#found(
        'fired-unasked',
        path,
        `The client heard "${type}" of ${path} by the ${nameOp(op)} without a watch set there`,
        op,
      );
      return;
    }
    const [watch] = spent as [Watch];
    this.#because(watch, heard, op);
  }

  /** There was a change to tell of; where all changes are known, it is the first one after the set. */
  #because(watch: Watch, { type, path, connection }: Heard, op: Op): void {
    if (watch.maybe || !this.#changes.certain(path)) return;
    const change = this.#changes.first(watch.kind, path, watch.set);
    const late = change !== undefined && change.op.invokeTime > (op.completion?.time ?? 0);
    if (change === undefined || late) {
      const why = `heard "${type}" of ${path} by the ${nameOp(op)}, but nothing had changed there since ${formatZxid(watch.set)}`;
      this.#found('fired-for-nothing', path, `The client ${why}`, watch.op, op);
      return;
    }
    // At a new connection several changes are told at once, in no promised order.
    if (watch.connection !== connection) return;
    if (change.zxid < this.#told.zxid) {
      this.#found(
        'fired-out-of-order',
        path,
        `The client heard of ${path}, changed at ${formatZxid(change.zxid)}, after ${this.#told.path}, changed at ` +
          `${formatZxid(this.#told.zxid)}`,
        change.op,
        op,
      );
    }
    this.#told = { zxid: change.zxid, path };
  }

  /** Whatever a reply shows must have been told of before it. */
  #shown(op: Op, zxid: number): void {
    for (const watch of this.#watches) {
      if (watch.maybe) continue;
      const change = this.#changes.first(watch.kind, watch.path, watch.set);
      if (change === undefined || change.zxid > zxid) continue;
      if (watch.connection !== this.#connection && this.#mayBeMissed(watch, zxid)) {
        watch.maybe = true;
        continue;
      }
      this.#findings.count('changesAwaited');
      this.#found(
        'watch-missed',
        watch.path,
        `The ${nameOp(watch.op)} set a watch on ${watch.path} at ${formatZxid(watch.set)}; the ${nameOp(change.op)} changed ` +
          `it at ${formatZxid(change.zxid)}, but the reply of the ${nameOp(op)} at ${formatZxid(zxid)} came before any ` +
          `notification of that`,
        watch.op,
        change.op,
        op,
      );
      watch.maybe = true;
    }
    for (const watch of this.#watches) watch.connection = this.#connection;
  }

  /** While there was no connection a node may have come and gone again, or gone and come. */
  #mayBeMissed({ kind, path, set, there }: Watch, zxid: number): boolean {
    if (kind === 'children' || there) return false;
    if (!this.#changes.certain(path)) return true;
    const since: Change[] = [];
    for (let at = set; ; ) {
      const change = this.#changes.first(kind, path, at);
      if (change === undefined || change.zxid > zxid) break;
      since.push(change);
      at = change.zxid;
    }
    return since.at(-1)?.kind === 'deleted';
  }

  /** In a settled cluster nobody waits in vain for what was acknowledged long ago. */
  #waited(op: Op): void {
    const { fired } = (op.completion ?? op.invoke).value as { fired: boolean };
    if (fired) {
      this.#findings.count('promptly');
      return;
    }
    for (const watch of this.#watches) {
      if (watch.path !== op.key || watch.maybe) continue;
      const change = this.#changes.first(watch.kind, watch.path, watch.set);
      if (change === undefined || change.op.type !== 'ok') continue;
      const since = Math.max(change.op.returnTime, this.#settled, op.invokeTime);
      if (op.returnTime - since < PROMPT_MS * 1e6) continue;
      this.#found(
        'told-late',
        watch.path,
        `The ${nameOp(op)} waited ${formatMs(op.returnTime - op.invokeTime)} in vain, although the ${nameOp(change.op)} had changed ` +
          `${watch.path} at ${formatZxid(change.zxid)}, ${formatMs(op.returnTime - change.op.returnTime)} before its end`,
        watch.op,
        change.op,
        op,
      );
    }
  }

  /** Looks that asked for a watch; of one that got no answer the server may have set it. */
  #set(op: Op): void {
    const asked = (op.invoke.value as { watch?: boolean } | undefined)?.watch === true;
    if (!asked || op.key === undefined) return;
    const { zxid, connection, value, error = '' } = op.completion ?? {};
    const missing = /^NoNode\b/.test(error);
    if (op.type !== 'ok' && missing) return;
    const kind: Kind = op.f === 'children' ? 'children' : 'data';
    const there = op.f !== 'exists' || (value as { exists?: boolean } | undefined)?.exists === true;
    const maybe = op.type !== 'ok' || zxid === undefined;
    const at = connection ?? this.#connection;
    if (!maybe) {
      const same = (watch: Watch): boolean => watch.kind === kind && watch.path === op.key;
      // Requests are served in their order: those without an answer were served before this one.
      this.#watches = this.#watches.filter((watch) => !same(watch) || !watch.maybe);
      // Setting a watch that is set changes nothing: the older one is the stricter.
      if (this.#watches.some(same)) return;
      this.#findings.count('watchesSet');
    }
    this.#watches.push({ kind, path: op.key, op, set: zxid ?? 0, there, connection: at, maybe });
  }

  #found(kind: string, path: string, why: string, ...ops: Op[]): void {
    this.#findings.add({ kind, why: `${why}.`, events: eventsOf(...new Set(ops)), key: path });
  }
}
