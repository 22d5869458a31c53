// Judges what one session sees, across servers: it never moves back in time and always sees its own
// writes. Sessions without replies prove nothing, so the pairs compared are counted (I-C2, I-C3).
import { formatZxid } from '../history/node-event.ts';
import type { Op } from '../history/op.ts';
import type { Checker } from '../history/run-record.ts';
import { Findings } from './evidence.ts';
import { deletedKeys, eventsOf, inRealTime, nameOp, observe, writeZxid } from './observations.ts';

const NAME = 'session-order';
const GUARANTEE =
  'Within a session the zxids of replies never decrease, also across servers, writes take effect in ' +
  'the order sent, and a read sees at least the session’s own earlier writes and what it read before.';

/** Fewer pairs of replies compared than this prove nothing. */
const PAIRS_MIN = 10;

interface Seen {
  op: Op;
  zxid: number;
  version: number;
}

export const sessionOrder: Checker = {
  name: NAME,
  guarantee: GUARANTEE,
  check(run) {
    const findings = new Findings();
    const sessions = new Map<string, Op[]>();
    for (const op of run.ops) {
      const session = op.completion?.session;
      if (session === undefined || op.type === 'info') continue;
      const ops = sessions.get(session);
      if (ops === undefined) sessions.set(session, [op]);
      else ops.push(op);
    }
    const deleted = deletedKeys(run.ops);
    findings.count('sessions', sessions.size);
    for (const [session, ops] of sessions) {
      if (new Set(ops.map((op) => op.completion?.node)).size > 1)
        findings.count('sessionsAcrossServers');
      judgeSession(session, ops, deleted, findings);
    }
    const pairs = findings.evidence.pairs ?? 0;
    const doubt =
      pairs >= PAIRS_MIN
        ? undefined
        : `only ${pairs} pairs of replies of one session could be compared; at least ${PAIRS_MIN} are needed`;
    return findings.verdict(NAME, GUARANTEE, doubt);
  },
};

/** What a session has been shown by the operations that returned so far. */
interface SessionState {
  reply: Seen | undefined;
  write: Seen | undefined;
  byKey: Map<string, Seen>;
  ownWrites: Map<string, Seen>;
}

function judgeSession(
  session: string,
  ops: readonly Op[],
  deleted: ReadonlySet<string>,
  findings: Findings,
): void {
  const state: SessionState = {
    reply: undefined,
    write: undefined,
    byKey: new Map(),
    ownWrites: new Map(),
  };
  const report = (kind: string, op: Op, earlier: Op | undefined, why: string): void => {
    findings.add({
      kind,
      why: `In session ${session} ${why}.`,
      events: earlier === undefined ? eventsOf(op) : eventsOf(earlier, op),
      ...(op.key === undefined ? {} : { key: op.key }),
    });
  };
  inRealTime(
    ops,
    (op) => learn(state, op),
    (op) => {
      judgeReply(state, op, findings, report);
      judgeWrite(state, op, report);
      judgeRead(state, op, deleted, findings, report);
    },
  );
}

type Report = (kind: string, op: Op, earlier: Op | undefined, why: string) => void;

/** The highest zxid that the replies of an operation carried. */
function replyZxid(op: Op): number | undefined {
  const { zxid, syncZxid } = op.completion ?? {};
  if (zxid === undefined) return syncZxid;
  return Math.max(zxid, syncZxid ?? 0);
}

function learn(state: SessionState, op: Op): void {
  const zxid = replyZxid(op);
  if (zxid !== undefined && zxid > (state.reply?.zxid ?? -1))
    state.reply = { op, zxid, version: 0 };
  const written = writeZxid(op);
  if (written !== undefined && written > (state.write?.zxid ?? 0)) {
    state.write = { op, zxid: written, version: 0 };
  }
  const seen = observe(op);
  if (seen === undefined) return;
  const now: Seen = { op, zxid: seen.mzxid, version: seen.version ?? 0 };
  const known = seen.isWrite ? state.ownWrites : state.byKey;
  if (now.zxid > (known.get(seen.key)?.zxid ?? 0)) known.set(seen.key, now);
}

function judgeReply(state: SessionState, op: Op, findings: Findings, report: Report): void {
  const { zxid, syncZxid } = op.completion ?? {};
  if (zxid !== undefined && syncZxid !== undefined) {
    findings.count('syncPairs');
    if (zxid < syncZxid) {
      report(
        'read-before-sync',
        op,
        undefined,
        `the ${nameOp(op)} was answered at ${formatZxid(zxid)} after its own sync at ${formatZxid(syncZxid)}`,
      );
    }
  }
  const first = syncZxid ?? zxid;
  if (first === undefined || state.reply === undefined) return;
  findings.count('pairs');
  if (first >= state.reply.zxid) return;
  report(
    'reply-went-back',
    op,
    state.reply.op,
    `the ${nameOp(op)} was answered at ${formatZxid(first)} after the ${nameOp(state.reply.op)} had been ` +
      `answered at ${formatZxid(state.reply.zxid)}; a session never moves back`,
  );
}

function judgeWrite(state: SessionState, op: Op, report: Report): void {
  const zxid = writeZxid(op);
  if (zxid === undefined || state.write === undefined || zxid > state.write.zxid) return;
  report(
    'writes-reordered',
    op,
    state.write.op,
    `the ${nameOp(op)} took effect at ${formatZxid(zxid)}, not after the earlier ${nameOp(state.write.op)} ` +
      `at ${formatZxid(state.write.zxid)}`,
  );
}

function judgeRead(
  state: SessionState,
  op: Op,
  deleted: ReadonlySet<string>,
  findings: Findings,
  report: Report,
): void {
  const seen = observe(op);
  if (seen === undefined || seen.isWrite) return;
  const own = state.ownWrites.get(seen.key);
  const before = state.byKey.get(seen.key);
  const older = (than: Seen): boolean =>
    seen.mzxid < than.zxid ||
    (!deleted.has(seen.key) && seen.version !== undefined && seen.version < than.version);
  if (own !== undefined) {
    findings.count('ownWritesRead');
    if (older(own)) {
      report(
        'own-write-unseen',
        op,
        own.op,
        `the ${nameOp(op)} saw ${seen.key} at ${formatZxid(seen.mzxid)}, older than the session's own ` +
          `${nameOp(own.op)} at ${formatZxid(own.zxid)}`,
      );
    }
  }
  if (before !== undefined && older(before)) {
    report(
      'read-went-back',
      op,
      before.op,
      `the ${nameOp(op)} saw ${seen.key} at ${formatZxid(seen.mzxid)} after the ${nameOp(before.op)} had seen ` +
        `${formatZxid(before.zxid)}`,
    );
  }
}
