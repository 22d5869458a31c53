// Where two runs of one configuration part: the checkpoints of two runs give a window, and the lines of
// that window, recorded by two more, the first event. Who runs them is left to the caller.
import { type Checkpoint, firstDifference, type TraceOptions } from '../../simulator/index.ts';
import type { Answer } from './worker-process.ts';

/** The first event at which two runs differ, as each tells it. */
export interface Difference {
  /** Number of the event in the trace; undefined when it did not show a second time. */
  event: number | undefined;
  first: string;
  second: string;
}

interface Traced {
  checkpoints: readonly Checkpoint[];
  events: number;
  hash: string;
}

function tracedOf(answer: Answer | { lost: string }): Traced | undefined {
  if ('lost' in answer || answer.checkpoints === undefined) return undefined;
  const { result, checkpoints } = answer;
  return { checkpoints, events: result.events, hash: result.trace };
}

/** The first pair of lines that differ; undefined when none do. */
export function firstDifferingLine(
  first: readonly string[],
  second: readonly string[],
): { at: number; first: string; second: string } | undefined {
  for (let at = 0; at < Math.max(first.length, second.length); at++) {
    if (first[at] === second[at]) continue;
    return { at, first: first[at] ?? '(nothing)', second: second[at] ?? '(nothing)' };
  }
  return undefined;
}

/** Runs it up to four times more to name the first event at which its runs differ. */
export async function differenceOf(
  traces: readonly [string, string],
  run: (trace: TraceOptions) => Promise<Answer | { lost: string }>,
): Promise<Difference> {
  const notAgain = (second: string): Difference => {
    return { event: undefined, first: `traces ${traces.join(' and ')}`, second };
  };
  const [a, b] = [tracedOf(await run({})), tracedOf(await run({}))];
  if (a === undefined || b === undefined) return notAgain('a repetition did not end');
  const window = firstDifference(a, b);
  if (window === undefined) return notAgain('two repetitions were alike');
  const lines: (readonly string[])[] = [];
  for (let i = 0; i < 2; i++) {
    const answer = await run({ record: window });
    if ('lost' in answer) return notAgain(answer.lost);
    lines.push(answer.recorded ?? []);
  }
  const found = firstDifferingLine(lines[0] ?? [], lines[1] ?? []);
  if (found === undefined) {
    return notAgain(`they part between events ${window.from} and ${window.to}`);
  }
  return { event: window.from + found.at, first: found.first, second: found.second };
}
