// Judges sessions and ephemeral nodes: lives begin and end by committed transactions alone, alike on all
// servers, a close removes exactly its nodes, and nobody's time is cut short (I-C7).
import type { Checker, RunRecord } from '../history/run-record.ts';
import type { Verdict } from '../history/verdict.ts';
import { Findings, levelProblem, nodeLogProblem, unknownVerdict } from './evidence.ts';
import { withoutRefusedStarts } from './refused-starts.ts';
import { judgeExpiries } from './session-expiry.ts';
import { judgeHistory } from './session-history.ts';
import type { Ledger } from './session-ledger.ts';
import { sessionLedger } from './session-ledger.ts';
import { judgeObservations } from './session-observations.ts';
import { settledSince } from './settled.ts';
import { zabView } from './zab-view.ts';

const NAME = 'sessions';
const GUARANTEE =
  'A session lives from its committed opening to its committed close, its ephemeral nodes are there just ' +
  'as long on every server, and only the leader lets it expire, never before its timeout has passed.';

/** Where clients make ephemeral nodes, fewer than these prove nothing. */
const EPHEMERALS_MIN = 10;
const CLOSED_MIN = 3;
const OBSERVATIONS_MIN = 10;
/** What an expiry may take beyond the timeout: the leader's look-around, the commit, a busy machine, ms. */
const EXPIRY_SLACK_MS = 1_000;

/**
 * Every run has sessions, so every run is judged; one whose clients made no ephemeral nodes is valid with
 * that said, since it cannot be asked for evidence that its workload does not make.
 */
export const sessions: Checker = {
  name: NAME,
  guarantee: GUARANTEE,
  check(given): Verdict {
    const run = withoutRefusedStarts(given);
    const gap = nodeLogProblem(run) ?? levelProblem(run);
    if (gap !== undefined) return unknownVerdict(NAME, GUARANTEE, gap);
    const findings = new Findings();
    const ledger = sessionLedger(run, findings);
    const expired = judgeExpiries(run, ledger, findings);
    closedByNobody(run, ledger, new Set(expired.keys()), findings);
    judgeObservations(run, ledger, findings);
    const tickMs = Number(run.config.systemOptions.tickTime ?? 0);
    const longestMs = Math.max(0, ...[...ledger.sessions.values()].map(timeoutOf));
    const overMs = (id: string): number => {
      const timeoutMs = ledger.sessions.get(id)?.opened?.timeoutMs ?? longestMs;
      return timeoutMs + 2 * tickMs + EXPIRY_SLACK_MS;
    };
    judgeHistory(run, settledSince(run), overMs, findings);
    survivors(run, findings);
    if (run.ops.some((op) => op.f === 'create-ephemeral')) {
      return findings.verdict(NAME, GUARANTEE, thinEvidence(findings));
    }
    const reason = 'no client made an ephemeral node: only lives and expiries were judged';
    return { ...findings.verdict(NAME, GUARANTEE), reason };
  },
};

function timeoutOf(life: { opened: { timeoutMs: number } | undefined }): number {
  return life.opened?.timeoutMs ?? 0;
}

function thinEvidence({ evidence }: Findings): string | undefined {
  const looks = (evidence.existsJudged ?? 0) + (evidence.childrenJudged ?? 0);
  const needed: [number, number, string][] = [
    [evidence.ephemeralsCreated ?? 0, EPHEMERALS_MIN, 'ephemeral nodes were made'],
    [evidence.sessionsClosed ?? 0, CLOSED_MIN, 'sessions were closed'],
    [evidence.sessionsExpired ?? 0, 1, 'sessions expired'],
    [looks, OBSERVATIONS_MIN, 'looks of clients could be judged'],
  ];
  const few = needed.find(([count, least]) => count < least);
  return few === undefined ? undefined : `only ${few[0]} ${few[2]}; at least ${few[1]} are needed`;
}

/**
 * A session ends because its client asked or because the leader let it expire. Only where the workload
 * records every close it asks for can a close without either be proven, and only for its own sessions:
 * the harness, too, may open one and close it.
 */
function closedByNobody(
  run: RunRecord,
  ledger: Ledger,
  expired: ReadonlySet<string>,
  findings: Findings,
): void {
  const closes = run.ops.filter((op) => op.f === 'close');
  // An unfinished close does not say of which session it was.
  if (closes.length === 0 || closes.some((op) => op.completion === undefined)) return;
  const asked = new Set(closes.map((op) => op.completion?.session));
  const clients = new Set(run.ops.map((op) => op.completion?.session));
  const { proposals } = zabView(run);
  for (const { id, closed } of ledger.sessions.values()) {
    // Without its leader's word on the proposal, the word on the expiry may be lost as well.
    if (closed === undefined || !clients.has(id) || !proposals.has(closed.zxid)) continue;
    findings.count('closesExplained');
    if (asked.has(id) || expired.has(id)) continue;
    findings.addNodeAnomaly(
      'closed-by-nobody',
      `Session ${id} was closed, but no client had asked for that and no leader had let it expire.`,
      [closed],
    );
  }
}

/** Sessions that were answered under several leaders, and those that came back by another server. */
function survivors(run: RunRecord, findings: Findings): void {
  const led = run.nodeEvents.flatMap(({ ev, t }) => (ev === 'established' ? [t] : []));
  const lives = new Map<string, { first: number; last: number; nodes: Set<string> }>();
  for (const op of run.ops) {
    const { session, node } = op.completion ?? {};
    if (op.type !== 'ok' || session === undefined || op.f === 'abandon') continue;
    const life = lives.get(session) ?? { first: op.returnTime, last: 0, nodes: new Set() };
    life.last = op.returnTime;
    if (node !== undefined) life.nodes.add(node);
    lives.set(session, life);
  }
  findings.count('sessionsAcrossLeaders', 0);
  findings.count('sessionsAcrossServers', 0);
  for (const { first, last, nodes } of lives.values()) {
    if (led.some((t) => t > first && t < last)) findings.count('sessionsAcrossLeaders');
    if (nodes.size > 1) findings.count('sessionsAcrossServers');
  }
}
