// A run's messages, gathered once: who sent each, where it stands, who read what in which order. The
// judges of loss, of order and of groups all start from this.

import { type MessageCall, messageCall, type SendCall } from '../../history/message-call.ts';
import type { Message } from '../../history/messages.ts';
import type { Op } from '../../history/op.ts';
import type { RunRecord } from '../../history/run-record.ts';
import { KeyOrder, type Standing } from './version-order.ts';

export interface MessageView {
  /** Every operation that says something, by invocation. */
  calls: Exclude<MessageCall, { kind: 'silent' | 'malformed' }>[];
  sends: SendCall[];
  /** Who sent a value. */
  writers: ReadonlyMap<Message, SendCall>;
  orders: ReadonlyMap<string, KeyOrder>;
  /** Partitions of which the last `ends` was reached by a poll, or has nothing before it. */
  readOut: ReadonlySet<string>;
  /** Why nothing can be concluded: an operation without what it must carry. */
  problem: string | undefined;
}

/** Gathers a run. Linear in its operations and messages, save one sort of each partition's offsets. */
export function messageView(run: RunRecord): MessageView {
  const view: MessageView = {
    calls: [],
    sends: [],
    writers: new Map(),
    orders: new Map(),
    readOut: new Set(),
    problem: undefined,
  };
  const writers = new Map<Message, SendCall>();
  for (const op of run.ops) {
    const call = messageCall(op);
    if (call.kind === 'malformed') view.problem ??= call.why;
    else if (call.kind !== 'silent') view.calls.push(call);
    if (call.kind !== 'send') continue;
    view.sends.push(call);
    for (const value of call.values) {
      const other = writers.get(value);
      if (other !== undefined) {
        view.problem ??=
          `value ${value} was sent by events ${other.op.invoke.index} and ${op.invoke.index}; ` +
          `values of a run are unique`;
      }
      writers.set(value, call);
    }
  }
  view.writers = writers;
  view.orders = ordersOf(view.calls);
  view.readOut = readOutKeys(view);
  return view;
}

/** All polls tell of the order, however they ended: what they got was shown to a consumer. */
function ordersOf(calls: MessageView['calls']): Map<string, KeyOrder> {
  const orders = new Map<string, KeyOrder>();
  const orderOf = (key: string): KeyOrder => {
    let order = orders.get(key);
    if (order === undefined) {
      order = new KeyOrder(key);
      orders.set(key, order);
    }
    return order;
  };
  for (const call of calls) {
    if (call.kind === 'send') {
      const order = orderOf(call.key);
      for (const [offset, value] of call.placed) order.place(offset, value, call.op, false);
    } else if (call.kind === 'poll') {
      const reads = call.op.type === 'ok';
      for (const [key, records] of Object.entries(call.records)) {
        const order = orderOf(key);
        for (const [offset, value] of records) order.place(offset, value, call.op, reads);
      }
    }
  }
  for (const order of orders.values()) order.seal();
  return orders;
}

function readOutKeys(view: MessageView): Set<string> {
  const ends = new Map<string, number>();
  for (const call of view.calls) {
    if (call.kind !== 'ends') continue;
    for (const [key, end] of Object.entries(call.ends)) ends.set(key, end);
  }
  const readOut = new Set<string>();
  for (const [key, end] of ends) {
    const reached = (view.orders.get(key)?.readUpTo?.offset ?? -1) + 1;
    if (reached >= end) readOut.add(key);
  }
  return readOut;
}

/** Whether an operation's messages must be in the log: acknowledged, or seen by an ok poll. */
export function mustBeIn(view: MessageView, send: SendCall): boolean {
  if (send.op.type === 'ok') return true;
  if (send.op.type === 'fail') return false;
  const order = view.orders.get(send.key);
  return send.values.some((value) => order?.standing(value)?.reader !== undefined);
}

/** The operations that told of a value: its writer, who placed it, who read it. */
export function tellersOf(view: MessageView, value: Message, standing: Standing | undefined): Op[] {
  const ops = new Set<Op>();
  const writer = view.writers.get(value)?.op;
  if (writer !== undefined) ops.add(writer);
  if (standing !== undefined) ops.add(standing.first.op).add(standing.last.op);
  if (standing?.reader !== undefined) ops.add(standing.reader);
  return [...ops];
}
