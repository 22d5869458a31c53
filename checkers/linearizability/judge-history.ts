// Judges a history that others recorded by the general search, one model by name. It is what
// `chaos check FILE --format … --model …` calls, so its verdict speaks of events by position.
import type { Op } from '../../history/op.ts';
import type { Anomaly, Verdict } from '../../history/verdict.ts';
import type { HistoryFormat } from './formats.ts';
import type { Model } from './model.ts';
import type { CasRegisterOptions } from './models.ts';
import { casRegister, mutex } from './models.ts';
import { eventsOf } from './prose.ts';
import type { SearchBudget, SearchResult } from './search.ts';
import { DEFAULT_BUDGET, searchByKey } from './search.ts';

export const HISTORY_MODELS = ['cas-register', 'mutex'] as const;
export type HistoryModel = (typeof HISTORY_MODELS)[number];

/** What a compare-and-set register means in each format. */
const CAS_REGISTER: Record<HistoryFormat, CasRegisterOptions> = {
  // Jepsen's etcd test: nothing written at first, a read of nil saw that, a failed cas compared.
  'jepsen-log': { initial: null, failedCas: 'observation', nilRead: 'value' },
  // Knossos: 0 at first, a nil read may have seen anything, what failed never happened.
  'jepsen-edn': { initial: 0, failedCas: 'dropped', nilRead: 'wildcard' },
};

export interface JudgeOptions {
  model: HistoryModel;
  format: HistoryFormat;
  budget?: SearchBudget;
}

/**
 * Judges operations of a parsed history. Throws on operations that the model does not know. It says
 * whether the history can be explained, however little happened in it: the evidence tells how much.
 */
export function judgeHistory(ops: readonly Op[], options: JudgeOptions): Verdict {
  const model = modelFor(options);
  const result = searchByKey(ops, model, options.budget ?? DEFAULT_BUDGET);
  const count = (type: Op['type']): number => ops.filter((op) => op.type === type).length;
  const verdict: Verdict = {
    checker: 'linearizable',
    guarantee:
      `Every operation on the ${options.model} takes effect at one instant between its invocation ` +
      'and its reply.',
    outcome: result.outcome,
    evidence: {
      ok: count('ok'),
      fail: count('fail'),
      info: count('info'),
      keys: result.byKey.size,
      configurations: result.configurations,
    },
    anomalies: [],
  };
  for (const [key, found] of result.byKey) {
    if (found.outcome === 'invalid') verdict.anomalies.push(searchAnomaly(key, found));
    else if (found.outcome === 'unknown') verdict.reason ??= `The search gave up: ${found.reason}.`;
  }
  return verdict;
}

function modelFor(options: JudgeOptions): Model {
  const semantics = CAS_REGISTER[options.format];
  if (semantics === undefined) {
    const known = Object.keys(CAS_REGISTER).join(', ');
    throw new Error(`unknown history format ${options.format}; known: ${known}`);
  }
  if (options.model === 'cas-register') return casRegister(semantics);
  if (options.model === 'mutex') return mutex();
  throw new Error(`unknown model ${options.model}; known: ${HISTORY_MODELS.join(', ')}`);
}

const NAMED_MAX = 5;

/** The search's witness as an anomaly: the operation that fits nowhere, and what stood around it. */
export function searchAnomaly(
  key: string,
  found: Extract<SearchResult, { outcome: 'invalid' }>,
): Anomaly {
  const { blocked, concurrent, prefix, state } = found;
  const reply = blocked.completion?.index ?? blocked.invoke.index;
  const others = concurrent.slice(0, NAMED_MAX).map(shortly).join(', ');
  const more = concurrent.length > NAMED_MAX ? ` and ${concurrent.length - NAMED_MAX} more` : '';
  const around =
    concurrent.length === 0 ? 'no other operation was open then' : `open then: ${others}${more}`;
  const last = prefix.at(-1);
  const anomaly: Anomaly = {
    kind: 'not-linearizable',
    why:
      `${key === '' ? '' : `On key ${key}: `}no order of the operations explains the reply of event ` +
      `${reply}, ${shortly(blocked)}. Before it an order exists, which places ${prefix.length} ` +
      `operations${last === undefined ? '' : `, the last of them ${shortly(last)},`} and ends with ` +
      `${state}; ${around}.`,
    events: eventsOf([blocked, ...concurrent.slice(0, NAMED_MAX), ...(last ? [last] : [])]),
  };
  if (key !== '') anomaly.key = key;
  return anomaly;
}

function shortly(op: Op): string {
  const value = op.completion?.value ?? op.invoke.value ?? null;
  const events = op.completion === undefined ? '' : ` to ${op.completion.index}`;
  const shown = value === null ? '' : ` ${JSON.stringify(value)}`;
  return `process ${op.process}'s ${op.f}${shown} (${op.type}, events ${op.invoke.index}${events})`;
}
