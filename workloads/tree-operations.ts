// The operations of workloads on the tree: what each step asks of a session, and what its outcome may
// claim. Data are JSON, so that a checker reads in the history what was written.
import {
  CoordinatorError,
  CreateFlag,
  errorName,
  type MultiOp,
  OPEN_ACL,
  Op,
} from '../coordinator/client/index.ts';
import type { OpStep } from '../history/plan.ts';
import type { OpResult } from '../history/plugin.ts';
import type { Acknowledged, DirectSession } from './direct-session.ts';

/** One part of the step `multi`. */
export type MultiPart =
  | { op: 'create'; path: string; data: unknown; ephemeral?: boolean }
  | { op: 'set'; path: string; data: unknown; version?: number }
  | { op: 'check'; path: string; version?: number }
  | { op: 'delete'; path: string; version?: number };

/** Values of the steps. */
export interface WatchValue {
  /** Whether the look sets a watch. */
  watch?: boolean;
}
export interface CreateEphemeralValue {
  sequential: boolean;
  data?: unknown;
}
export interface BurstValue {
  /** How many creations are sent without waiting for an answer; they have names of their own. */
  count: number;
  /** The burst's name: the i-th node is called `<name>-<i>-` and its number. */
  name: string;
}

const BURST_MAX = 100;
const MULTI_MAX = 100;
const READS_MAX = 100;

type Operation = (session: DirectSession, path: string, step: OpStep) => Promise<OpResult>;

const sees = (step: OpStep): boolean => (step.value as WatchValue | undefined)?.watch === true;

/** Does one operation over a connected session. Throws on a step it does not know. */
export function operate(session: DirectSession, step: OpStep): Promise<OpResult> {
  const { f, key } = step;
  const operation = OPERATIONS[f];
  if (operation === undefined) {
    const known = Object.keys(OPERATIONS).join(', ');
    throw new Error(`unknown operation ${f}; known: ${known}`);
  }
  if (key === undefined) throw new Error(`expected a path as key for ${f}, got none`);
  return operation(session, key, step);
}

const OPERATIONS: Record<string, Operation> = {
  write: (session, path, { value }) => change(session, session.setData(path, encode(value))),
  cas: (session, path, { value }) => {
    const { expected, to } = value as { expected: number; to: unknown };
    return change(session, session.setData(path, encode(to), expected));
  },
  add: (session, path, { value }) =>
    change(session, session.create(path, CreateFlag.persistent, encode(value))),
  delete: (session, path, { value }) => {
    const version = (value as { version?: number } | undefined)?.version;
    return attempt(session, true, async () => ({
      ...at(session, await session.delete(path, version)),
    }));
  },
  'create-sequential': (session, path, { value }) =>
    attempt(session, true, async () => {
      const flags = CreateFlag.persistentSequential;
      const made = await session.create(path, flags, encode(value));
      return { value: { path: made.path, data: value }, ...at(session, made) };
    }),
  'create-ephemeral': (session, path, { value }) =>
    attempt(session, true, async () => {
      const { sequential, data } = value as CreateEphemeralValue;
      const bytes = data === undefined ? Buffer.alloc(0) : encode(data);
      const made = await session.createEphemeral(path, sequential, bytes);
      const told = data === undefined ? { path: made.path } : { path: made.path, data };
      return { value: told, ...at(session, made) };
    }),
  read: (session, path) => read(session, path),
  get: (session, path, step) =>
    attempt(session, false, async () => {
      const got = await session.getData(path, sees(step));
      const { mzxid, czxid, version } = got.stat;
      const value = { data: decode(got.data), czxid, ...ownerOf(got.stat), ...watching(step) };
      return { value, mzxid, version, ...at(session, got) };
    }),
  exists: (session, path, step) =>
    attempt(session, false, async () => {
      const { stat, ...reply } = await session.exists(path, sees(step));
      if (stat === undefined)
        return { value: { exists: false, ...watching(step) }, ...at(session, reply) };
      const { mzxid, version } = stat;
      const value = { exists: true, ...ownerOf(stat), ...watching(step) };
      return { value, mzxid, version, ...at(session, reply) };
    }),
  children: (session, path, step) =>
    attempt(session, false, async () => {
      const { children, ...reply } = await session.children(path, sees(step));
      return { value: children.sort(), ...at(session, reply) };
    }),
  reads: (session, _, { value }) => reads(session, (value as { paths: string[] }).paths),
  multi: (session, _, { value }) => multi(session, (value as { ops: MultiPart[] }).ops),
  burst: (session, parent, { value }) => burst(session, parent, value as BurstValue),
  await: (session, path, { value }) => awaitWatch(session, path, value as { timeoutMs: number }),
};

