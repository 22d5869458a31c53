// What clients did to the tree and saw of it, put in order by zxid: changes of each path, looks at single
// nodes and lists of children. Unanswered changes join them where a look or a server's log shows them.
import type { Op } from '../history/op.ts';
import type { RunRecord } from '../history/run-record.ts';
import { placements } from './placements.ts';

/** One change of one path. */
export interface Change {
  op: Op;
  path: string;
  zxid: number;
  kind: 'created' | 'set' | 'deleted';
  /** What was written; undefined: not known. */
  data: unknown;
  /** The version that the reply told. */
  version: number | undefined;
  ephemeral: boolean;
}

/** One look at one node. */
export interface Look {
  op: Op;
  path: string;
  /** The state seen is that of this zxid. */
  zxid: number;
  there: boolean;
  data?: unknown;
  mzxid?: number;
  version?: number;
}

export interface Listing {
  op: Op;
  path: string;
  zxid: number;
  names: string[];
}

/** A change that may have happened, of an operation that was not answered. */
export interface Attempt {
  op: Op;
  path: string;
  kind: Change['kind'];
  data: unknown;
  /** The path is a beginning, to which the server adds a number. */
  sequential: boolean;
  ephemeral: boolean;
  /** Of a write on condition: the version it leads to. */
  version?: number;
}

export interface TreeFacts {
  /** Of each path, by zxid. */
  changes: Map<string, Change[]>;
  /** Unanswered and unplaced, of each path (of sequential ones: the path's beginning). */
  attempts: Map<string, Attempt[]>;
  looks: Look[];
  listings: Listing[];
  /** Paths that were ephemeral at some time. */
  ephemeral: Set<string>;
  /** Bursts of creations: parent and name. Those acknowledged are changes as well. */
  bursts: Set<string>;
}

interface Part {
  op: 'create' | 'set' | 'check' | 'delete';
  path: string;
  data?: unknown;
  version?: number;
  ephemeral?: boolean;
}

/** What one operation changes, or would have changed. */
function attemptsOf(op: Op): Attempt[] {
  const { f, key: path, invoke } = op;
  if (path === undefined) return [];
  const value = invoke.value;
  const plain = { op, path, sequential: false, ephemeral: false };
  switch (f) {
    case 'create':
    case 'add':
      return [{ ...plain, kind: 'created', data: value }];
    case 'create-sequential':
      return [{ ...plain, kind: 'created', data: value, sequential: true }];
    case 'create-ephemeral': {
      const { sequential, data = null } = value as { sequential: boolean; data?: unknown };
      return [{ ...plain, kind: 'created', data, sequential, ephemeral: true }];
    }
    case 'write':
      return [{ ...plain, kind: 'set', data: value }];
    case 'cas': {
      const { expected, to } = value as { expected: number; to: unknown };
      return [{ ...plain, kind: 'set', data: to, version: expected + 1 }];
    }
    case 'delete':
      return [{ ...plain, kind: 'deleted', data: undefined }];
    case 'multi':
      return (value as { ops: Part[] }).ops.flatMap((part) => attemptOf(op, part));
    default:
      return [];
  }
}

function attemptOf(op: Op, part: Part): Attempt[] {
  const { path, data } = part;
  const plain = { op, path, data, sequential: false, ephemeral: part.ephemeral === true };
  if (part.op === 'create') return [{ ...plain, kind: 'created' }];
  if (part.op === 'delete') return [{ ...plain, kind: 'deleted' }];
  if (part.op === 'check') return [];
  const version =
    part.version === undefined || part.version < 0 ? {} : { version: part.version + 1 };
  return [{ ...plain, kind: 'set', ...version }];
}

/** Paths that an operation changes, or would have changed. */
export function pathsChanged(op: Op): string[] {
  return attemptsOf(op).map(({ path }) => path);
}

/** Paths, or their beginnings, that an operation makes, or would have made, to stay. */
export function pathsMade(op: Op): string[] {
  const made = attemptsOf(op).filter(({ kind, ephemeral }) => kind === 'created' && !ephemeral);
  return made.map(({ path }) => path);
}

/** Gathers the facts of a run. */
export function treeFacts(run: RunRecord): TreeFacts {
  const facts: TreeFacts = {
    changes: new Map(),
    attempts: new Map(),
    looks: [],
    listings: [],
    ephemeral: new Set(),
    bursts: new Set(),
  };
  const placed = placements(run);
  const open: Attempt[] = [];
  for (const op of run.ops) {
    if (op.f === 'burst') learnBurst(facts, op);
    else if (op.type === 'ok') learn(facts, op);
    else if (op.type === 'fail') learnRefusal(facts, op);
    if (op.type !== 'info') continue;
    const place = placed.get(op);
    for (const attempt of attemptsOf(op)) {
      if (attempt.ephemeral && !attempt.sequential) facts.ephemeral.add(attempt.path);
      if (place?.kind === 'applied' && !attempt.sequential) addChange(facts, attempt, place.zxid);
      else if (place?.kind !== 'without-effect') open.push(attempt);
    }
  }
  resolve(facts, open);
  for (const changes of facts.changes.values()) changes.sort((a, b) => a.zxid - b.zxid);
  return facts;
}

