// The general linearizability checker: Wing and Gong's search with Lowe's memo, for any model. It
// decides what no near-linear algorithm can, and judges those algorithms in the tests.
//
// Four things make it fast, all exact (names as in the literature; the last two are proved below):
// - P-compositionality (Horn & Kroening, arXiv 1504.00204): keys are searched one by one.
// - The memo key is windowed: first open call, state, and the bits up to the highest placed call.
// - Pure-call closure: a call that is possible now and never changes the state is placed at once.
//   Any completion stays one when such a call is moved to its front.
// - Lazy unanswered calls: one is placed only directly before a call that would not be possible, or
//   would lead elsewhere, without it. Take a completion with the fewest unanswered calls: if the
//   call after one of them led to the same state without it, it could be left out. Calls of the same
//   effect are taken in order of invocation, since the earlier is possible wherever the later is.
import { performance } from 'node:perf_hooks';
import type { Op } from '../../history/op.ts';
import type { Model } from './model.ts';
import { Search } from './search-run.ts';
import { opsByKey } from './sweep.ts';

/** When a search gives up. */
export interface SearchBudget {
  configurations: number;
  timeMs: number;
  memoryBytes: number;
}

export const DEFAULT_BUDGET: SearchBudget = {
  configurations: 20_000_000,
  timeMs: 60_000,
  memoryBytes: 1 << 30,
};

export type SearchResult =
  /** `order`: the operations in an order that explains every outcome. */
  | { outcome: 'valid'; order: Op[]; configurations: number }
  | {
      outcome: 'invalid';
      configurations: number;
      /** A linearization of the longest prefix of the history that has one. */
      prefix: Op[];
      /** The operation whose reply ends that prefix: no order explains it. */
      blocked: Op;
      /** Other operations open at that reply and not placed in `prefix`. */
      concurrent: Op[];
      /** The state after `prefix`, in words. */
      state: string;
    }
  | { outcome: 'unknown'; reason: string; configurations: number };

/** Searches one object's history for a linearization. */
export function search(
  ops: readonly Op[],
  model: Model,
  budget: SearchBudget = DEFAULT_BUDGET,
): SearchResult {
  return new Search(model.compile(ops), budget).run();
}

/** A search of every key by itself, and what became of each. */
export interface KeyedSearchResult {
  outcome: 'valid' | 'invalid' | 'unknown';
  byKey: Map<string, SearchResult>;
  configurations: number;
}

/** Searches every key by itself; the budget's time and configurations are for all together. */
export function searchByKey(
  ops: readonly Op[],
  model: Model,
  budget: SearchBudget = DEFAULT_BUDGET,
): KeyedSearchResult {
  const byKey = new Map<string, SearchResult>();
  const deadline = performance.now() + budget.timeMs;
  let configurations = 0;
  for (const [key, own] of opsByKey(ops)) {
    const result = search(own, model, {
      configurations: budget.configurations - configurations,
      timeMs: deadline - performance.now(),
      memoryBytes: budget.memoryBytes,
    });
    configurations += result.configurations;
    byKey.set(key, result);
  }
  const outcomes = [...byKey.values()].map((result) => result.outcome);
  const undecided = outcomes.includes('unknown') ? 'unknown' : 'valid';
  return { outcome: outcomes.includes('invalid') ? 'invalid' : undecided, byKey, configurations };
}