function watching(step: OpStep): WatchValue {
  return sees(step) ? { watch: true } : {};
}

/** The session that an ephemeral node belongs to. */
function ownerOf({ ephemeralOwner }: { ephemeralOwner: bigint }): { owner?: string } {
  return ephemeralOwner === 0n ? {} : { owner: ephemeralOwner.toString(16) };
}

/** Sync and get leave in one write; together they are one linearizable read. */
async function read(session: DirectSession, path: string): Promise<OpResult> {
  const [sync, get] = await Promise.allSettled([session.sync(path), session.getData(path)]);
  // Without the sync before it on the same connection the get proves nothing.
  if (sync.status === 'rejected') return refused(session, sync.reason, false);
  const syncZxid = sync.value.zxid;
  if (get.status === 'rejected') return { ...refused(session, get.reason, false), syncZxid };
  const { stat, data } = get.value;
  if (get.value.connection !== sync.value.connection) {
    return { type: 'fail', error: 'ConnectionChanged', ...whereabouts(session) };
  }
  const { mzxid, version } = stat;
  return { type: 'ok', value: decode(data), syncZxid, mzxid, version, ...at(session, get.value) };
}

/** Several nodes in one write of the client: each answer has a zxid of its own. */
async function reads(session: DirectSession, paths: readonly string[]): Promise<OpResult> {
  if (paths.length > READS_MAX) throw new Error(`expected at most ${READS_MAX} paths`);
  return await attempt(session, false, async () => {
    const got = await Promise.all(paths.map((path) => session.getData(path)));
    const value = got.map(({ data, zxid, stat: { mzxid, version } }, i) => {
      return { path: paths[i], data: decode(data), mzxid, version, zxid };
    });
    const last = got.at(-1);
    return { value, ...(last === undefined ? whereabouts(session) : at(session, last)) };
  });
}

function partOf(part: MultiPart): MultiOp {
  const { path } = part;
  if (part.op === 'create') {
    const flags = part.ephemeral === true ? CreateFlag.ephemeral : CreateFlag.persistent;
    return { type: Op.create, path, data: encode(part.data), acl: OPEN_ACL, flags };
  }
  const version = part.version ?? -1;
  if (part.op === 'set') return { type: Op.setData, path, data: encode(part.data), version };
  return { type: part.op === 'check' ? Op.check : Op.delete, path, version };
}

async function multi(session: DirectSession, ops: readonly MultiPart[]): Promise<OpResult> {
  if (ops.length > MULTI_MAX) throw new Error(`expected at most ${MULTI_MAX} parts of a multi`);
  return await attempt(session, true, async () => {
    const done = await session.multi(ops.map(partOf));
    const place = at(session, done);
    if (done.refused !== undefined) {
      return { type: 'fail', error: errorName(done.refused), ...place };
    }
    const versions = done.results.map((each) => ('stat' in each ? each.stat.version : null));
    return { value: { ops, versions }, ...place };
  });
}

/** What became of one creation of a burst. */
export type BurstPart = { path: string; zxid: number } | { error: string; zxid?: number };

