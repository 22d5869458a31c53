// What is in a partition: nothing acknowledged is missing, nothing is there twice, and nothing that was
// refused or never sent. The order comes from messages/version-order; this file only compares.

import type { SendCall } from '../../history/message-call.ts';
import type { Message } from '../../history/messages.ts';
import type { Findings } from '../evidence.ts';
import { eventsOf, nameOp } from '../observations.ts';
import { type MessageView, mustBeIn, tellersOf } from './message-view.ts';
import type { KeyOrder } from './version-order.ts';

/** All rules about what a partition holds. */
export function judgeContents(view: MessageView, findings: Findings): void {
  for (const order of view.orders.values()) {
    conflicts(view, order, findings);
    for (const [value, standing] of order.standings) {
      if (standing.places > 1) duplicate(view, order, value, findings);
      origin(view, order, value, findings);
    }
  }
  for (const send of view.sends) missing(view, send, findings);
}

/** One offset, one message. */
function conflicts(view: MessageView, order: KeyOrder, findings: Findings): void {
  for (const place of order.places) {
    for (const other of place.others ?? []) {
      const writers = [place.value, other.value].flatMap((value) => view.writers.get(value) ?? []);
      findings.add({
        kind: 'inconsistent-offsets',
        why:
          `Offset ${place.offset} of ${order.key} holds ${place.value} by the ${nameOp(place.op)}, but ` +
          `${other.value} by the ${nameOp(other.op)}; what stands at an offset never changes.`,
        events: eventsOf(...new Set([place.op, other.op, ...writers.map(({ op }) => op)])),
        key: order.key,
      });
    }
  }
}

function duplicate(view: MessageView, order: KeyOrder, value: Message, findings: Findings): void {
  const standing = order.standing(value);
  if (standing === undefined) return;
  const { first, last, places } = standing;
  findings.add({
    kind: 'duplicate',
    why:
      `Value ${value} stands at ${places} offsets of ${order.key}, among them ${first.offset} (the ` +
      `${nameOp(first.op)}) and ${last.offset} (the ${nameOp(last.op)}), but it was sent once.`,
    events: eventsOf(...tellersOf(view, value, standing)),
    key: order.key,
  });
}

/** What is in a partition was sent to it, and not refused. */
function origin(view: MessageView, order: KeyOrder, value: Message, findings: Findings): void {
  const standing = order.standing(value);
  if (standing === undefined) return;
  const writer = view.writers.get(value);
  const where = `offset ${standing.first.offset} of ${order.key}`;
  const teller = nameOp(standing.first.op);
  if (writer === undefined) {
    findings.add({
      kind: 'unwritten-read',
      why: `The ${teller} shows ${JSON.stringify(value)} at ${where}, which nobody ever sent.`,
      events: eventsOf(standing.first.op),
      key: order.key,
    });
  } else if (writer.key !== order.key) {
    findings.add({
      kind: 'misplaced',
      why: `The ${teller} shows ${value} at ${where}, but the ${nameOp(writer.op)} sent it to ${writer.key}.`,
      events: eventsOf(writer.op, standing.first.op),
      key: order.key,
    });
  } else if (writer.op.type === 'fail') {
    findings.add({
      kind: 'G1a',
      why:
        `The ${teller} shows ${value} at ${where}, but the ${nameOp(writer.op)} that sent it was refused ` +
        `(${writer.op.completion?.error ?? 'no reason given'}); a refused message never shows.`,
      events: eventsOf(writer.op, standing.first.op),
      key: order.key,
    });
  }
}

/**
 * An acknowledged message that no ok poll returned: lost where a poll returned one behind it, unseen where
 * the partition was read to its end, and not decided otherwise.
 */
function missing(view: MessageView, send: SendCall, findings: Findings): void {
  if (!mustBeIn(view, send)) return;
  const order = view.orders.get(send.key);
  const bound = order === undefined ? undefined : boundOf(order);
  for (const value of send.values) {
    const standing = order?.standing(value);
    if (standing?.reader !== undefined) {
      findings.count('readBack');
      continue;
    }
    const place = standing?.last;
    const sent = `Value ${value}, sent by the ${nameOp(send.op)} to ${send.key}`;
    const at = place === undefined ? '' : ` and acknowledged at offset ${place.offset}`;
    if (place !== undefined && bound !== undefined && place.offset <= bound.offset) {
      const reader = order?.standing(bound.value)?.reader;
      findings.add({
        kind: 'lost-write',
        why:
          `${sent}${at}, was returned by no poll, though polls read on to offset ${bound.offset} ` +
          `(value ${bound.value}${reader === undefined ? '' : `, the ${nameOp(reader)}`}).`,
        events: eventsOf(send.op, ...(reader === undefined ? [] : [reader])),
        key: send.key,
      });
    } else if (view.readOut.has(send.key)) {
      findings.add({
        kind: 'unseen',
        why: `${sent}${at}, was returned by no poll, though in the end the partition was read to its end.`,
        events: eventsOf(send.op),
        key: send.key,
      });
    } else findings.count('undecided');
  }
}

const bounds = new WeakMap<KeyOrder, { offset: number; value: Message }>();

/** The highest offset read, found once for each partition. */
function boundOf(order: KeyOrder): { offset: number; value: Message } | undefined {
  const known = bounds.get(order);
  if (known !== undefined) return known;
  const bound = order.readUpTo;
  if (bound !== undefined) bounds.set(order, bound);
  return bound;
}
