// What client operations saw of each key: which version with which zxid and value, and when. The
// rollback and session checkers compare these, so what counts as an observation is decided once.
import type { Op } from '../history/op.ts';

/** Operations that change a key, when ok. */
export const MUTATIONS: ReadonlySet<string> = new Set(['write', 'cas', 'create']);

/** Operations acknowledged with the zxid of a change of their own, of whatever path. */
const CHANGES: ReadonlySet<string> = new Set([
  ...MUTATIONS,
  'add',
  'delete',
  'multi',
  'create-sequential',
  'create-ephemeral',
]);

/** Operations after which a key's versions begin anew. */
const DELETIONS: ReadonlySet<string> = new Set(['delete']);

/** A state of a key that an ok operation made or read. */
export interface Observation {
  op: Op;
  key: string;
  mzxid: number;
  version: number | undefined;
  /** Of reads: the value. Of mutations undefined, since a plan's value may have any form. */
  value: unknown;
  isWrite: boolean;
}

/** The zxid at which an ok mutation took effect. */
export function writeZxid(op: Op): number | undefined {
  if (op.type !== 'ok' || !CHANGES.has(op.f)) return undefined;
  return op.completion?.mzxid ?? op.completion?.zxid;
}

/** What an ok read or mutation of one key shows; undefined for all else. */
export function observe(op: Op): Observation | undefined {
  const { completion, key } = op;
  if (op.type !== 'ok' || completion === undefined || key === undefined) return undefined;
  const isWrite = MUTATIONS.has(op.f);
  const mzxid = isWrite ? writeZxid(op) : op.f === 'read' ? completion.mzxid : undefined;
  if (mzxid === undefined || mzxid === 0) return undefined;
  const value = isWrite ? undefined : completion.value;
  return { op, key, mzxid, version: completion.version, value, isWrite };
}

/** Keys that some operation deleted or may have deleted: their versions are no chain. */
export function deletedKeys(ops: readonly Op[]): Set<string> {
  const keys = new Set<string>();
  for (const op of ops) {
    if (op.key !== undefined && DELETIONS.has(op.f) && op.type !== 'fail') keys.add(op.key);
  }
  return keys;
}

/** Whether two recorded values are equal, by their JSON. */
export function sameValue(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

/** `write of event 12 on n1 (zxid (1,5))`: an operation in prose. */
export function nameOp(op: Op): string {
  const node = op.completion?.node ?? op.invoke.node;
  return `${op.f} of event ${op.completion?.index ?? op.invoke.index}${node === undefined ? '' : ` on ${node}`}`;
}

/** The history events of some operations. */
export function eventsOf(...ops: readonly Op[]): number[] {
  return ops.flatMap((op) =>
    op.completion === undefined ? [op.invoke.index] : [op.invoke.index, op.completion.index],
  );
}

/**
 * Calls `visit` for each op by invocation, after `complete` for every op that returned before it. The
 * order is that of the history's lines, which one recorder wrote: it also orders equal times.
 */
export function inRealTime(
  ops: readonly Op[],
  complete: (op: Op) => void,
  visit: (op: Op) => void,
): void {
  const byReturn: { op: Op; index: number }[] = [];
  for (const op of ops) {
    if (op.completion !== undefined) byReturn.push({ op, index: op.completion.index });
  }
  byReturn.sort((a, b) => a.index - b.index);
  let next = 0;
  for (const op of [...ops].sort((a, b) => a.invoke.index - b.invoke.index)) {
    for (let first = byReturn[next]; first !== undefined; first = byReturn[++next]) {
      if (first.index > op.invoke.index) break;
      complete(first.op);
    }
    visit(op);
  }
}
