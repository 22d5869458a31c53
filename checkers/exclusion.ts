// Judges locks and leaderships made of sequential ephemeral nodes: at each zxid at most one contender holds
// a place, places are passed on in the order of the contenders' tokens, and nobody writes without holding.
import { formatZxid } from '../history/node-event.ts';
import type { Op } from '../history/op.ts';
import type { Checker, RunRecord } from '../history/run-record.ts';
import { Findings, phaseStarts } from './evidence.ts';
import { eventsOf, nameOp } from './observations.ts';
import { placements } from './placements.ts';

const NAME = 'exclusion';
const GUARANTEE =
  'At every zxid at most one contender holds a lock or leads, the next is the one with the next smaller ' +
  'number, and a write that its holder guards with its node takes effect only while it holds.';

const HOLDERS_MIN = 5;
const WRITES_MIN = 10;

/** A candidate for one place: a sequential ephemeral node, whose zxid is its fencing token. */
interface Contender {
  op: Op;
  path: string;
  place: string;
  token: number;
  session: string;
  /** Stretch of zxids in which it proved to hold: as the first of a list, and by guarded writes. */
  from: { op: Op; zxid: number } | undefined;
  to: { op: Op; zxid: number } | undefined;
  /** Where its node was gone, as far as anybody told. */
  gone: number;
}

/** An acknowledged write guarded by the check of a contender's node. */
interface GuardedWrite {
  op: Op;
  contender: Contender | undefined;
  path: string;
  zxid: number;
  data: { n: number; token: number };
}

interface Part {
  op: string;
  path: string;
  data?: unknown;
}

export const exclusion: Checker = {
  name: NAME,
  guarantee: GUARANTEE,
  check(run) {
    const findings = new Findings();
    for (const name of ['contenders', 'holders', 'guardedWrites', 'fencedOff', 'expiredHolders']) {
      findings.count(name, 0);
    }
    const contenders = contendersOf(run);
    findings.count('contenders', contenders.size);
    for (const op of run.ops) if (op.f === 'children') firstInList(op, contenders);
    const writes = guardedWrites(run, contenders, findings);
    for (const write of writes) proves(write, findings);
    const places = new Map<string, Contender[]>();
    for (const one of contenders.values()) {
      if (one.from === undefined) continue;
      findings.count('holders');
      places.set(one.place, [...(places.get(one.place) ?? []), one]);
    }
    for (const [place, holders] of places) inTurn(place, holders, findings);
    fenced(run, writes, findings);
    stuck(run, findings);
    const { holders = 0, guardedWrites: count = 0 } = findings.evidence;
    const thin = `only ${holders} contenders held and ${count} guarded writes were acknowledged; at least ${HOLDERS_MIN} and ${WRITES_MIN} are needed`;
    return findings.verdict(
      NAME,
      GUARANTEE,
      holders < HOLDERS_MIN || count < WRITES_MIN ? thin : undefined,
    );
  },
};

function placeOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

function contendersOf(run: RunRecord): Map<string, Contender> {
  const contenders = new Map<string, Contender>();
  for (const op of run.ops) {
    const { zxid, session, value } = op.completion ?? {};
    if (op.f !== 'create-ephemeral' || op.type !== 'ok') continue;
    if (zxid === undefined || session === undefined) continue;
    const { path } = value as { path: string };
    const node = { op, path, place: placeOf(path), token: zxid, session };
    contenders.set(path, { ...node, from: undefined, to: undefined, gone: Infinity });
  }
  const gone = (path: string, zxid: number): void => {
    const one = contenders.get(path);
    if (one !== undefined && zxid > one.token) one.gone = Math.min(one.gone, zxid);
  };
  for (const { f, type, key, completion } of run.ops) {
    if (f === 'delete' && type === 'ok' && key !== undefined)
      gone(key, completion?.zxid ?? Infinity);
  }
  for (const event of run.nodeEvents) if (event.ev === 'deleted') gone(event.path, event.zxid);
  return contenders;
}

/** The contender with the smallest number in a list holds at the list's zxid. */
function firstInList(op: Op, contenders: ReadonlyMap<string, Contender>): void {
  const { zxid, value } = op.completion ?? {};
  if (op.type !== 'ok' || zxid === undefined || op.key === undefined) return;
  const names = [...(value as string[])].sort((a, b) => numberOf(a) - numberOf(b));
  const [first] = names;
  const holder = first === undefined ? undefined : contenders.get(`${op.key}/${first}`);
  if (holder !== undefined) holds(holder, op, zxid);
}

function numberOf(name: string): number {
  return Number(name.slice(-10));
}

function holds(contender: Contender, op: Op, zxid: number): void {
  if (contender.from === undefined || zxid < contender.from.zxid) contender.from = { op, zxid };
  if (contender.to === undefined || zxid > contender.to.zxid) contender.to = { op, zxid };
}

