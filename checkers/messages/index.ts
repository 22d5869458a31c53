// Judges messages as producers and consumers saw them: the headline is that nothing acknowledged is lost.
// The anomalies are those that Jepsen's Kafka tests define, by their names, over the same inferred order.
import type { Checker } from '../../history/run-record.ts';
import { Findings } from '../evidence.ts';
import { judgeContents } from './contents.ts';
import { type MessageView, messageView } from './message-view.ts';
import { judgeReading } from './reading.ts';

const NAME = 'messages';
const GUARANTEE =
  'No acknowledged message is lost: every partition is one order of messages, each at an offset of its own ' +
  'that never changes, where everything acknowledged stands once and nothing refused ever; whoever reads it ' +
  'gets all of them in that order.';

/** Fewer acknowledged messages, or fewer of them read, prove nothing. */
const ACKED_MIN = 20;
const READ_MIN = 20;

/**
 * No operation both sends and polls, so nobody can read his own message before it is committed
 * (precommitted-read); and skips within one send are lawful, others' messages may stand between.
 */
export const messages: Checker = {
  name: NAME,
  guarantee: GUARANTEE,
  check(run) {
    const findings = new Findings();
    for (const name of COUNTS) findings.count(name, 0);
    const view = messageView(run);
    countMessages(view, findings);
    judgeContents(view, findings);
    judgeReading(view, findings);
    return findings.verdict(NAME, GUARANTEE, view.problem ?? thinEvidence(view, findings));
  },
};

const COUNTS = [
  'acknowledged',
  'readBack',
  'refused',
  'unknown',
  'unknownInLog',
  'partitions',
  'partitionsReadOut',
  'polls',
  'undecided',
] as const;

function countMessages(view: MessageView, findings: Findings): void {
  findings.count('partitions', view.orders.size);
  for (const key of view.orders.keys())
    if (view.readOut.has(key)) findings.count('partitionsReadOut');
  for (const { kind, op } of view.calls)
    if (kind === 'poll' && op.type === 'ok') findings.count('polls');
  for (const { op, key, values } of view.sends) {
    if (op.type === 'ok') findings.count('acknowledged', values.length);
    else if (op.type === 'fail') findings.count('refused', values.length);
    else {
      findings.count('unknown', values.length);
      const order = view.orders.get(key);
      for (const value of values) {
        if (order?.standing(value) !== undefined) findings.count('unknownInLog');
      }
    }
  }
}

function thinEvidence(view: MessageView, findings: Findings): string | undefined {
  const { acknowledged = 0, readBack = 0, undecided = 0 } = findings.evidence;
  if (acknowledged < ACKED_MIN || readBack < READ_MIN) {
    return (
      `only ${acknowledged} messages were acknowledged and ${readBack} of them read; ` +
      `${ACKED_MIN} and ${READ_MIN} are needed`
    );
  }
  for (const key of view.orders.keys()) {
    if (view.readOut.has(key)) continue;
    return `partition ${key} was not read to its end (${undecided} messages of the run are undecided by that)`;
  }
  return undefined;
}
