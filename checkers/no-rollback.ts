// Judges that what was acknowledged or seen stays: writes in zxid order, one version chain per key,
// final reads through every server that agree and hold the newest acked state (I-C1, I-C4).
import { formatZxid } from '../history/node-event.ts';
import type { Op } from '../history/op.ts';
import type { Checker, RunRecord } from '../history/run-record.ts';
import { Findings, levelProblem, nodeLogProblem, phaseStarts, quorumOf } from './evidence.ts';
import type { Observation } from './observations.ts';
import {
  deletedKeys,
  eventsOf,
  inRealTime,
  nameOp,
  observe,
  sameValue,
  writeZxid,
} from './observations.ts';
import { placements } from './placements.ts';
import { pathsChanged } from './tree-facts.ts';
import { isUntraceable, zabView } from './zab-view.ts';

const NAME = 'no-rollback';
const GUARANTEE =
  'An update that was acknowledged or read is never undone: final reads through every server agree ' +
  'and show it or a newer one, and it is in the committed log.';

/** Fewer acknowledged writes than this prove nothing. */
const ACKED_WRITES_MIN = 10;

export const noRollback: Checker = {
  name: NAME,
  guarantee: GUARANTEE,
  check(run) {
    const findings = new Findings();
    const byKey = new Map<string, Observation[]>();
    findings.count('ackedWrites', 0);
    for (const op of run.ops) {
      if (writeZxid(op) !== undefined) findings.count('ackedWrites');
      const seen = observe(op);
      if (seen === undefined) continue;
      if (!seen.isWrite) findings.count('reads');
      const list = byKey.get(seen.key);
      if (list === undefined) byKey.set(seen.key, [seen]);
      else list.push(seen);
    }
    writeOrder(run.ops, findings);
    const deleted = deletedKeys(run.ops);
    for (const [key, seen] of byKey) oneStatePerVersion(seen, deleted.has(key), findings);
    const unread = finalReads(run, byKey, deleted, findings);
    inTheLogs(run, byKey, findings);
    return findings.verdict(NAME, GUARANTEE, thinEvidence(findings, unread));
  },
};

function thinEvidence(findings: Findings, unread: string | undefined): string | undefined {
  const acked = findings.evidence.ackedWrites ?? 0;
  if (acked < ACKED_WRITES_MIN) {
    return `only ${acked} writes were acknowledged; at least ${ACKED_WRITES_MIN} are needed`;
  }
  return unread;
}

/** I-C1: a write that begins after another returned has a higher zxid, whatever the keys. */
function writeOrder(ops: readonly Op[], findings: Findings): void {
  const writes = ops.filter((op) => writeZxid(op) !== undefined);
  const byZxid = new Map<number, Op>();
  let newest: Op | undefined;
  let newestZxid = 0;
  const complete = (op: Op): void => {
    const zxid = writeZxid(op) as number;
    if (zxid <= newestZxid) return;
    newestZxid = zxid;
    newest = op;
  };
  inRealTime(writes, complete, (op) => {
    const zxid = writeZxid(op) as number;
    const twin = byZxid.get(zxid);
    byZxid.set(zxid, op);
    if (twin !== undefined) {
      findings.add({
        kind: 'zxid-reused',
        why: `The ${nameOp(twin)} and the ${nameOp(op)} were both acknowledged with zxid ${formatZxid(zxid)}; a zxid names one update.`,
        events: eventsOf(twin, op),
      });
    } else if (newest !== undefined && zxid < newestZxid) {
      findings.add({
        kind: 'write-order',
        why:
          `The ${nameOp(op)} got zxid ${formatZxid(zxid)} although it began after the ${nameOp(newest)} had ` +
          `returned with ${formatZxid(newestZxid)}; a later write has a higher zxid.`,
        events: eventsOf(newest, op),
      });
    }
  });
}

