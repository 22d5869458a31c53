// Operations and contradictions in words, for people who read a verdict without the code beside them.
// One place, so that the same operation is called the same in every anomaly.
import type { Op } from '../../history/op.ts';
import type { Anomaly } from '../../history/verdict.ts';
import { attemptedValue, registerCall } from './register-op.ts';

/** ns since run start → `12.345 s`. */
export function seconds(timeNs: number): string {
  return `${(timeNs / 1e9).toFixed(3)} s`;
}

/** A zxid as ZooKeeper's tools print it. */
export function hex(zxid: number): string {
  return `0x${zxid.toString(16)}`;
}

/** `process 4's read of value 17 (version 3, zxid 0x100000012)`. */
export function describeOp(op: Op): string {
  const call = registerCall(op);
  const who = `process ${op.process}'s`;
  if (call.kind === 'read') {
    return `${who} read of value ${call.value} (version ${call.version}, mzxid ${hex(call.mzxid)})`;
  }
  if (call.kind === 'effect') {
    const what =
      call.f === 'cas' ? `compare-and-set of version ${call.expected} to` : `${call.f} of`;
    const reply = call.reply;
    const where = reply ? `version ${reply.version}, zxid ${hex(reply.mzxid)}` : 'no reply';
    return `${who} ${what} ${call.value} (${where})`;
  }
  const what = op.f === 'cas' ? 'compare-and-set' : op.f;
  const value = attemptedValue(op);
  const outcome =
    op.type === 'fail' ? `failed with ${op.completion?.error ?? 'no error'}` : 'no reply';
  const named = call.kind === 'observation' && call.expected !== undefined;
  const subject = named
    ? ` naming version ${call.expected}`
    : value === undefined
      ? ''
      : ` of ${value}`;
  const where = op.completion?.zxid === undefined ? '' : ` at zxid ${hex(op.completion.zxid)}`;
  return `${who} ${what}${subject} (${outcome}${where})`;
}

/** The indexes of an operation's events, ascending over all the operations, each once. */
export function eventsOf(ops: readonly Op[]): number[] {
  const indexes = new Set<number>();
  for (const op of ops) {
    indexes.add(op.invoke.index);
    if (op.completion !== undefined) indexes.add(op.completion.index);
  }
  return [...indexes].sort((a, b) => a - b);
}

/** Builds an anomaly about operations; the sentence gets a capital and names the key. */
export function anomaly(kind: string, why: string, ops: readonly Op[]): Anomaly {
  const key = ops[0]?.key;
  const sentence = why.charAt(0).toUpperCase() + why.slice(1);
  const found: Anomaly = {
    kind,
    why: key === undefined ? sentence : `On key ${key}: ${why}`,
    events: eventsOf(ops),
  };
  if (key !== undefined) found.key = key;
  return found;
}
