// The checker `linearizable` of the register workload, and what `chaos check` needs for histories of
// others. The sweep judges every key; a sample of keys is judged again by a search that ignores what
// the server said of order, so that no consistent lie of the server passes.
import type { Event, Phase } from '../../history/event.ts';
import type { Op } from '../../history/op.ts';
import { Random } from '../../history/random.ts';
import type { Checker, RunRecord } from '../../history/run-record.ts';
import type { Verdict } from '../../history/verdict.ts';
import { searchAnomaly } from './judge-history.ts';
import { versionedRegister } from './models.ts';
import { registerCall } from './register-op.ts';
import { search } from './search.ts';
import { opsByKey, sweepVersionOrder } from './sweep.ts';

export { FORMATS, type HistoryFormat, parseHistory } from './formats.ts';
export { HISTORY_MODELS, type HistoryModel, judgeHistory } from './judge-history.ts';

/** What a run must have shown before it can be valid. */
const EVIDENCE_MIN = { ok: 50, reads: 10, writes: 10, okPerPhase: 5 } as const;

/** How much of a run is judged again by search. The count bounds it, so the verdict repeats. */
const SAMPLE = {
  keys: 12,
  configurationsPerKey: 200_000,
  timeMsPerKey: 20_000,
  memoryBytes: 256 << 20,
} as const;

/** Judges the register workload (sync + get reads, writes, compare-and-set by version). */
export const linearizable: Checker = {
  name: 'linearizable',
  guarantee:
    'Every acknowledged operation on a key takes effect at one instant between its invocation and ' +
    'its reply: a read returns the latest written value (sync + get), and a compare-and-set ' +
    'succeeds only on the version it names.',
  check: (run) => judgeRegisters(run, linearizable, { swept: run.ops, searched: run.ops }),
};

/** Judges registers in a checker's name: the operations swept, and those searched a sample of. */
export function judgeRegisters(
  run: RunRecord,
  { name, guarantee }: Pick<Checker, 'name' | 'guarantee'>,
  { swept, searched }: { swept: readonly Op[]; searched: readonly Op[] },
): Verdict {
  const sweep = sweepVersionOrder(swept);
  const evidence = count(run.ops);
  const verdict: Verdict = {
    checker: name,
    guarantee,
    outcome: 'valid',
    evidence,
    anomalies: sweep.anomalies,
  };
  evidence.keys = sweep.keys;
  evidence.pairsCompared = sweep.pairs;
  evidence.contradictions = sweep.contradictions;
  const undecided = judgeSample(run, searched, verdict);
  if (verdict.anomalies.length > 0) {
    verdict.outcome = 'invalid';
    return verdict;
  }
  const missing = [...thinEvidence(run, evidence), ...sweep.problems];
  if (missing.length > 0) {
    verdict.outcome = 'unknown';
    verdict.reason = `${missing.join('; ')}.`;
  } else if (undecided > 0) {
    verdict.details = { undecidedSearches: undecided };
  }
  return verdict;
}

function count(ops: readonly Op[]): Record<string, number> {
  const evidence = { ok: 0, fail: 0, info: 0, reads: 0, writes: 0, cas: 0, observations: 0 };
  for (const op of ops) {
    evidence[op.type]++;
    const call = registerCall(op);
    if (call.kind === 'observation') evidence.observations++;
    if (op.type !== 'ok') continue;
    if (op.f === 'read') evidence.reads++;
    else if (op.f === 'cas') evidence.cas++;
    else if (op.f === 'write') evidence.writes++;
  }
  return evidence;
}

/** Searches a few keys, drawn by the run's seed. Returns how many stayed undecided. */
function judgeSample(run: RunRecord, searched: readonly Op[], verdict: Verdict): number {
  const random = new Random(run.config.seed, 'checkers/linearizability/sample');
  const byKey = opsByKey(searched);
  const keys = random.shuffle([...byKey.keys()].sort()).slice(0, SAMPLE.keys);
  const model = versionedRegister({ versions: false });
  let keysSearched = 0;
  let undecided = 0;
  let configurations = 0;
  for (const key of keys) {
    const ops = byKey.get(key) as Op[];
    // The sweep has said already what such a record lacks.
    if (ops.some((op) => registerCall(op).kind === 'malformed')) continue;
    const result = search(ops, model, {
      configurations: SAMPLE.configurationsPerKey,
      timeMs: SAMPLE.timeMsPerKey,
      memoryBytes: SAMPLE.memoryBytes,
    });
    keysSearched++;
    configurations += result.configurations;
    if (result.outcome === 'unknown') undecided++;
    else if (result.outcome === 'invalid') verdict.anomalies.push(searchAnomaly(key, result));
  }
  verdict.evidence.keysSearched = keysSearched;
  verdict.evidence.keysUndecided = undecided;
  verdict.evidence.configurations = configurations;
  return undecided;
}

/** What the run lacks to earn a verdict, in words; empty when nothing. */
function thinEvidence(run: RunRecord, evidence: Readonly<Record<string, number>>): string[] {
  const missing: string[] = [];
  const { ok = 0, reads = 0, writes = 0, cas = 0 } = evidence;
  const demand = (what: string, got: number, least: number): void => {
    if (got < least) missing.push(`${what}: at least ${least} expected, got ${got}`);
  };
  demand('acknowledged operations', ok, EVIDENCE_MIN.ok);
  demand('acknowledged reads', reads, EVIDENCE_MIN.reads);
  demand('acknowledged writes and compare-and-sets', writes + cas, EVIDENCE_MIN.writes);
  if (run.faults.length === 0) return missing;
  const begin = Math.min(...run.faults.map((fault) => fault.injected));
  const healed = run.faults.map((fault) => fault.healed ?? Number.POSITIVE_INFINITY);
  const end = Math.min(Math.max(...healed), phaseStart(run.history, 'final'));
  const acknowledged = run.ops.filter((op) => op.type === 'ok' && op.f !== 'create');
  const within = (from: number, to: number): number =>
    acknowledged.filter((op) => op.invokeTime >= from && op.returnTime <= to).length;
  const least = EVIDENCE_MIN.okPerPhase;
  demand('acknowledged operations before the first fault', within(0, begin), least);
  demand(
    'acknowledged operations between the first fault and the last heal',
    within(begin, end),
    least,
  );
  const after = within(end, Number.POSITIVE_INFINITY);
  demand('acknowledged operations after the last heal', after, least);
  return missing;
}

function phaseStart(history: readonly Event[], phase: Phase): number {
  const event = history.find(
    (e) => e.process === 'harness' && e.f === 'phase' && e.value === phase,
  );
  return event?.time ?? Number.POSITIVE_INFINITY;
}
