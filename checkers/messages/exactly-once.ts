// Judges idempotent producers: however often a batch was sent, its messages stand in the log once if it was
// acknowledged, at most once if nobody knows, and never if it was refused (I-P1, as clients see it).

import type { SendCall } from '../../history/message-call.ts';
import type { Checker } from '../../history/run-record.ts';
import { Findings } from '../evidence.ts';
import { eventsOf, nameOp } from '../observations.ts';
import { type MessageView, messageView, tellersOf } from './message-view.ts';

const NAME = 'exactly-once';
const GUARANTEE =
  'A message sent by an idempotent producer stands in its partition exactly once when it was acknowledged, ' +
  'also if its batch was sent several times, at most once when its outcome is unknown, and never when it was refused.';

/** Batches that were sent more than once and acknowledged; fewer prove nothing. */
const RESENT_MIN = 5;
const ACKED_MIN = 20;

export const exactlyOnce: Checker = {
  name: NAME,
  guarantee: GUARANTEE,
  check(run) {
    const findings = new Findings();
    for (const name of ['acknowledgedOnce', 'unknownOnce', 'unknownNever', 'resent', 'undecided']) {
      findings.count(name, 0);
    }
    const view = messageView(run);
    for (const send of view.sends) judge(view, send, findings);
    return findings.verdict(NAME, GUARANTEE, view.problem ?? thinEvidence(view, findings));
  },
};

function judge(view: MessageView, send: SendCall, findings: Findings): void {
  const { op, key, values, attempts } = send;
  if (op.type === 'ok' && attempts > 1) findings.count('resent');
  const order = view.orders.get(key);
  for (const value of values) {
    const standing = order?.standing(value);
    // An acknowledgement alone says where a message should be; a poll says that it is there.
    const there =
      standing?.reader === undefined ? Math.max(0, (standing?.places ?? 0) - 1) : standing.places;
    const wrong =
      there > 1 ||
      (there > 0 && op.type === 'fail') ||
      (there === 0 && op.type === 'ok' && view.readOut.has(key));
    if (wrong) {
      const times = there === 0 ? 'never' : there === 1 ? 'once' : `${there} times`;
      const sent = attempts > 1 ? `sent ${attempts} times` : 'sent';
      findings.add({
        kind: there > 1 ? 'duplicate' : there === 0 ? 'lost-write' : 'G1a',
        why: `Value ${value}, ${sent} by the ${nameOp(op)} with outcome ${op.type}, stands ${times} in ${key}.`,
        events: eventsOf(...tellersOf(view, value, standing)),
        key,
      });
    } else if (op.type === 'ok') findings.count(there === 1 ? 'acknowledgedOnce' : 'undecided');
    else if (op.type === 'info') findings.count(there === 1 ? 'unknownOnce' : 'unknownNever');
  }
}

function thinEvidence(view: MessageView, findings: Findings): string | undefined {
  const { acknowledgedOnce = 0, resent = 0 } = findings.evidence;
  if (acknowledgedOnce < ACKED_MIN || resent < RESENT_MIN) {
    return (
      `only ${acknowledgedOnce} messages were acknowledged and read, and ${resent} batches sent again; ` +
      `${ACKED_MIN} and ${RESENT_MIN} are needed`
    );
  }
  for (const key of view.orders.keys()) {
    if (!view.readOut.has(key)) return `partition ${key} was not read to its end`;
  }
  return undefined;
}