/** Creations sent in one write. All answered: ok, else info, with what is known of each. */
async function burst(session: DirectSession, parent: string, value: BurstValue): Promise<OpResult> {
  const { count, name } = value;
  if (count > BURST_MAX) throw new Error(`expected at most ${BURST_MAX} creations in a burst`);
  const all = Array.from({ length: count }, (_, i) => {
    const path = `${parent}/${name}-${i}-`;
    return session.create(path, CreateFlag.persistentSequential, Buffer.alloc(0));
  });
  const ended = await Promise.allSettled(all);
  const parts = ended.map((each): BurstPart => {
    if (each.status === 'fulfilled') return { path: each.value.path, zxid: each.value.zxid };
    if (!(each.reason instanceof CoordinatorError)) throw each.reason;
    const { zxid } = each.reason;
    const error = each.reason.name;
    return zxid === undefined ? { error } : { error, zxid };
  });
  const told = { ...value, parts };
  const lost = ended.find((each) => each.status === 'rejected');
  if (lost !== undefined) {
    const { type, error } = refused(session, lost.reason, true);
    return {
      type: type === 'fail' ? 'fail' : 'info',
      error: error ?? 'unknown',
      value: told,
      ...whereabouts(session),
    };
  }
  const last = ended.at(-1);
  const zxid = last?.status === 'fulfilled' ? last.value.zxid : 0;
  return { type: 'ok', value: told, zxid, ...whereabouts(session) };
}

async function awaitWatch(
  session: DirectSession,
  path: string,
  { timeoutMs }: { timeoutMs: number },
): Promise<OpResult> {
  const fired = await session.fired(path, timeoutMs);
  if (fired === undefined)
    return { type: 'fail', error: 'ConnectionLoss', ...whereabouts(session) };
  return { type: 'ok', value: { fired }, ...whereabouts(session) };
}

/** The outcome of an operation that changes one node's data. */
export function change(session: DirectSession, reply: Promise<Acknowledged>): Promise<OpResult> {
  return attempt(session, true, async () => {
    const acknowledged = await reply;
    const { mzxid, version } = acknowledged.stat;
    return { mzxid, version, ...at(session, acknowledged) };
  });
}

async function attempt(
  session: DirectSession,
  effect: boolean,
  act: () => Promise<Partial<OpResult>>,
): Promise<OpResult> {
  try {
    return { type: 'ok', ...(await act()) };
  } catch (error) {
    return refused(session, error, effect);
  }
}

/**
 * The outcome of an operation that got no success. It certainly did not happen if the server refused
 * it, if it never left, or if it could have changed nothing.
 */
export function refused(session: DirectSession, error: unknown, effect: boolean): OpResult {
  if (!(error instanceof CoordinatorError)) throw error;
  const { zxid, sent, cxid } = error;
  const name = error.name === 'OperationTimeout' ? 'Timeout' : error.name;
  if (zxid !== undefined) return { type: 'fail', error: name, zxid, ...whereabouts(session) };
  const outcome = { error: `${name}: ${error.message}`, ...whereabouts(session) };
  if (!sent || !effect) return { type: 'fail', ...outcome };
  return { type: 'info', ...outcome, ...(cxid === undefined ? {} : { cxid }) };
}

function at(
  session: DirectSession,
  { zxid, connection }: { zxid: number; connection: number },
): Partial<OpResult> {
  return { zxid, ...whereabouts(session), connection };
}

/** Where an operation was sent, and in which session. */
export function whereabouts({ node, id, connection }: DirectSession): Partial<OpResult> {
  return id === undefined ? { node } : { node, session: id, connection };
}

export function encode(value: unknown): Buffer {
  if (value === undefined) throw new Error('expected data to write, got none');
  return Buffer.from(JSON.stringify(value));
}

/** Anything but JSON is recorded as it is: nobody wrote it, and that is for a checker to say. */
function decode(data: Buffer | null): unknown {
  const text = data?.toString() ?? '';
  if (text === '') return null;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