function guardedWrites(
  run: RunRecord,
  contenders: ReadonlyMap<string, Contender>,
  findings: Findings,
): GuardedWrite[] {
  const writes: GuardedWrite[] = [];
  for (const op of run.ops) {
    if (op.f !== 'multi') continue;
    const { ops } = op.invoke.value as { ops: Part[] };
    const guard = ops.find((part) => part.op === 'check');
    const set = ops.find((part) => part.op === 'set');
    if (guard === undefined || set === undefined) continue;
    if (op.type === 'fail' && op.completion?.zxid !== undefined) findings.count('fencedOff');
    const placed = placements(run).get(op);
    const zxid =
      op.type === 'ok' ? op.completion?.zxid : placed?.kind === 'applied' ? placed.zxid : undefined;
    if (zxid === undefined) continue;
    findings.count('guardedWrites');
    const data = set.data as GuardedWrite['data'];
    writes.push({ op, contender: contenders.get(guard.path), path: set.path, zxid, data });
  }
  return writes.sort((a, b) => a.zxid - b.zxid);
}

function proves({ op, contender, zxid }: GuardedWrite, findings: Findings): void {
  if (contender === undefined) return;
  if (zxid > contender.gone) {
    findings.add({
      kind: 'wrote-without-holding',
      why:
        `The ${nameOp(op)}, guarded by ${contender.path}, took effect at ${formatZxid(zxid)}, but that node was gone at ` +
        `${formatZxid(contender.gone)}.`,
      events: eventsOf(contender.op, op),
      key: contender.place,
    });
    return;
  }
  holds(contender, op, zxid);
}

/** Stretches of holding follow upon each other in the order of the tokens. */
function inTurn(place: string, holders: Contender[], findings: Findings): void {
  holders.sort((a, b) => a.token - b.token);
  let before: Contender | undefined;
  for (const now of holders) {
    if (before !== undefined && (before.to?.zxid ?? 0) >= (now.from?.zxid ?? 0)) {
      const until = before.to as { op: Op; zxid: number };
      const since = now.from as { op: Op; zxid: number };
      findings.add({
        kind: 'two-holders',
        why:
          `${now.path} held ${place} at ${formatZxid(since.zxid)}, as the ${nameOp(since.op)} shows, while ${before.path} ` +
          `still held it at ${formatZxid(until.zxid)}, as the ${nameOp(until.op)} shows.`,
        events: eventsOf(until.op, since.op),
        key: place,
      });
    }
    if (before === undefined || (before.to?.zxid ?? 0) < (now.to?.zxid ?? 0)) before = now;
  }
}

/**
 * Whether a write counts on from the one before it, between which `undecided` others may lie. A holder
 * that was not answered may ask again for what was done: with its own token, and the same count.
 */
export function countsOn(
  before: Pick<GuardedWrite, 'op' | 'data'>,
  write: Pick<GuardedWrite, 'data'>,
  undecided: number,
): boolean {
  const step = write.data.n - before.data.n;
  if (step === 0) return before.op.type === 'info' && write.data.token === before.data.token;
  return step >= 1 && step <= 1 + undecided;
}

/** Writes of one resource: tokens never fall, and each counts on from the one before it. */
function fenced(run: RunRecord, writes: readonly GuardedWrite[], findings: Findings): void {
  const undecided = new Map<string, number>();
  for (const op of run.ops) {
    if (op.f !== 'multi' || op.type !== 'info' || placements(run).has(op)) continue;
    for (const { op: kind, path } of (op.invoke.value as { ops: Part[] }).ops) {
      if (kind === 'set') undecided.set(path, (undecided.get(path) ?? 0) + 1);
    }
  }
  const last = new Map<string, GuardedWrite>();
  for (const write of writes) {
    const before = last.get(write.path);
    last.set(write.path, write);
    if (before === undefined) continue;
    const both = `The ${nameOp(before.op)} at ${formatZxid(before.zxid)} and the ${nameOp(write.op)} at ${formatZxid(write.zxid)}`;
    const about = { events: eventsOf(before.op, write.op), key: write.path };
    if (write.data.token < before.data.token) {
      const why = `${both} carry the tokens ${formatZxid(before.data.token)} and ${formatZxid(write.data.token)}; tokens never fall.`;
      findings.add({ kind: 'token-fell', why, ...about });
    }
    if (countsOn(before, write, undecided.get(write.path) ?? 0)) continue;
    const why = `${both} count ${before.data.n} and ${write.data.n}: what one holder does between reading and writing was not its own.`;
    findings.add({ kind: 'update-lost', why, ...about });
  }
}

/** After the heal whoever asks for a place gets it: each last asker wrote, or left again. */
function stuck(run: RunRecord, findings: Findings): void {
  const began = phaseStarts(run.history).get('final');
  if (began === undefined) return;
  const asked = new Map<string, Op>();
  for (const op of run.ops) {
    const { session } = op.completion ?? {};
    if (op.invokeTime < began || session === undefined || op.type !== 'ok') continue;
    if (op.f === 'create-ephemeral') asked.set(session, op);
    else if (op.f === 'multi' && asked.delete(session)) findings.count('heldAtLast');
    else if (op.f === 'abandon') asked.delete(session);
  }
  // A process that was replaced lost its session with its place.
  for (const op of run.ops) if (op.type === 'info') asked.delete(op.completion?.session ?? '');
  for (const [session, op] of asked) {
    findings.add({
      kind: 'never-held',
      why: `The ${nameOp(op)} of session ${session} came after the heal, and its turn never came.`,
      events: eventsOf(op),
      ...(op.key === undefined ? {} : { key: op.key }),
    });
  }
}
