// The order in which processes meet a partition's messages: polls go forward without leaving any out, and
// sends land behind what was acknowledged before. Ranks, not offsets, are compared: gaps are lawful.

import type { AssignCall, PollCall, SendCall, SubscribeCall } from '../../history/message-call.ts';
import { topicOf } from '../../history/messages.ts';
import type { Op } from '../../history/op.ts';
import type { Findings } from '../evidence.ts';
import { eventsOf, inRealTime, nameOp } from '../observations.ts';
import type { MessageView } from './message-view.ts';
import type { KeyOrder } from './version-order.ts';

/** What one process did last, by partition. */
interface Process {
  /** Whether a group decides what it reads: others may then read on where it stopped. */
  subscribed: boolean;
  read: Map<string, { offset: number; op: Op }>;
  sent: Map<string, { offset: number; op: Op }>;
}

/** All rules about the order that one process sees, and about sends in real time. */
export function judgeReading(view: MessageView, findings: Findings): void {
  const processes = new Map<number, Process>();
  for (const call of view.calls) {
    const { process: number } = call.op;
    let process = processes.get(number);
    if (process === undefined) {
      process = { subscribed: false, read: new Map(), sent: new Map() };
      processes.set(number, process);
    }
    if (call.kind === 'poll') poll(view, process, call, findings);
    else if (call.kind === 'assign') assign(process, call);
    else if (call.kind === 'subscribe') subscribe(process, call);
    else if (call.kind === 'send') send(view, process, call, findings);
  }
  sendsInTime(view, findings);
}

/** What is still read goes on where it was; the rest begins anew when it comes back. */
function assign(process: Process, { op, keys, from }: AssignCall): void {
  process.subscribed = false;
  if (op.type !== 'ok' || from === 'beginning') {
    process.read.clear();
    return;
  }
  for (const key of process.read.keys()) if (!keys.includes(key)) process.read.delete(key);
}

function subscribe(process: Process, { topics }: SubscribeCall): void {
  process.subscribed = true;
  for (const key of process.read.keys()) {
    if (!topics.includes(topicOf(key))) process.read.delete(key);
  }
}

function poll(view: MessageView, process: Process, call: PollCall, findings: Findings): void {
  const moved = new Set<string>();
  for (const { assigned, revoked } of call.rebalanced) {
    for (const key of [...assigned, ...revoked]) moved.add(key);
  }
  for (const key of moved) process.read.delete(key);
  for (const [key, records] of Object.entries(call.records)) {
    const order = view.orders.get(key);
    const first = records[0];
    const last = records.at(-1);
    if (order === undefined || first === undefined || last === undefined) continue;
    if (!moved.has(key)) {
      let before: number | undefined;
      for (const [offset] of records) {
        if (before !== undefined) within(order, before, offset, call.op, findings);
        before = offset;
      }
    }
    if (call.op.type !== 'ok') continue;
    findings.count('pollsWithMessages');
    const previous = process.read.get(key);
    if (previous !== undefined) between(order, process, previous, first[0], call.op, findings);
    process.read.set(key, { offset: last[0], op: call.op });
  }
}

/** How many known messages `to` is behind `from`: 1 is the next one. */
function step(order: KeyOrder, from: number, to: number): number {
  const a = order.at(from)?.rank;
  const b = order.at(to)?.rank;
  return a === undefined || b === undefined ? 1 : b - a;
}

/** Prose of what was left out or came again between two offsets. */
function describeStep(order: KeyOrder, from: number, to: number): string {
  const next = order.places[(order.at(from)?.rank ?? 0) + 1];
  const skipped = step(order, from, to) - 1;
  if (skipped < 1 || next === undefined) return `offset ${to} does not come after offset ${from}`;
  return (
    `${skipped} known message${skipped === 1 ? '' : 's'} between offsets ${from} and ${to} ` +
    `${skipped === 1 ? 'was' : 'were'} left out, first ${next.value} at offset ${next.offset} ` +
    `(the ${nameOp(next.op)})`
  );
}

