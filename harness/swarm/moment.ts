// When a run went wrong: the times of what its anomalies name. A shrinker cuts the run off there, and a
// story is told from there backwards.
import type { RunRecord } from '../../history/run-record.ts';
import type { Anomaly, Verdict } from '../../history/verdict.ts';

/** Times of everything an anomaly names, ns since the start of the run, ascending. */
export function timesOf(record: RunRecord, anomaly: Anomaly): number[] {
  const wanted = new Set(
    (anomaly.nodeEvents ?? []).map((e) => `${e.node}/${e.incarnation}#${e.seq}`),
  );
  const times = anomaly.events.flatMap((index) => record.history[index]?.time ?? []);
  if (wanted.size > 0) {
    for (const { t, node, inc, seq } of record.nodeEvents) {
      if (wanted.has(`${node}/${inc}#${seq}`)) times.push(t);
    }
  }
  return times.sort((a, b) => a - b);
}

/** The anomaly that was complete first, of the checkers given or of all. */
export function firstAnomaly(
  record: RunRecord,
  verdicts: readonly Verdict[],
  checkers: readonly string[],
): { anomaly: Anomaly; checker: string; atNs: number } | undefined {
  let first: { anomaly: Anomaly; checker: string; atNs: number } | undefined;
  for (const { checker, anomalies } of verdicts) {
    if (checkers.length > 0 && !checkers.includes(checker)) continue;
    for (const anomaly of anomalies) {
      const atNs = timesOf(record, anomaly).at(-1);
      if (atNs !== undefined && atNs < (first?.atNs ?? Infinity))
        first = { anomaly, checker, atNs };
    }
  }
  return first;
}

/** When the first anomaly was complete, ms after the fault phase began; undefined: after its end. */
export function failedAtMs(
  record: RunRecord,
  verdicts: readonly Verdict[],
  checkers: readonly string[],
): number | undefined {
  const phase = (name: string) =>
    record.history.find(({ f, value }) => f === 'phase' && value === name)?.time;
  const atNs = firstAnomaly(record, verdicts, checkers)?.atNs;
  const startNs = phase('faults');
  if (atNs === undefined || startNs === undefined || atNs > (phase('heal') ?? Infinity)) {
    return undefined;
  }
  return Math.max(0, (atNs - startNs) / 1e6);
}
