// Small random histories for the tests of the checkers: drawn from a model execution, so that they
// are linearizable and their zxids tell the truth, and then damaged in one place.
import type { Event } from '../../history/event.ts';
import type { Op } from '../../history/op.ts';
import type { Random } from '../../history/random.ts';

/** An operation as a test writes it down; times in ns. */
export interface Sketch {
  f: string;
  key?: string;
  process?: number;
  value?: unknown;
  type: Op['type'];
  from: number;
  to: number;
  reply?: Partial<Event>;
}

/** Operations from sketches: event indexes in order of time, ids in order of invocation. */
export function opsFrom(sketches: readonly Sketch[]): Op[] {
  const ordered = [...sketches].sort((a, b) => a.from - b.from);
  const moments = ordered.flatMap((sketch, id) => [
    { id, time: sketch.from, reply: false },
    { id, time: sketch.to, reply: true },
  ]);
  moments.sort((a, b) => a.time - b.time || Number(a.reply) - Number(b.reply) || a.id - b.id);
  const ops = new Map<number, Op>();
  for (const [index, { id, time, reply }] of moments.entries()) {
    const { f, type, value, process = id, key = 'k', reply: carried } = ordered[id] as Sketch;
    const event: Event = { index, time, process, type: reply ? type : 'invoke', f, key };
    const op = ops.get(id);
    if (op === undefined) {
      event.value = value;
      const returnTime = Number.POSITIVE_INFINITY;
      ops.set(id, { id, process, f, key, type, invoke: event, invokeTime: time, returnTime });
    } else {
      op.completion = { ...event, ...carried };
      if (type !== 'info') op.returnTime = time;
    }
  }
  return [...ops.values()];
}

interface Execution {
  sketches: Sketch[];
  zxid: number;
  exists: boolean;
  version: number;
  mzxid: number;
  value: number;
  nextValue: number;
}

const KINDS = [
  'write',
  'write',
  'cas',
  'cas',
  'cas',
  'read',
  'read',
  'read',
  'read',
  'create',
] as const;

/** A history of one key that a correct server could have given: `length` operations. */
export function truthfulHistory(random: Random, length: number): Sketch[] {
  const run: Execution = {
    sketches: [],
    zxid: 100,
    exists: false,
    version: -1,
    mzxid: 0,
    value: 0,
    nextValue: 1,
  };
  const spread = random.int(0, 12);
  const unansweredShare = random.pick([0.05, 0.2, 0.5]);
  const createAt = random.bool(0.8) ? 0 : random.int(0, length - 1);
  for (let i = 0; i < length; i++) {
    const f = i === createAt ? 'create' : random.pick(KINDS);
    const at = 20 + i * 4;
    const interval = { from: at - random.int(0, spread), to: at + random.int(0, spread) };
    if (f === 'read') step(run, random, { f, type: 'ok', ...interval });
    else if (random.bool(unansweredShare))
      unanswered(run, random, { f, type: 'info', ...interval });
    else if (random.bool(0.05)) failed(run, random, { f, type: 'fail', ...interval });
    else step(run, random, { f, type: 'ok', ...interval });
  }
  return run.sketches;
}

/** Perhaps it took effect, perhaps not; there is no reply. */
function unanswered(run: Execution, random: Random, sketch: Sketch): void {
  if (random.bool()) {
    step(run, random, sketch);
    const happened = run.sketches.at(-1) as Sketch;
    happened.type = 'info';
    delete happened.reply;
    return;
  }
  failed(run, random, sketch);
}

function failed(run: Execution, random: Random, sketch: Sketch): void {
  const failure: Sketch = { ...sketch, value: drawValue(run, random, sketch.f) };
  if (sketch.type === 'fail') failure.reply = { error: 'NotSent' };
  run.sketches.push(failure);
}

function drawValue(run: Execution, random: Random, f: string): unknown {
  const value = run.nextValue++;
  if (f !== 'cas') return value;
  const expected = random.bool(0.7) ? run.version : run.version + random.int(-2, 1);
  return { expected: Math.max(expected, 0), to: value };
}

function step(run: Execution, random: Random, drawn: Sketch): void {
  const sketch: Sketch = { ...drawn };
  run.sketches.push(sketch);
  if (random.bool(0.2)) run.zxid++; // Some other key changed.
  if (sketch.f === 'read' && run.exists) {
    const { value, version, mzxid, zxid } = run;
    sketch.reply = { value, version, mzxid, zxid, syncZxid: zxid };
    return;
  }
  if (sketch.f !== 'read') sketch.value = drawValue(run, random, sketch.f);
  const error = refusal(run, sketch);
  if (error !== undefined) {
    if (sketch.f !== 'read') run.zxid++; // A refused change has a zxid of its own.
    sketch.type = 'fail';
    sketch.reply = { error, zxid: run.zxid };
    return;
  }
  run.zxid++;
  run.exists = true;
  run.version++;
  run.mzxid = run.zxid;
  run.value = sketch.f === 'cas' ? (sketch.value as { to: number }).to : (sketch.value as number);
  sketch.reply = { zxid: run.zxid, mzxid: run.zxid, version: run.version };
}

