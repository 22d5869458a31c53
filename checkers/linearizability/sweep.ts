// The whole sweep over a run of the `register` workload: every key by itself, then all keys by zxid.
// It gathers what both parts found and keeps the list of anomalies short enough to read.
import type { Op } from '../../history/op.ts';
import type { Anomaly } from '../../history/verdict.ts';
import { sweepKey } from './version-order.ts';
import { checkZxidOrder } from './zxid-order.ts';

const ANOMALIES_PER_KEY_MAX = 10;
const ANOMALIES_MAX = 100;
const PROBLEMS_MAX = 10;

export interface SweepResult {
  /** At most 100, at most 10 of one key. */
  anomalies: Anomaly[];
  /** How many there are in all. */
  contradictions: number;
  /** What the record lacks; keys concerned were not judged. At most 10. */
  problems: string[];
  keys: number;
  pairs: number;
}

/** The operations of each key, in order of invocation. Operations without a key share one. */
export function opsByKey(ops: readonly Op[]): Map<string, Op[]> {
  const keys = new Map<string, Op[]>();
  for (const op of ops) {
    const key = op.key ?? '';
    const own = keys.get(key);
    if (own === undefined) keys.set(key, [op]);
    else own.push(op);
  }
  return keys;
}

/** Sweeps all keys of the register workload. O(n log n). */
export function sweepVersionOrder(ops: readonly Op[]): SweepResult {
  const result: SweepResult = { anomalies: [], contradictions: 0, problems: [], keys: 0, pairs: 0 };
  const effectZxids = new Map<Op, number>();
  const blamed = new Set<number>();
  for (const own of opsByKey(ops).values()) {
    const sweep = sweepKey(own);
    result.keys++;
    result.pairs += sweep.pairs;
    result.contradictions += sweep.anomalies.length;
    for (const [op, zxid] of sweep.effectZxids) effectZxids.set(op, zxid);
    for (const found of sweep.anomalies) for (const index of found.events) blamed.add(index);
    result.anomalies.push(...sweep.anomalies.slice(0, ANOMALIES_PER_KEY_MAX));
    result.problems.push(...sweep.problems);
  }
  const order = checkZxidOrder(ops, effectZxids);
  result.pairs += order.pairs;
  // What a key's own sweep named already would only be said twice.
  const further = order.anomalies.filter((found) => !found.events.every((i) => blamed.has(i)));
  result.contradictions += further.length;
  result.anomalies = [...result.anomalies, ...further].slice(0, ANOMALIES_MAX);
  result.problems = result.problems.slice(0, PROBLEMS_MAX);
  return result;
}
