// What a gate's reports say alike: its colour, its counts, and how an entry is told in one line.
import type { GateEnding, GateEntry, GateRecord } from '../history/gate-record.ts';
import { EXIT } from '../history/verdict.ts';

/** Red: something is broken. Yellow: nothing was found broken, and too little was proven. */
export type GateColour = 'green' | 'yellow' | 'red' | 'interrupted';

export function gateColour({ exit }: Pick<GateRecord, 'exit'>): GateColour {
  if (exit === EXIT.valid) return 'green';
  if (exit === EXIT.interrupted) return 'interrupted';
  return exit === EXIT.unknown || exit === EXIT.threshold ? 'yellow' : 'red';
}

/** Endings in the order of their weight, with their words for one and for several. */
export const ENDINGS: readonly [GateEnding, string, string][] = [
  ['anomaly', 'anomaly', 'anomalies'],
  ['crash', 'crash of a server', 'crashes of servers'],
  ['infrastructure', 'infrastructure error', 'infrastructure errors'],
  ['threshold', 'missed threshold', 'missed thresholds'],
  ['unknown', 'undecided', 'undecided'],
  ['interrupted', 'interrupted', 'interrupted'],
  ['valid', 'valid', 'valid'],
];

/** `1 anomaly`, `3 valid`. */
export function counted(count: number, one: string, several: string): string {
  return `${count} ${count === 1 ? one : several}`;
}

/** How entries ended: `1 anomaly, 3 valid`; what never came is left out. */
export function endingsOf(entries: readonly GateEntry[]): string {
  const told = ENDINGS.flatMap(([ending, one, several]) => {
    const count = entries.filter((entry) => entry.ending === ending).length;
    return count === 0 ? [] : [counted(count, one, several)];
  });
  return told.join(', ') || 'none';
}

export function countOf({ entries }: GateRecord, ending: GateEnding): number {
  return entries.filter((entry) => entry.ending === ending).length;
}

/** Entries that ended valid or otherwise only after the infrastructure had failed them. */
export function retriedOf({ entries }: GateRecord): GateEntry[] {
  return entries.filter(({ retried }) => retried.length > 0);
}

/** Entries of the swarm that stand for draws which showed too little to be judged. */
export function redrawnOf({ entries }: GateRecord): GateEntry[] {
  return entries.filter(({ redrawn }) => redrawn.length > 0);
}

/** Kinds of anomaly in entries, with the checker that saw them: `lost-write, stale-read (register)`. */
export function anomalyKinds(entries: readonly GateEntry[]): string[] {
  const byChecker = new Map<string, Set<string>>();
  for (const { checker, outcome, kinds } of entries.flatMap(({ findings }) => findings)) {
    if (outcome !== 'invalid') continue;
    const seen = byChecker.get(checker) ?? new Set();
    byChecker.set(checker, seen);
    for (const kind of kinds) seen.add(kind);
  }
  return [...byChecker].map(([checker, kinds]) => {
    return `${[...kinds].join(', ') || 'violation'} (${checker})`;
  });
}

/** What an entry is told by: the kinds of its anomalies, else what went wrong. */
export function gist(entry: GateEntry): string {
  const kinds = anomalyKinds([entry]);
  if (kinds.length > 0) return kinds.join('; ');
  const said = entry.findings.map(({ checker, outcome, why }) => `${checker} ${outcome}: ${why}`);
  return [...entry.errors, ...said].join('; ');
}

/** All that is known of a failing entry, line by line. */
export function wholeStory(entry: GateEntry): string[] {
  const { findings, errors, retried, redrawn, reproduce, runs } = entry;
  return [
    ...findings.map(({ checker, outcome, kinds, why }) => {
      return `${checker} ${outcome}${kinds.length > 0 ? ` (${kinds.join(', ')})` : ''}: ${why}`;
    }),
    ...errors,
    ...retried.map((why, i) => `attempt ${i + 1} was failed by the infrastructure: ${why}`),
    ...redrawn.map((why) => `drawn again: ${why}`),
    ...(reproduce === '' ? [] : [`reproduce: ${reproduce}`]),
    ...runs.map((run) => `run: ${run}`),
  ];
}

/** Whether the planted bug was found, in a sentence; undefined without one. */
export function mutantSentence(record: GateRecord): string | undefined {
  const { mutant, entries } = record;
  if (mutant === undefined) return undefined;
  const red = entries.filter(({ ending }) => ending === 'anomaly');
  const kinds = anomalyKinds(red);
  const found =
    red.length === 0
      ? 'NOT found'
      : `found by ${counted(red.length, 'run', 'runs')}: ${kinds.join('; ')}`;
  return `Planted bug ${mutant.id}, ${mutant.title}: ${found}`;
}