/** All that was seen of a key is one chain: a version has one zxid and value, newer ones higher zxids. */
function oneStatePerVersion(
  seen: readonly Observation[],
  deleted: boolean,
  findings: Findings,
): void {
  const byZxid = new Map<number, Observation>();
  for (const now of seen) {
    const other = byZxid.get(now.mzxid);
    if (other === undefined) {
      byZxid.set(now.mzxid, now);
      continue;
    }
    if (compatible(other, now)) {
      if (other.isWrite) byZxid.set(now.mzxid, now);
      continue;
    }
    contradiction(
      'state-changed',
      other,
      now,
      'one zxid of a key has one version and value',
      findings,
    );
  }
  if (deleted) return;
  let before: Observation | undefined;
  for (const now of [...byZxid.values()].sort((a, b) => a.mzxid - b.mzxid)) {
    if (now.version === undefined) continue;
    if (before?.version !== undefined && now.version <= before.version) {
      contradiction(
        'version-reused',
        before,
        now,
        'a later update has a higher version, so the earlier one was undone',
        findings,
      );
    }
    before = now;
  }
}

function compatible(a: Observation, b: Observation): boolean {
  const sameVersion = a.version === undefined || b.version === undefined || a.version === b.version;
  return sameVersion && (a.isWrite || b.isWrite || sameValue(a.value, b.value));
}

function contradiction(
  kind: string,
  a: Observation,
  b: Observation,
  rule: string,
  findings: Findings,
): void {
  findings.add({
    kind,
    why: `On ${a.key} the ${nameOp(a.op)} saw ${describe(a)}, but the ${nameOp(b.op)} saw ${describe(b)}: ${rule}.`,
    events: eventsOf(a.op, b.op),
    key: a.key,
  });
}

function describe(seen: Observation): string {
  const value = seen.isWrite ? '' : `, value ${JSON.stringify(seen.value)}`;
  return `version ${seen.version ?? 'unknown'} at ${formatZxid(seen.mzxid)}${value}`;
}

/** Judges the reads of the final phase; returns why they are too few, if they are. */
function finalReads(
  run: RunRecord,
  byKey: ReadonlyMap<string, Observation[]>,
  deleted: ReadonlySet<string>,
  findings: Findings,
): string | undefined {
  const began = phaseStarts(run.history).get('final');
  if (began === undefined) return 'the run had no final reads';
  const moves = movesOf(run, began);
  keysGone(run.ops, began, byKey, deleted, findings);
  let unread: string | undefined;
  for (const [key, seen] of byKey) {
    const nodes = new Set<string | undefined>();
    for (const { op, isWrite } of seen) {
      if (isWrite || op.invokeTime < began) continue;
      nodes.add(op.completion?.node ?? op.invoke.node);
      findings.count('finalReads');
    }
    const silent = run.config.nodes.find((node) => !nodes.has(node));
    if (silent !== undefined && !deleted.has(key))
      unread ??= `no final read of ${key} through ${silent}`;
    neverOlder(seen, began, deleted.has(key), findings);
    if (!deleted.has(key)) agree(seen, began, moves.get(key), findings);
  }
  return unread;
}

/** What may still move a key while final reads are made. */
interface Moves {
  /** Updates whose outcome nobody knows. */
  undecided: number;
  /** Zxids of updates made by the final phase itself, or placed by the servers' logs. */
  at: number[];
}

function movesOf(run: RunRecord, began: number): Map<string, Moves> {
  const moves = new Map<string, Moves>();
  const placed = placements(run);
  for (const op of run.ops) {
    const late = op.type === 'ok' && op.invokeTime >= began;
    const place = placed.get(op);
    if ((op.type !== 'info' && !late) || place?.kind === 'without-effect') continue;
    const zxid = late ? writeZxid(op) : place?.zxid;
    for (const path of pathsChanged(op)) {
      const known = moves.get(path) ?? { undecided: 0, at: [] };
      moves.set(path, known);
      if (zxid === undefined) known.undecided += 1;
      else known.at.push(zxid);
    }
  }
  return moves;
}

/** A key that was seen and that nobody deleted is still there. */
function keysGone(
  ops: readonly Op[],
  began: number,
  byKey: ReadonlyMap<string, Observation[]>,
  deleted: ReadonlySet<string>,
  findings: Findings,
): void {
  for (const op of ops) {
    const { key, completion } = op;
    if (op.f !== 'read' || op.invokeTime < began || completion === undefined) continue;
    const refused = op.type === 'fail' && /^NoNode\b/i.test(completion.error ?? '');
    const empty =
      op.type === 'ok' && completion.mzxid === undefined && (completion.value ?? null) === null;
    if (key === undefined || deleted.has(key) || !(refused || empty)) continue;
    const seen = byKey.get(key)?.find((one) => (one.op.completion?.index ?? 0) < op.invoke.index);
    if (seen === undefined) continue;
    findings.add({
      kind: seen.isWrite ? 'acked-write-lost' : 'observed-write-lost',
      why: `The final ${nameOp(op)} found no ${key}, which the ${nameOp(seen.op)} had shown at ${describe(seen)}; nobody deleted it.`,
      events: eventsOf(seen.op, op),
      key,
    });
  }
}