function within(order: KeyOrder, from: number, to: number, op: Op, findings: Findings): void {
  const delta = step(order, from, to);
  if (delta === 1) return;
  findings.add({
    kind: delta > 1 ? 'int-poll-skip' : 'int-nonmonotonic-poll',
    why: `In what the ${nameOp(op)} returned of ${order.key}, ${describeStep(order, from, to)}.`,
    events: eventsOf(op),
    key: order.key,
  });
}

function between(
  order: KeyOrder,
  process: Process,
  previous: { offset: number; op: Op },
  to: number,
  op: Op,
  findings: Findings,
): void {
  const delta = step(order, previous.offset, to);
  findings.count('pollPairs');
  if (delta === 1) return;
  const kind = delta > 1 ? 'poll-skip' : 'nonmonotonic-poll';
  if (process.subscribed) {
    // Between two polls of a group's member another member may have had the partition.
    findings.count(`allowed.${kind}`);
    return;
  }
  findings.add({
    kind,
    why:
      `Process ${op.process} read ${order.key} by the ${nameOp(previous.op)} and then by the ${nameOp(op)}, ` +
      `where ${describeStep(order, previous.offset, to)}.`,
    events: eventsOf(previous.op, op),
    key: order.key,
  });
}

function send(view: MessageView, process: Process, call: SendCall, findings: Findings): void {
  const order = view.orders.get(call.key);
  const first = call.placed[0];
  const last = call.placed.at(-1);
  if (order === undefined || first === undefined || last === undefined) return;
  let before: number | undefined;
  for (const [offset, value] of call.placed) {
    const delta = before === undefined ? 1 : step(order, before, offset);
    if (delta < 1) {
      findings.add({
        kind: 'int-nonmonotonic-send',
        why: `The ${nameOp(call.op)} got offset ${offset} of ${call.key} for ${value}, which it sent after what got ${before}.`,
        events: eventsOf(call.op),
        key: call.key,
      });
    } else if (delta > 1) findings.count('allowed.int-send-skip');
    before = offset;
  }
  const previous = process.sent.get(call.key);
  if (previous !== undefined) {
    findings.count('sendPairs');
    if (step(order, previous.offset, first[0]) < 1) {
      findings.add({
        kind: 'nonmonotonic-send',
        why:
          `Process ${call.op.process} got offset ${first[0]} of ${call.key} by the ${nameOp(call.op)} after ` +
          `${previous.offset} by the ${nameOp(previous.op)}; a later message stands behind an earlier one.`,
        events: eventsOf(previous.op, call.op),
        key: call.key,
      });
    }
  }
  process.sent.set(call.key, { offset: last[0], op: call.op });
}

/** Whoever began to send after another had his offset gets a higher one, whichever process he is. */
function sendsInTime(view: MessageView, findings: Findings): void {
  const calls = new Map<Op, SendCall>();
  for (const call of view.sends) if (call.placed.length > 0) calls.set(call.op, call);
  const highest = new Map<string, { offset: number; op: Op }>();
  const complete = (op: Op): void => {
    const { key, placed } = calls.get(op) as SendCall;
    const offset = placed.at(-1)?.[0] ?? -1;
    const known = highest.get(key);
    if (known === undefined || offset > known.offset) highest.set(key, { offset, op });
  };
  inRealTime([...calls.keys()], complete, (op) => {
    const { key, placed } = calls.get(op) as SendCall;
    const before = highest.get(key);
    const offset = placed[0]?.[0] ?? 0;
    if (before === undefined || offset > before.offset) return;
    // Of one process the rule has its own name, and equal offsets have theirs.
    if (before.op.process === op.process || offset === before.offset) return;
    findings.add({
      kind: 'send-behind-time',
      why:
        `The ${nameOp(op)} got offset ${offset} of ${key} although it began after the ${nameOp(before.op)} ` +
        `had been acknowledged with offset ${before.offset}.`,
      events: eventsOf(before.op, op),
      key,
    });
  });
}