function refusal(run: Execution, sketch: Sketch): string | undefined {
  if (sketch.f === 'create') return run.exists ? 'NodeExists' : undefined;
  if (!run.exists) return 'NoNode';
  const { expected } = sketch.value as { expected?: number };
  return sketch.f === 'cas' && expected !== run.version ? 'BadVersion' : undefined;
}

/** What can be damaged; each gives false when there is nothing of the kind in the operation. */
const DAMAGES: ((random: Random, victim: Sketch, other: Sketch, end: number) => boolean)[] = [
  function invokedLater(random, victim) {
    victim.from += random.int(1, 30);
    victim.to = Math.max(victim.from, victim.to);
    return true;
  },
  function answeredEarlier(random, victim) {
    victim.to = Math.max(0, victim.to - random.int(1, 30));
    victim.from = Math.min(victim.from, victim.to);
    return true;
  },
  function movedInTime(random, victim, _other, end) {
    const length = victim.to - victim.from;
    victim.from = random.int(0, end);
    victim.to = victim.from + length;
    return true;
  },
  function otherRead(_random, victim, other) {
    if (!isAnsweredRead(victim) || !isAnsweredRead(other)) return false;
    const { value, version, mzxid } = other.reply ?? {};
    victim.reply = { ...victim.reply, value, version, mzxid } as Partial<Event>;
    return victim !== other;
  },
  function otherValue(random, victim, _other, end) {
    if (!isAnsweredRead(victim)) return false;
    victim.reply = { ...victim.reply, value: random.int(1, Math.ceil(end / 4)) };
    return true;
  },
  function otherVersion(random, victim) {
    if (victim.reply?.version === undefined) return false;
    victim.reply = { ...victim.reply, version: victim.reply.version + random.pick([-1, 1, 2]) };
    return true;
  },
  function otherChange(random, victim) {
    if (victim.reply?.mzxid === undefined) return false;
    const mzxid = victim.reply.mzxid + random.pick([-2, -1, 1, 2]);
    const zxid = victim.f === 'read' ? (victim.reply.zxid as number) : mzxid;
    victim.reply = { ...victim.reply, mzxid, zxid };
    return true;
  },
  function otherReplyZxid(random, victim) {
    if (victim.reply?.zxid === undefined) return false;
    victim.reply = { ...victim.reply, zxid: victim.reply.zxid + random.int(-5, 5) };
    return true;
  },
  function saidToHaveFailed(_random, victim) {
    if (victim.f === 'read' || victim.type !== 'ok') return false;
    victim.type = 'fail';
    victim.reply = { error: 'NotSent' };
    return true;
  },
  function replyLost(_random, victim) {
    if (victim.f === 'read' || victim.type === 'info') return false;
    victim.type = 'info';
    delete victim.reply;
    return true;
  },
  function namedOtherVersion(random, victim) {
    if (victim.f !== 'cas') return false;
    const { expected, to } = victim.value as { expected: number; to: number };
    victim.value = { expected: Math.max(0, expected + random.pick([-1, 1])), to };
    return true;
  },
];

/** The same history with one output, outcome or interval changed. */
export function damaged(random: Random, history: readonly Sketch[]): Sketch[] {
  const sketches = history.map((sketch) => ({ ...sketch }));
  const end = 20 + 4 * sketches.length;
  for (const damage of random.shuffle(DAMAGES)) {
    if (damage(random, random.pick(sketches), random.pick(sketches), end)) break;
  }
  return sketches;
}

function isAnsweredRead(sketch: Sketch): boolean {
  return sketch.f === 'read' && sketch.type === 'ok';
}

/** A compare-and-set register's history that need not make sense. */
export function arbitraryCasHistory(random: Random, length: number): Sketch[] {
  const value = (): number | null => (random.bool(0.1) ? null : random.int(0, 2));
  return Array.from({ length }, (): Sketch => {
    const f = random.pick(['read', 'write', 'cas']);
    const from = random.int(0, 24);
    const type = random.pick(['ok', 'ok', 'ok', 'ok', 'fail', 'info'] as const);
    const sketch: Sketch = { f, type, from, to: from + random.int(0, 10) };
    if (f === 'read') return { ...sketch, value: null, reply: { value: value() } };
    const given = f === 'cas' ? [random.int(0, 2), random.int(0, 2)] : random.int(0, 2);
    const timedOut = type === 'fail' && random.bool(0.2);
    return { ...sketch, value: given, reply: timedOut ? { error: 'timed-out' } : { value: given } };
  });
}