/** A final read shows at least the newest state of its key that any operation before it showed. */
function neverOlder(
  seen: readonly Observation[],
  began: number,
  deleted: boolean,
  findings: Findings,
): void {
  const byOp = new Map(seen.map((one) => [one.op, one]));
  let newest: Observation | undefined;
  const complete = (op: Op): void => {
    const one = byOp.get(op);
    if (one !== undefined && one.mzxid > (newest?.mzxid ?? 0)) newest = one;
  };
  const judge = (op: Op): void => {
    const now = byOp.get(op);
    if (now === undefined || now.isWrite || op.invokeTime < began || newest === undefined) return;
    const lower = !deleted && now.version !== undefined && now.version < (newest.version ?? 0);
    if (now.mzxid >= newest.mzxid && !lower) return;
    const kind = newest.isWrite ? 'acked-write-lost' : 'observed-write-lost';
    contradiction(
      kind,
      newest,
      now,
      'a final read shows the newest acknowledged or observed state',
      findings,
    );
  };
  inRealTime([...byOp.keys()], complete, judge);
}

/**
 * Final reads of a key agree. Only an update whose outcome nobody knows, or one known to lie between them,
 * may come in between, so a key may move on by as many versions as it has such updates.
 */
function agree(
  seen: readonly Observation[],
  began: number,
  { undecided, at }: Moves = { undecided: 0, at: [] },
  findings: Findings,
): void {
  let lowest: Observation | undefined;
  let highest: Observation | undefined;
  for (const one of seen) {
    if (one.isWrite || one.op.invokeTime < began) continue;
    if (lowest === undefined || one.mzxid < lowest.mzxid) lowest = one;
    if (highest === undefined || one.mzxid > highest.mzxid) highest = one;
  }
  if (lowest === undefined || highest === undefined || lowest.mzxid === highest.mzxid) return;
  const [from, to] = [lowest.mzxid, highest.mzxid];
  const moved = (highest.version ?? 0) - (lowest.version ?? 0);
  const between = at.filter((zxid) => zxid > from && zxid <= to).length;
  if (moved > 0 && moved <= undecided + between) {
    findings.count('finalKeysMovedByUndecided');
    return;
  }
  contradiction('final-reads-disagree', lowest, highest, 'nothing was writing any more', findings);
}

/** With whole node logs: every acked or read update was committed and is in the logs at the end. */
function inTheLogs(
  run: RunRecord,
  byKey: ReadonlyMap<string, Observation[]>,
  findings: Findings,
): void {
  if (nodeLogProblem(run) !== undefined || levelProblem(run) !== undefined) {
    findings.count('nodeLogsUsed', 0);
    return;
  }
  findings.count('nodeLogsUsed');
  const view = zabView(run);
  const voters = view.servers[0]?.voters ?? [];
  const judged = new Set<number>();
  for (const seen of byKey.values()) {
    for (const one of seen) {
      if (judged.has(one.mzxid)) continue;
      judged.add(one.mzxid);
      const { mzxid } = one;
      const name = `${formatZxid(mzxid)} of ${one.key}, which the ${nameOp(one.op)} ${one.isWrite ? 'wrote' : 'saw'},`;
      const at = { events: eventsOf(one.op), key: one.key };
      if (!view.commits.has(mzxid) && !isUntraceable(view, mzxid)) {
        findings.add({
          kind: 'acked-not-committed',
          why: `Update ${name} was never committed by a leader.`,
          ...at,
        });
      }
      const lacking = view.servers.filter((server) => !server.log.contains(mzxid));
      const passed = lacking.filter((server) => server.applied >= mzxid);
      const holding = view.servers.length - lacking.length;
      if (passed.length === 0 && holding >= quorumOf(voters)) continue;
      findings.add({
        kind: 'acked-not-in-log',
        why:
          `Update ${name} is missing from the final log of ${lacking.map((s) => s.node).join(', ')}; ` +
          `${holding} of ${view.servers.length} servers hold it.`,
        ...at,
      });
    }
  }
  findings.count('zxidsInLogs', judged.size);
}
