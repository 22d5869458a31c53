// What has to serve again after a heal, each thing by its own operations: a coordinator as a whole, of brokers every
// partition and every consumer group. Whoever lives will answer what concerns none of those that are stuck.
import type { SubscribeValue } from '../history/messages.ts';
import type { Op } from '../history/op.ts';
import type { RunRecord } from '../history/run-record.ts';
import { upperBound } from './evidence.ts';

/** Answers "when did the first success come among those invoked at or after t" in O(log n). */
export class FirstSuccess {
  readonly #invoked: number[];
  /** Earliest return among the ops from each index on. */
  readonly #earliest: number[];

  constructor(ops: readonly Op[]) {
    const ok = ops.filter((op) => op.type === 'ok').sort((a, b) => a.invokeTime - b.invokeTime);
    this.#invoked = ok.map((op) => op.invokeTime);
    this.#earliest = new Array<number>(ok.length);
    let earliest = Number.POSITIVE_INFINITY;
    for (let i = ok.length - 1; i >= 0; i--) {
      earliest = Math.min(earliest, (ok[i] as Op).returnTime);
      this.#earliest[i] = earliest;
    }
  }

  /** ns since run start, or undefined. Times are integers, so "at or after t" is "above t − 1". */
  after(t: number): number | undefined {
    return this.#earliest[upperBound(this.#invoked, t - 1)];
  }
}

/** What has to serve again after a heal, by its operations. */
export interface Subject {
  /** In prose, after `operation`: empty, or which of them. */
  of: string;
  ops: readonly Op[];
  answered: FirstSuccess;
}

/** A coordinator serves or does not; a partition by sends; a group by polls, which end ok for a member alone. */
export function subjectsOf(run: RunRecord): Subject[] {
  const subject = (of: string, ops: readonly Op[]): Subject => {
    return { of, ops, answered: new FirstSuccess(ops) };
  };
  if ((run.brokerEvents?.length ?? 0) === 0) return [subject('', run.ops)];
  const sends = run.ops.filter(({ f }) => f === 'send');
  const byKey = Map.groupBy(sends, ({ key = '' }) => key);
  if (byKey.size === 0) return [subject('', run.ops)];
  const partitions = [...byKey].map(([key, ops]) => subject(` on ${key}`, ops));
  const groups = [...pollsByGroup(run.ops)].map(([group, ops]) =>
    subject(` of a member of group ${group}`, ops),
  );
  return [...partitions, ...groups];
}

/** The polls of processes that were subscribed in a group when they began them. */
function pollsByGroup(ops: readonly Op[]): Map<string, Op[]> {
  const polls = new Map<string, Op[]>();
  const groupOf = new Map<number, string>();
  for (const op of ops) {
    const { f, process, type } = op;
    if (f === 'subscribe' && type === 'ok') {
      const { group } = (op.invoke.value ?? {}) as Partial<SubscribeValue>;
      if (group !== undefined) groupOf.set(process, group);
    } else if (f === 'assign' || f === 'leave') groupOf.delete(process);
    if (f !== 'poll') continue;
    const group = groupOf.get(process);
    if (group === undefined) continue;
    const known = polls.get(group);
    if (known === undefined) polls.set(group, [op]);
    else known.push(op);
  }
  return polls;
}