function addChange(facts: TreeFacts, attempt: Attempt, zxid: number, version?: number): void {
  const { op, path, kind, data, ephemeral } = attempt;
  const change = { op, path, zxid, kind, data, version, ephemeral };
  const known = facts.changes.get(path);
  if (known === undefined) facts.changes.set(path, [change]);
  else known.push(change);
  if (ephemeral) facts.ephemeral.add(path);
}

function learn(facts: TreeFacts, op: Op): void {
  const { zxid, value, version, mzxid } = op.completion ?? {};
  if (zxid === undefined || op.key === undefined) return;
  for (const attempt of attemptsOf(op)) {
    const made = attempt.sequential ? (value as { path: string }).path : attempt.path;
    const told = op.f === 'multi' ? multiVersion(op, attempt.path) : version;
    addChange(facts, { ...attempt, path: made }, zxid, told);
  }
  const seen = { op, path: op.key, zxid, there: true };
  if (op.f === 'read') facts.looks.push(lookAt({ ...seen, data: value }, mzxid, version));
  else if (op.f === 'get') {
    const { data } = value as { data: unknown };
    facts.looks.push(lookAt({ ...seen, data }, mzxid, version));
  } else if (op.f === 'exists') {
    const { exists } = value as { exists: boolean };
    facts.looks.push(lookAt({ ...seen, there: exists }, mzxid, version));
  } else if (op.f === 'children') {
    facts.listings.push({ op, path: op.key, zxid, names: value as string[] });
  } else if (op.f === 'reads') {
    for (const each of value as Omit<Look, 'op' | 'there'>[]) {
      facts.looks.push({ ...each, op, there: true });
    }
  }
}

function learnBurst(facts: TreeFacts, op: Op): void {
  const { name, parts } = (op.completion ?? op.invoke).value as {
    name: string;
    parts?: ({ path: string; zxid: number } | { error: string })[];
  };
  facts.bursts.add(`${op.key}/${name}`);
  for (const part of parts ?? []) {
    if (!('path' in part)) continue;
    const { path, zxid } = part;
    const made = { op, path, data: null, sequential: false, ephemeral: false } as const;
    addChange(facts, { ...made, kind: 'created' }, zxid);
  }
}

function lookAt(look: Look, mzxid: number | undefined, version: number | undefined): Look {
  if (mzxid !== undefined) look.mzxid = mzxid;
  if (version !== undefined) look.version = version;
  return look;
}

/** The version of a path in the results of a multi; only where the path has one part. */
function multiVersion(op: Op, path: string): number | undefined {
  const { ops, versions } = (op.completion ?? op.invoke).value as {
    ops: Part[];
    versions?: (number | null)[];
  };
  const own = ops.flatMap((part, i) => (part.path === path && part.op !== 'check' ? [i] : []));
  return own.length === 1 ? (versions?.[own[0] as number] ?? undefined) : undefined;
}

/** A node that is not there is seen as well. */
function learnRefusal(facts: TreeFacts, op: Op): void {
  const { zxid, error = '' } = op.completion ?? {};
  if (zxid === undefined || op.key === undefined) return;
  const look = op.f === 'get' || op.f === 'read' || op.f === 'write' || op.f === 'delete';
  if (look && /^NoNode\b/.test(error)) {
    facts.looks.push({ op, path: op.key, zxid, there: false });
  } else if (/^NodeExists\b/.test(error) && (op.f === 'add' || op.f === 'create-ephemeral')) {
    facts.looks.push({ op, path: op.key, zxid, there: true });
  }
}

/** Unanswered writes whose data somebody read took effect at the zxid that was read, as a whole. */
function resolve(facts: TreeFacts, open: readonly Attempt[]): void {
  const seenAt = new Map<string, number>();
  for (const { path, data, mzxid } of facts.looks) {
    if (data !== undefined && data !== null && mzxid !== undefined) {
      seenAt.set(`${path} ${JSON.stringify(data)}`, mzxid);
    }
  }
  const resolved = new Map<Op, number>();
  for (const { op, path, data, sequential } of open) {
    if (data === undefined || data === null || sequential) continue;
    const zxid = seenAt.get(`${path} ${JSON.stringify(data)}`);
    if (zxid !== undefined) resolved.set(op, zxid);
  }
  for (const attempt of open) {
    const zxid = resolved.get(attempt.op);
    if (zxid !== undefined && !attempt.sequential) addChange(facts, attempt, zxid);
    else {
      const known = facts.attempts.get(attempt.path);
      if (known === undefined) facts.attempts.set(attempt.path, [attempt]);
      else known.push(attempt);
    }
  }
}

/** The last change of a path at or before a zxid. */
export function changeAt(facts: TreeFacts, path: string, zxid: number): Change | undefined {
  const changes = facts.changes.get(path) ?? [];
  let low = 0;
  let high = changes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((changes[middle] as Change).zxid <= zxid) low = middle + 1;
    else high = middle;
  }
  return changes[low - 1];
}
